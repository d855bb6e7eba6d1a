#pragma once

#include <idem/core/key.hpp>
#include <idem/dedup/policy.hpp>
#include <idem/dedup/sequence_memory.hpp>
#include <idem/detail/abi.hpp>
#include <idem/memory/content_hash_set.hpp>
#include <idem/memory/inverse_filter.hpp>
#include <idem/memory/time_window_ring.hpp>
#include <idem/memory/window_bloom_filter.hpp>

// Policies for the common cases, by what they guarantee. K is the key; each is an ordinary
// idem::Policy, and Extend adds axes to it. docs/policies.md shows all of them at work.

namespace idem::inline IDEM_ABI {

namespace detail {

template <class P, class... Axis>
struct ExtendedPolicy;
template <class... Has, class... Axis>
struct ExtendedPolicy<Policy<Has...>, Axis...> {
  using type = Policy<Has..., Axis...>;
};

}  // namespace detail

// A policy and more axes: Extend<RecordedWhenDone<Uuid>, Sharded<16>>.
template <class P, class... Axis>
using Extend = typename detail::ExtendedPolicy<P, Axis...>::type;

// Payments, orders: whatever must not be lost, and not be done twice while this object lives.
//
// Guarantee    a message counts as seen when its work was committed, not before; a crash or an
//              exception in between gives it back. The same key with another content is a `conflict`.
//              `.claims = {.max_attempts = 5}` ends a message that fails every time in `poisoned`.
// Costs        40 bytes a key of the window, about 80 for each open claim, a digest of each content.
// Gets wrong   nothing inside the window: a copy that comes later than `.memory.window` is `fresh`
//              again. A crash after the effect and before the commit repeats the effect, unless the
//              record survives (docs/claims.md).
template <class K>
using RecordedWhenDone =
    Policy<Remember<TimeWindowRing<typename KeyTraits<K>::Stored>>, Claims, CompareContent>;

// The same where strangers choose the keys and gain by collisions: idempotency keys of a public API.
//
// Guarantee    as RecordedWhenDone; and who does not know the seed can aim at no slot and no digest.
// Costs        SipHash for every key and content: several times XXH3's time.
template <class K>
using RecordedWhenDoneAmongStrangers = Extend<RecordedWhenDone<K>, HostileKeys>;

// Notifications, cache invalidations: doing it twice is worse than not at all.
//
// Guarantee    of the copies that come within `.memory.window` one is `fresh`, the first. It is
//              recorded before its work: a crash in between loses it.
// Costs        24 bytes a key of the window, and nothing else.
// Gets wrong   a copy later than the window is `fresh` again.
template <class K>
using AtMostOnceWithin = Policy<Remember<TimeWindowRing<typename KeyTraits<K>::Stored>>>;

// Telemetry, clicks, logs: few bits a key, and a few losses do not matter.
//
// Guarantee    a copy within `.memory.window` is never `fresh`.
// Costs        31 bits a key of the window at 1 %, fixed in the constructor; one cache line a call.
// Gets wrong   takes fresh messages for seen, at false_positive_rate(), and action() lets them be
//              skipped: they are lost. That is the rate asked for while `.memory.expected_keys` come
//              evenly over a window; of as many in one instant a dozen times as many are lost, and
//              of those after them, until that sixth of the window is over, 40 times.
//              One-shot, like AtMostOnceWithin.
template <class K>
using MayLoseAFew =
    Policy<Remember<WindowBloomFilter<typename KeyTraits<K>::Stored>>, AcceptFalseDuplicates>;

// Work that may be repeated, in memory that must not grow.
//
// Guarantee    `duplicate` is the truth, so nothing is lost by it.
// Costs        `.memory.size`, fixed in the constructor; one cache line a call.
// Gets wrong   forgets a key once as many others came to its line: then a copy is `fresh` again.
//              counters() of a policy with Counters tell how many were pushed out.
template <class K>
using MayRepeatAFew = Policy<Remember<InverseFilter<typename KeyTraits<K>::Stored>>>;

// Market data, replicated logs: senders number what they send, keys are ProducerBatch.
//
// Guarantee    each number of a sender is `fresh` once and in order; a hole is a `gap`, an older
//              epoch is `fenced`, a repeat within the look-back a `duplicate`.
// Costs        172 bytes a sender, none a message.
// Gets wrong   a sender forgotten at the cap, or idle for expire_after, begins anew. A feed that
//              drops numbers for good needs somebody who decides what a `gap` means.
using OnceInSequence = Policy<Remember<SequenceMemory<>>>;

// Messages without an id: equal when their bytes are. Keys are strings, or runs of bytes as Digest.
//
// Guarantee    each content is `fresh` once, for ever.
// Costs        24 bytes a content, whatever its length; it grows until `.memory.budget`, then `full`.
// Gets wrong   two different contents of equal digest, by accident 1.5e-15 for 1e12 of them. Equal
//              content is not always a repeat: two sales of one coffee are two sales.
using SameContentOnce = Policy<Remember<ContentHashSet>>;

}  // namespace idem::inline IDEM_ABI
