// Writes what is in tests/vectors: a snapshot of each kind, by tests/snapshot/subjects.cpp, and
// hostile ones with their manifest.
//
//   write_snapshots DIR
//
// Files of a version that was released are never written again.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <ios>
#include <string>
#include <string_view>

#include "support/reseal.hpp"
#include "support/snapshots.hpp"

namespace {

using idem_test::Bytes;
using idem_test::reseal;
using idem_test::set_word;
using idem_test::word_at;

constexpr std::size_t payload =
    80 + 32 + 8;  // where it begins, behind the position of the subjects

const idem_test::SnapshotSubject& subject(std::string_view name) {
  for (const auto& one : idem_test::snapshot_subjects()) {
    if (one.name == name) return one;
  }
  std::abort();
}

void write(const std::filesystem::path& path, const Bytes& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) {
    std::fprintf(stderr, "cannot write %s\n", path.c_str());
    std::exit(1);
  }
}

class Hostile {
 public:
  explicit Hostile(const std::filesystem::path& dir) : dir_(dir), manifest_(dir / "manifest.tsv") {
    manifest_ << "file\tread as\terror\tposition\twhat is wrong\n";
  }

  // Forges a small snapshot of that kind; `sealed`: every checksum is right.
  void add(std::string_view kind, const std::string& name, bool sealed, const std::string& wrong,
           const std::function<void(Bytes&)>& forge, std::size_t elements = 6) {
    Bytes bytes = subject(kind).make(elements, 0);
    forge(bytes);
    if (sealed) reseal(bytes);
    const auto loaded = subject(kind).load(bytes);
    if (!loaded.error) {
      std::fprintf(stderr, "%s was loaded\n", name.c_str());
      std::exit(1);
    }
    const std::string file = std::string(kind) + "-" + name + ".idem";
    write(dir_ / file, bytes);
    manifest_ << file << '\t' << kind << '\t' << idem::name(loaded.error->code) << '\t'
              << loaded.error->position << '\t' << wrong << '\n';
  }
  // One integer of a sealed snapshot.
  void field(std::string_view kind, const std::string& name, std::size_t at, std::size_t size,
             std::uint64_t value, const std::string& wrong, std::size_t elements = 6) {
    add(
        kind, name, true, wrong, [&](Bytes& bytes) { set_word(bytes, at, value, size); }, elements);
  }

 private:
  std::filesystem::path dir_;
  std::ofstream manifest_;
};

constexpr std::uint64_t most = ~std::uint64_t{0};

void write_frames(Hostile& to) {
  const auto cut = [](std::size_t size) { return [size](Bytes& bytes) { bytes.resize(size); }; };
  to.add("uuid_set", "empty", false, "no bytes at all", cut(0));
  to.add("uuid_set", "magic-only", false, "cut behind the magic", cut(8));
  to.add("uuid_set", "half-header", false, "cut inside the header", cut(50));
  to.add("uuid_set", "no-blocks", false, "cut behind the header", cut(payload));
  to.add("uuid_set", "no-end", false, "cut before the end mark",
         [](Bytes& bytes) { bytes.resize(bytes.size() - 8); });
  to.add("uuid_set", "one-more", false, "a byte behind the end",
         [](Bytes& bytes) { bytes.push_back(std::byte{0}); });
  to.add("uuid_set", "text-mode", false, "went through a transfer that turns \\r\\n into \\n",
         [](Bytes& bytes) { bytes.erase(bytes.begin() + 5); });
  to.add("uuid_set", "header-bit", false, "a bit of the seed flipped, checksums as they were",
         [](Bytes& bytes) { bytes[41] ^= std::byte{4}; });
  to.add("uuid_set", "payload-bit", false, "a bit of an id flipped, checksums as they were",
         [](Bytes& bytes) { bytes[payload + 20] ^= std::byte{1}; });
  to.add("uuid_set", "checksum-bit", false, "a bit of the last checksum flipped",
         [](Bytes& bytes) { bytes[bytes.size() - 9] ^= std::byte{0x80}; });
  to.add("uuid_set", "end-mark", false, "another end mark",
         [](Bytes& bytes) { bytes[bytes.size() - 1] = std::byte{0}; });
  to.field("uuid_set", "version-0", 8, 2, 0, "format version 0");
  to.field("uuid_set", "version-2", 8, 2, 2, "a version that nobody has defined");
  to.field("uuid_set", "kind-0", 10, 2, 0, "no kind");
  to.field("uuid_set", "kind-65535", 10, 2, 65535, "an unknown kind");
  to.field("uuid_set", "key-digest", 12, 1, 3, "digests where UUIDs are wanted");
  to.field("uuid_set", "hash-siphash", 13, 1, 2, "another hash");
  to.field("uuid_set", "reserved", 14, 2, 1, "a reserved field is not zero");
  to.field("uuid_set", "variant", 19, 1, 1, "a variant that sets do not have");
  to.field("uuid_set", "position-65537", 20, 4, 65537, "a position longer than any");
  to.field("uuid_set", "position-max", 20, 4, 0xffffffff, "a position of 4 GiB");
  to.field("uuid_set", "position-padding", 80 + 30, 1, 1, "padding is not zero");
  to.field("uuid_set", "elements-max", 56, 8, most, "2^64 - 1 elements");
  to.field("uuid_set", "elements-one-more", 56, 8, 7, "one element more than there are");
  to.field("uuid_set", "payload-max", 64, 8, most, "a payload of 2^64 - 1 bytes");
  to.field("uuid_set", "payload-2-62", 64, 8, std::uint64_t{1} << 62, "a payload of 2^62 bytes");
  to.field("uuid_set", "payload-0", 64, 8, 0, "no payload, and yet a block");
  to.field("uuid_set", "total-0", 72, 8, 0, "a total length of 0");
  to.add("uuid_set", "promises-a-tebibyte", true, "all lengths agree, and are not true",
         [](Bytes& bytes) {
           const std::uint64_t size = std::uint64_t{1} << 40;
           set_word(bytes, 56, size / 16);
           set_word(bytes, 64, size);
           set_word(bytes, 72, payload + size + size / 65536 * 8 + 8);
         });
}

