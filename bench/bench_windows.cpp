// TimeWindowRing against the ways people write "seen in the last N minutes" by hand: full windows,
// every fresh key pushes one out, one key in ten is a duplicate. All contenders live in one process,
// are given the same keys at the same times under the same hash, and take turns; times are those of
// the thread's CPU clock. Compare rows of one run only.
//
//   bench_windows [live ids]... [--rounds N] [--short] [--filters] [--json FILE]
//                                                 default: 1000000 16000000, 9 rounds
//
// --short leaves out the other modes of the ring, the rotating sets and the planted contender.
// --filters compares filters over a window instead, at 1 % and at 0.1 %, with a plain BloomFilter of as
// many keys and the same rate, and with rotating BloomFilters that are all asked.
//
// GLIBC_TUNABLES=glibc.malloc.hugetlb=1 gives huge pages to every contender alike.

#include <malloc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#if __has_include(<absl/container/flat_hash_map.h>)
#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#define HAS_ABSEIL 1
#else
#define HAS_ABSEIL 0
#endif
#if __has_include(<boost/unordered/unordered_flat_map.hpp>)
#include <boost/unordered/unordered_flat_map.hpp>
#define HAS_BOOST_FLAT 1
#else
#define HAS_BOOST_FLAT 0
#endif

#include <idem/memory/backed_window.hpp>
#include <idem/memory/bloom_filter.hpp>
#include <idem/memory/time_window_ring.hpp>
#include <idem/memory/window_bloom_filter.hpp>
#include <idem/memory/window_cuckoo_filter.hpp>

#include "harness.hpp"

namespace {

using bench::median;
using bench::mix;

using idem::Duration;
using idem::Instant;
using idem::Uuid;
using idem::Verdict;
using idem::WindowMode;
using idem::WindowTime;

constexpr idem::Seed seed{1, 2};
constexpr std::size_t batch_size = 512;

struct SameHash {
  idem::Xxh3Hash hash{seed};
  std::size_t operator()(const Uuid& id) const noexcept { return hash.slot(id.hi(), id.lo()); }
};

// The n-th fresh key, and what the stream brings at each tick.
Uuid fresh_id(std::uint64_t n) { return Uuid(mix(2 * n + 1), mix(2 * n + 2)); }

class Stream {
 public:
  explicit Stream(std::uint64_t live) : live_(live) {}

  void next(std::vector<Uuid>& keys, std::size_t count) {
    keys.clear();
    for (std::size_t i = 0; i < count; ++i, ++tick_) {
      const std::uint64_t dice = mix(tick_ ^ 0x5bd1e995);
      // Not older than half a window, so that every contender must know it.
      const std::uint64_t reach = live_ / 2;
      const bool again = made_ > 16 && dice % 10 == 0;
      keys.push_back(fresh_id(again ? made_ - 1 - (dice >> 20) % std::min(reach, made_) : made_++));
    }
  }

