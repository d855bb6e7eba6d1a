#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include <idem/core/bytes.hpp>
#include <idem/core/time.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/memory/filter_size.hpp>
#include <idem/detail/memory/generation_clock.hpp>
#include <idem/detail/memory/generation_rate.hpp>
#include <idem/detail/memory/zeroed_lines.hpp>
#include <idem/memory/window_filter_options.hpp>

// What the options of a window filter come to.

namespace idem::inline IDEM_ABI::detail {

// Seven generations of a sixth of the window's keys each, the most there are at once.
[[nodiscard]] constexpr double keys_at_most(std::uint64_t keys) noexcept {
  return static_cast<double>(keys_a_generation(keys)) * generation_lanes;
}

[[nodiscard]] constexpr double generation_plan_rate(std::uint64_t keys, ByteSize size,
                                                    unsigned lines) noexcept {
  const std::uint64_t block_bytes = lines * ZeroedLines::line_bytes;
  if (size.count() < block_bytes) return 1;
  const double rate =
      either(generations_rate(static_cast<double>(keys_a_generation(keys)),
                              static_cast<double>(size.count() / block_bytes), lines),
             bloom_hash_rate(keys_at_most(keys)));
  return rate < 1 ? rate : 1;
}

struct GenerationExtent {
  double blocks;
  unsigned lines;
  [[nodiscard]] constexpr double bytes() const noexcept {
    return blocks * lines * static_cast<double>(ZeroedLines::line_bytes);
  }
};

[[nodiscard]] constexpr GenerationExtent generation_extent(std::uint64_t keys, double rate,
                                                           unsigned lines) {
  if (keys == 0) invalid_option("WindowFilterOptions.expected_keys", keys, "at least 1");
  if (!(rate > 0 && rate < 1)) {
    invalid_option("WindowFilterOptions.false_positive_rate", rate,
                   "more than 0 and less than 1, unless size is given instead");
  }
  if (lines > 2) invalid_option("WindowFilterOptions.lines_a_key", lines, "0, 1 or 2");
  const double by_hash = bloom_hash_rate(keys_at_most(keys));
  if (rate < 16 * by_hash) {
    invalid_option("WindowFilterOptions.false_positive_rate", rate,
                   "at least " + to_text(16 * by_hash) + " for " + to_text(keys) +
                       " keys, since keys are known by 64 bits");
  }
  const auto with = [&](unsigned count) {
    return GenerationExtent{generation_blocks_for(keys, rate - by_hash, count), count};
  };
  if (lines != 0) return with(lines);
  const GenerationExtent one = with(1), two = with(2);
  return 2 * one.bytes() > 3 * two.bytes() ? two : one;
}

[[nodiscard]] constexpr ByteSize generation_plan_size(std::uint64_t keys, double rate,
                                                      unsigned lines) {
  const GenerationExtent extent = generation_extent(keys, rate, lines);
  if (!(extent.bytes() < 0x1p62)) {
    invalid_option("WindowFilterOptions.expected_keys", keys,
                   "small enough for its " + filter_bits_text(extent.bytes(), 1) +
                       " to fit the memory there is");
  }
  return ByteSize(static_cast<std::uint64_t>(extent.blocks) * extent.lines *
                  ZeroedLines::line_bytes);
}

struct GenerationPlan {
  GenerationSettings settings;
  std::uint64_t blocks = 0;
  unsigned lines_a_block = 1;
};

[[nodiscard]] inline Duration generation_lead(const WindowFilterOptions&) noexcept {
  return Duration::max();
}
[[nodiscard]] inline Duration generation_lead(const EventWindowFilterOptions& options) {
  if (options.allowed_lead < Duration()) {
    invalid_option("EventWindowFilterOptions.allowed_lead", options.allowed_lead.count(),
                   "0 ns or more");
  }
  return options.allowed_lead;
}

template <class Options>
[[noreturn]] void refuse_generation_size(const Options& options, const GenerationPlan& plan) {
  const std::string rule = "small enough for its " +
                           filter_bits_text(static_cast<double>(plan.blocks) * plan.lines_a_block,
                                            ZeroedLines::line_bytes) +
                           " to fit the memory there is";
  if (options.size != ByteSize{})
    invalid_option("WindowFilterOptions.size", options.size.count(), rule);
  invalid_option("WindowFilterOptions.expected_keys", options.expected_keys, rule);
}

template <class Options>
[[nodiscard]] GenerationPlan generation_plan(const Options& options) {
  GenerationPlan plan;
  GenerationSettings& settings = plan.settings;
  settings.window = options.window.count();
  const bool by_count = options.window == Duration::max();
  if (settings.window <= 0)
    invalid_option("WindowFilterOptions.window", settings.window, "more than 0 ns");

  if constexpr (std::is_same_v<Options, EventWindowFilterOptions>) {
    if (by_count) {
      invalid_option("EventWindowFilterOptions.window", settings.window,
                     "less than Duration::max(): a window by count goes by arrival");
    }
    settings.lateness = settings.window;
    if (options.allowed_lateness != Duration::max()) {
      settings.lateness = options.allowed_lateness.count();
      if (settings.lateness <= 0 || settings.lateness > settings.window) {
        invalid_option(
            "EventWindowFilterOptions.allowed_lateness", settings.lateness,
            "more than 0 ns and at most the window of " + to_text(settings.window) + " ns");
      }
    }
  } else {
    settings.rotates_early = options.when_crowded == WhenCrowded::forget_oldest;
    settings.refuses = options.when_crowded == WhenCrowded::refuse;
    if (by_count && !settings.rotates_early) {
      invalid_option("WindowFilterOptions.window", settings.window,
                     "less than Duration::max(), unless when_crowded is forget_oldest");
    }
  }

  if (options.size == ByteSize{}) {
    const ByteSize size = generation_plan_size(options.expected_keys, options.false_positive_rate,
                                               options.lines_a_key);
    plan.lines_a_block =
        generation_extent(options.expected_keys, options.false_positive_rate, options.lines_a_key)
            .lines;
    plan.blocks = size.count() / (plan.lines_a_block * ZeroedLines::line_bytes);
  } else {
    if (options.expected_keys == 0)
      invalid_option("WindowFilterOptions.expected_keys", options.expected_keys, "at least 1");
    if (options.false_positive_rate != 0) {
      invalid_option("WindowFilterOptions.size", options.size.count(),
                     "left out when false_positive_rate is given");
    }
    if (options.lines_a_key > 2)
      invalid_option("WindowFilterOptions.lines_a_key", options.lines_a_key, "0, 1 or 2");
    plan.lines_a_block = options.lines_a_key == 2 ? 2 : 1;
    const std::uint64_t block_bytes = plan.lines_a_block * ZeroedLines::line_bytes;
    if (options.size.count() < block_bytes) {
      invalid_option("WindowFilterOptions.size", options.size.count(),
                     "at least " + to_text(block_bytes) + " bytes, one block");
    }
    plan.blocks = options.size.count() / block_bytes;
  }
  settings.planned = keys_a_generation(options.expected_keys);
  return plan;
}

}  // namespace idem::inline IDEM_ABI::detail
