#pragma once

#include <idem/idem.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// In every object of its own: what the linker may mix up is idem's code, never this.
namespace {

// A number that depends on every verdict, and is the same for the same seed in every build.
std::uint64_t work(std::uint64_t seed) {
  std::uint64_t sum = 0;
  const auto add = [&sum](idem::Verdict verdict) {
    sum = sum * 31 + static_cast<std::uint64_t>(verdict);
  };

  idem::UuidSet ids({.expected_keys = 100, .seed = idem::Seed{seed, 1}});
  std::vector<idem::Uuid> batch;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    const idem::Uuid id{i * 0x9e3779b97f4a7c15, i % 3000};
    add(ids.insert(id));
    batch.push_back(idem::Uuid{i % 2500, i});
  }
  std::vector<idem::Verdict> verdicts(batch.size());
  ids.insert(batch, verdicts);
  for (const idem::Verdict verdict : verdicts) add(verdict);

  // Kernels of every instruction set are in every object, and the processor decides.
  idem::BloomFilter<idem::Uuid> bloom(
      {.expected_keys = 3000, .false_positive_rate = 0.05, .seed = idem::Seed{seed, 4}});
  idem::CuckooFilter<idem::Uuid> cuckoo({.expected_keys = 3000, .seed = idem::Seed{seed, 5}});
  idem::InverseFilter<idem::Uuid> inverse(
      {.size = idem::kibibytes(16), .seed = idem::Seed{seed, 6}});
  idem::WindowBloomFilter<idem::Uuid> recent({.window = idem::Duration::nanoseconds(1000),
                                              .expected_keys = 1000,
                                              .false_positive_rate = 0.05,
                                              .seed = idem::Seed{seed, 7}});
  std::int64_t tick = 0;
  for (const idem::Uuid& id : batch) {
    add(bloom.insert(id));
    add(cuckoo.insert(id));
    add(inverse.insert(id));
    add(recent.insert(id, {.now = idem::Instant::at(idem::Duration::nanoseconds(++tick))}));
    add(bloom.check(idem::Uuid{id.lo(), id.hi()}));
  }
  bloom.insert(batch, verdicts);
  for (const idem::Verdict verdict : verdicts) add(verdict);
  for (const std::uint64_t word : bloom.words()) sum = sum * 31 + word;
  recent.insert(batch, {.now = idem::Instant::at(idem::Duration::nanoseconds(9000))}, verdicts);
  for (const idem::Verdict verdict : verdicts) add(verdict);
  for (const std::uint64_t word : recent.words()) sum = sum * 31 + word;

  idem::ContentHashSet contents({.seed = idem::Seed{seed, 2}});
  for (std::size_t length = 0; length < 2000; ++length) {
    const std::string text(length % 1500, static_cast<char>('a' + length % 7));
    add(contents.insert(text));
    const idem::Digest digest = contents.digest(text);
    sum = sum * 31 + digest.hi + digest.lo;
  }

  idem::Deduplicator<idem::Uuid, idem::Policy<idem::Remember<idem::UuidSet>, idem::Claims>> seen(
      {.memory = {.seed = idem::Seed{seed, 3}},
       .claims = {.lease = idem::Duration::nanoseconds(1000), .max_in_flight = 16}});
  for (std::uint64_t i = 0; i < 200; ++i) {
    const idem::At at{
        .now = idem::Instant::at(idem::Duration::nanoseconds(static_cast<std::int64_t>(i)))};
    idem::Claim claim = seen.claim(idem::Uuid{1, i % 150}, at);
    add(claim.verdict());
    if (claim.verdict() == idem::Verdict::fresh) add(claim.commit(at.now));
  }
  return sum;
}

}  // namespace
