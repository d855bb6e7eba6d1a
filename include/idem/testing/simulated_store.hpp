#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/testing/durable.hpp>
#include <idem/testing/fault.hpp>
#include <idem/testing/world.hpp>

namespace idem::inline IDEM_ABI::testing {

// A Deduplicator with Claims that outlives the processes which use it, as a store or a service would.
// Each call is one step; where it reports failure the verdict is `unknown`.
//
// Guarantee   the verdicts are Dedup's. A crashed process gives no claim back: it stands until its
//             lease is over. With Keeps::all_but_the_last_write an amnesia takes the last
//             acknowledged write back. What must hold whatever failed is checked at each call
//             (World::require): no two owners within a lease, tokens that rise, no commit for
//             anybody but the current owner.
template <class Dedup>
class SimulatedStore final : private detail::Forgetful {
 public:
  using Key = typename Dedup::Key;
  using Options = typename Dedup::Options;

  // The process's half of a claim.
  class [[nodiscard]] Claim {
   public:
    Claim(Claim&& other) noexcept
        : store_(std::exchange(other.store_, nullptr)),
          key_(other.key_),
          grant_(other.grant_),
          token_(other.token_),
          attempt_(other.attempt_),
          verdict_(other.verdict_) {}
    Claim& operator=(Claim&&) = delete;
    // Gives the claim back, unless the process is dead. No step: nothing can be thrown from here.
    ~Claim() {
      if (store_ != nullptr && !store_->world_.is_dead()) store_->release(key_, grant_);
    }

    [[nodiscard]] Verdict verdict() const noexcept { return verdict_; }
    [[nodiscard]] std::uint64_t token() const noexcept { return token_; }
    [[nodiscard]] std::uint32_t attempt() const noexcept { return attempt_; }

    // `fresh`, `fenced`, or `unknown`: the call reported failure, and the claim may be committed.
    [[nodiscard]] Verdict commit() {
      if (store_ == nullptr) return Verdict::fenced;
      SimulatedStore& store = *std::exchange(store_, nullptr);
      return store.commit(key_, grant_);
    }

   private:
    friend SimulatedStore;

    Claim(SimulatedStore* store, const Key& key, Verdict verdict)
        : store_(store), key_(key), verdict_(verdict) {}

    SimulatedStore* store_;
    Key key_;
    std::uint64_t grant_ = 0;
    std::uint64_t token_ = 0;
    std::uint32_t attempt_ = 0;
    Verdict verdict_;
  };

  explicit SimulatedStore(World& world, const Options& options = Options(),
                          Keeps keeps = Keeps::everything)
      : world_(world), options_(options), seen_(std::make_unique<Dedup>(options)) {
    if (keeps == Keeps::all_but_the_last_write) world_.add_forgetful(*this);
  }
  SimulatedStore(const SimulatedStore&) = delete;
  SimulatedStore& operator=(const SimulatedStore&) = delete;

  // The last thing that was written, a claim say, may be gone after an amnesia.
  [[nodiscard]] Verdict insert(const Key& key) {
    try {
      return world_.call("insert the key", [&] {
        const Write write{Write::Kind::insert, key, world_.now(), 0};
        const Verdict verdict = perform(write);
        if (verdict == Verdict::fresh) written(write);
        return verdict;
      });
    } catch (const CallFailed&) {
      return Verdict::unknown;
    }
  }

  Claim claim(const Key& key) {
    Claim claim(nullptr, key, Verdict::unknown);
    try {
      const std::uint64_t grant = ++last_grant_;
      claim.verdict_ = world_.call("claim", [&] {
        const Write write{Write::Kind::claim, key, world_.now(), grant};
        const Verdict verdict = perform(write);
        if (verdict == Verdict::fresh) written(write);
        return verdict;
      });
      if (claim.verdict_ == Verdict::fresh) {
        claim.store_ = this;
        claim.grant_ = grant;
        claim.token_ = guards_.at(grant).token();
        claim.attempt_ = guards_.at(grant).attempt();
      }
    } catch (const CallFailed&) {
    }
    return claim;
  }

