#include "dedup/claims_differential.hpp"

#include <string>

#include <doctest/doctest.h>

#include <idem/dedup/deduplicator.hpp>
#include <idem/memory/content_hash_set.hpp>
#include <idem/memory/uuid_set.hpp>

using idem_test::run_claims_scenarios;

TEST_CASE("claims: a million random steps on each of eleven seeds equal the oracle") {
  run_claims_scenarios<idem::Deduplicator<idem::Uuid, idem::Policy<idem::Claims>>>(1'000'000);
}

TEST_CASE("claims: the same for other keys, memories and hashes") {
  using idem::Claims;
  using idem::Deduplicator;
  using idem::HostileKeys;
  using idem::Policy;
  using idem::Remember;
  run_claims_scenarios<
      Deduplicator<idem::Uuid, Policy<Remember<idem::UuidSet>, Claims, HostileKeys>>>(100'000);
  run_claims_scenarios<Deduplicator<std::string, Policy<Claims>>>(100'000);
  run_claims_scenarios<Deduplicator<std::string, Policy<Claims, Remember<idem::ContentHashSet>>>>(
      100'000);
}
