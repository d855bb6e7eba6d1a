"""Tests of what scripts/scorecard makes of measurements: ratios, verdicts, marked figures of a document.

    scorecard.py DIRECTORY      of the modules, bench/scorecard
"""

import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv.pop())

import card  # noqa: E402
import judging  # noqa: E402
import merging  # noqa: E402
import readme  # noqa: E402


def measured(contender, ns, compared="growing", size=100, **numbers):
    return judging.Measurement(compared, size, contender, ns, numbers)


class Judging(unittest.TestCase):
    def test_lines_of_the_programs(self):
        one, two = judging.parse(['{"compared": "growing", "size": 100, "contender": "a", "ns": [3, 1, 2], "bytes": 24}', "",
                                  '{"compared": "growing", "size": 100, "contender": "b", "ns": [], "not_run": "no b"}'])
        self.assertEqual((one.median, one.number("bytes"), one.size), (2, 24, 100))
        found = judging.Measurements([one, two])
        self.assertIs(found.get("growing", 100, "a"), one)
        with self.assertRaisesRegex(judging.NotRun, "no b"):
            found.get("growing", 100, "b")
        with self.assertRaisesRegex(judging.NotRun, "c was not measured"):
            found.get("growing", 100, "c")
        with self.assertRaises(judging.NotRun):
            found.largest("pre-sized")

    def test_ratios_are_of_one_round(self):
        # The machine was twice as slow in the second round; a ratio of medians would not be 2.
        self.assertEqual(judging.ratios(measured("a", [20, 40, 22]), measured("b", [10, 20, 11])), [2, 2, 2])
        self.assertEqual(judging.ratios(measured("a", [5]), measured("b", [3]), measured("nothing", [1])), [2])
        with self.assertRaises(judging.NotRun):
            judging.ratios(measured("a", []), measured("b", []))

    def test_bars(self):
        figure = judging.Figure("sets", "x", "x", judging.at_least(2), judging.at_least(3), value=2.0)
        self.assertEqual((figure.verdict, figure.aim_verdict), ("met", "missed"))
        figure.value = 1.99
        self.assertEqual(figure.verdict, "missed")
        figure.required = judging.at_most(1.99)
        self.assertEqual(figure.verdict, "met")
        figure.not_run = "no peer"
        self.assertEqual((figure.verdict, figure.aim_verdict), ("not run: no peer", ""))

    def test_a_benchmark_must_notice(self):
        ours = measured("ours", [10])
        self.assertEqual(judging.notices(measured("nothing", [1]), ours, measured("plant", [20])), [])
        self.assertIn("1.10 times", judging.notices(None, ours, measured("plant", [11]))[0])
        self.assertIn("doing nothing", judging.notices(measured("nothing", [9]), ours, None)[0])

    def test_the_fastest_peer_counts(self):
        found = judging.Measurements([measured("slow", [9]), measured("fast", [5]), measured("nothing", [1]),
                                      measured("ours", [4])])
        row = card.Row()
        figure = row.figure("x", "x", row.times_as_fast(found, "growing", 100, "ours", ["slow", "fast", "gone"]),
                            judging.at_least(1.2))
        self.assertEqual((figure.value, figure.verdict, figure.peer), (1.25, "met", "fast: 5 ns"))
        figure = row.figure("x", "x", row.times_as_fast(found, "growing", 100, "ours", ["gone", "off"]))
        self.assertEqual(figure.verdict, "not run: gone or off was not measured")
        found.all.append(judging.Measurement("growing", 100, "off", [], {}, "needs a directory"))
        figure = row.figure("x", "x", row.times_as_fast(found, "growing", 100, "ours", ["gone", "off"]))
        self.assertEqual(figure.verdict, "not run: off needs a directory")
        figure = row.figure("x", "x", row.times_as_fast(found, "growing", 100, "ours", ["slow", "off"]))
        self.assertEqual((figure.value, figure.notes), (2.25, ["not beside off needs a directory"]))
        figure = row.figure("x", "x", row.times_as_long(found, "growing", 100, "ours", "fast"), judging.at_most(0.8))
        self.assertEqual((figure.value, figure.verdict), (0.8, "met"))

    def test_a_run_without_measurements_says_so_in_every_row(self):
        for row in card.ROWS:
            for figure in row.figures(judging.Measurements(), card.QUICK):
                self.assertTrue(figure.verdict.startswith("not run: "), (row.name, figure.name, figure.verdict))

    def test_counted_instructions(self):
        row = card.Instructions()
        found = row.parse("instructions a call    bare     pinned      dedup   counting\n"
                          "uuid_insert          167.32     167.32     167.32     171.00\n"
                          "ring_batch           100.00          -     102.00     103.00\n")
        self.assertEqual([figure.verdict for figure in row.figures(judging.Measurements(found), card.QUICK)],
                         ["met", "missed", "met"])

    def test_names_are_unique(self):
        for row in card.ROWS:
            names = [figure.name for figure in row.figures(judging.Measurements(), card.QUICK)]
            self.assertEqual(len(names), len(set(names)), row.name)