void write_memories(Hostile& to) {
  to.add("uuid_set", "descending", true, "two ids have changed places", [](Bytes& bytes) {
    std::swap_ranges(bytes.begin() + payload, bytes.begin() + payload + 16,
                     bytes.begin() + payload + 16);
  });
  to.add("uuid_set", "twice", true, "an id twice", [](Bytes& bytes) {
    std::copy_n(bytes.begin() + payload, 16, bytes.begin() + payload + 16);
  });
  to.field("uuid_set", "other-seed", 40, 8, 1, "another seed: the ids are not in its order");
  to.add("id_map", "descending", true, "two rows have changed places", [](Bytes& bytes) {
    std::swap_ranges(bytes.begin() + payload, bytes.begin() + payload + 32,
                     bytes.begin() + payload + 32);
  });
  to.add("id_map", "twice", true, "an id twice, with two payloads", [](Bytes& bytes) {
    std::copy_n(bytes.begin() + payload, 16, bytes.begin() + payload + 32);
  });
  to.field("id_map", "elements-one-more", 56, 8, 7, "one element more than there are");
  to.field("id_map", "payload-cut", 64, 8, 6 * 32 - 16, "half a row");
  to.field("id_map", "variant-64", 16, 1, 1, "payloads of 64 bits where digests are wanted");
  to.field("bloom_filter", "no-blocks", 24, 8, 0, "no blocks");
  to.field("bloom_filter", "blocks-2-58", 24, 8, std::uint64_t{1} << 58,
           "so many blocks that their bytes wrap to none");
  to.field("bloom_filter", "blocks-one-more", 24, 8, 65, "one block more than there are");
  to.field("cuckoo_filter_16", "buckets-2-61", 24, 8, std::uint64_t{1} << 61,
           "so many buckets that their bytes wrap to none");
  to.field("cuckoo_filter_16", "count", 56, 8, 7, "more fingerprints than there are");
  to.field("cuckoo_filter_16", "as-8-bit", 16, 1, 8, "fingerprints of another width");
  to.add("inverse_filter", "wrong-line", true, "ids in a line that is not theirs",
         [](Bytes& bytes) {
           for (std::size_t line = payload; line < payload + 4096; line += 64) {
             const std::size_t other = line == payload ? line + 64 : payload;
             if (word_at(bytes, line) == 0) continue;
             std::swap_ranges(bytes.begin() + static_cast<std::ptrdiff_t>(line),
                              bytes.begin() + static_cast<std::ptrdiff_t>(line) + 64,
                              bytes.begin() + static_cast<std::ptrdiff_t>(other));
             return;
           }
         });
  to.add("inverse_filter", "hole", true, "an empty slot before a taken one", [](Bytes& bytes) {
    for (std::size_t line = payload; line < payload + 4096; line += 64) {
      if (word_at(bytes, line) == 0) continue;
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(line), 16,
                  bytes.begin() + static_cast<std::ptrdiff_t>(line) + 32);
      set_word(bytes, line, 0);
      set_word(bytes, line + 8, 0);
      return;
    }
  });
  to.add("inverse_filter", "twice", true, "an id twice in its line", [](Bytes& bytes) {
    for (std::size_t line = payload; line < payload + 4096; line += 64) {
      if (word_at(bytes, line) == 0 || word_at(bytes, line + 16) != 0) continue;
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(line), 16,
                  bytes.begin() + static_cast<std::ptrdiff_t>(line) + 16);
      set_word(bytes, 56, word_at(bytes, 56) + 1);
      return;
    }
  });
  to.field("inverse_filter", "zero-flag", payload + 4096, 8, 2, "a flag that is neither 0 nor 1");

  constexpr std::size_t groups = payload + 64;
  to.field("time_window", "inner-version", payload, 1, 2, "an unknown version of the payload");
  to.field("time_window", "inner-mode", payload + 1, 1, 1, "a mode that is not the header's");
  to.field("time_window", "started", payload + 5, 1, 2, "a flag that is neither 0 nor 1");
  to.field("time_window", "floor", payload + 40, 8, most >> 1, "forgotten up to the end of time");
  to.field("time_window", "ids-max", payload + 48, 8, most, "2^64 - 1 ids");
  to.field("time_window", "empty-group", groups + 8, 8, 0, "a granule without ids");
  to.field("time_window", "group-max", groups + 8, 8, most, "2^64 - 1 ids in one granule");
  to.field("time_window", "late-granule", groups, 8, most >> 1, "a granule in the future");
  to.field("time_window_event", "stamp", groups + 16 + 16, 4, 0xffffffff,
           "an event older than any that is remembered");
}

