#pragma once

#include <cstddef>
#include <cstdint>

#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/generation_clock.hpp>
#include <idem/detail/memory/generation_lines.hpp>
#include <idem/detail/memory/generation_rate.hpp>

namespace idem::inline IDEM_ABI::detail {

// Generations of a Bloom filter over hashes of 64 bits: the clock says which, the blocks hold them.
template <bool sliding, bool by_event, class Rules = GenerationRules>
class GenerationFilter {
  static constexpr Recording usual = sliding ? Recording::always : Recording::unless_held;

 public:
  using Clock = GenerationClock<by_event, Rules>;

  GenerationFilter(const GenerationSettings& settings, unsigned lines_a_block,
                   Simd simd = best_simd()) noexcept
      : blocks_(lines_a_block, simd), clock_(settings) {}

  [[nodiscard]] bool take(std::uint64_t blocks) noexcept { return blocks_.take(blocks); }

  [[nodiscard]] Verdict insert(std::uint64_t hash, std::int64_t time) noexcept {
    return insert_as<usual>(hash, time);
  }
  // `probable_duplicate` or `fresh`: recorded either way, in the generation of its time.
  [[nodiscard]] Verdict record(std::uint64_t hash, std::int64_t time) noexcept {
    return insert_as<Recording::always>(hash, time);
  }

  // All at one time. The hash of key i is hash_of(i); verdict i goes to verdicts[i].
  void insert(std::size_t count, const auto& hash_of, std::int64_t time,
              Verdict* verdicts) noexcept {
    if (count == 0) return;
    if (blocks_.blocks() == 0) return answer_all(count, Verdict::full, verdicts);
    clock_.tell(time, count);
    if (clock_.is_stale(clock_.now(), time)) {
      clock_.count_stale(count);
      return answer_all(count, Verdict::stale, verdicts);
    }
    unsigned lane = clock_.lane_of(time);
    GenerationView view(clock_.now().generation, lane);
    blocks_.in_groups(
        count, hash_of, [&](const GenerationProbe* probes, std::size_t size, std::size_t begin) {
          for (std::size_t done = 0; done < size;) {
            // Each of them may take a place, and a generation gets no more than its own.
            const std::uint64_t room = clock_.room(lane);
            if (room == 0) {
              verdicts[begin + done] = refuse<usual>(probes[done], view);
              ++done;
              continue;
            }
            const auto now = static_cast<std::size_t>(smaller<std::uint64_t>(room, size - done));
            note(lane, time,
                 blocks_.template insert_group<usual>(probes + done, now, view,
                                                      verdicts + begin + done));
            done += now;
            if (rotate_if_full(lane)) {
              lane = clock_.now().lane();
              view = GenerationView(clock_.now().generation, lane);
            }
          }
        });
  }

  // What insert would answer, but for `full`.
  [[nodiscard]] Verdict check(std::uint64_t hash, std::int64_t time) const noexcept {
    if (blocks_.blocks() == 0) return Verdict::fresh;
    const auto then = clock_.after(time);
    if (clock_.is_stale(then, time)) return Verdict::stale;
    return bloom_verdict(
        blocks_.contains(blocks_.probe_of(hash), GenerationView(then.generation, then.lane())));
  }
  void check(std::size_t count, const auto& hash_of, std::int64_t time,
             Verdict* verdicts) const noexcept {
    if (blocks_.blocks() == 0) return answer_all(count, Verdict::fresh, verdicts);
    const auto then = clock_.after(time);
    if (clock_.is_stale(then, time)) return answer_all(count, Verdict::stale, verdicts);
    const GenerationView view(then.generation, then.lane());
    blocks_.in_groups(count, hash_of,
                      [&](const GenerationProbe* probes, std::size_t size, std::size_t begin) {
                        for (std::size_t i = 0; i < size; ++i)
                          verdicts[begin + i] = bloom_verdict(blocks_.contains(probes[i], view));
                      });
  }

  // Forgets everything, in constant time.
  void clear() noexcept { clock_.forget_all(); }

  // The chance that the next fresh key is taken for seen, by the keys of each generation.
  [[nodiscard]] double rate_now(std::int64_t time) const noexcept {
    double all = 0, keys = 0;
    const auto then = clock_.after(time);
    std::uint64_t gone = then.generation - clock_.now().generation;
    for (unsigned age = 0; age + gone < generation_lanes; ++age) {
      const std::uint64_t lane = (clock_.now().generation - age) % generation_lanes;
      const auto held = static_cast<double>(clock_.keys()[lane]);
      keys += held;
      all = either(all, generation_rate(held, static_cast<double>(blocks_.blocks()),
                                        blocks_.lines_a_block()));
    }
    const double rate = either(all, bloom_hash_rate(keys));
    return rate < 1 ? rate : 1;
  }

  [[nodiscard]] Clock& clock() noexcept { return clock_; }
  [[nodiscard]] const Clock& clock() const noexcept { return clock_; }
  [[nodiscard]] GenerationBlocks& blocks() noexcept { return blocks_; }
  [[nodiscard]] const GenerationBlocks& blocks() const noexcept { return blocks_; }

 private:
  template <Recording recording>
  [[nodiscard]] Verdict insert_as(std::uint64_t hash, std::int64_t time) noexcept {
    if (blocks_.blocks() == 0) return Verdict::full;
    clock_.tell(time);
    if (clock_.is_stale(clock_.now(), time)) {
      clock_.count_stale(1);
      return Verdict::stale;
    }
    const unsigned lane = clock_.lane_of(time);
    const GenerationView view(clock_.now().generation, lane);
    if (clock_.room(lane) == 0) return refuse<recording>(blocks_.probe_of(hash), view);
    const GenerationAnswer answer = blocks_.template insert<recording>(hash, view);
    note(lane, time, answer.recorded);
    (void)rotate_if_full(lane);
    return bloom_verdict(answer.held);
  }

  void note(unsigned lane, std::int64_t time, std::uint64_t recorded) noexcept {
    clock_.note(lane, recorded, time);
  }
  // At once and not when the next key comes, so that check() and insert() see one state.
  [[nodiscard]] bool rotate_if_full(unsigned lane) noexcept {
    if (clock_.room(lane) != 0 || clock_.refuses()) return false;
    clock_.rotate_early();
    return true;
  }
  // Its generation is full. A key that is to be recorded in it needs no place if it is there.
  template <Recording recording>
  [[nodiscard]] Verdict refuse(const GenerationProbe& probe,
                               const GenerationView& view) const noexcept {
    constexpr Among among = recording == Recording::always ? Among::recorded : Among::all;
    return blocks_.template contains<among>(probe, view) ? Verdict::probable_duplicate
                                                         : Verdict::full;
  }
  static void answer_all(std::size_t count, Verdict verdict, Verdict* verdicts) noexcept {
    for (std::size_t i = 0; i < count; ++i) verdicts[i] = verdict;
  }

  // In this order: an assignment that has no memory for the blocks must leave the clock as it was.
  GenerationBlocks blocks_;
  Clock clock_;
};

}  // namespace idem::inline IDEM_ABI::detail
