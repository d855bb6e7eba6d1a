#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/simd.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/bloom_blocks.hpp>
#include <idem/detail/memory/filter_hash.hpp>
#include <idem/detail/memory/generation_clock.hpp>
#include <idem/detail/memory/zeroed_lines.hpp>

namespace idem::inline IDEM_ABI::detail {

// A block of one or two lines. The first seven words of each belong to the seven generations, one
// each; the eighth word of the first line says up to which generation the block was brought. What
// began since then is cleared when the block is next touched, so no generation is ever swept.
inline constexpr unsigned stamp_word = generation_lanes;
inline constexpr unsigned words_a_line = 8;

// For the lane of the newest generation, and for how many have begun since a block was touched: which
// words of a line stay. The stamp never does.
struct GenerationMasks {
  using Line = std::array<std::uint64_t, words_a_line>;

  alignas(64) std::array<std::array<Line, generation_lanes + 1>, generation_lanes> kept{};
  alignas(64) std::array<Line, generation_lanes> only{};

  constexpr GenerationMasks() {
    for (unsigned newest = 0; newest < generation_lanes; ++newest) {
      only[newest][newest] = ~std::uint64_t{0};
      for (unsigned begun = 0; begun <= generation_lanes; ++begun) {
        for (unsigned lane = 0; lane < generation_lanes; ++lane) {
          const unsigned age = (newest + generation_lanes - lane) % generation_lanes;
          if (age >= begun) kept[newest][begun][lane] = ~std::uint64_t{0};
        }
      }
    }
  }
};
inline constexpr GenerationMasks generation_masks{};

// What is common to all keys of a call: the generation it is, the words that stay, and where to
// record.
struct GenerationView {
  std::uint64_t generation;
  const GenerationMasks::Line* kept;
  const std::uint64_t* only;

  GenerationView(std::uint64_t now, std::uint64_t lane) noexcept
      : generation(now),
        kept(generation_masks.kept[now % generation_lanes].data()),
        only(generation_masks.only[lane].data()) {}

  [[nodiscard]] const std::uint64_t* kept_of(const std::uint64_t* block) const noexcept {
    const std::uint64_t begun = generation - block[stamp_word];
    return kept[smaller<std::uint64_t>(begun, generation_lanes)].data();
  }
};

// A key's place, and its bits in each generation's words: one for each line of a block.
struct GenerationProbe {
  std::uint64_t* block;
  std::array<std::uint64_t, 2> bits;  // the second is unset where blocks have one line
};

enum class Recording : std::uint8_t {
  unless_held,  // by any generation
  always,
};

struct GenerationAnswer {
  bool held;      // by any generation
  bool recorded;  // its generation had not all of its bits
};

// One bit in each of the eight bytes of a word, or of the four quarters, chosen by the top three or
// four bits there.
[[nodiscard]] constexpr std::uint64_t one_bit_a_byte(std::uint64_t choice) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101;
  const std::uint64_t by_two = ((choice >> 6) & ones) * 0xff;
  const std::uint64_t by_four = ((choice >> 7) & ones) * 0xff;
  std::uint64_t bits = ones + ((choice >> 5) & ones);
  bits = (bits & ~by_two) | ((bits << 2) & by_two);
  return (bits & ~by_four) | ((bits << 4) & by_four);
}
[[nodiscard]] constexpr std::uint64_t one_bit_a_quarter(std::uint64_t choice) noexcept {
  constexpr std::uint64_t ones = 0x0001000100010001;
  const std::uint64_t by_two = ((choice >> 13) & ones) * 0xffff;
  const std::uint64_t by_four = ((choice >> 14) & ones) * 0xffff;
  const std::uint64_t by_eight = ((choice >> 15) & ones) * 0xffff;
  std::uint64_t bits = ones + ((choice >> 12) & ones);
  bits = (bits & ~by_two) | ((bits << 2) & by_two);
  bits = (bits & ~by_four) | ((bits << 4) & by_four);
  return (bits & ~by_eight) | ((bits << 8) & by_eight);
}

// ---- kernels -----------------------------------------------------------------------------------