void write_window_filters(Hostile& to) {
  constexpr std::size_t keys = payload + 24;
  to.field("window_bloom_filter", "lines", payload, 1, 3, "keys of three lines");
  to.field("window_bloom_filter", "crowded", payload + 1, 1, 3, "no such answer to a crowd");
  to.field("window_bloom_filter", "other-crowd", payload + 1, 1, 2, "another answer to a crowd");
  to.field("window_bloom_filter", "started", payload + 2, 1, 2, "a flag that is neither 0 nor 1");
  to.field("window_bloom_filter", "not-started", payload + 2, 1, 0, "keys before any clock");
  to.field("window_bloom_filter", "reserved", payload + 7, 1, 1, "a reserved field is not zero");
  to.field("window_bloom_filter", "no-keys", keys, 8, 0, "bits that no key has set");
  to.field("window_bloom_filter", "no-bits", keys + 48, 8, 1, "a key without bits");
  to.field("window_bloom_filter", "expects-none", 32, 8, 0, "made for no keys");
  to.field("window_bloom_filter", "blocks-2-63", 56, 8, std::uint64_t{1} << 63, "2^63 blocks");
  to.field("window_bloom_filter_event", "shift", payload + 16, 8, 1,
           "a clock of events that was restarted");
  to.field("window_bloom_filter_event", "refuses", payload + 1, 1, 2,
           "an answer to a crowd that windows of events do not have");
  to.field("window_bloom_filter_count", "full", keys, 8, 25,
           "a generation that is full, and yet the newest");
  to.field("window_bloom_filter_count", "too-many", keys, 8, most, "2^64 - 1 keys");
  to.field("window_bloom_filter_count", "floor", keys + 56, 8, most >> 1,
           "forgotten up to the end of time");
  to.field("window_bloom_filter_count", "future", keys + 64, 8, most >> 1,
           "a key later than the latest");
  to.field("window_bloom_filter_count", "nobody", keys + 64 + 48, 8, 5,
           "an instant of no key in a generation without keys");
  to.add(
      "window_bloom_filter_sliding", "backwards", true, "an older generation with a newer key",
      [](Bytes& bytes) { set_word(bytes, keys + 64 + 8, word_at(bytes, keys + 64) + 1); }, 200);
  to.add(
      "window_bloom_filter_sliding", "too-old", true, "a key from before its generation",
      [](Bytes& bytes) { set_word(bytes, keys + 64 + 48, ~std::uint64_t{0} << 40); }, 900);
  constexpr std::size_t buckets = payload + 24;
  to.field("window_cuckoo_filter", "started", payload, 8, 2, "a flag that is neither 0 nor 1");
  to.field("window_cuckoo_filter", "not-started", payload, 8, 0, "keys before any clock");
  to.field("window_cuckoo_filter", "generation-7", buckets, 2, 0xe001, "an eighth generation");
  to.field("window_cuckoo_filter", "no-fingerprint", buckets, 2, 0x2000,
           "a generation without a fingerprint");
  to.field("window_cuckoo_filter", "count", 56, 8, 7, "more fingerprints than there are");
  to.field("window_cuckoo_filter", "lines-2-58", 32, 8, std::uint64_t{1} << 58,
           "so many lines that their bytes wrap to none");
  to.field("backed_window", "part-version", payload, 2, 2, "a part of a version nobody defined");
  to.field("backed_window", "part-kind", payload + 2, 2, 1, "a set in place of a window");
  to.field("backed_window", "part-reserved", payload + 6, 2, 1, "a reserved field is not zero");
  to.field("backed_window", "part-position", payload + 12, 4, 1, "a part with a position");
  to.field("backed_window", "part-seed", payload + 32, 8, 1, "a part under another seed");
  to.field("backed_window", "part-elements", payload + 48, 8, most, "2^64 - 1 elements in a part");
  to.field("backed_window", "part-max", payload + 56, 8, most, "a part of 2^64 - 1 bytes");
  to.add("backed_window", "part-longer", true, "a part that ends in the next one",
         [](Bytes& bytes) { set_word(bytes, payload + 56, word_at(bytes, payload + 56) + 16); });
  to.add("backed_window", "part-shorter", true, "a part that ends before its ids",
         [](Bytes& bytes) { set_word(bytes, payload + 56, word_at(bytes, payload + 56) - 16); });
  to.field("backed_window", "elements-one-more", 56, 8, 6 + 80 + 1,
           "one element more than its parts have");
  to.field("shards", "number", 24, 8, 4, "four shards where three are wanted");
  to.field("shards", "number-max", 24, 8, most, "2^64 - 1 shards");
  to.field("shards", "configuration", 32, 8, 1, "a configuration word they do not have");
  to.field("shards", "part-seed", payload + 32, 8, 1, "a shard under another seed");
  to.field("shards", "part-kind", payload + 2, 2, 14, "shards in a shard");
  to.field("shards", "elements-one-more", 56, 8, 7, "one element more than the shards have");
  to.field("backed_window", "configuration", 24, 8, 1, "a configuration word it does not have");
}

