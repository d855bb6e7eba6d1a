// The filters against floors, against the ways people write them by hand, and against other
// libraries. All contenders live in one process, are given the same keys under the same hash in
// batches of one size, and take turns; times are those of the thread's CPU clock. Compare rows of
// one run only.
//
//   bench_filters [bloom|cache|cuckoo|inverse|rate]... [--keys N] [--rounds N] [--only TEXT]... [--json FILE]
//                                                 default: all, 64000000 keys, 5 rounds
//
// --only leaves out the rows whose names hold none of the texts, but for the first two.
//
// Keys are already hashed: every contender gets 64 uniform bits and hashes no further, but for
// libbloom, which cannot be told. Ratios are taken after the time of `nothing` is taken off.
// GLIBC_TUNABLES=glibc.malloc.hugetlb=1 gives huge pages to every contender alike.
//
// Peers outside Debian are included where their sources are: -DIDEM_PEER_BOOST_BLOOM_DIR (the
// include directory of Boost 1.90 or newer), -DIDEM_PEER_FASTFILTER_DIR (src of
// FastFilter/fastfilter_cpp), -DIDEM_PEER_CUCKOOFILTER_DIR (src of efficient/cuckoofilter). The last
// two cannot be in one program.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if __has_include(<bloom.h>) && defined(IDEM_PEER_LIBBLOOM)
#include <bloom.h>
#define HAS_LIBBLOOM 1
#else
#define HAS_LIBBLOOM 0
#endif
#if defined(IDEM_PEER_BOOST_BLOOM)
#include <boost/bloom/fast_multiblock32.hpp>
#include <boost/bloom/fast_multiblock64.hpp>
#include <boost/bloom/filter.hpp>
#endif
#if defined(IDEM_PEER_FASTFILTER)
using std::vector;  // its headers expect it
#include <bloom/simd-block-fixed-fpp.h>
#include <cuckoo/cuckoofilter.h>
#include <cuckoo/cuckoofilter_stable.h>
#elif defined(IDEM_PEER_CUCKOOFILTER)
#include <cuckoofilter.h>
#endif

#include <idem/memory/bloom_filter.hpp>
#include <idem/memory/cuckoo_filter.hpp>
#include <idem/memory/inverse_filter.hpp>

#include "harness.hpp"