template <unsigned lines, Recording recording>
[[nodiscard]] inline GenerationAnswer generation_insert_portable(
    const GenerationProbe& probe, const GenerationView& view) noexcept {
  const std::uint64_t* const kept = view.kept_of(probe.block);
  bool held = false, held_here = false;
  for (unsigned lane = 0; lane < generation_lanes; ++lane) {
    std::uint64_t missing = 0;
    for (unsigned line = 0; line < lines; ++line) {
      std::uint64_t& word = probe.block[line * words_a_line + lane];
      word &= kept[lane];
      missing |= probe.bits[line] & ~word;
    }
    held = held || missing == 0;
    held_here = held_here || (missing == 0 && view.only[lane] != 0);
  }
  const bool record = recording == Recording::always ? !held_here : !held;
  const std::uint64_t all = std::uint64_t{0} - std::uint64_t{record};
  for (unsigned lane = 0; lane < generation_lanes; ++lane) {
    for (unsigned line = 0; line < lines; ++line)
      probe.block[line * words_a_line + lane] |= probe.bits[line] & view.only[lane] & all;
  }
  probe.block[stamp_word] = view.generation;
  return {held, record};
}

// Whether a generation holds the key: any of them, or the one that keys are recorded in.
enum class Among : std::uint8_t { all, recorded };

template <unsigned lines, Among among>
[[nodiscard]] inline bool generation_contains_portable(const GenerationProbe& probe,
                                                       const GenerationView& view) noexcept {
  const std::uint64_t* const kept = view.kept_of(probe.block);
  bool held = false;
  for (unsigned lane = 0; lane < generation_lanes; ++lane) {
    std::uint64_t missing = 0;
    for (unsigned line = 0; line < lines; ++line)
      missing |= probe.bits[line] & ~(probe.block[line * words_a_line + lane] & kept[lane]);
    held = held || (missing == 0 && (among == Among::all || view.only[lane] != 0));
  }
  return held;
}

// The same for a group of keys; answers how many were recorded.
template <unsigned lines, Recording recording>
inline std::size_t generation_insert_group_portable(const GenerationProbe* probes,
                                                    std::size_t count, const GenerationView& view,
                                                    Verdict* verdicts) noexcept {
  std::size_t recorded = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto answer = generation_insert_portable<lines, recording>(probes[i], view);
    verdicts[i] = bloom_verdict(answer.held);
    recorded += answer.recorded;
  }
  return recorded;
}

#if IDEM_X86_KERNELS

template <unsigned lines, Recording recording>
[[nodiscard]] IDEM_TARGET_AVX2 inline GenerationAnswer generation_insert_avx2(
    const GenerationProbe& probe, const GenerationView& view) noexcept {
  const std::uint64_t* const kept = view.kept_of(probe.block);
  Words4 low_kept, high_kept, low_only, high_only;
  std::memcpy(&low_kept, kept, sizeof low_kept);
  std::memcpy(&high_kept, kept + 4, sizeof high_kept);
  std::memcpy(&low_only, view.only, sizeof low_only);
  std::memcpy(&high_only, view.only + 4, sizeof high_only);
  Words4 low[lines], high[lines], bits[lines];
  Words4 low_missing = {}, high_missing = {};
  for (unsigned line = 0; line < lines; ++line) {
    const std::uint64_t word = probe.bits[line];
    bits[line] = Words4{word, word, word, word};
    std::memcpy(&low[line], probe.block + line * words_a_line, sizeof(Words4));
    std::memcpy(&high[line], probe.block + line * words_a_line + 4, sizeof(Words4));
    low[line] &= low_kept;
    high[line] &= high_kept;
    low_missing |= bits[line] & ~low[line];
    high_missing |= bits[line] & ~high[line];
  }
  // The stamp's word was cleared, so it is no lane that holds the key.
  const auto low_held = low_missing == 0, high_held = high_missing == 0;
  const auto any = low_held | high_held;
  Signed4 tested;
  std::memcpy(&tested, &any, sizeof tested);
  const bool held = __builtin_ia32_ptestz256(tested, tested) == 0;
  bool record = !held;
  if constexpr (recording == Recording::always) {
    const auto here = (low_held & (low_only != 0)) | (high_held & (high_only != 0));
    std::memcpy(&tested, &here, sizeof tested);
    record = __builtin_ia32_ptestz256(tested, tested) != 0;
  }
  const std::uint64_t all = std::uint64_t{0} - std::uint64_t{record};
  const Words4 gate = {all, all, all, all};
  for (unsigned line = 0; line < lines; ++line) {
    low[line] |= bits[line] & low_only & gate;
    high[line] |= bits[line] & high_only & gate;
    if (line == 0) high[line] |= Words4{0, 0, 0, view.generation};
    std::memcpy(probe.block + line * words_a_line, &low[line], sizeof(Words4));
    std::memcpy(probe.block + line * words_a_line + 4, &high[line], sizeof(Words4));
  }
  return {held, record};
}

