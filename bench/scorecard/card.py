"""The rows of the scorecard: what each runs, and the bars its figures are held to.

A row has a name, a title, commands(scale) and figures(measurements, scale). Every program is run once, whichever rows
need it.
"""

import dataclasses
import re
import subprocess
import sys
import tempfile

import includes
from judging import Figure, Measurement, NotRun, at_least, at_most, in_ns, notices, ratios, spread

ABSL, BOOST = "absl::flat_hash_set", "boost::unordered_flat_set"
PREFETCHED = "absl::flat_hash_set, prefetched"
BOOST_BLOOM = ["Boost.Bloom fast_multiblock32", "Boost.Bloom fast_multiblock64"]
MIB, GIB = 2**20, 2**30


@dataclasses.dataclass(frozen=True)
class Command:
    program: str
    arguments: tuple
    bytes: int = 64 * MIB  # of memory, at the most

    @property
    def line(self):
        return " ".join((self.program, *self.arguments))


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much is measured: --quick, nothing, --full."""
    name: str
    set_sizes: tuple       # (keys, rounds)
    filter_keys: int
    windows: tuple         # (live ids, rounds, whether --short)
    window_filter: int
    claims: tuple          # (keys, rounds)
    snapshot: tuple
    tail: int
    rounds: int            # of what is small


QUICK = Scale("quick", ((10_000, 9), (100_000, 9), (1_000_000, 5), (4_000_000, 3)), 16_000_000,
              ((100_000, 5, True), (1_000_000, 5, False)), 1_000_000, ((100_000, 9), (4_000_000, 3)), (4_000_000, 3),
              4_000_000, 5)
USUAL = Scale("usual", ((10_000, 21), (30_000, 15), (100_000, 15), (300_000, 9), (1_000_000, 7), (2_000_000, 5),
                        (4_000_000, 5), (8_000_000, 3), (16_000_000, 3)), 64_000_000,
              ((10_000, 9, True), (100_000, 9, True), (1_000_000, 9, False), (4_000_000, 5, True),
               (16_000_000, 5, True)), 16_000_000, ((100_000, 15), (16_000_000, 3)), (16_000_000, 5), 16_000_000, 9)
FULL = dataclasses.replace(
    USUAL, name="full", set_sizes=(*USUAL.set_sizes, (32_000_000, 3), (64_000_000, 3)),
    claims=((100_000, 15), (64_000_000, 3)), snapshot=(64_000_000, 3), tail=64_000_000)


class Row:
    name = title = ""

    def commands(self, scale):
        return []

    def measure(self, scale, compiler, include):
        """Measurements that no program of bench/ makes."""
        return []

    def figures(self, found, scale):
        """The figures, in order. One that raises NotRun is left out with its reason."""
        raise NotImplementedError

    def figure(self, name, what, make, required=None, aim=None, unit="x"):
        figure = Figure(self.name, name, what, required, aim, unit=unit)
        try:
            make(figure)
        except NotRun as reason:
            figure.not_run = str(reason)
        return figure

    def times_as_fast(self, found, compared, size, ours, peers, off="", plant=""):
        """A figure whose value is how many times as fast `ours` is as the fastest of `peers`."""
        def make(figure):
            figure.size = size() if callable(size) else size
            mine = found.get(compared, figure.size, ours)
            peer, absent = found.best(compared, figure.size, [peers] if isinstance(peers, str) else peers)
            figure.notes += [f"not beside {reason}" for reason in absent]
            idle = found.get(compared, figure.size, off) if off else None
            for key, value in spread(ratios(peer, mine, idle)).items():
                setattr(figure, key, value)
            figure.ours, figure.peer = in_ns(mine), f"{peer.contender}: {in_ns(peer)}"
            nothing = found.get(compared, figure.size, "nothing")
            figure.notes += notices(nothing, mine, found.get(compared, figure.size, plant) if plant else None)
        return make

    def times_as_long(self, found, compared, size, ours, reference, off="", plant=""):
        """A figure whose value is how many times as long `ours` takes as `reference`."""
        def make(figure):
            figure.size = size() if callable(size) else size
            mine = found.get(compared, figure.size, ours)
            other = found.get(compared, figure.size, reference)
            idle = found.get(compared, figure.size, off) if off else None
            for key, value in spread(ratios(mine, other, idle)).items():
                setattr(figure, key, value)
            figure.ours, figure.peer = in_ns(mine), f"{other.contender}: {in_ns(other)}"
            if plant:
                figure.notes += notices(None, mine, found.get(compared, figure.size, plant))
        return make

    def nanoseconds(self, found, compared, size, ours):
        def make(figure):
            figure.size = size
            mine = found.get(compared, size, ours)
            for key, value in spread(mine.ns).items():
                setattr(figure, key, value)
            figure.ours = in_ns(mine)
        return make

    @staticmethod
    def exact(value, ours, size=0, low=None, high=None, peer=""):
        """A figure that is counted and not timed, and so has no spread but what is given."""
        def make(figure):
            figure.value, figure.size, figure.ours, figure.peer = value, size, ours, peer
            figure.low = value if low is None else low
            figure.high = value if high is None else high
        return make


class Sets(Row):
    name = "sets"
    title = "UuidSet, random UUIDs"
    plant = "plant: two UuidSets"

    def commands(self, scale):
        # The hungriest holds 95 bytes a key while it grows; what was freed may not be back yet.
        most = scale.set_sizes[-1][0]
        return [*(Command("bench_sets", ("--keys", str(keys), "--rounds", str(rounds)), 64 * MIB + 110 * keys)
                  for keys, rounds in scale.set_sizes),
                Command("bench_sets", ("--keys", str(most), "--memory"), 64 * MIB + 110 * most)]

    def figures(self, found, scale):
        largest = lambda: found.largest("growing")
        faster = lambda compared, size, ours: self.times_as_fast(found, compared, size, ours, ABSL, plant=self.plant
                                                                 if "batches" in ours and size is largest else "")
        batches, single = "UuidSet, batches", "UuidSet, single"
        yield self.figure("growing-batches", "growing, batches of 512", faster("growing", largest, batches), at_least(2),
                          at_least(3.5))
        yield self.figure("sized-batches", "pre-sized, batches of 512", faster("pre-sized", largest, batches), at_least(3),
                          at_least(5))
        yield self.figure("growing-single", "growing, single calls", faster("growing", largest, single), at_least(1.5),
                          at_least(2.5))
        yield self.figure("sized-single", "pre-sized, single calls", faster("pre-sized", largest, single), at_least(2.5),
                          at_least(4))
        yield self.figure("cache-growing-single", "in cache, growing, single calls", faster("growing", 100_000, single),
                          at_least(0.77))
        yield self.figure("cache-sized-single", "in cache, pre-sized, single calls", faster("pre-sized", 100_000, single),
                          at_least(1))
        yield self.figure("cache-sized-batches", "in cache, pre-sized, batches", faster("pre-sized", 100_000, batches))
        # Held to absl as it is called one by one, and faster ways there are: said beside it.
        for compared in ("growing", "pre-sized"):
            for name, peer, who in (("boost", BOOST, "Boost's"), ("prefetched", PREFETCHED, "absl's with its own prefetch")):
                yield self.figure(f"{compared}-{name}", f"{compared}, batches, against {who}",
                                  self.times_as_fast(found, compared, largest, batches, peer))
        for cache, where, size in (("", "", largest), ("cache-", "in cache, ", 100_000)):
            yield self.figure(f"{cache}duplicates-single", f"{where}duplicates, single calls",
                              self.times_as_fast(found, "duplicates", size, single, ABSL))
            yield self.figure(f"{cache}duplicates-batches", f"{where}duplicates, batches, against absl's with its own prefetch",
                              self.times_as_fast(found, "duplicates", size, batches, PREFETCHED))
        # The same contender under two names: what lies between them is noise.
        yield self.figure("noise", "growing, batches, against themselves in another turn",
                          self.times_as_fast(found, "growing", largest, batches, batches + ", once more"))
        yield from self.memory(found)

    def memory(self, found):
        held = {name: [m for m in found.all if m.compared == "memory" and m.contender == name and m.size >= 1_000_000]
                for name in ("UuidSet", ABSL)}
        large = held["UuidSet"]
        size = max((m.size for m in large), default=0)
        def most_of(number, over):
            def make(figure):
                if not large:
                    raise NotRun("no size of a million keys or more was measured")
                values = [m.number(number) / (m.number(over) if over else 1) for m in large]
                peer = [m.number(number) / (m.number(over) if over else 1) for m in held[ABSL]]
                self.exact(max(values), f"{max(values):.3g}", size, min(values), max(values),
                           f"{ABSL}: {max(peer):.3g}" if peer else "")(figure)
            return make
        yield self.figure("bytes", f"bytes a key, the most at {len(large)} sizes from a million keys on",
                          most_of("bytes", None), at_most(24), at_most(20), "bytes")
        yield self.figure("peak", "the most held so far, times what is held now, at the same sizes",
                          most_of("peak_bytes", "bytes"), at_most(1.15))
        def moved(figure):
            rows = [m for m in found.all if m.compared == "growing" and m.contender == "UuidSet, batches"]
            if not rows:
                raise NotRun("not measured")
            most = max(m.number("most_moved") for m in rows)
            self.exact(most, f"{most / 1024:.0f} KiB", rows[-1].size)(figure)
        yield self.figure("moved", "the most bytes moved by one insert", moved, at_most(64 * 1024), at_most(4096), "bytes")


class Tail(Row):
    name = "tail"
    title = "The slowest inserts of a growing set (no bar: most of them are the machine's)"

    def commands(self, scale):
        return [Command("bench_sets", ("--keys", str(scale.tail), "--tail"), 64 * MIB + 110 * scale.tail)]

    def figures(self, found, scale):
        for name, contender in (("ours", "UuidSet, single"), ("absl", ABSL), ("nothing", "nothing")):
            def make(figure, contender=contender):
                m = found.get("tail", found.largest("tail"), contender)
                self.exact(m.number("p99.99"), f"p50 {m.number('p50'):.0f} ns, p99.9 {m.number('p99.9'):.0f} ns, "
                           f"p99.99 {m.number('p99.99') / 1e3:.1f} us, slowest {m.number('max') / 1e6:.1f} ms",
                           m.size)(figure)
            yield self.figure(name, contender + ", p99.99", make, unit="ns")


class Bloom(Row):
    name = "bloom"
    title = "BloomFilter, 1 %, batches of 512, keys already hashed"
    # The last of each is what stands for them where they are not there.
    pairs = [*(name + " pair" for name in BOOST_BLOOM), "Boost.Bloom"]
    bulks = [*(name + " bulk" for name in BOOST_BLOOM), "Boost.Bloom"]
    by_hand = ["classic Bloom, k = 7", "libbloom (hashes itself)", "FastFilter split block, pair"]

    def commands(self, scale):
        keys = scale.filter_keys
        return [Command("bench_filters", ("bloom", "--keys", str(keys), "--rounds", "3"), 64 * MIB + 5 * keys)]

    def figures(self, found, scale):
        ours, plant = "BloomFilter batch", "plant: two BloomFilters"
        for phase in ("fresh", "duplicate"):
            compared = "bloom, " + phase
            size = lambda compared=compared: found.largest(compared)
            yield self.figure(f"{phase}-by-hand", f"{phase}: the fastest textbook or Debian way, asked then inserted",
                              self.times_as_fast(found, compared, size, ours, self.by_hand, "nothing", plant), at_least(2))
            yield self.figure(f"{phase}-boost-pair", f"{phase}: Boost.Bloom, asked then inserted",
                              self.times_as_fast(found, compared, size, ours, self.pairs, "nothing"), at_least(2))
            yield self.figure(f"{phase}-boost-bulk", f"{phase}: Boost.Bloom, bulk",
                              self.times_as_fast(found, compared, size, ours, self.bulks, "nothing"),
                              aim=at_least(1.25 if phase == "fresh" else 1))
            yield self.figure(f"{phase}-floor", f"{phase}: times the floor of one line read and written",
                              self.times_as_long(found, compared, size, ours, "floor: one line read and written",
                                                 "nothing"), at_most(1.4), at_most(1.25))


class BloomInCache(Row):
    name = "bloom-cache"
    title = "BloomFilter in cache, 100,000 keys, half repeats"

    def commands(self, scale):
        return [Command("bench_filters", ("cache", "--rounds", "1" if scale.name == "quick" else "3"))]

    def figures(self, found, scale):
        compared, ours = "bloom in cache, mixed", "BloomFilter batch"
        yield self.figure("ns", "ns a key (the bar is of the reference machine)", self.nanoseconds(found, compared, 100_000, ours), at_most(3.5), at_most(2.5), "ns")
        yield self.figure("own-pair", "the same filter, asked then inserted",
                          self.times_as_fast(found, compared, 100_000, ours, "BloomFilter may_contain, then insert",
                                             "nothing", "plant: two BloomFilters"))
        yield self.figure("by-hand", "the fastest other way, asked then inserted",
                          self.times_as_fast(found, compared, 100_000, ours, [*Bloom.by_hand, *Bloom.pairs], "nothing"),
                          at_least(2.5))


class Rate(Row):
    name = "rate"
    title = "False positives of filters, counted"

    def commands(self, scale):
        return [Command("bench_filters", ("rate",))]

    def figures(self, found, scale):
        rows = [m for m in found.all if m.compared == "rate"]
        # Some 20,000 were counted for each: three standard deviations are 2 % of that.
        for name, contender in (("bloom", "BloomFilter"), ("cuckoo-8", "CuckooFilter 8 bit"),
                                ("cuckoo-16", "CuckooFilter 16 bit")):
            here = [m for m in rows if m.contender == contender]
            def make(figure, against):
                if not here:
                    raise NotRun("not measured")
                over = [m.number("measured") / m.number(against) for m in here]
                worst = here[over.index(max(over))]
                self.exact(max(over), f"{worst.number('measured'):.3g}", worst.size, min(over), max(over),
                           f"{against}: {worst.number(against):.3g}")(figure)
            yield self.figure(name, f"{contender}: counted, of what theory says, at the worst of {len(here)} rates",
                              lambda figure, make=make: make(figure, "computed"), at_most(1.05))
            if contender == "BloomFilter":
                yield self.figure(name + "-asked", f"{contender}: counted, of what was asked (2 % are chance)",
                                  lambda figure, make=make: make(figure, "asked"), at_most(1.02))


class Cuckoo(Row):
    name = "cuckoo"
    title = "CuckooFilter, 16 bit, batches of 512"
    peers = ["classic cuckoo 16 bit", "FastFilter cuckoo 16 bit, stable", "efficient/cuckoofilter 16 bit"]

    def commands(self, scale):
        keys = scale.filter_keys
        return [Command("bench_filters", ("cuckoo", "--keys", str(keys), "--rounds", "3"), 64 * MIB + 10 * keys)]

    def figures(self, found, scale):
        ours, plant = "CuckooFilter 16 bit, batch", "plant: two CuckooFilters"
        for load in (85, 95):
            for name, phase, aim in (("fresh", "fresh, all but the last 2 %", 3), ("last", "fresh, the last 2 %", None),
                                     ("duplicate", "duplicate", 2.5)):
                compared = f"cuckoo to {load} %, {phase}"
                size = lambda compared=compared: found.largest(compared)
                yield self.figure(f"{name}-{load}", f"to {load} %: {phase}",
                                  self.times_as_fast(found, compared, size, ours, self.peers, "nothing", plant), at_least(2),
                                  at_least(aim) if aim else None)
        def bounds(figure):
            m = found.get("cuckoo, bounds", found.largest("cuckoo, bounds"), "CuckooFilter 16 bit")
            self.exact(m.number("most_moves"), f"{m.number('most_moves'):.0f}, after a look at no more than "
                       f"{m.number('most_looked_at'):.0f} buckets", m.size)(figure)
        yield self.figure("moves", "the most fingerprints moved by one insert", bounds, at_most(500), unit="")


class Windows(Row):
    name = "windows"
    title = "TimeWindowRing, fixed, arrival order, no payload, 10 % duplicates, batches of 512"
    std = "std::unordered_map + deque"
    by_hand = [std, "absl::flat_hash_map + deque", "absl::flat_hash_set + ring", "boost::unordered_flat_map + deque"]

    def commands(self, scale):
        return [Command("bench_windows", (str(live), "--rounds", str(rounds), *(("--short",) if short else ())),
                        64 * MIB + (430 if short else 780) * live) for live, rounds, short in scale.windows]

    def figures(self, found, scale):
        ours = "TimeWindowRing, batches of 512"
        for name, live in (("1m", 1_000_000), ("16m", 16_000_000)):
            million = f"{live // 1_000_000} M live ids"
            plant = "planted: TimeWindowRing, twice" if live == 1_000_000 else ""
            yield self.figure(f"std-{name}", f"{million}: {self.std}",
                              self.times_as_fast(found, "windows", live, ours, self.std, plant=plant), at_least(5), at_least(8))
            yield self.figure(f"best-{name}", f"{million}: the fastest exact way by hand",
                              self.times_as_fast(found, "windows", live, ours, self.by_hand), at_least(1.5), at_least(2))
        def memory(figure):
            held = []
            for live in (m.size for m in found.all if m.compared == "windows" and m.contender == ours):
                if live >= 1_000_000:
                    held.append(found.get("windows", live, ours))
            if not held:
                raise NotRun("a million live ids or more were not measured")
            values = [m.number("bytes") for m in held]
            self.exact(max(values), f"{max(values):.3g}", held[-1].size, min(values), max(values),
                       f"{self.std}: {found.get('windows', held[-1].size, self.std).number('bytes'):.3g}")(figure)
        yield self.figure("bytes", "bytes a live id, the most from a million on", memory, at_most(24), unit="bytes")


class WindowFilter(Row):
    name = "window-filter"
    title = "WindowBloomFilter, 10 % duplicates, batches of 512"

    def commands(self, scale):
        live = scale.window_filter
        return [Command("bench_windows", (str(live), "--filters", "--rounds", str(scale.rounds)), 64 * MIB + 100 * live)]

    def figures(self, found, scale):
        for name, percent in (("1", "1 %"), ("01", "0.1 %")):
            compared = f"window filters, {percent}"
            for lines in ("one line", "two lines"):
                ours = "WindowBloomFilter, " + lines
                short = lines.split()[0]
                def rate(figure, ours=ours, compared=compared, percent=percent):
                    m = found.get(compared, found.largest(compared), ours)
                    computed = found.get(f"window filters computed, {percent}", m.size, ours)
                    counted = m.number("wrong_rate")
                    chance = 3 / max(counted * m.number("truly_fresh"), 1) ** 0.5
                    over = counted / computed.number("computed")
                    self.exact(over, f"{counted:.3g}", m.size, over * (1 - chance), over * (1 + chance),
                               f"computed: {computed.number('computed'):.3g}, {computed.number('bits'):.3g} bits")(figure)
                yield self.figure(f"rate-{name}-{short}", f"at {percent}, {lines}: rate counted, of the one computed for a full "
                                  "window", rate, at_most(1.05))
                def bits(figure, ours=ours, compared=compared, percent=percent):
                    size = found.largest(compared)
                    m = found.get(f"window filters computed, {percent}", size, ours)
                    computed, held = m.number("bits"), m.number("held_bits")
                    self.exact(held / computed, f"{held:.3g} bits", size, peer=f"computed: {computed:.3g} bits")(figure)
                yield self.figure(f"bits-{name}-{short}", f"at {percent}, {lines}: bits held, of those computed", bits,
                                  at_most(1.01))
            yield self.figure(f"time-{name}", f"at {percent}, one line: times the plain filter",
                              self.times_as_long(found, compared, lambda c=compared: found.largest(c),
                                                 "WindowBloomFilter, one line", "BloomFilter, no window",
                                                 plant="planted: one line, twice"), aim=at_most(1.4))


class Content(Row):
    name = "content"
    title = "ContentHashSet, payloads of 1 KiB and more, of XXH3's speed in the same build"

    def commands(self, scale):
        # Five sets are sized for all contents of all rounds.
        return [Command("bench_content", ("--rounds", str(scale.rounds)), 400 * MIB + scale.rounds * 135 * MIB)]

    def figures(self, found, scale):
        for where in ("in cache", "out of cache"):
            compared = "content, " + where
            short = where.split()[0]
            yield self.figure(f"digest-{short}", f"{where}, 1 KiB: the digest alone",
                              self.times_as_fast(found, compared, 1024, "ContentHashSet, digest alone", "XXH3"),
                              at_least(0.95))
            for length in (1024, 4096, 16384, 65536):
                yield self.figure(f"{length}-{short}", f"{where}, {length // 1024} KiB: digest and insert, batches",
                                  self.times_as_fast(found, compared, length, "ContentHashSet, batches", "XXH3",
                                                     plant="plant: two ContentHashSets"), at_least(0.95))
            yield self.figure(f"native-{short}", f"{where}, 16 KiB: of XXH3 compiled for this processor",
                              self.times_as_fast(found, compared, 16384, "ContentHashSet, batches", "XXH3, -march=native"),
                              aim=at_least(1))


class Producers(Row):
    name = "producers"
    title = "ProducerTracker, 1,000 producers at random, 90 % next, 5 % repeats, 5 % gaps and old epochs"

    def commands(self, scale):
        return [Command("bench_sequence", (f"--rounds={3 * scale.rounds}",), 2 * GIB)]

    def figures(self, found, scale):
        for name, compared in (("single", "judged one by one"), ("batches", "judged in batches of 512"),
                               ("recorded", "judged and recorded one by one")):
            def make(figure, compared=compared):
                m = found.get(compared, 1000, "ProducerTracker")
                for key, value in spread([1e3 / ns for ns in m.ns]).items():
                    setattr(figure, key, value)
                peer = found.get(compared, 1000, "map + deque")
                figure.ours, figure.size = in_ns(m), 1000
                figure.peer = f"{peer.contender}: {in_ns(peer)}"
                figure.notes += notices(found.get(compared, 1000, "nothing"), m, None)
                twice = found.get(compared, 1000, "map asked twice")
                figure.notes += notices(None, peer, twice, 1.1)
            bars = (at_least(20), at_least(50)) if name != "recorded" else (None, None)
            yield self.figure(name, f"{compared}, million a second", make, *bars, unit="M/s")
        def memory(figure):
            few, many = (found.get("judged in batches of 512", size, "ProducerTracker") for size in (1000, 1_000_000))
            peer = found.get("judged in batches of 512", 1_000_000, "map + deque")
            both = sorted([few.number("bytes"), many.number("bytes")])
            self.exact(both[1], f"{both[1]:.4g}", many.size, *both, f"{peer.contender}: {peer.number('bytes'):.4g}")(figure)
        yield self.figure("bytes", "bytes an idle producer, the most for a thousand and for a million of them", memory,
                          at_most(176), unit="bytes")


class Claims(Row):
    name = "claims"
    title = "claim + commit, single calls, times a bare insert"

    def commands(self, scale):
        return [Command("bench_dedup", ("--keys", str(keys), "--rounds", str(rounds)), 256 * MIB + 60 * keys)
                for keys, rounds in scale.claims]

    def figures(self, found, scale):
        compared = "deduplicator, fresh"
        ours, plant = "Deduplicator, claim and commit", "plant: two of them"
        yield self.figure("cache", "in cache, fresh keys",
                          self.times_as_long(found, compared, 100_000, ours, "UuidSet", plant=plant), at_most(3), at_most(2))
        yield self.figure("large", "out of cache, fresh keys",
                          self.times_as_long(found, compared, lambda: found.largest(compared), ours, "UuidSet", plant=plant),
                          at_most(3), at_most(2))
        yield self.figure("duplicate", "out of cache, duplicates",
                          self.times_as_long(found, "deduplicator, duplicate",
                                             lambda: found.largest("deduplicator, duplicate"), ours, "UuidSet"))


class Sharded(Row):
    name = "sharded"
    title = "Sharded, two threads, by the wall clock"
    concurrent = ["tbb::concurrent_hash_map", "libcuckoo::cuckoohash_map"]

    def commands(self, scale):
        return [Command("bench_sharded", ("--rounds", str(scale.rounds)), GIB)]

    def figures(self, found, scale):
        size = lambda: found.largest("2 threads")
        for name, ours in (("single", "Sharded<16>, single"), ("batches", "Sharded<16>, batches of 256")):
            def gain(figure, ours=ours, clock=""):
                one, two = found.get("1 thread" + clock, size(), ours), found.get("2 threads" + clock, size(), ours)
                factor = 2 if clock else 1
                for key, value in spread([factor * ratio for ratio in ratios(one, two)]).items():
                    setattr(figure, key, value)
                figure.size, figure.ours, figure.peer = size(), in_ns(two), f"one thread: {in_ns(one)}"
            yield self.figure(f"gain-{name}", f"{ours}: times its speed with one thread", gain, at_least(1.7), at_least(1.9))
            yield self.figure(f"gain-{name}-processor", f"{ours}: the same by processor time, sleeping not counted",
                              lambda figure, gain=gain, ours=ours: gain(figure, ours, ", processor"))
            yield self.figure(f"best-{name}", f"{ours}: the fastest concurrent set of Debian",
                              self.times_as_fast(found, "2 threads", size, ours, self.concurrent,
                                                 plant="plant: two Sharded<16>, single" if name == "single" else ""),
                              at_least(1.5), at_least(2))
        # Threads meet less often in more shards; no bar, as sixteen are held to it.
        yield self.figure("gain-64", "Sharded<64>, single: times its speed with one thread",
                          lambda figure: gain(figure, "Sharded<64>, single"))
        yield self.figure("best-64", "Sharded<64>, single: the fastest concurrent set of Debian",
                          self.times_as_fast(found, "2 threads", size, "Sharded<64>, single", self.concurrent))
        yield self.figure("by-hand", "Sharded<16>, single: 64 absl sets under a mutex each",
                          self.times_as_fast(found, "2 threads", size, "Sharded<16>, single",
                                             "64 absl::flat_hash_set, 64 mutexes"))


class Snapshot(Row):
    name = "snapshot"
    title = "Saving and loading a UuidSet, times memcpy of as many bytes"

    def commands(self, scale):
        keys, rounds = scale.snapshot
        return [Command("bench_snapshot", ("--keys", str(keys), "--rounds", str(rounds)), 256 * MIB + 100 * keys)]

    def figures(self, found, scale):
        size = lambda: found.largest("snapshot")
        # A load builds in fresh memory and in nothing else, so that touched memory is no bar for it.
        for name, memory, ours, plant, bar in (("save", "fresh", "save, into a new vector", "", at_most(4)),
                                               ("save", "touched", "save, into a span", "plant: saved twice", at_most(4)),
                                               ("load", "fresh", "load, from a span", "", at_most(4)),
                                               ("load", "touched", "load, from a span", "", None)):
            yield self.figure(f"{name}-{memory}", f"{name}: times memcpy into {memory} memory",
                              self.times_as_long(found, "snapshot", size, ours, f"memcpy, {memory} memory", plant=plant), bar)
        def bytes_(figure):
            m = found.get("snapshot", size(), "save, into a span")
            self.exact(m.number("bytes") / 16, f"{m.number('bytes'):.5g} bytes a key", m.size)(figure)
        yield self.figure("bytes", "size, times that of the keys", bytes_)


class Instructions(Row):
    name = "deduplicator"
    title = "Deduplicator over the memory inside it, instructions a call, times those of the memory alone (-O2, no claims)"
    program = "tests/house/instructions.py"

    def measure(self, scale, compiler, include):
        program = include.parent / self.program
        if not program.exists():
            return [Measurement("instructions", 0, "all", [], {}, f"{self.program} is not there")]
        with tempfile.NamedTemporaryFile("w", suffix=".rsp", encoding="utf-8") as flags:
            flags.write(f"-std=c++20\n-I{include}\n")
            flags.flush()
            done = subprocess.run([sys.executable, str(program), "--compiler", compiler, "--flags", flags.name],
                                  capture_output=True, text=True, check=False)
        return self.parse(done.stdout) or [Measurement("instructions", 0, "all", [], {}, (done.stdout or done.stderr).strip())]

    @staticmethod
    def parse(table):
        found = []
        for line in table.splitlines():
            cells = re.fullmatch(r"(\w+) +([\d.]+) +(?:[\d.]+|-) +([\d.]+) +([\d.]+)", line)
            if cells:
                found.append(Measurement("instructions", 0, cells[1], [],
                                         {"bare": float(cells[2]), "dedup": float(cells[3]), "counting": float(cells[4])}))
        return found

    def figures(self, found, scale):
        rows = [m for m in found.all if m.compared == "instructions"]
        if not rows or rows[0].not_run:
            yield Figure(self.name, "all", "every call", not_run=rows[0].not_run if rows else "not measured")
            return
        for m in rows:
            bare, dedup = m.number("bare"), m.number("dedup")
            yield self.figure(m.contender, m.contender.replace("_", ", "),
                              self.exact(dedup / bare, f"{dedup:.2f}", peer=f"alone: {bare:.2f}"), at_most(1.01), at_most(1.001))
        noticed = max(m.number("counting") / m.number("bare") for m in rows)
        yield self.figure("plant", "planted: one that counts what it answers, at the most", self.exact(noticed, ""),
                          at_least(1.01))


class IncludeCost(Row):
    name = "include-cost"
    title = "What including a header costs, processor time of the compiler, less that for an empty file"

    def measure(self, scale, compiler, include):
        headers = includes.public_headers(include)
        rounds = 1 if scale.name == "quick" else 3
        return [Measurement("include cost", 0, header, [1e9 * time for time in times], {"lines": lines}, why)
                for header, times, lines, why in includes.measure(compiler, include, headers, rounds)]

    def figures(self, found, scale):
        rows = [m for m in found.all if m.compared == "include cost"]
        if not rows:
            yield Figure(self.name, "all", "every header", not_run="not measured")
        for m in sorted(rows, key=lambda m: -m.median if m.ns else 0):
            def make(figure, m=m):
                if m.not_run:
                    raise NotRun(m.not_run)
                for key, value in spread([ns / 1e9 for ns in m.ns]).items():
                    setattr(figure, key, value)
                figure.ours = f"{m.number('lines'):,} lines"
            yield self.figure(m.contender, m.contender, make, aim=at_most(0.3) if m.contender == "idem/idem.hpp" else None,
                              unit="s")


ROWS = [Sets(), Tail(), Bloom(), BloomInCache(), Rate(), Cuckoo(), Windows(), WindowFilter(), Content(), Producers(),
        Claims(), Sharded(), Instructions(), Snapshot(), IncludeCost()]