namespace {

using bench::median;
using bench::mix;

using idem::ByteSize;
using idem::Verdict;
using Hashes = std::span<const std::uint64_t>;
using Verdicts = std::span<Verdict>;

constexpr std::size_t batch_size = 512;
constexpr double asked_rate = 0.01;

// Ids of this benchmark are hashes already.
struct PlainHash {
  explicit PlainHash(idem::Seed seed) noexcept : xxh3(seed) {}
  [[nodiscard]] std::uint64_t slot(std::uint64_t id) const noexcept { return id; }
  [[nodiscard]] std::uint64_t slot(std::uint64_t hi, std::uint64_t) const noexcept { return hi; }
  [[nodiscard]] idem::Digest digest(std::span<const std::byte> bytes) const noexcept {
    return xxh3.digest(bytes);
  }
  [[nodiscard]] idem::Seed seed() const noexcept { return xxh3.seed(); }
  struct Stream {
    explicit Stream(const PlainHash& hash) noexcept : inner(hash.xxh3) {}
    void update(std::span<const std::byte> bytes) noexcept { inner.update(bytes); }
    [[nodiscard]] idem::Digest finish() const noexcept { return inner.finish(); }
    idem::Xxh3Hash::Stream inner;
  };
  idem::Xxh3Hash xxh3;
};

struct Contender {
  virtual ~Contender() = default;
  virtual void insert(Hashes hashes, Verdicts verdicts) = 0;
  [[nodiscard]] virtual std::string remark() const { return {}; }
};
using Maker = std::function<std::unique_ptr<Contender>()>;

[[nodiscard]] Verdict verdict_of(bool seen) {
  return seen ? Verdict::probable_duplicate : Verdict::fresh;
}

// Reads the keys, writes a verdict: what all others do besides.
struct Nothing final : Contender {
  void insert(Hashes hashes, Verdicts verdicts) override {
    for (std::size_t i = 0; i < hashes.size(); ++i) verdicts[i] = verdict_of(hashes[i] == 1);
  }
};

// Reads and writes one word of each of `lines_a_key` random lines, a ring of 32 ahead: what the
// memory takes for a filter of this size at the least.
class Floor final : public Contender {
 public:
  Floor(std::uint64_t bytes, unsigned lines_a_key) : lines_a_key_(lines_a_key) {
    if (!lines_.take(bytes / 64)) std::abort();
  }
  void insert(Hashes hashes, Verdicts verdicts) override {
    constexpr std::size_t ahead = 32;
    const auto line_of = [&](std::size_t i, unsigned n) {
      const std::uint64_t hash = n == 0 ? hashes[i] : hashes[i] * 0xf1357aea2e62a9c5;
      return lines_.data() + idem::detail::multiply_high(hash, lines_.count()) * 8;
    };
    const auto prepare = [&](std::size_t i) {
      for (unsigned n = 0; n < lines_a_key_; ++n) __builtin_prefetch(line_of(i, n), 1);
    };
    for (std::size_t i = 0; i < std::min(ahead, hashes.size()); ++i) prepare(i);
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      if (i + ahead < hashes.size()) prepare(i + ahead);
      std::uint64_t sum = 0;
      for (unsigned n = 0; n < lines_a_key_; ++n) sum += ++*line_of(i, n);
      verdicts[i] = verdict_of(sum > lines_a_key_);
    }
  }

 private:
  idem::detail::ZeroedLines lines_;
  unsigned lines_a_key_;
};

enum class How { batch, single, pair, batch_twice };

// One of ours: a batch; single fused inserts; may_contain and then insert; or, as a plant that the
// figures must show, every batch inserted into two of them.
template <class Filter>
class Ours final : public Contender {
 public:
  Ours(const typename Filter::Options& options, How how)
      : filter_(options),
        other_(how == How::batch_twice ? std::make_unique<Filter>(options) : nullptr),
        how_(how) {}
  void insert(Hashes hashes, Verdicts verdicts) override {
    switch (how_) {
      case How::batch_twice:
        other_->insert(hashes, verdicts);
        [[fallthrough]];
      case How::batch:
        return filter_.insert(hashes, verdicts);
      case How::single:
        for (std::size_t i = 0; i < hashes.size(); ++i) verdicts[i] = filter_.insert(hashes[i]);
        return;
      case How::pair:
        if constexpr (requires { filter_.may_contain(0); }) {
          for (std::size_t i = 0; i < hashes.size(); ++i) {
            const bool seen = filter_.may_contain(hashes[i]);
            if (!seen) (void)filter_.insert(hashes[i]);
            verdicts[i] = verdict_of(seen);
          }
        }
        return;
    }
  }
  [[nodiscard]] std::string remark() const override {
    char text[64] = "";
    if constexpr (requires { filter_.moves(); }) {
      std::snprintf(text, sizeof text, "load %.3f, %.2f moves a key", filter_.load(),
                    static_cast<double>(filter_.moves()) / static_cast<double>(filter_.size()));
    }
    return text;
  }

 private:
  Filter filter_;
  std::unique_ptr<Filter> other_;
  How how_;
};

