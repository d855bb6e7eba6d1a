// What a Deduplicator adds to the memory inside it: one-shot inserts, and claim + commit, against a bare insert into
// the same set; pre-sized, one call at a time and in batches of 512. Every key comes once and is fresh, then once more.
//
//   bench_dedup [--keys N]... [--rounds R] [--json FILE]      default: 100000 and 4000000 keys, 5 rounds
//
// All take turns within a round, on the thread's CPU clock. A Google Benchmark program would run one contender to its
// end before the next. How many instructions a Deduplicator adds is counted by tests/house, not timed here.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <idem/idem.hpp>

#include "harness.hpp"

namespace {

using idem::Uuid;
using idem::Verdict;

constexpr idem::Seed seed{1, 2};

std::size_t keys = 0;

Uuid nth(std::uint64_t n) { return Uuid(bench::mix(2 * n + 1), bench::mix(2 * n + 2)); }

struct Bare {
  idem::UuidSet seen{{.expected_keys = keys, .seed = seed}};
  bool insert(const Uuid& id) { return seen.insert(id) == Verdict::fresh; }
};

struct OneShot {
  idem::Deduplicator<Uuid> seen{{.memory = {.expected_keys = keys, .seed = seed}}};
  bool insert(const Uuid& id) { return seen.insert(id) == Verdict::fresh; }
};

struct Claiming {
  idem::Deduplicator<Uuid, idem::Policy<idem::Claims>> seen{
      {.memory = {.expected_keys = keys, .seed = seed}}};
  bool insert(const Uuid& id) {
    idem::Claim claim = seen.claim(id, {.now = idem::Instant()});
    return claim.verdict() == Verdict::fresh && claim.commit(idem::Instant()) == Verdict::fresh;
  }
};

// With a digest of 128 bits beside each key, and compared; the digest itself was made elsewhere.
struct Comparing {
  idem::Deduplicator<Uuid, idem::Policy<idem::CompareContent>> seen{
      {.memory = {.expected_keys = keys, .seed = seed}}};
  bool insert(const Uuid& id) {
    return seen.insert(id, idem::Digest{id.lo(), id.hi()}) == Verdict::fresh;
  }
};

constexpr std::size_t batch = 512;

struct ComparingBatches {
  Comparing one;
  std::vector<idem::Digest> digests = std::vector<idem::Digest>(batch);
  std::vector<Verdict> verdicts = std::vector<Verdict>(batch);
  std::size_t insert(std::span<const Uuid> ids) {
    for (std::size_t i = 0; i < ids.size(); ++i) digests[i] = {ids[i].lo(), ids[i].hi()};
    one.seen.insert(ids, {.now = idem::Instant()}, std::span(digests).first(ids.size()),
                    std::span(verdicts).first(ids.size()));
    std::size_t fresh = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) fresh += verdicts[i] == Verdict::fresh;
    return fresh;
  }
};

struct BareBatches {
  Bare bare;
  std::vector<Verdict> verdicts = std::vector<Verdict>(batch);
  std::size_t insert(std::span<const Uuid> ids) {
    bare.seen.insert(ids, std::span(verdicts).first(ids.size()));
    std::size_t fresh = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) fresh += verdicts[i] == Verdict::fresh;
    return fresh;
  }
};

// What one poll returned: claimed at once, committed one by one.
struct ClaimingBatches {
  using Seen = idem::Deduplicator<Uuid, idem::Policy<idem::Claims>>;
  Seen seen{{.memory = {.expected_keys = keys, .seed = seed}}};
  std::vector<Seen::Claim> claims = std::vector<Seen::Claim>(batch);
  std::size_t insert(std::span<const Uuid> ids) {
    const auto those = std::span(claims).first(ids.size());
    seen.claim(ids, {.now = idem::Instant()}, those);
    std::size_t fresh = 0;
    for (Seen::Claim& claim : those) {
      fresh += claim.verdict() == Verdict::fresh && claim.commit(idem::Instant()) == Verdict::fresh;
    }
    return fresh;
  }
};

