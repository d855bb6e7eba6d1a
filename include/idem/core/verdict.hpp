#pragma once

#include <cstdint>
#include <string_view>

#include <idem/detail/abi.hpp>
#include <idem/detail/verdict.hpp>

namespace idem::inline IDEM_ABI {

// The answer about one message.
//
// Never converts to bool, and its zero is `unknown`: a verdict nobody wrote says that nobody
// answered. One that is thrown away draws a warning, since a `full` that nobody read is a message
// that nobody recorded. A component returns only those it can mean; each component's page lists
// them.
enum class Verdict : std::uint8_t {
  unknown = 0,  // nobody could answer: a store is away, history was lost, state is still loading
  fresh,        // first sight: process it; of a commit: recorded, nobody was faster
  duplicate,    // seen before, for certain
  probable_duplicate,  // a filter says seen; nothing exact confirms it
  in_progress,         // somebody holds a claim on it right now
  conflict,            // the same key came before with other content
  stale,               // older than the horizon reaches: nobody can tell
  gap,                 // a sequence number ahead of the next expected one
  overlap,             // a range partly seen, with a fresh tail
  fenced,              // sent or held by an owner or epoch that has been replaced
  full,                // no room or no memory: nothing was recorded
  poisoned,            // attempts exhausted
};

// What a consumer may do with a message. Only `skip` may be acknowledged without processing.
enum class Action : std::uint8_t {
  retry = 0,  // give it back to the broker; a later delivery can be answered
  process,    // it is yours, once
  skip,       // already done: acknowledge
  inspect,  // neither processing nor dropping is safe: quarantine it for a person or a rule of your
            // own
};

// The action a verdict permits when false duplicates are not acceptable: `probable_duplicate` is
// `inspect` here, since skipping it may lose a fresh message. Deduplicator::action knows its policy
// and answers `skip` where the policy says AcceptFalseDuplicates. A value outside the enumeration
// is `inspect`.
[[nodiscard]] constexpr Action action(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::fresh:
      return Action::process;
    case Verdict::duplicate:
      return Action::skip;
    case Verdict::unknown:
    case Verdict::in_progress:
    case Verdict::gap:
    case Verdict::full:
      return Action::retry;
    case Verdict::probable_duplicate:
    case Verdict::conflict:
    case Verdict::stale:
    case Verdict::overlap:
    case Verdict::fenced:
    case Verdict::poisoned:
      return Action::inspect;
  }
  return Action::inspect;
}

// The enumerator's spelling, zero-terminated; "invalid" for a value outside the enumeration.
[[nodiscard]] constexpr std::string_view name(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::unknown:
      return "unknown";
    case Verdict::fresh:
      return "fresh";
    case Verdict::duplicate:
      return "duplicate";
    case Verdict::probable_duplicate:
      return "probable_duplicate";
    case Verdict::in_progress:
      return "in_progress";
    case Verdict::conflict:
      return "conflict";
    case Verdict::stale:
      return "stale";
    case Verdict::gap:
      return "gap";
    case Verdict::overlap:
      return "overlap";
    case Verdict::fenced:
      return "fenced";
    case Verdict::full:
      return "full";
    case Verdict::poisoned:
      return "poisoned";
  }
  return "invalid";
}

[[nodiscard]] constexpr std::string_view name(Action action) noexcept {
  switch (action) {
    case Action::retry:
      return "retry";
    case Action::process:
      return "process";
    case Action::skip:
      return "skip";
    case Action::inspect:
      return "inspect";
  }
  return "invalid";
}

// Which way a component can be wrong: two bits of its type, OR-ed through composition. A miss is a
// second delivery; a drop is a fresh message taken for a duplicate, which is data loss.
struct Errors {
  bool may_miss = false;
  bool may_drop = false;

  friend constexpr bool operator==(const Errors&, const Errors&) = default;
  friend constexpr Errors operator|(Errors a, Errors b) noexcept {
    return {.may_miss = a.may_miss || b.may_miss, .may_drop = a.may_drop || b.may_drop};
  }
};

}  // namespace idem::inline IDEM_ABI