// The textbook: k bits anywhere, by double hashing; asked first, inserted then.
class ClassicBloom final : public Contender {
 public:
  explicit ClassicBloom(std::uint64_t keys)
      : bits_(static_cast<std::uint64_t>(static_cast<double>(keys) * -std::log(asked_rate) /
                                         (std::log(2) * std::log(2)))),
        lines_((bits_ + 511) / 512) {
    if (!words_.take(lines_)) std::abort();
  }
  void insert(Hashes hashes, Verdicts verdicts) override {
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      const bool seen = each_bit(
          hashes[i], [&](std::uint64_t& word, std::uint64_t bit) { return (word & bit) != 0; });
      if (!seen) {
        each_bit(hashes[i], [](std::uint64_t& word, std::uint64_t bit) {
          word |= bit;
          return true;
        });
      }
      verdicts[i] = verdict_of(seen);
    }
  }

 private:
  bool each_bit(std::uint64_t hash, const auto& work) {
    const std::uint64_t step = (hash * 0xf1357aea2e62a9c5) | 1;
    for (unsigned n = 0; n < 7; ++n, hash += step) {
      const std::uint64_t bit = idem::detail::multiply_high(hash, bits_);
      if (!work(words_.data()[bit / 64], std::uint64_t{1} << bit % 64)) return false;
    }
    return true;
  }
  std::uint64_t bits_, lines_;
  idem::detail::ZeroedLines words_;
};

// The textbook: 2^n buckets of four 16-bit fingerprints, partner by exclusive or, a random walk of
// 500 kicks; asked first, inserted then.
class ClassicCuckoo final : public Contender {
 public:
  explicit ClassicCuckoo(std::uint64_t buckets) : mask_(buckets - 1) {
    if (!lines_.take(buckets / 8)) std::abort();
  }
  void insert(Hashes hashes, Verdicts verdicts) override {
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      std::uint64_t bucket = hashes[i] >> 32 & mask_;
      auto tag = static_cast<std::uint16_t>(hashes[i]);
      if (tag == 0) tag = 1;
      const bool seen = find(bucket, tag) || find(partner(bucket, tag), tag);
      verdicts[i] =
          seen ? Verdict::probable_duplicate : (put(bucket, tag) ? Verdict::fresh : Verdict::full);
    }
  }

 private:
  std::uint16_t* slots(std::uint64_t bucket) {
    return reinterpret_cast<std::uint16_t*>(lines_.data()) + bucket * 4;
  }
  [[nodiscard]] std::uint64_t partner(std::uint64_t bucket, std::uint16_t tag) const {
    return (bucket ^ tag * std::uint64_t{0x5bd1e995}) & mask_;
  }
  bool find(std::uint64_t bucket, std::uint16_t tag) {
    const std::uint16_t* const slot = slots(bucket);
    return slot[0] == tag || slot[1] == tag || slot[2] == tag || slot[3] == tag;
  }
  bool put(std::uint64_t bucket, std::uint16_t tag) {
    for (unsigned kick = 0; kick < 500; ++kick) {
      std::uint16_t* slot = slots(bucket);
      for (unsigned n = 0; n < 4; ++n) {
        if (slot[n] == 0) return slot[n] = tag, true;
      }
      if (kick != 0) {
        random_ = mix(random_ + kick);
        std::swap(tag, slot[random_ & 3]);
      }
      bucket = partner(bucket, tag);
    }
    return false;
  }
  std::uint64_t mask_;
  std::uint64_t random_ = 1;
  idem::detail::ZeroedLines lines_;
};

// The textbook of the opposite of a Bloom filter: one slot a key, overwritten.
class ClassicInverse final : public Contender {
 public:
  explicit ClassicInverse(std::uint64_t bytes) : slots_(bytes / 8) {}
  void insert(Hashes hashes, Verdicts verdicts) override {
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      std::uint64_t& slot = slots_[idem::detail::multiply_high(hashes[i], slots_.size())];
      verdicts[i] = slot == hashes[i] ? Verdict::duplicate : Verdict::fresh;
      slot = hashes[i];
    }
  }

 private:
  std::vector<std::uint64_t> slots_;
};

