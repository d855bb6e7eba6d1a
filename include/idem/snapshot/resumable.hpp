#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <idem/core/error.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/memory.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/dedup/content.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/lossy_key.hpp>
#include <idem/snapshot/snapshot.hpp>

namespace idem::inline IDEM_ABI {

// A Deduplicator that begins with a state from elsewhere, and answers `unknown` (retry) until that
// state is there: a message judged against an empty memory would be `fresh` a second time.
//
// Guarantee   before load() or start_empty() has succeeded every verdict is `unknown` and nothing
//             is recorded; afterwards every call is the Deduplicator's.
// Replay      load() gives back the position of the snapshot. What came between that and now is to be
//             replayed into **seen (insert, or record what the log says) before messages are judged
//             that may be in it: docs/snapshots.md.
// Memory      the Deduplicator, in place; nothing before.
// Threads     one at a time; under Sharded any number once load() or start_empty() has returned.
// Errors      options that are nonsense throw std::invalid_argument, when the Deduplicator is made.
//             load() that fails changes nothing and may be tried again, with an older snapshot say.
template <class Dedup>
class Resumable : detail::NoLossyKeys<Resumable<Dedup>, typename Dedup::Key> {
  using Guard = detail::NoLossyKeys<Resumable, typename Dedup::Key>;

  using State = typename Dedup::State;

 public:
  using Key = typename Dedup::Key;
  using Options = typename Dedup::Options;

  static constexpr bool needs_time = Dedup::needs_time;

  explicit Resumable(const Options& options = Options()) : options_(options) {}

  [[nodiscard]] bool is_ready() const noexcept { return seen_.has_value(); }

  // Goes on from a snapshot; the position it stands for. See idem::load. Called when there is a state
  // already, throws std::invalid_argument.
  [[nodiscard]] Result<std::vector<std::byte>> load(std::span<const std::byte> bytes,
                                                    const LoadLimits& limits = {}) {
    require_nothing();
    return start(idem::load<State>(bytes, options_.memory, limits));
  }
  template <class Read>
  requires std::is_invocable_r_v<std::size_t, Read&, std::span<std::byte>> &&
      (!std::convertible_to<Read&&, std::span<const std::byte>>)
          [[nodiscard]] Result<std::vector<std::byte>> load(Read&& read, const LoadLimits& limits) {
    require_nothing();
    return start(idem::load<State>(read, options_.memory, limits));
  }
  // There is no state to go on from, and somebody has decided so.
  void start_empty() {
    require_nothing();
    seen_.emplace(options_);
  }