template <unsigned lines, Recording recording>
IDEM_TARGET_AVX2 inline std::size_t generation_insert_group_avx2(const GenerationProbe* probes,
                                                                 std::size_t count,
                                                                 const GenerationView& view,
                                                                 Verdict* verdicts) noexcept {
  std::size_t recorded = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto answer = generation_insert_avx2<lines, recording>(probes[i], view);
    verdicts[i] = bloom_verdict(answer.held);
    recorded += answer.recorded;
  }
  return recorded;
}

#endif

// The blocks, over hashes of 64 bits, with the kernels of one instruction set. An object that was moved
// from has none.
class GenerationBlocks {
 public:
  static constexpr std::uint64_t line_bytes = ZeroedLines::line_bytes;
  static constexpr std::uint64_t max_lines = ZeroedLines::max_lines;

  explicit GenerationBlocks(unsigned lines_a_block, Simd simd = best_simd()) noexcept
      : lines_a_block_(lines_a_block), simd_(simd) {}

  // There must be blocks.
  [[nodiscard]] GenerationProbe probe_of(std::uint64_t hash) const noexcept {
    GenerationProbe probe;
    aim(hash, probe);
    return probe;
  }

  // Takes the blocks, once; false: there is no memory for them.
  [[nodiscard]] bool take(std::uint64_t blocks) noexcept {
    return blocks <= max_lines / lines_a_block_ && lines_.take(blocks * lines_a_block_);
  }

  template <Recording recording>
  [[nodiscard]] GenerationAnswer insert(std::uint64_t hash, const GenerationView& view) noexcept {
    const GenerationProbe probe = probe_of(hash);
#if IDEM_X86_KERNELS
    if (simd_ != Simd::portable) {
      return lines_a_block_ == 1 ? generation_insert_avx2<1, recording>(probe, view)
                                 : generation_insert_avx2<2, recording>(probe, view);
    }
#endif
    return lines_a_block_ == 1 ? generation_insert_portable<1, recording>(probe, view)
                               : generation_insert_portable<2, recording>(probe, view);
  }
  template <Among among = Among::all>
  [[nodiscard]] bool contains(const GenerationProbe& probe,
                              const GenerationView& view) const noexcept {
    return lines_a_block_ == 1 ? generation_contains_portable<1, among>(probe, view)
                               : generation_contains_portable<2, among>(probe, view);
  }