#if HAS_LIBBLOOM
class LibBloom final : public Contender {
 public:
  explicit LibBloom(std::uint64_t keys) {
    if (bloom_init(&bloom_, static_cast<int>(keys), asked_rate) != 0) std::abort();
  }
  ~LibBloom() override { bloom_free(&bloom_); }
  void insert(Hashes hashes, Verdicts verdicts) override {
    for (std::size_t i = 0; i < hashes.size(); ++i)
      verdicts[i] = verdict_of(bloom_add(&bloom_, &hashes[i], sizeof hashes[i]) == 1);
  }

 private:
  ::bloom bloom_{};
};
#endif

#if defined(IDEM_PEER_BOOST_BLOOM)
struct AsIs {
  using is_avalanching = void;
  std::size_t operator()(std::uint64_t hash) const noexcept { return hash; }
};
template <class Block>
class BoostBloom final : public Contender {
 public:
  BoostBloom(std::uint64_t keys, bool bulk) : filter_(keys, asked_rate), bulk_(bulk) {}
  void insert(Hashes hashes, Verdicts verdicts) override {
    if (bulk_) {
      // The best it can do: asks for the whole batch, then inserts it. A key twice in a batch is
      // fresh twice.
      std::size_t at = 0;
      filter_.may_contain(hashes.begin(), hashes.end(), [&](const std::uint64_t&, bool seen) {
        verdicts[at++] = verdict_of(seen);
      });
      filter_.insert(hashes.begin(), hashes.end());
      return;
    }
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      const bool seen = filter_.may_contain(hashes[i]);
      if (!seen) filter_.insert(hashes[i]);
      verdicts[i] = verdict_of(seen);
    }
  }

 private:
  boost::bloom::filter<std::uint64_t, 1, Block, 0, AsIs> filter_;
  bool bulk_;
};
using Boost32 = BoostBloom<boost::bloom::fast_multiblock32<8>>;
using Boost64 = BoostBloom<boost::bloom::fast_multiblock64<8>>;
#endif

#if defined(IDEM_PEER_FASTFILTER) || defined(IDEM_PEER_CUCKOOFILTER)
struct AsIsFamily {
  std::uint64_t operator()(std::uint64_t hash) const noexcept { return hash; }
};
template <class Filter>
class PeerCuckoo final : public Contender {
 public:
  explicit PeerCuckoo(std::uint64_t keys) : filter_(keys) {}
  void insert(Hashes hashes, Verdicts verdicts) override {
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      const bool seen = filter_.Contain(hashes[i]) == cuckoofilter::Ok;
      const bool full = !seen && filter_.Add(hashes[i]) != cuckoofilter::Ok;
      verdicts[i] = full ? Verdict::full : verdict_of(seen);
    }
  }

 private:
  Filter filter_;
};
#endif
#if defined(IDEM_PEER_FASTFILTER) && defined(__AVX2__)
class FastFilterBlocks final : public Contender {
 public:
  explicit FastFilterBlocks(std::uint64_t keys)
      : filter_(static_cast<int>(static_cast<double>(keys) * 10.5 / 8 * 8)) {}
  void insert(Hashes hashes, Verdicts verdicts) override {
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      const bool seen = filter_.Find(hashes[i]);
      if (!seen) filter_.Add(hashes[i]);
      verdicts[i] = verdict_of(seen);
    }
  }

 private:
  SimdBlockFilterFixed<AsIsFamily> filter_;
};
#endif

// --- rounds, medians, rows

struct Row {
  std::string name;
  Maker make;  // empty: not run, and the remark says why
  std::vector<std::vector<double>> phases{};
  std::uint64_t seen = 0;
  std::string remark{};
};

std::vector<std::string_view> only;
bench::Rows* json = nullptr;

struct Phase {
  std::string name;
  std::uint64_t begin, end;  // indices of keys
  bool timed = true;
};