// The plant: what must come out at twice the time of a claim.
struct ClaimingTwice {
  Claiming first, second;
  bool insert(const Uuid& id) {
    const bool fresh = first.insert(id);
    return second.insert(id) && fresh;
  }
};

struct Nothing {
  bool insert(const Uuid& id) {
    asm volatile("" : : "r"(id.hi()), "r"(id.lo()));
    return true;
  }
};

struct Result {
  double fresh_ns = 0;
  double duplicate_ns = 0;
  bool is_right = false;
};

template <class Seen>
Result run() {
  const auto seen = std::make_unique<Seen>();
  const auto pass = [&](double& ns) {
    std::size_t fresh = 0;
    ns = 0;
    std::array<Uuid, batch> ids;
    for (std::size_t i = 0; i < keys; i += batch) {
      const std::size_t size = std::min(batch, keys - i);
      for (std::size_t k = 0; k < size; ++k) ids[k] = nth(i + k);
      const std::span<const Uuid> these = std::span<const Uuid>(ids).first(size);
      const double begin = bench::thread_ns();
      if constexpr (requires { seen->insert(these); }) {
        fresh += seen->insert(these);
      } else {
        for (const Uuid& id : these) fresh += seen->insert(id);
      }
      ns += bench::thread_ns() - begin;
    }
    ns /= static_cast<double>(keys);
    return fresh;
  };
  Result result;
  result.is_right = pass(result.fresh_ns) == keys;
  const std::size_t again = pass(result.duplicate_ns);
  if constexpr (!std::is_same_v<Seen, Nothing>) result.is_right = result.is_right && again == 0;
  return result;
}

struct Contender {
  const char* name;
  std::function<Result()> run;
  std::vector<double> fresh{}, duplicate{};
};

}  // namespace

int main(int argc, char** argv) {
  bench::Rows json(argc, argv);
  std::vector<std::size_t> sizes;
  std::size_t rounds = 5;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--keys") sizes.push_back(std::strtoull(argv[i + 1], nullptr, 10));
    if (option == "--rounds") rounds = std::strtoull(argv[i + 1], nullptr, 10);
  }
  if (sizes.empty()) sizes = {100'000, 4'000'000};
  for (const std::size_t size : sizes) {
    keys = size;
    Contender contenders[] = {{"UuidSet", run<Bare>},
                              {"Deduplicator, insert", run<OneShot>},
                              {"Deduplicator, claim and commit", run<Claiming>},
                              {"UuidSet, batches of 512", run<BareBatches>},
                              {"claims of batches, then commits", run<ClaimingBatches>},
                              {"CompareContent, insert", run<Comparing>},
                              {"CompareContent, batches of 512", run<ComparingBatches>},
                              {"plant: two of them", run<ClaimingTwice>},
                              {"nothing", run<Nothing>}};
    // The first round warms up and is not counted.
    for (std::size_t round = 0; round <= rounds; ++round) {
      for (std::size_t turn = 0; turn < std::size(contenders); ++turn) {
        Contender& contender = contenders[(turn + round) % std::size(contenders)];
        const Result result = contender.run();
        if (!result.is_right) {
          std::printf("%s: wrong verdicts\n", contender.name);
          return 1;
        }
        if (round == 0) continue;
        contender.fresh.push_back(result.fresh_ns);
        contender.duplicate.push_back(result.duplicate_ns);
      }
    }
    std::printf(
        "\n%zu keys, %zu rounds; ns a call, median, and times the bare insert\n%-32s %16s %16s\n",
        keys, rounds, "", "fresh", "duplicate");
    for (const Contender& contender : contenders) {
      std::printf("%-32s %8.1f %7.2f %8.1f %7.2f\n", contender.name, bench::median(contender.fresh),
                  bench::median(contender.fresh) / bench::median(contenders[0].fresh),
                  bench::median(contender.duplicate),
                  bench::median(contender.duplicate) / bench::median(contenders[0].duplicate));
      json.add("deduplicator, fresh", static_cast<double>(keys), contender.name, contender.fresh);
      json.add("deduplicator, duplicate", static_cast<double>(keys), contender.name,
               contender.duplicate);
    }
  }
  return 0;
}