  // Calls work(probes, count, place of the first) for the keys in order, in groups whose blocks are
  // on their way since long. The hash of key i is hash_of(i).
  void in_groups(std::size_t count, const auto& hash_of, const auto& work) const noexcept {
    std::array<GenerationProbe, ring> probes;
    std::size_t prepared = 0;
    const auto prepare_to = [&](std::size_t end) {
      for (; prepared < end; ++prepared) {
        GenerationProbe& probe = probes[prepared % ring];
        aim(hash_of(prepared), probe);
        __builtin_prefetch(probe.block, 1);
        if (lines_a_block_ == 2) __builtin_prefetch(probe.block + words_a_line, 1);
      }
    };
    prepare_to(smaller(ahead, count));
    for (std::size_t begin = 0; begin < count; begin += group) {
      prepare_to(smaller(prepared + group, count));
      work(probes.data() + begin % ring, smaller(group, count - begin), begin);
    }
  }
  // Judges and records such a group; answers how many were recorded.
  template <Recording recording>
  [[nodiscard]] std::size_t insert_group(const GenerationProbe* probes, std::size_t count,
                                         const GenerationView& view, Verdict* verdicts) noexcept {
#if IDEM_X86_KERNELS
    if (simd_ != Simd::portable) {
      return lines_a_block_ == 1
                 ? generation_insert_group_avx2<1, recording>(probes, count, view, verdicts)
                 : generation_insert_group_avx2<2, recording>(probes, count, view, verdicts);
    }
#endif
    return lines_a_block_ == 1
               ? generation_insert_group_portable<1, recording>(probes, count, view, verdicts)
               : generation_insert_group_portable<2, recording>(probes, count, view, verdicts);
  }

  // By force: g++ takes a function that does nothing but prefetch for one without effect.
  __attribute__((always_inline)) void prefetch(std::uint64_t hash) const noexcept {
    if (blocks() == 0) return;
    const auto block = static_cast<std::size_t>(multiply_high(hash, blocks()));
    __builtin_prefetch(lines_.data() + block * lines_a_block_ * words_a_line, 1);
  }

  // visit(words) for each line: what is left of the generations, the newest first.
  template <class Visit>
  void for_each_line(std::uint64_t generation, Visit&& visit) const {
    std::array<std::uint64_t, generation_lanes> words;
    for (std::size_t line = 0; line < lines_.count(); ++line) {
      const std::size_t block = line & ~std::size_t{lines_a_block_ - 1};
      const std::uint64_t* const kept = GenerationView(generation, generation % generation_lanes)
                                            .kept_of(lines_.data() + block * words_a_line);
      for (unsigned age = 0; age < generation_lanes; ++age) {
        const std::uint64_t lane = (generation - age) % generation_lanes;
        words[age] = lines_.data()[line * words_a_line + lane] & kept[lane];
      }
      visit(words);
    }
  }
  void fill_line(std::size_t line, std::uint64_t generation,
                 const std::array<std::uint64_t, generation_lanes>& words) noexcept {
    std::uint64_t* const to = lines_.data() + line * words_a_line;
    for (unsigned age = 0; age < generation_lanes; ++age)
      to[(generation - age) % generation_lanes] = words[age];
    if (line % lines_a_block_ == 0) to[stamp_word] = generation;
  }

  [[nodiscard]] std::size_t blocks() const noexcept {
    return lines_.count() >> (lines_a_block_ - 1);
  }
  [[nodiscard]] unsigned lines_a_block() const noexcept { return lines_a_block_; }
  [[nodiscard]] std::size_t lines() const noexcept { return lines_.count(); }
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return lines_.bytes(); }
  [[nodiscard]] std::span<const std::uint64_t> words() const noexcept {
    return {lines_.data(), lines_.words()};
  }

 private:
  // Keys whose blocks are on their way while a group is worked on, and the size of a group.
  static constexpr std::size_t ahead = 32;
  static constexpr std::size_t group = 16;
  static constexpr std::size_t ring = 64;
  static_assert(ring >= ahead + group && ring % group == 0);

  // In place: a probe made elsewhere and copied is read back before its halves are written.
  void aim(std::uint64_t hash, GenerationProbe& probe) const noexcept {
    const auto block = static_cast<std::size_t>(multiply_high(hash, blocks()));
    const std::uint64_t choice = filter_remix(hash);
    // Const members only read through it.
    probe.block = const_cast<std::uint64_t*>(lines_.data()) + block * lines_a_block_ * words_a_line;
    if (lines_a_block_ == 1) {
      probe.bits[0] = one_bit_a_byte(choice);
    } else {
      probe.bits[0] = one_bit_a_quarter(choice);
      probe.bits[1] = one_bit_a_quarter(choice << 4);
    }
  }

  ZeroedLines lines_;
  unsigned lines_a_block_;
  Simd simd_;
};

}  // namespace idem::inline IDEM_ABI::detail