  // Is the key done, as far as the store knows? Reading is no step.
  [[nodiscard]] Verdict check(const Key& key) const { return seen_->check(key); }

 private:
  struct Write {
    enum class Kind : std::uint8_t { insert, claim, commit, release } kind;
    Key key;
    Instant now{};
    std::uint64_t grant;
  };
  struct Owner {
    std::uint64_t token = 0;
    Instant lease_end{};
    bool is_open = false;
  };

  Verdict commit(const Key& key, std::uint64_t grant) {
    try {
      return world_.call("commit the claim", [&] {
        const Write write{Write::Kind::commit, key, world_.now(), grant};
        const Verdict verdict = perform(write);
        if (verdict == Verdict::fresh) written(write);
        return verdict;
      });
    } catch (const CallFailed&) {
      return Verdict::unknown;
    }
  }
  void release(const Key& key, std::uint64_t grant) {
    const Write write{Write::Kind::release, key, world_.now(), grant};
    if (perform(write) == Verdict::fresh) written(write);
  }

  Verdict perform(const Write& write) {
    switch (write.kind) {
      case Write::Kind::insert:
        return seen_->insert(write.key, {.now = write.now});
      case Write::Kind::claim: {
        auto guard = seen_->claim(write.key, {.now = write.now});
        const Verdict verdict = guard.verdict();
        Owner& owner = owners_[write.key];
        if (verdict == Verdict::poisoned) owner.is_open = false;
        if (verdict != Verdict::fresh) return verdict;
        world_.require(!owner.is_open || write.now >= owner.lease_end,
                       "a key has two owners within a lease");
        world_.require(guard.token() > owner.token, "a token is not higher than the one before");
        owner = {.token = guard.token(),
                 .lease_end = write.now + options_.claims.lease,
                 .is_open = true};
        guards_.emplace(write.grant, std::move(guard));
        return verdict;
      }
      case Write::Kind::commit: {
        const auto guard = guards_.find(write.grant);
        if (guard == guards_.end()) return Verdict::fenced;
        const std::uint64_t token = guard->second.token();
        const Verdict verdict = guard->second.commit(write.now);
        Owner& owner = owners_[write.key];
        const bool is_owner = owner.is_open && owner.token == token;
        world_.require((verdict == Verdict::fresh) == is_owner,
                       is_owner ? "the owner's commit was refused"
                                : "a commit was accepted from one who was not the owner any more");
        if (is_owner) owner.is_open = false;
        guards_.erase(guard);
        return verdict;
      }
      case Write::Kind::release: {
        const auto guard = guards_.find(write.grant);
        if (guard == guards_.end()) return Verdict::fenced;
        Owner& owner = owners_[write.key];
        if (owner.token == guard->second.token()) owner.is_open = false;
        guards_.erase(guard);
        return Verdict::fresh;
      }
    }
    return Verdict::unknown;
  }

  void written(const Write& write) {
    log_.push_back(write);
    can_forget_ = true;
  }

  [[nodiscard]] bool has_something_to_forget() const noexcept override { return can_forget_; }
  // The same calls but for the last one give the state before it.
  void forget_last() override {
    can_forget_ = false;
    log_.pop_back();
    guards_.clear();
    owners_.clear();
    seen_ = std::make_unique<Dedup>(options_);
    for (const Write& write : log_) (void)perform(write);
  }

  World& world_;
  Options options_;
  std::unique_ptr<Dedup> seen_;  // outlives the guards
  std::map<std::uint64_t, typename Dedup::Claim> guards_{};
  std::map<Key, Owner> owners_{};
  std::vector<Write> log_{};  // what was acknowledged
  std::uint64_t last_grant_ = 0;
  bool can_forget_ = false;
};

}  // namespace idem::inline IDEM_ABI::testing