 private:
  std::uint64_t live_;
  std::uint64_t tick_ = 0;
  std::uint64_t made_ = 0;
};

// A contender judges a batch whose first message comes at `tick`, one message a tick, and says how
// many were fresh.
struct Contender {
  std::string name;
  std::function<std::uint64_t(std::span<const Uuid>, std::int64_t)> judge;
  double bytes = 0;
  std::vector<double> nanoseconds{};
  std::uint64_t fresh = 0;
  std::uint64_t fresh_when_full = 0;
};

Instant instant(std::int64_t tick) { return Instant::at(Duration::nanoseconds(tick)); }

std::uint64_t count_fresh(std::span<const Verdict> verdicts) {
  std::uint64_t fresh = 0;
  for (const Verdict verdict : verdicts) fresh += verdict == Verdict::fresh;
  return fresh;
}

template <class Ring>
std::shared_ptr<Ring> make_ring(std::int64_t window, std::uint64_t live) {
  typename Ring::Options options{};
  options.window = Duration::nanoseconds(window);
  options.expected_keys = live + live / 100;
  options.seed = seed;
  return std::make_shared<Ring>(options);
}

template <class Ring>
auto ring_in_batches(std::int64_t window, std::uint64_t live) {
  return [ring = make_ring<Ring>(window, live)](std::span<const Uuid> keys, std::int64_t tick) {
    Verdict verdicts[batch_size];
    const std::span<Verdict> answers = std::span<Verdict>(verdicts).first(keys.size());
    ring->insert(keys, {.now = instant(tick), .event = instant(tick)}, answers);
    return count_fresh(answers);
  };
}
template <class Ring>
auto ring_in_single_calls(std::int64_t window, std::uint64_t live) {
  return [ring = make_ring<Ring>(window, live)](std::span<const Uuid> keys, std::int64_t tick) {
    std::uint64_t fresh = 0;
    for (const Uuid& key : keys) {
      fresh += ring->insert(key, {.now = instant(tick)}) == Verdict::fresh;
      ++tick;
    }
    return fresh;
  };
}
template <class Ring>
auto ring_with_payload(std::int64_t window, std::uint64_t live) {
  return [ring = make_ring<Ring>(window, live)](std::span<const Uuid> keys, std::int64_t tick) {
    std::uint64_t fresh = 0;
    for (const Uuid& key : keys) {
      typename Ring::Payload first{};
      fresh +=
          ring->insert(key, {.now = instant(tick)}, {key.hi(), key.lo()}, first) == Verdict::fresh;
      fresh += first.hi == 1;
      ++tick;
    }
    return fresh;
  };
}

template <class Map>
void prefetch(const Map& map, const Uuid& key) {
  if constexpr (requires { map.prefetch(key); }) map.prefetch(key);
}

// A map from id to time, and a deque of what expires when. Containers that have a prefetch are given
// the keys of the batch, and those about to expire, sixteen ahead.
template <class Map>
auto map_and_deque(std::int64_t window, std::uint64_t live) {
  struct State {
    Map map;
    std::deque<std::pair<std::int64_t, Uuid>> order;
  };
  auto state = std::make_shared<State>();
  state->map.reserve(live + live / 100);
  return [state, window](std::span<const Uuid> keys, std::int64_t tick) {
    std::uint64_t fresh = 0;
    auto& [map, order] = *state;
    for (std::size_t i = 0; i < keys.size(); ++i, ++tick) {
      if (i + 16 < keys.size()) prefetch(map, keys[i + 16]);
      if (order.size() > 16) prefetch(map, order[16].second);
      while (!order.empty() && tick - order.front().first >= window) {
        map.erase(order.front().second);
        order.pop_front();
      }
      if (map.try_emplace(keys[i], tick).second) {
        order.emplace_back(tick, keys[i]);
        ++fresh;
      }
    }
    return fresh;
  };
}

#if HAS_ABSEIL
auto set_and_ring(std::int64_t window, std::uint64_t live) {
  struct State {
    absl::flat_hash_set<Uuid, SameHash> set;
    std::vector<std::pair<std::int64_t, Uuid>> ring;
    std::size_t head = 0, tail = 0;
  };
  auto state = std::make_shared<State>();
  state->set.reserve(live + live / 100);
  state->ring.resize(live + live / 8);
  return [state, window](std::span<const Uuid> keys, std::int64_t tick) {
    std::uint64_t fresh = 0;
    auto& set = state->set;
    auto& ring = state->ring;
    auto &head = state->head, &tail = state->tail;
    const auto after = [&](std::size_t place) { return place + 1 == ring.size() ? 0 : place + 1; };
    for (std::size_t i = 0; i < keys.size(); ++i, ++tick) {
      if (i + 16 < keys.size()) set.prefetch(keys[i + 16]);
      set.prefetch(ring[tail + 16 < ring.size() ? tail + 16 : 0].second);
      while (tail != head && tick - ring[tail].first >= window) {
        set.erase(ring[tail].second);
        tail = after(tail);
      }
      if (set.insert(keys[i]).second) {
        ring[head] = {tick, keys[i]};
        head = after(head);
        if (head == tail) std::abort();
        ++fresh;
      }
    }
    return fresh;
  };
}

// Remembers between one and two windows: inexact, and the only one of these that is.
auto rotating_sets(std::int64_t window, std::uint64_t live) {
  struct State {
    absl::flat_hash_set<Uuid, SameHash> current, previous;
    std::int64_t started = 0;
  };
  auto state = std::make_shared<State>();
  state->current.reserve(live + live / 100);
  state->previous.reserve(live + live / 100);
  return [state, window](std::span<const Uuid> keys, std::int64_t tick) {
    std::uint64_t fresh = 0;
    auto& [current, previous, started] = *state;
    for (std::size_t i = 0; i < keys.size(); ++i, ++tick) {
      if (tick - started >= window) {
        std::swap(current, previous);
        current.clear();
        started = tick;
      }
      if (i + 16 < keys.size()) {
        current.prefetch(keys[i + 16]);
        previous.prefetch(keys[i + 16]);
      }
      if (!previous.contains(keys[i]) && current.insert(keys[i]).second) ++fresh;
    }
    return fresh;
  };
}
#endif

double heap_bytes() {
  const auto info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

using Makers = std::vector<std::function<Contender()>>;

bench::Rows* json = nullptr;

struct Race {
  std::uint64_t live = 0;
  std::size_t rounds = 9;
  const char* reference = "";  // the row that ratios are to
  std::string compared = "windows";
  bool same_answers = true;  // filters are wrong here and there, each in its own way
};

int run(const Race& race, const Makers& makers,
        const std::function<bool(const std::string&)>& is_left_out);

int compare(std::uint64_t live, std::size_t rounds, bool short_run) {
  // Nine ticks in ten bring a fresh key.
  const auto window = static_cast<std::int64_t>(live * 10 / 9);
  using Fixed = idem::TimeWindowRing<Uuid>;
  using Sliding = idem::TimeWindowRing<Uuid, WindowMode::sliding>;
  using Event = idem::TimeWindowRing<Uuid, WindowMode::fixed, WindowTime::event>;
  using Carrying = idem::TimeWindowRing<Uuid, WindowMode::fixed, WindowTime::arrival, idem::Digest>;

  const Makers makers {
    [&] {
      return Contender{"TimeWindowRing, batches of 512", ring_in_batches<Fixed>(window, live)};
    },
        [&] {
          return Contender{"TimeWindowRing, single calls",
                           ring_in_single_calls<Fixed>(window, live)};
        },
        [&] {
          return Contender{"  sliding, batches", ring_in_batches<Sliding>(window, live)};
        },
        [&] {
          return Contender{"  event time, batches", ring_in_batches<Event>(window, live)};
        },
        [&] {
          return Contender{"  payload of 16 bytes, single",
                           ring_with_payload<Carrying>(window, live)};
        },
        [&] {
          return Contender{
              "std::unordered_map + deque",
              map_and_deque<std::unordered_map<Uuid, std::int64_t, SameHash>>(window, live)};
        },
#if HAS_ABSEIL
        [&] {
          return Contender{
              "absl::flat_hash_map + deque",
              map_and_deque<absl::flat_hash_map<Uuid, std::int64_t, SameHash>>(window, live)};
        },
        [&] {
          return Contender{"absl::flat_hash_set + ring", set_and_ring(window, live)};
        },
        [&] {
          return Contender{"2 rotating absl sets (inexact)", rotating_sets(window, live)};
        },
#endif
#if HAS_BOOST_FLAT
        [&] {
          return Contender{
              "boost::unordered_flat_map + deque",
              map_and_deque<boost::unordered_flat_map<Uuid, std::int64_t, SameHash>>(window, live)};
        },
#endif
        [&] {
          return Contender{"planted: TimeWindowRing, twice",
                           [first = ring_in_batches<Fixed>(window, live),
                            second = ring_in_batches<Fixed>(window, live)](
                               std::span<const Uuid> keys, std::int64_t tick) {
                             return (first(keys, tick) + second(keys, tick)) / 2;
                           }};
        },
        [&] {
          return Contender{"nothing", [](std::span<const Uuid> keys, std::int64_t) {
                             std::uint64_t sum = 0;
                             for (const Uuid& key : keys) sum += key.lo() & 1;
                             return sum;
                           }};
        }
  };

  const auto is_left_out = [&](const std::string& name) {
    return short_run && (name.starts_with("  ") || name.find("single") != std::string::npos ||
                         name.find("rotating") != std::string::npos || name.starts_with("planted"));
  };

  const int wrong =
      run({.live = live, .rounds = rounds, .reference = "TimeWindowRing, batches of 512"}, makers,
          is_left_out);
#if !HAS_BOOST_FLAT
  std::printf("%-36s %9s\n", "boost::unordered_flat_map + deque", "not run");
  json->not_run("windows", static_cast<double>(live), "boost::unordered_flat_map + deque",
                "needs Boost 1.81 (libboost1.81-dev)");
#endif
  return wrong;
}

template <class Filter>
auto filter_in_batches(std::int64_t window, std::uint64_t live, double rate, unsigned lines) {
  auto filter =
      std::make_shared<Filter>(typename Filter::Options{.window = Duration::nanoseconds(window),
                                                        .expected_keys = live,
                                                        .false_positive_rate = rate,
                                                        .lines_a_key = lines,
                                                        .seed = seed});
  return [filter](std::span<const Uuid> keys, std::int64_t tick) {
    Verdict verdicts[batch_size];
    const std::span<Verdict> answers = std::span<Verdict>(verdicts).first(keys.size());
    filter->insert(keys, {.now = instant(tick)}, answers);
    return count_fresh(answers);
  };
}

auto cuckoo_in_batches(std::int64_t window, std::uint64_t live) {
  using Filter = idem::WindowCuckooFilter<Uuid>;
  auto filter = std::make_shared<Filter>(idem::WindowCuckooOptions{
      .window = Duration::nanoseconds(window), .expected_keys = live, .seed = seed});
  return [filter](std::span<const Uuid> keys, std::int64_t tick) {
    Verdict verdicts[batch_size];
    const std::span<Verdict> answers = std::span<Verdict>(verdicts).first(keys.size());
    filter->insert(keys, {.now = instant(tick)}, answers);
    return count_fresh(answers);
  };
}

// No window: emptied whenever it has its keys.
auto plain_filter(std::int64_t window, std::uint64_t live, double rate) {
  auto filter = std::make_shared<idem::BloomFilter<Uuid>>(
      idem::BloomFilterOptions{.expected_keys = live, .false_positive_rate = rate, .seed = seed});
  return [filter, window, ends = window](std::span<const Uuid> keys, std::int64_t tick) mutable {
    if (tick >= ends) {
      filter->clear();
      ends = tick + window;
    }
    Verdict verdicts[batch_size];
    const std::span<Verdict> answers = std::span<Verdict>(verdicts).first(keys.size());
    filter->insert(keys, answers);
    return count_fresh(answers);
  };
}

// Seven filters of a sixth of the window each, all of them asked, in batches.
auto rotating_filters(std::int64_t window, std::uint64_t live, double rate) {
  constexpr std::size_t filters = 7;
  auto all = std::make_shared<std::vector<idem::BloomFilter<Uuid>>>();
  for (std::size_t i = 0; i < filters; ++i) {
    all->emplace_back(idem::BloomFilterOptions{
        .expected_keys = live / 6 + 1, .false_positive_rate = rate / filters, .seed = seed});
  }
  return [all, length = window / 6 + 1, ends = window / 6 + 1, current = std::size_t{0}](
             std::span<const Uuid> keys, std::int64_t tick) mutable {
    if (tick >= ends) {
      current = (current + 1) % filters;
      (*all)[current].clear();
      ends = tick + length;
    }
    Verdict verdicts[batch_size], one[batch_size];
    bool held[batch_size] = {};
    const std::span<Verdict> answers = std::span<Verdict>(one).first(keys.size());
    for (std::size_t i = 0; i < filters; ++i) {
      if (i == current) continue;
      (*all)[i].check(keys, answers);
      for (std::size_t k = 0; k < keys.size(); ++k)
        held[k] = held[k] || answers[k] == Verdict::probable_duplicate;
    }
    // Duplicates are recorded again: leaving them out would cost a branch a key.
    (*all)[current].insert(keys, answers);
    for (std::size_t k = 0; k < keys.size(); ++k)
      verdicts[k] = held[k] ? Verdict::probable_duplicate : answers[k];
    return count_fresh(std::span<const Verdict>(verdicts).first(keys.size()));
  };
}

// The exact window over a tenth of the time, the filter over all of it.
auto backed_window(std::int64_t window, std::uint64_t live, double rate) {
  using Backed = idem::BackedWindow<idem::TimeWindowRing<Uuid>, idem::WindowBloomFilter<Uuid>>;
  auto backed = std::make_shared<Backed>(
      Backed::Options{.exact = {.window = Duration::nanoseconds(window / 10),
                                .expected_keys = live / 10 + live / 100,
                                .seed = seed},
                      .filter = {.window = Duration::nanoseconds(window),
                                 .expected_keys = live,
                                 .false_positive_rate = rate,
                                 .seed = seed}});
  return [backed](std::span<const Uuid> keys, std::int64_t tick) {
    Verdict verdicts[batch_size];
    const std::span<Verdict> answers = std::span<Verdict>(verdicts).first(keys.size());
    backed->insert(keys, {.now = instant(tick)}, answers);
    return count_fresh(answers);
  };
}

int compare_filters(std::uint64_t live, std::size_t rounds, double rate) {
  const auto window = static_cast<std::int64_t>(live * 10 / 9);
  using Fixed = idem::WindowBloomFilter<Uuid>;
  using Sliding = idem::WindowBloomFilter<Uuid, WindowMode::sliding>;
  const Makers makers{
      [&] {
        return Contender{"BloomFilter, no window", plain_filter(window, live, rate)};
      },
      [&] {
        return Contender{"WindowBloomFilter, one line",
                         filter_in_batches<Fixed>(window, live, rate, 1)};
      },
      [&] {
        return Contender{"WindowBloomFilter, two lines",
                         filter_in_batches<Fixed>(window, live, rate, 2)};
      },
      [&] {
        return Contender{"  sliding, one line", filter_in_batches<Sliding>(window, live, rate, 1)};
      },
      [&] {
        return Contender{"WindowCuckooFilter, 0.1 %", cuckoo_in_batches(window, live)};
      },
      [&] {
        return Contender{"7 rotating BloomFilters, all asked",
                         rotating_filters(window, live, rate)};
      },
      [&] {
        return Contender{"BackedWindow, a tenth of it exact", backed_window(window, live, rate)};
      },
      [&] {
        return Contender{"TimeWindowRing, all of it exact",
                         ring_in_batches<idem::TimeWindowRing<Uuid>>(window, live)};
      },
      [&] {
        return Contender{"planted: one line, twice",
                         [first = filter_in_batches<Fixed>(window, live, rate, 1),
                          second = filter_in_batches<Fixed>(window, live, rate, 1)](
                             std::span<const Uuid> keys, std::int64_t tick) {
                           return (first(keys, tick) + second(keys, tick)) / 2;
                         }};
      },
      [&] {
        return Contender{"nothing", [](std::span<const Uuid> keys, std::int64_t) {
                           std::uint64_t sum = 0;
                           for (const Uuid& key : keys) sum += key.lo() & 1;
                           return sum;
                         }};
      }};
  for (const unsigned lines : {1U, 2U}) {
    const idem::ByteSize size = Fixed::size_for(live, rate, lines);
    const Fixed filter({.window = Duration::nanoseconds(window),
                        .expected_keys = live,
                        .false_positive_rate = rate,
                        .lines_a_key = lines,
                        .seed = seed});
    json->add(rate == 0.01 ? "window filters computed, 1 %" : "window filters computed, 0.1 %",
              static_cast<double>(live),
              lines == 1 ? "WindowBloomFilter, one line" : "WindowBloomFilter, two lines", {},
              {{"asked", rate},
               {"computed", Fixed::rate_for(live, size, lines)},
               {"bits", 8 * static_cast<double>(size.count()) / static_cast<double>(live)},
               {"held_bits",
                8 * static_cast<double>(filter.memory_bytes()) / static_cast<double>(live)}});
  }
  std::printf("\nfalse-positive rate asked for: %g", rate);
  return run({.live = live,
              .rounds = rounds,
              .reference = "BloomFilter, no window",
              .compared = rate == 0.01 ? "window filters, 1 %" : "window filters, 0.1 %",
              .same_answers = false},
             makers, [](const std::string&) { return false; });
}

int run(const Race& race, const Makers& makers,
        const std::function<bool(const std::string&)>& is_left_out) {
  const std::uint64_t live = race.live;
  const std::size_t rounds = race.rounds;
  const auto window = static_cast<std::int64_t>(live * 10 / 9);

  // Each fills its window alone, so that its memory can be told.
  std::vector<Contender> contenders;
  const std::uint64_t warm = static_cast<std::uint64_t>(window) * 5 / 2 / batch_size * batch_size;
  Stream stream(live);
  std::vector<Uuid> keys;
  for (const auto& make : makers) {
    const double before = heap_bytes();
    Contender made = make();
    if (is_left_out(made.name)) continue;
    stream = Stream(live);
    for (std::uint64_t tick = 0; tick < warm; tick += batch_size) {
      stream.next(keys, batch_size);
      made.fresh += made.judge(keys, static_cast<std::int64_t>(tick));
    }
    malloc_trim(0);
    made.bytes = heap_bytes() - before;
    contenders.push_back(std::move(made));
  }

  const std::uint64_t block = 512 * batch_size;
  std::vector<Uuid> all;
  for (std::size_t round = 0; round < rounds; ++round) {
    stream.next(all, block);
    for (std::size_t c = 0; c < contenders.size(); ++c) {
      Contender& turn = contenders[(c + round) % contenders.size()];
      auto tick = static_cast<std::int64_t>(warm + round * block);
      std::uint64_t fresh = 0;
      const double start = bench::thread_ns();
      for (std::size_t i = 0; i < all.size(); i += batch_size) {
        fresh += turn.judge(std::span<const Uuid>(all).subspan(i, batch_size), tick);
        tick += static_cast<std::int64_t>(batch_size);
      }
      turn.nanoseconds.push_back((bench::thread_ns() - start) / static_cast<double>(block));
      turn.fresh += fresh;
      turn.fresh_when_full += fresh;
    }
  }

  std::printf("\n%llu ids live, 10 %% duplicates, median of %zu rounds of %llu messages\n",
              static_cast<unsigned long long>(live), rounds,
              static_cast<unsigned long long>(block));
  std::printf("%-36s %9s %17s %8s %9s %9s\n", "", "ns/msg", "(min .. max)", "ratio", "B/live id",
              "wrong");
  double reference = 0;
  double truly_fresh = 0;
  for (const Contender& c : contenders) {
    if (c.name == race.reference) reference = median(c.nanoseconds);
    if (c.name.starts_with("TimeWindowRing")) {
      truly_fresh = static_cast<double>(c.fresh_when_full);
    }
  }
  int wrong = 0;
  for (const Contender& c : contenders) {
    const auto [low, high] = std::minmax_element(c.nanoseconds.begin(), c.nanoseconds.end());
    // Of the messages that the exact ring knows to be fresh.
    const double wrong_rate = 1 - static_cast<double>(c.fresh_when_full) / truly_fresh;
    std::printf("%-36s %9.1f %8.1f .. %5.1f %8.2f %9.1f %9.5f\n", c.name.c_str(),
                median(c.nanoseconds), *low, *high, median(c.nanoseconds) / reference,
                c.bytes / static_cast<double>(live), wrong_rate);
    json->add(race.compared, static_cast<double>(live), c.name, c.nanoseconds,
              {{"bytes", c.bytes / static_cast<double>(live)},
               {"wrong_rate", wrong_rate},
               {"truly_fresh", truly_fresh}});
    // Rotating sets and windows that granules or refreshes lengthen answer the same here, since no
    // duplicate is older than half a window.
    if (race.same_answers && c.name != "nothing" && c.fresh != contenders.front().fresh) {
      std::printf("  WRONG: %llu fresh, not %llu\n", static_cast<unsigned long long>(c.fresh),
                  static_cast<unsigned long long>(contenders.front().fresh));
      ++wrong;
    }
  }
  return wrong;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Rows rows(argc, argv);
  json = &rows;
  std::vector<std::uint64_t> sizes;
  std::size_t rounds = 9;
  bool short_run = false, filters = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
      rounds = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--short") == 0) {
      short_run = true;
    } else if (std::strcmp(argv[i], "--filters") == 0) {
      filters = true;
    } else {
      sizes.push_back(std::strtoull(argv[i], nullptr, 10));
    }
  }
  if (sizes.empty()) sizes = {1'000'000, 16'000'000};
  int wrong = 0;
  for (const std::uint64_t live : sizes) {
    if (!filters) {
      wrong += compare(live, rounds, short_run);
      continue;
    }
    for (const double rate : {0.01, 0.001}) wrong += compare_filters(live, rounds, rate);
  }
  return wrong == 0 ? 0 : 1;
}
