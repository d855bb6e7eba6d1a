// Bytes as the snapshot of a set or a filter: refused, or a state that is saved as the same bytes
// and can be used.

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <idem/dedup/deduplicator.hpp>
#include <idem/memory/bloom_filter.hpp>
#include <idem/memory/content_hash_set.hpp>
#include <idem/memory/cuckoo_filter.hpp>
#include <idem/memory/id_map.hpp>
#include <idem/memory/inverse_filter.hpp>
#include <idem/memory/uuid_set.hpp>

#include "support/fuzz_snapshot.hpp"

namespace {

using idem_test::require;
using idem_test::try_snapshot;

template <class Memory>
void use(Memory& memory, const typename Memory::Stored& id) {
  const idem::Verdict before = memory.check(id);
  const idem::Verdict inserted = memory.insert(id);
  if (inserted == idem::Verdict::full) return;
  require(inserted == before && memory.check(id) != idem::Verdict::fresh);
}

template <class Memory>
void as(std::span<const std::byte> bytes) {
  try_snapshot<Memory>(bytes, {}, [](Memory& memory) {
    for (std::uint64_t i = 0; i < 4; ++i) {
      if constexpr (sizeof(typename Memory::Stored) == 8) {
        use(memory, i);
      } else {
        use(memory, typename Memory::Stored{i / 2, i});
      }
    }
  });
}

// Any set is one of shards too.
template <class Id>
void as_shards(std::span<const std::byte> bytes) {
  using Sharded = idem::Deduplicator<Id, idem::Policy<idem::Sharded<3>>>;
  using State = typename Sharded::State;
  const bool is_one = idem::load<idem::IdSet<Id>>(bytes).has_value();
  bool is_sharded = false;
  try_snapshot<State>(bytes, {}, [&](State& state) {
    is_sharded = true;
    Sharded seen(std::move(state));
    for (std::uint64_t i = 0; i < 4; ++i) {
      const Id id{i};
      const idem::Verdict before = seen.check(id);
      require(seen.insert(id) == before && seen.check(id) == idem::Verdict::duplicate);
    }
  });
  require(is_one == is_sharded);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  as<idem::UuidSet>(bytes);
  as<idem::Id64Set>(bytes);
  as<idem::BasicContentHashSet<idem::SipHash>>(bytes);
  as<idem::IdMap<idem::Uuid, idem::Digest>>(bytes);
  as<idem::IdMap<std::uint64_t, std::uint64_t>>(bytes);
  as_shards<idem::Digest>(bytes);
  as_shards<std::uint64_t>(bytes);
  as<idem::BloomFilter<idem::Uuid>>(bytes);
  as<idem::CuckooFilter<idem::Uuid>>(bytes);
  as<idem::CuckooFilter<std::uint64_t, std::uint8_t>>(bytes);
  as<idem::InverseFilter<idem::Uuid>>(bytes);
  as<idem::InverseFilter<std::uint64_t>>(bytes);
  return 0;
}