// `compared` and `size` are those of the rows in the file for scripts/scorecard, where each phase is a
// comparison. Every contender is made, goes through the phases, and is destroyed, `rounds` times in turn.
void run(std::string_view title, std::string compared, std::uint64_t size, std::vector<Row> rows,
         const std::vector<Phase>& phases, const auto& key_of, unsigned rounds) {
  std::vector<std::uint64_t> keys(batch_size);
  std::vector<Verdict> verdicts(batch_size);
  const auto left_out = [](const Row& row) {
    return !only.empty() && std::none_of(only.begin(), only.end(), [&](std::string_view text) {
      return row.name.find(text) != std::string::npos;
    });
  };
  rows.erase(std::remove_if(rows.begin() + 2, rows.end(), left_out), rows.end());
  for (unsigned round = 0; round < rounds; ++round) {
    for (Row& row : rows) {
      if (!row.make) continue;
      row.phases.resize(phases.size());
      const auto contender = row.make();
      row.seen = 0;
      for (std::size_t p = 0; p < phases.size(); ++p) {
        const Phase& phase = phases[p];
        const double start = bench::thread_ns();
        for (std::uint64_t begin = phase.begin; begin < phase.end; begin += batch_size) {
          const auto count =
              static_cast<std::size_t>(std::min<std::uint64_t>(batch_size, phase.end - begin));
          for (std::size_t i = 0; i < count; ++i) keys[i] = key_of(begin + i);
          contender->insert(Hashes(keys).first(count), Verdicts(verdicts).first(count));
          for (std::size_t i = 0; i < count; ++i) row.seen += verdicts[i] != Verdict::fresh;
        }
        row.phases[p].push_back((bench::thread_ns() - start) /
                                static_cast<double>(phase.end - phase.begin));
      }
      row.remark = contender->remark();
    }
  }
  std::printf("\n%.*s; ns a key: median (least - most), and the ratio to the second row, %s off\n",
              static_cast<int>(title.size()), title.data(), rows[0].name.c_str());
  std::printf("%-40s", "");
  for (const Phase& phase : phases) {
    if (phase.timed) std::printf(" | %-34s", phase.name.c_str());
  }
  std::printf(" | not fresh\n");
  for (const Row& row : rows) {
    std::printf("%-40s", row.name.c_str());
    if (!row.make) {
      std::printf(" | not run: %s\n", row.remark.c_str());
      for (const Phase& phase : phases) {
        if (phase.timed)
          json->not_run(compared + ", " + phase.name, static_cast<double>(size), row.name,
                        row.remark);
      }
      continue;
    }
    for (std::size_t p = 0; p < phases.size(); ++p) {
      if (!phases[p].timed) continue;
      const auto& times = row.phases[p];
      const auto [least, most] = std::minmax_element(times.begin(), times.end());
      const double idle = median(rows[0].phases[p]);
      const double ratio = (median(times) - idle) / (median(rows[1].phases[p]) - idle);
      std::printf(" | %7.2f (%6.2f - %7.2f) x%6.2f", median(times), *least, *most, ratio);
      json->add(compared + ", " + phases[p].name, static_cast<double>(size), row.name, times,
                {{"not_fresh", static_cast<double>(row.seen)}});
    }
    std::printf(" | %llu %s\n", static_cast<unsigned long long>(row.seen), row.remark.c_str());
  }
  std::fflush(stdout);
}

template <class C, class... Args>
[[nodiscard]] Maker maker(Args... args) {
  return [=] { return std::unique_ptr<Contender>(std::make_unique<C>(args...)); };
}

using Bloom = idem::BloomFilter<std::uint64_t, PlainHash>;
using Cuckoo = idem::CuckooFilter<std::uint64_t, std::uint16_t, PlainHash>;
using NarrowCuckoo = idem::CuckooFilter<std::uint64_t, std::uint8_t, PlainHash>;
using Inverse = idem::InverseFilter<std::uint64_t, PlainHash>;

