#pragma once

// Everything that needs xxHash alone. Components may also be included one by one; those that stand
// on abseil (memory/exact_set.hpp) are, and come with the CMake target idem::abseil.

#include <idem/core/byte_cursor.hpp>
#include <idem/core/bytes.hpp>
#include <idem/core/collision_odds.hpp>
#include <idem/core/error.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/key_bytes.hpp>
#include <idem/core/memory.hpp>
#include <idem/core/seed.hpp>
#include <idem/core/state.hpp>
#include <idem/core/state_stream.hpp>
#include <idem/core/time.hpp>
#include <idem/core/uuid.hpp>
#include <idem/core/verdict.hpp>
#include <idem/dedup/claim.hpp>
#include <idem/dedup/counters.hpp>
#include <idem/dedup/deduplicator.hpp>
#include <idem/dedup/identities.hpp>
#include <idem/dedup/policy.hpp>
#include <idem/dedup/sequence_memory.hpp>
#include <idem/fwd.hpp>
#include <idem/memory/backed_window.hpp>
#include <idem/memory/bloom_filter.hpp>
#include <idem/memory/content_hash_set.hpp>
#include <idem/memory/cuckoo_filter.hpp>
#include <idem/memory/id_set.hpp>
#include <idem/memory/inverse_filter.hpp>
#include <idem/memory/set_options.hpp>
#include <idem/memory/time_window_options.hpp>
#include <idem/memory/time_window_ring.hpp>
#include <idem/memory/uuid_set.hpp>
#include <idem/memory/window_bloom_filter.hpp>
#include <idem/memory/window_cuckoo_filter.hpp>
#include <idem/memory/window_filter_options.hpp>
#include <idem/memory/window_sizing.hpp>
#include <idem/sequence/monotonic_tracker.hpp>
#include <idem/sequence/offset_ledger.hpp>
#include <idem/sequence/producer_batch.hpp>
#include <idem/sequence/producer_tracker.hpp>
#include <idem/sequence/replay_window.hpp>
#include <idem/snapshot/resumable.hpp>
#include <idem/snapshot/snapshot.hpp>
#include <idem/version.hpp>