void write_sequences(Hostile& to) {
  constexpr std::size_t producer = payload + 28;
  to.field("producer_tracker", "inner-magic", payload, 4, 0, "no tracker's payload");
  to.field("producer_tracker", "count", payload + 24, 4, 0xffffffff, "2^32 - 1 producers");
  to.field("producer_tracker", "descending", producer, 8, 1 << 20, "ids that do not rise");
  to.field("producer_tracker", "negative-id", producer, 8, most, "a negative id");
  to.field("producer_tracker", "epoch", producer + 20, 2, 0x8000, "a negative epoch");
  to.field("producer_tracker", "batches", producer + 23, 1, 6, "more batches than the look-back");
  to.field("producer_tracker", "order", producer + 24, 4, 0xffffffff, "a place beyond the last");
  to.field("producer_tracker", "offset", producer + 28 + 8, 8, most >> 1,
           "an offset beyond the end of the log");
  to.field("producer_tracker", "no-batch", producer + 28 + 24, 1, 1, "bytes where no batch is");
  to.field("monotonic_tracker", "nothing-persisted", payload + 16, 8, most, "nothing persisted");
  to.field("monotonic_tracker", "order", payload + 24, 4, 6, "a place beyond the last");
  to.field("monotonic_tracker", "reserved", payload + 28, 4, 1, "a reserved field is not zero");
  to.field("offset_ledger", "negative", payload + 8, 8, most, "a negative offset", 30);
  to.field("offset_ledger", "empty-run", payload + 24, 8, 0, "a run that ends before it begins",
           30);
  to.field("offset_ledger", "end-of-numbers", payload + 24, 8, most >> 1, "a run up to 2^63 - 1",
           30);
  to.field("replay_window", "highest", payload, 8, 0, "no highest number, and yet bits", 100);
  to.add(
      "replay_window", "beyond", true, "a bit beyond the highest number",
      [](Bytes& bytes) { bytes[bytes.size() - 17] |= std::byte{0x80}; }, 100);
  to.add(
      "replay_window", "not-itself", true, "the highest number is not recorded",
      [](Bytes& bytes) { set_word(bytes, bytes.size() - 24, 0); }, 100);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_snapshots DIR\n");
    return 2;
  }
  const std::filesystem::path dir = argv[1];
  std::filesystem::create_directories(dir / "snapshots");
  std::filesystem::create_directories(dir / "hostile");
  for (const auto& one : idem_test::snapshot_subjects())
    write(dir / "snapshots" / (std::string(one.name) + ".idem"), one.make(one.elements, 0));
  Hostile hostile(dir / "hostile");
  write_frames(hostile);
  write_memories(hostile);
  write_window_filters(hostile);
  write_sequences(hostile);
  return 0;
}