[[nodiscard]] std::vector<Row> bloom_rows(std::uint64_t keys) {
  const idem::BloomFilterOptions options{
      .expected_keys = keys, .false_positive_rate = asked_rate, .seed = idem::Seed{1, 2}};
  std::vector<Row> rows;
  const auto add = [&](const char* name, Maker make) { rows.push_back({name, std::move(make)}); };
  [[maybe_unused]] const auto leave_out = [&](const char* name, const char* why) {
    rows.push_back({.name = name, .make = {}, .remark = why});
  };
  add("nothing", maker<Nothing>());
  add("floor: one line read and written",
      maker<Floor>(Bloom::size_for(keys, asked_rate).count(), 1U));
  add("BloomFilter batch", maker<Ours<Bloom>>(options, How::batch));
  add("BloomFilter single", maker<Ours<Bloom>>(options, How::single));
  add("BloomFilter may_contain, then insert", maker<Ours<Bloom>>(options, How::pair));
  add("plant: two BloomFilters", maker<Ours<Bloom>>(options, How::batch_twice));
  add("classic Bloom, k = 7", maker<ClassicBloom>(keys));
#if HAS_LIBBLOOM
  add("libbloom (hashes itself)", maker<LibBloom>(keys));
#else
  leave_out("libbloom", "needs libbloom-dev");
#endif
#if defined(IDEM_PEER_BOOST_BLOOM)
  add("Boost.Bloom fast_multiblock32 pair", maker<Boost32>(keys, false));
  add("Boost.Bloom fast_multiblock32 bulk", maker<Boost32>(keys, true));
  add("Boost.Bloom fast_multiblock64 pair", maker<Boost64>(keys, false));
  add("Boost.Bloom fast_multiblock64 bulk", maker<Boost64>(keys, true));
#else
  leave_out("Boost.Bloom", "needs -DIDEM_PEER_BOOST_BLOOM_DIR");
#endif
#if defined(IDEM_PEER_FASTFILTER) && defined(__AVX2__)
  add("FastFilter split block, pair", maker<FastFilterBlocks>(keys));
#else
  leave_out("FastFilter split block",
            "needs -DIDEM_PEER_FASTFILTER_DIR, and AVX2 at compile time (--native)");
#endif
  return rows;
}

[[nodiscard]] std::vector<Row> cuckoo_rows(std::uint64_t buckets,
                                           [[maybe_unused]] std::uint64_t keys) {
  const idem::CuckooFilterOptions options{.size = idem::bytes(buckets * 8),
                                          .seed = idem::Seed{1, 2}};
  const idem::CuckooFilterOptions narrow{.size = idem::bytes(buckets * 4),
                                         .seed = idem::Seed{1, 2}};
  std::vector<Row> rows;
  const auto add = [&](const char* name, Maker make) { rows.push_back({name, std::move(make)}); };
  [[maybe_unused]] const auto leave_out = [&](const char* name, const char* why) {
    rows.push_back({.name = name, .make = {}, .remark = why});
  };
  add("nothing", maker<Nothing>());
  add("floor: two lines read and written", maker<Floor>(buckets * 8, 2U));
  add("CuckooFilter 16 bit, batch", maker<Ours<Cuckoo>>(options, How::batch));
  add("CuckooFilter 16 bit, single", maker<Ours<Cuckoo>>(options, How::single));
  add("CuckooFilter 8 bit, batch", maker<Ours<NarrowCuckoo>>(narrow, How::batch));
  add("plant: two CuckooFilters", maker<Ours<Cuckoo>>(options, How::batch_twice));
  add("classic cuckoo 16 bit", maker<ClassicCuckoo>(buckets));
  // Their constructors take keys and round up to 2^n buckets by themselves.
#if defined(IDEM_PEER_FASTFILTER)
  add("FastFilter cuckoo 16 bit, stable",
      maker<PeerCuckoo<cuckoofilter::CuckooFilterStable<std::uint64_t, 16,
                                                        cuckoofilter::SingleTable, AsIsFamily>>>(
          keys));
#elif defined(IDEM_PEER_CUCKOOFILTER)
  add("efficient/cuckoofilter 16 bit",
      maker<PeerCuckoo<
          cuckoofilter::CuckooFilter<std::uint64_t, 16, cuckoofilter::SingleTable, AsIsFamily>>>(
          keys));
#endif
#if !defined(IDEM_PEER_FASTFILTER)
  leave_out("FastFilter cuckoo", "needs -DIDEM_PEER_FASTFILTER_DIR");
#endif
#if !defined(IDEM_PEER_CUCKOOFILTER) || defined(IDEM_PEER_FASTFILTER)
  leave_out("efficient/cuckoofilter", "needs -DIDEM_PEER_CUCKOOFILTER_DIR");
#endif
  return rows;
}

