#include <cstdint>
#include <list>
#include <utility>

#include <doctest/doctest.h>

#include <idem/testing/testing.hpp>

#include "guarantees/protocols.hpp"

// Bugs planted in the deduplicator, and the cells that they break.

namespace {

using namespace protocols;
using idem::Instant;
using idem::testing::DumbDeduplicator;
using idem::testing::simulate;
using idem::testing::SimulationOptions;
using idem::testing::SimulationReport;

enum class Bug { none, commits_late, never_releases };

// The real one, with a bug, and with leases without end where that shows it.
template <Bug bug>
class Planted {
 public:
  using Key = Uuid;
  using Options = Seen::Options;

  class Claim {
   public:
    Claim(Planted& owner, Seen::Claim&& claim) : owner_(&owner), claim_(std::move(claim)) {}
    Claim(Claim&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), claim_(std::move(other.claim_)) {}
    Claim& operator=(Claim&&) = delete;
    ~Claim() {
      if (owner_ == nullptr || bug != Bug::never_releases || !claim_.holds()) return;
      ++came_to_be;
      owner_->kept_.push_back(std::move(claim_));
    }

    [[nodiscard]] Verdict verdict() const { return claim_.verdict(); }
    [[nodiscard]] std::uint64_t token() const { return claim_.token(); }
    [[nodiscard]] std::uint32_t attempt() const { return claim_.attempt(); }
    [[nodiscard]] Verdict commit(Instant now) {
      const Verdict verdict = claim_.commit(now);
      if (bug != Bug::commits_late || verdict != Verdict::fenced) return verdict;
      ++came_to_be;
      return Verdict::fresh;
    }

   private:
    Planted* owner_;
    Seen::Claim claim_;
  };

  explicit Planted(const Options& options) : seen_(with_lease(options)) {}

  static constexpr Action action(Verdict verdict) { return Seen::action(verdict); }
  [[nodiscard]] Verdict check(const Uuid& id) const { return seen_.check(id); }
  Verdict insert(const Uuid& id, idem::At at) { return seen_.insert(id, at); }
  [[nodiscard]] Claim claim(const Uuid& id, idem::At at) {
    return Claim(*this, seen_.claim(id, at));
  }

  static inline std::uint64_t came_to_be = 0;

 private:
  static Options with_lease(Options options) {
    if (bug != Bug::commits_late) options.claims.lease = idem::Duration::max();
    return options;
  }

  Seen seen_;
  std::list<Seen::Claim> kept_{};
};

template <class P>
SimulationReport run(const SimulationOptions& options) {
  return simulate<typename P::Outside, P>(options);
}

constexpr SimulationOptions one_pause{.copies = 1, .crashes = 0, .pauses = 1, .min_faults = 1};
constexpr SimulationOptions one_failure{
    .copies = 1, .crashes = 0, .refusals = 1, .lies = 1, .min_faults = 1, .max_faults = 1};

TEST_CASE("a commit that is accepted after the takeover breaks the pause of commit-then-process") {
  CHECK(effects(run<ClaimCommitThenProcess<>>(one_pause)) == "1..1");
  using Late = Planted<Bug::commits_late>;
  const SimulationReport report = run<ClaimCommitThenProcess<Late>>(one_pause);
  CHECK(Late::came_to_be > 0);
  CHECK(effects(report) == "1..2 VIOLATED");
  CHECK(report.violation == "a commit was accepted from one who was not the owner any more");
  REQUIRE(report.first_violation);
  CHECK(idem::testing::to_string(report.first_violation->schedule) == "pause@1");
  CHECK(report.worst.find("step 1, worker 1: commit the claim  <- pause") != std::string::npos);
}

TEST_CASE("a claim that is not released when its work fails leaves the message stuck") {
  CHECK(effects(run<InMemory<Planted<Bug::none>>>(one_failure)) == "1..2");
  using Kept = Planted<Bug::never_releases>;
  const SimulationReport report = run<InMemory<Kept>>(one_failure);
  CHECK(Kept::came_to_be > 0);
  CHECK(effects(report) == "0..1 stuck");
  REQUIRE(report.first_stuck);
  CHECK(report.worst.find("STUCK") != std::string::npos);
}

TEST_CASE("the dumb deduplicator gives the cells of the real one") {
  using Dumb = DumbDeduplicator<Uuid>;
  const auto agree = [](auto real, auto dumb) {
    for (const SimulationOptions& options :
         {SimulationOptions{.crashes = 3}, one_pause, one_failure,
          SimulationOptions{.crashes = 1, .amnesias = 1}}) {
      const SimulationReport one = real(options), other = dumb(options);
      CHECK(effects(one) == effects(other));
      CHECK(one.runs == other.runs);
      CHECK(one.steps == other.steps);
      CHECK(one.worst == other.worst);
    }
  };
  agree(run<ClaimThenProcess<Effect::plain>>,
        run<ClaimThenProcess<Effect::plain, idem::unlimited_attempts, Dumb>>);
  agree(run<ClaimThenProcess<Effect::checks_token>>,
        run<ClaimThenProcess<Effect::checks_token, idem::unlimited_attempts, Dumb>>);
  agree(run<ClaimThenProcess<Effect::plain, 1>>, run<ClaimThenProcess<Effect::plain, 1, Dumb>>);
  agree(run<ClaimCommitThenProcess<>>, run<ClaimCommitThenProcess<Dumb>>);
  agree(run<InMemory<>>, run<InMemory<Dumb>>);
}

}  // namespace
