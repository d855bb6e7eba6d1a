// ContentHashSet against XXH3 alone: what remembering a content adds to hashing it. Payloads of 256 bytes to 64 KiB, a few
// that stay in cache, and 256 MiB that do not; every one is new, for a word of it is written first, by all contenders.
//
//   bench_content [--rounds R] [--mebibytes M] [--json FILE]      default: 9 rounds, 256 MiB
//
// All take turns within a round, on the thread's CPU clock. "batches" hands over 64 payloads at once, "batches of digests"
// hashes 64 payloads and then inserts 64 digests.
// XXH3 compiled for this machine's processor is what the same hash gives where -march=native is an option.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <idem/memory/content_hash_set.hpp>

#include "harness.hpp"
#include "xxh3_native.hpp"

namespace {

using idem::ContentHashSet;
using idem::Digest;
using idem::Verdict;
using Payload = std::span<std::byte>;
using Payloads = std::span<const Payload>;

constexpr idem::Seed seed{1, 2};
constexpr std::size_t batch = 64;

// Each judges payloads, and returns a number that depends on all of them.
using Judge = std::function<std::uint64_t(Payloads)>;

Digest xxh3(Payload payload) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(payload.data(), payload.size(), seed.first);
  return Digest{hash.high64, hash.low64};
}

std::uint64_t each(Payloads payloads, const auto& judge) {
  std::uint64_t sum = 0;
  for (const Payload payload : payloads) sum += judge(payload);
  return sum;
}

// run(payloads, verdicts) for every 64 of them; how many were fresh.
std::uint64_t in_batches(Payloads payloads, const auto& run) {
  std::array<Verdict, batch> verdicts;
  std::uint64_t fresh = 0;
  for (std::size_t i = 0; i < payloads.size(); i += batch) {
    const Payloads some = payloads.subspan(i, std::min(batch, payloads.size() - i));
    run(some, std::span(verdicts).first(some.size()));
    for (std::size_t k = 0; k < some.size(); ++k) fresh += verdicts[k] == Verdict::fresh;
  }
  return fresh;
}

void insert_contents(ContentHashSet& seen, Payloads payloads, std::span<Verdict> verdicts) {
  std::array<std::span<const std::byte>, batch> contents;
  for (std::size_t k = 0; k < payloads.size(); ++k) contents[k] = payloads[k];
  seen.insert(std::span<const std::span<const std::byte>>(contents).first(payloads.size()),
              verdicts);
}

void insert_digests(ContentHashSet& seen, Payloads payloads, std::span<Verdict> verdicts) {
  std::array<Digest, batch> digests;
  for (std::size_t k = 0; k < payloads.size(); ++k) digests[k] = seen.digest(payloads[k]);
  seen.insert(std::span<const Digest>(digests).first(payloads.size()), verdicts);
}

struct Contender {
  const char* name;
  Judge judge;
  bool counts = false;  // returns how many were fresh
  std::vector<double> ns{};
};