// How often a key that was never inserted is taken for seen: so many of them that some 20,000 are.
void count_rate(const char* name, double asked, double computed, std::uint64_t keys,
                const auto& filter, ByteSize size) {
  std::vector<std::uint64_t> others(batch_size);
  std::vector<Verdict> verdicts(batch_size);
  const auto probes = static_cast<std::uint64_t>(20'000 / computed) / batch_size * batch_size;
  std::uint64_t seen = 0;
  for (std::uint64_t begin = 0; begin < probes; begin += batch_size) {
    for (std::size_t i = 0; i < batch_size; ++i) others[i] = mix(~(begin + i));
    filter.check(Hashes(others), Verdicts(verdicts));
    for (const Verdict verdict : verdicts) seen += verdict != Verdict::fresh;
  }
  const double bits = 8 * static_cast<double>(size.count()) / static_cast<double>(keys);
  const double measured = static_cast<double>(seen) / static_cast<double>(probes);
  std::printf("%-24s %9.3g %12.5g %12.5g %8.3f %10.2f\n", name, asked, computed, measured,
              measured / computed, bits);
  json->add("rate", static_cast<double>(keys), name, {},
            {{"asked", asked}, {"computed", computed}, {"measured", measured}, {"bits", bits}});
}

// Bits a key against the rate: as asked, as computed, as counted.
void count_rates(std::uint64_t keys) {
  std::printf("\nrates, %llu keys\n%-24s %9s %12s %12s %8s %10s\n",
              static_cast<unsigned long long>(keys), "", "asked", "computed", "counted", "ratio",
              "bits a key");
  const auto fill = [&](auto& filter) {
    for (std::uint64_t i = 0; i < keys; ++i) (void)filter.insert(mix(i + 1));
  };
  for (const double asked : {0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001}) {
    Bloom filter({.expected_keys = keys, .false_positive_rate = asked, .seed = idem::Seed{1, 2}});
    fill(filter);
    count_rate("BloomFilter", asked, Bloom::rate_for(keys, filter.size()), keys, filter,
               filter.size());
  }
  // Filled to 95 % of their slots.
  const auto cuckoo = [&]<class Filter>(const char* name, std::uint64_t slot_bytes) {
    const ByteSize size(keys * 20 / 19 * slot_bytes);
    Filter filter({.size = size, .seed = idem::Seed{1, 2}});
    fill(filter);
    const double computed = filter.false_positive_rate();
    count_rate(name, computed, computed, keys, filter, ByteSize(filter.memory_bytes()));
  };
  cuckoo.template operator()<NarrowCuckoo>("CuckooFilter 8 bit", 1);
  cuckoo.template operator()<Cuckoo>("CuckooFilter 16 bit", 2);
}

}  // namespace

