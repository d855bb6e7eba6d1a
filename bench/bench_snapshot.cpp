// Saving and loading a UuidSet, against memcpy of as many bytes in the same run.
//
//   bench_snapshot [--keys N] [--rounds R] [--json FILE]
//
// memcpy goes into memory that was touched before, and into memory fresh from the system, page faults
// and all: saving writes into the one, loading builds in the other, and asks for huge pages as the set
// does by default. What fresh memory costs in pages of 4 KiB stands beside it. All take turns within a
// round, on thread CPU time; the medians of the rounds are printed, and of their ratios. A virtual machine
// pays for memory once more when it has not used it for some seconds, for its host took it back: whoever
// takes fresh memory has as much of it used and given back beforehand, outside the clock. A round more comes
// first and is not counted.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include <idem/memory/uuid_set.hpp>
#include <idem/snapshot/snapshot.hpp>

#include "fresh_memory.hpp"
#include "harness.hpp"

namespace {

using bench::have_at_hand;
using bench::median;
using bench::mix;
using bench::with_fresh;

template <class Run>
double time_of(Run&& run) {
  const double begin = bench::thread_ns();
  run();
  return bench::thread_ns() - begin;
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "bench_snapshot: %s\n", what);
  std::exit(1);
}

void copy_to_fresh(const std::byte* from, std::size_t size, bool huge_pages) {
  with_fresh(size, huge_pages, [&](std::byte* to) { std::memcpy(to, from, size); });
}

struct Row {
  const char* name;
  std::vector<double> ns{};
  std::vector<double> of_touched{};
  std::vector<double> of_fresh{};
};

}  // namespace

int main(int argc, char** argv) {
  bench::Rows json(argc, argv);
  std::size_t keys = 4'000'000;
  int rounds = 5;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--keys") keys = std::strtoull(argv[i + 1], nullptr, 10);
    if (option == "--rounds") rounds = std::atoi(argv[i + 1]);
  }

  idem::UuidSet set({.expected_keys = keys, .seed = idem::Seed{1, 2}});
  for (std::uint64_t i = 0; i < keys; ++i) {
    if (set.insert(idem::Uuid::make_v4(mix(i), mix(i ^ 0x5555555500000000))) !=
        idem::Verdict::fresh)
      fail("an id was no new one");
  }
  const auto size = static_cast<std::size_t>(idem::saved_size(set));
  auto* const touched = static_cast<std::byte*>(std::malloc(size));
  auto* const saved = static_cast<std::byte*>(std::malloc(size));
  if (touched == nullptr || saved == nullptr) fail("no memory");
  std::memset(touched, 1, size);
  std::memset(saved, 1, size);

  Row copy{"memcpy, touched memory"}, fresh{"memcpy, fresh memory"},
      small{"memcpy, fresh memory in pages of 4 KiB"}, save{"save, into a span"},
      vector{"save, into a new vector"}, sink{"save, in pieces to a sink that copies them"},
      load{"load, from a span"}, read{"load, from a reader that copies"},
      twice{"plant: saved twice"};
  Row* const rows[] = {&copy, &fresh, &small, &save, &vector, &sink, &load, &read, &twice};
  for (int round = 0; round <= rounds; ++round) {
    if (round == 1)
      for (Row* const row : rows) *row = Row{row->name};
    save.ns.push_back(time_of([&] {
      if (!idem::save(set, {}, std::span(saved, size))) fail("not saved");
    }));
    twice.ns.push_back(time_of([&] {
      for (int i = 0; i < 2; ++i) {
        if (!idem::save(set, {}, std::span(saved, size))) fail("not saved");
      }
    }));
    copy.ns.push_back(time_of([&] { std::memcpy(touched, saved, size); }));
    have_at_hand(2 * size);
    vector.ns.push_back(time_of([&] {
      std::vector<std::byte> bytes;
      if (!idem::save(set, {}, bytes)) fail("not saved");
    }));
    sink.ns.push_back(time_of([&] {
      std::size_t at = 0;
      const auto result = idem::save(set, {}, [&](std::span<const std::byte> piece) {
        std::memcpy(touched + at, piece.data(), piece.size());
        at += piece.size();
        return true;
      });
      if (!result) fail("not saved");
    }));
    if (std::memcmp(touched, saved, size) != 0) fail("pieces differ from the whole");
    have_at_hand(2 * size);
    fresh.ns.push_back(time_of([&] { copy_to_fresh(saved, size, true); }));
    have_at_hand(2 * size);
    load.ns.push_back(time_of([&] {
      const auto loaded = idem::load<idem::UuidSet>(std::span<const std::byte>(saved, size));
      if (!loaded || loaded->state.size() != keys) fail("not loaded");
    }));
    have_at_hand(2 * size);
    read.ns.push_back(time_of([&] {
      std::size_t at = 0;
      const auto loaded = idem::load<idem::UuidSet>(
          [&](std::span<std::byte> to) {
            const std::size_t count = std::min(to.size(), size - at);
            std::memcpy(to.data(), saved + at, count);
            at += count;
            return count;
          },
          {}, {.bytes = idem::bytes(size)});
      if (!loaded || loaded->state.size() != keys) fail("not loaded");
    }));
    // The last: huge pages cannot be made at once of what it leaves.
    have_at_hand(2 * size);
    small.ns.push_back(time_of([&] { copy_to_fresh(saved, size, false); }));
    for (Row* const row : rows) {
      row->of_touched.push_back(row->ns.back() / copy.ns.back());
      row->of_fresh.push_back(row->ns.back() / fresh.ns.back());
    }
  }
  std::printf("%zu UUIDs, %zu bytes: %.4f of the keys; %d rounds\n\n", keys, size,
              static_cast<double>(size) / static_cast<double>(16 * keys), rounds);
  std::printf("%-44s %9s %9s %15s %13s\n", "", "ns a key", "GB/s", "memcpy touched",
              "memcpy fresh");
  for (const Row* const row : rows) {
    const double ns = median(row->ns);
    std::vector<double> a_key;
    for (const double time : row->ns) a_key.push_back(time / static_cast<double>(keys));
    json.add("snapshot", static_cast<double>(keys), row->name, a_key,
             {{"bytes", static_cast<double>(size) / static_cast<double>(keys)}});
    std::printf("%-44s %9.2f %9.2f %14.2fx %12.2fx\n", row->name, ns / static_cast<double>(keys),
                static_cast<double>(size) / ns, median(row->of_touched), median(row->of_fresh));
  }
  return 0;
}