  // As the Deduplicator's, or `unknown`; with the content behind where it compares contents.
  template <class... C>
  Verdict insert(const Key& key, At at, C&&... content) noexcept requires requires(Dedup& seen) {
    seen.insert(key, at, content...);
  }
  { return seen_ ? seen_->insert(key, at, content...) : Verdict::unknown; }
  template <class... C>
      Verdict insert(const Key& key, C&&... content) noexcept requires(!needs_time) &&
      requires(Dedup& seen) {
    seen.insert(key, content...);
  }
  { return seen_ ? seen_->insert(key, content...) : Verdict::unknown; }
  void insert(std::span<const Key> keys, At at, std::span<Verdict> verdicts) noexcept
      requires(!Dedup::compares_content) {
    if (seen_) return seen_->insert(keys, at, verdicts);
    answer_unknown(keys.size(), verdicts);
  }
  void insert(std::span<const Key> keys, std::span<Verdict> verdicts) noexcept
      requires(!Dedup::compares_content && !needs_time) {
    if (seen_) return seen_->insert(keys, verdicts);
    answer_unknown(keys.size(), verdicts);
  }
  void insert(std::span<const Key> keys, At at, std::span<const Content> contents,
              std::span<Verdict> verdicts) noexcept requires(Dedup::compares_content) {
    if (seen_) return seen_->insert(keys, at, contents, verdicts);
    answer_unknown(keys.size(), contents.size(), verdicts);
  }
  void insert(std::span<const Key> keys, At at, std::span<const Digest> contents,
              std::span<Verdict> verdicts) noexcept requires(Dedup::compares_content) {
    if (seen_) return seen_->insert(keys, at, contents, verdicts);
    answer_unknown(keys.size(), contents.size(), verdicts);
  }
  void insert(std::span<const Key> keys, std::span<const Content> contents,
              std::span<Verdict> verdicts) noexcept
      requires(Dedup::compares_content && !needs_time) {
    if (seen_) return seen_->insert(keys, contents, verdicts);
    answer_unknown(keys.size(), contents.size(), verdicts);
  }
  void insert(std::span<const Key> keys, std::span<const Digest> contents,
              std::span<Verdict> verdicts) noexcept
      requires(Dedup::compares_content && !needs_time) {
    if (seen_) return seen_->insert(keys, contents, verdicts);
    answer_unknown(keys.size(), contents.size(), verdicts);
  }
  template <class... C>
  [[nodiscard]] Verdict check(const Key& key, At at, C&&... content) const noexcept requires
      requires(const Dedup& seen) {
    seen.check(key, at, content...);
  }
  { return seen_ ? seen_->check(key, at, content...) : Verdict::unknown; }
  template <class... C>
      [[nodiscard]] Verdict check(const Key& key, C&&... content) const noexcept
      requires(!needs_time) &&
      requires(const Dedup& seen) {
    seen.check(key, content...);
  }
  { return seen_ ? seen_->check(key, content...) : Verdict::unknown; }
  template <class... C>
  [[nodiscard]] auto claim(const Key& key, At at, C&&... content) noexcept requires
      requires(Dedup& seen) {
    seen.claim(key, at, content...);
  }
  { return seen_ ? seen_->claim(key, at, content...) : Dedup::no_claim(Verdict::unknown); }

  void claim(std::span<const Key> keys, At at, auto&& claims) noexcept requires
      requires(Dedup& seen) {
    seen.claim(keys, at, claims);
  }
  {
    if (seen_) return seen_->claim(keys, at, claims);
    answer_unknown(keys.size(), std::span(claims));
  }
  void claim(std::span<const Key> keys, At at, auto&& contents, auto&& claims) noexcept requires
      requires(Dedup& seen) {
    seen.claim(keys, at, contents, claims);
  }
  {
    if (seen_) return seen_->claim(keys, at, contents, claims);
    answer_unknown(keys.size(), std::span(contents).size(), std::span(claims));
  }

  // The Deduplicator, for all else. Undefined before is_ready().
  [[nodiscard]] Dedup& operator*() noexcept { return *seen_; }
  [[nodiscard]] const Dedup& operator*() const noexcept { return *seen_; }
  [[nodiscard]] Dedup* operator->() noexcept { return &*seen_; }
  [[nodiscard]] const Dedup* operator->() const noexcept { return &*seen_; }

  // Arguments that would silently become another key are refused.
  using Guard::check;
  using Guard::claim;
  using Guard::insert;

 private:
  static void answer_unknown(std::size_t keys, const auto& answers) noexcept {
    detail::require_equal_sizes(keys, answers.size());
    for (auto& answer : answers) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(answer)>, Verdict>) {
        answer = Verdict::unknown;
      } else {
        answer = Dedup::no_claim(Verdict::unknown);
      }
    }
  }

  static void answer_unknown(std::size_t keys, std::size_t contents, const auto& answers) noexcept {
    detail::require_equal_sizes(keys, contents);
    answer_unknown(keys, answers);
  }

  void require_nothing() const {
    if (is_ready()) {
      detail::throw_invalid_argument(
          "idem: Resumable::load or start_empty: there is a state already, and messages were judged "
          "by it");
    }
  }

  [[nodiscard]] Result<std::vector<std::byte>> start(Result<Loaded<State>>&& loaded) {
    if (!loaded) return loaded.error();
    seen_.emplace(std::move(loaded->state), options_);
    return std::move(loaded->position);
  }

  Options options_;
  std::optional<Dedup> seen_{};
};

}  // namespace idem::inline IDEM_ABI