// False: a content that was new was no fresh one.
bool compare(bench::Rows& json, std::size_t length, std::span<std::byte> memory, bool cold,
             std::size_t rounds) {
  std::vector<Payload> payloads;
  const std::size_t hashed = cold ? memory.size() : std::size_t{64} << 20;
  const std::size_t different = memory.size() / length;
  for (std::size_t i = 0; i < hashed / length; ++i)
    payloads.push_back(memory.subspan(i % different * length, length));
  const auto count = payloads.size();

  const idem::SetOptions options{.expected_keys = count * rounds, .seed = seed};
  ContentHashSet single(options), batched(options), digested(options), once(options),
      twice(options);
  std::vector<Contender> contenders;
  contenders.push_back(
      {"XXH3", [](Payloads all) { return each(all, [](Payload p) { return xxh3(p).lo; }); }});
  contenders.push_back({"ContentHashSet, digest alone", [&](Payloads all) {
                          return each(all, [&](Payload p) { return single.digest(p).lo; });
                        }});
  contenders.push_back({"ContentHashSet, single",
                        [&](Payloads all) {
                          return each(all, [&](Payload p) -> std::uint64_t {
                            return single.insert(p) == Verdict::fresh;
                          });
                        },
                        true});
  const auto batches = [](ContentHashSet& seen, const auto& insert) {
    return [&](Payloads all) {
      return in_batches(
          all, [&](Payloads some, std::span<Verdict> verdicts) { insert(seen, some, verdicts); });
    };
  };
  contenders.push_back({"ContentHashSet, batches", batches(batched, insert_contents), true});
  contenders.push_back(
      {"ContentHashSet, batches of digests", batches(digested, insert_digests), true});
  contenders.push_back({"plant: two ContentHashSets",
                        [&](Payloads all) {
                          return each(all, [&](Payload p) -> std::uint64_t {
                            const bool fresh = once.insert(p) == Verdict::fresh;
                            return fresh && twice.insert(p) == Verdict::fresh;
                          });
                        },
                        true});
#if defined(IDEM_BENCH_XXH3_NATIVE)
  contenders.push_back(
      {"XXH3, -march=native", [](Payloads all) {
         return each(all, [](Payload p) { return xxh3_native(p.data(), p.size(), seed.first); });
       }});
#endif
  contenders.push_back({"nothing", [](Payloads all) {
                          return each(
                              all, [](Payload p) { return std::to_integer<std::uint64_t>(p[0]); });
                        }});

  std::uint64_t number = 0;
  std::uint64_t unused = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    // The same contents for all of a round, in groups that are written and then judged, as messages come.
    const std::uint64_t first = number;
    for (std::size_t turn = 0; turn < contenders.size(); ++turn) {
      Contender& contender = contenders[(turn + round) % contenders.size()];
      number = first;
      const std::size_t group = std::min(different, batch);
      std::uint64_t sum = 0;
      const double begin = bench::thread_ns();
      for (std::size_t i = 0; i < count; i += group) {
        const Payloads some = Payloads(payloads).subspan(i, std::min(group, count - i));
        for (const Payload payload : some) {
          const std::uint64_t name = bench::mix(++number);
          std::memcpy(payload.data(), &name, sizeof name);
        }
        sum += contender.judge(some);
      }
      contender.ns.push_back((bench::thread_ns() - begin) / static_cast<double>(count));
      if (contender.counts && sum != count) {
        std::printf("%s: %llu fresh, not %zu\n", contender.name,
                    static_cast<unsigned long long>(sum), count);
        return false;
      }
      unused += sum;
    }
  }
  const std::string compared = cold ? "content, out of cache" : "content, in cache";
  std::printf("\n%s, payloads of %zu bytes, %zu of them, %zu rounds%s\n", compared.c_str(), length,
              count, rounds, unused == 1 ? "." : "");
  for (const Contender& contender : contenders) {
    std::printf("%-34s %10.1f ns %7.2f GB/s  %6.3f of XXH3's speed\n", contender.name,
                bench::median(contender.ns),
                static_cast<double>(length) / bench::median(contender.ns),
                bench::median(contenders[0].ns) / bench::median(contender.ns));
    json.add(compared, static_cast<double>(length), contender.name, contender.ns);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Rows json(argc, argv);
  std::size_t rounds = 9, mebibytes = 256;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--rounds") rounds = std::strtoull(argv[i + 1], nullptr, 10);
    if (option == "--mebibytes") mebibytes = std::strtoull(argv[i + 1], nullptr, 10);
  }
  std::vector<std::byte> memory(mebibytes << 20);
  for (std::size_t i = 0; i < memory.size(); ++i)
    memory[i] = static_cast<std::byte>(bench::mix(i / 8) >> i % 8 * 8);
  for (const std::size_t length : {256UL, 1024UL, 4096UL, 16384UL, 65536UL}) {
    const std::span<std::byte> all(memory);
    if (!compare(json, length, all.first(std::size_t{256} << 10), false, rounds)) return 1;
    if (!compare(json, length, all, true, rounds)) return 1;
  }
  return 0;
}