class Readme(unittest.TestCase):
    figures = [judging.Figure("sets", "bytes", "", value=23.6, low=23.1, high=23.6, size=4000000),
               judging.Figure("bloom", "floor", "", not_run="no peer")]

    def test_within_the_spread(self):
        text = "takes 24 bytes <!-- scorecard: sets/bytes -->, 23.6<!-- scorecard: sets/bytes at 4000000 --> bytes"
        self.assertEqual(readme.check(text, self.figures), ([], []))

    def test_outside(self):
        wrong, open_ = readme.check("one\ntakes 22.9 <!-- scorecard: sets/bytes -->", self.figures)
        self.assertEqual((wrong, open_), (["line 2: 22.9 (sets/bytes): the last run has 23.6 (23.1 to 23.6)"], []))

    def test_not_compared(self):
        text = ("1 <!-- scorecard: sets/peak --> 1 <!-- scorecard: bloom/floor --> "
                "9 <!-- scorecard: sets/bytes at 64000000 -->")
        wrong, open_ = readme.check(text, self.figures)
        self.assertEqual((wrong, len(open_)), ([], 3))

    def test_thousands(self):
        self.assertEqual(readme.marks("1,234.5 ns <!-- scorecard: a/b -->")[0].number, 1234.5)

    def test_a_mark_without_a_number(self):
        for text in ("fast <!-- scorecard: sets/bytes -->", "24 <!-- scorecard: bytes -->"):
            with self.assertRaises(ValueError):
                readme.marks(text)


class Merging(unittest.TestCase):
    @staticmethod
    def run_of(ns, scale="full", row="sets", **machine):
        described = dict.fromkeys(merging.SAME, "the same") | {"notes": [], "commit": "abc", "date": "today", "load": [1],
                                                               "load_after": [2]} | machine
        return {"machine": described, "scale": scale, "rows": [row], "left_out": {},
                "measurements": [vars(measured("ours", ns)), vars(measured("ours", [9], compared=row))]}

    def test_a_row_takes_the_place_of_what_it_was(self):
        run = merging.updated(self.run_of([1], row="tail"), self.run_of([2]))
        self.assertEqual(sorted(m["ns"] for m in run["measurements"]), [[2], [9], [9]])
        self.assertEqual(run["rows"], ["tail", "sets"])
        self.assertIn("measured again: sets; idem abc", run["machine"]["notes"][0])

    def test_another_machine_or_scale_is_another_run(self):
        for name in merging.SAME:
            with self.assertRaisesRegex(ValueError, name):
                merging.updated(self.run_of([1]), self.run_of([2], **{name: "another"}))
        with self.assertRaisesRegex(ValueError, "scale is full"):
            merging.updated(self.run_of([1]), self.run_of([2], scale="quick"))

    def test_what_failed_replaces_nothing(self):
        failed = self.run_of([2])
        failed["measurements"] = [vars(judging.Measurement("growing", 100, "ours", [], {}, "no memory"))]
        with self.assertRaisesRegex(ValueError, "nothing"):
            merging.updated(self.run_of([1]), failed)


if __name__ == "__main__":
    unittest.main()