int main(int argc, char** argv) {
  bench::Rows file(argc, argv);
  json = &file;
  std::uint64_t keys = 64'000'000;
  unsigned rounds = 5;
  std::vector<std::string_view> parts;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--keys" && i + 1 < argc) {
      keys = std::strtoull(argv[++i], nullptr, 10);
    } else if (argument == "--rounds" && i + 1 < argc) {
      rounds = static_cast<unsigned>(std::strtoul(argv[++i], nullptr, 10));
    } else if (argument == "--only" && i + 1 < argc) {
      only.push_back(argv[++i]);
    } else {
      parts.push_back(argument);
    }
  }
  if (keys == 0 || rounds == 0) return 2;
  const auto wanted = [&](std::string_view part) {
    return parts.empty() || std::find(parts.begin(), parts.end(), part) != parts.end();
  };
  const auto different = [](std::uint64_t i) { return mix(i + 1); };

  if (wanted("bloom")) {
    run("bloom, " + std::to_string(keys) + " keys at 1 %", "bloom", keys, bloom_rows(keys),
        {{"fresh", 0, keys}, {"duplicate", 0, keys}}, different, rounds);
  }
  if (wanted("cache")) {
    // Each of 100,000 keys comes twice, in random order, over and over into a new filter.
    constexpr std::uint64_t few = 100'000;
    std::vector<std::uint64_t> stream;
    for (std::uint64_t i = 0; i < few; ++i) stream.insert(stream.end(), 2, mix(i + 1));
    for (std::uint64_t i = stream.size() - 1; i > 0; --i)
      std::swap(stream[i], stream[idem::detail::multiply_high(mix(~i), i + 1)]);
    run(
        "in cache, 100000 keys at 1 %, half repeats", "bloom in cache", few, bloom_rows(few),
        {{"mixed", 0, stream.size()}}, [&](std::uint64_t i) { return stream[i]; }, rounds * 41);
  }
  if (wanted("cuckoo")) {
    std::uint64_t buckets = 8;
    while (buckets * 4 < keys) buckets *= 2;
    for (const unsigned percent : {85U, 95U}) {
      const std::uint64_t held = buckets * 4 / 100 * percent, last = held / 50;
      run("cuckoo, " + std::to_string(buckets) + " buckets, to " + std::to_string(percent) +
              " % load",
          "cuckoo to " + std::to_string(percent) + " %", buckets * 4, cuckoo_rows(buckets, held),
          {{"fresh, all but the last 2 %", 0, held - last},
           {"fresh, the last 2 %", held - last, held},
           {"duplicate", 0, held / 4}},
          different, rounds);
    }
    std::printf("an insert looks at %zu buckets and moves %u fingerprints at the most\n",
                Cuckoo::most_looked_at, Cuckoo::most_moves);
    json->add("cuckoo, bounds", static_cast<double>(buckets * 4), "CuckooFilter 16 bit", {},
              {{"most_looked_at", static_cast<double>(Cuckoo::most_looked_at)},
               {"most_moves", static_cast<double>(Cuckoo::most_moves)}});
  }
  if (wanted("rate")) count_rates(std::min<std::uint64_t>(keys, 1'000'000));
  if (wanted("inverse")) {
    const std::uint64_t bytes = keys * 8;
    const idem::InverseFilterOptions options{.size = idem::ByteSize(bytes),
                                             .seed = idem::Seed{1, 2}};
    std::vector<Row> rows;
    rows.push_back({"nothing", maker<Nothing>()});
    rows.push_back({"floor: one line read and written", maker<Floor>(bytes, 1U)});
    rows.push_back({"InverseFilter batch", maker<Ours<Inverse>>(options, How::batch)});
    rows.push_back({"InverseFilter single", maker<Ours<Inverse>>(options, How::single)});
    rows.push_back({"plant: two InverseFilters", maker<Ours<Inverse>>(options, How::batch_twice)});
    rows.push_back({"classic: one slot a key", maker<ClassicInverse>(bytes)});
    run("inverse, " + std::to_string(bytes) + " bytes of 64-bit ids", "inverse", keys,
        std::move(rows), {{"fresh", 0, keys}, {"duplicate", keys / 2, keys}}, different, rounds);
  }
}
