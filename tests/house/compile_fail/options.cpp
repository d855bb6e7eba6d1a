// Options exist where their axis is named, under one spelling, with units.

#include <idem/idem.hpp>

#include <chrono>

using namespace std::chrono_literals;
using WithClaims = idem::Policy<idem::Remember<idem::UuidSet>, idem::Claims>;
using WithoutClaims = idem::Policy<idem::Remember<idem::UuidSet>>;

#if CASE == 0
idem::Deduplicator<idem::Uuid, WithClaims> seen({.memory = {.budget = idem::mebibytes(64),
                                                            .expected_keys = 1000},
                                                 .claims = {.lease = 30s, .max_in_flight = 16}});
idem::Deduplicator<idem::Uuid, WithoutClaims> simple({.memory = {.budget = idem::mebibytes(64)}});

#elif CASE == 1  // must-fail: AxisNotNamed
// An option of an axis that is not named.
idem::Deduplicator<idem::Uuid, WithoutClaims> seen({.claims = {.lease = 30s}});

#elif CASE == 2  // must-fail: leese
// A misspelled option, with the options type spelled so that the compiler can name the field.
using Seen = idem::Deduplicator<idem::Uuid, WithClaims>;
Seen seen(Seen::Options{.claims = {.leese = 30s}});

#elif CASE == 3  // must-fail: budgets
idem::UuidSet set(idem::UuidSet::Options{.budgets = idem::mebibytes(64)});

#elif CASE == 4  // must-fail: ByteSize
// How many of what?
idem::UuidSet set(idem::UuidSet::Options{.budget = 512});

#elif CASE == 5  // must-fail: ByteSize
idem::ByteSize size = 512;

#elif CASE == 6  // must-fail: invalid_option|constant expression
constexpr idem::ByteSize size = idem::mebibytes(-1);

#elif CASE == 7  // must-fail: invalid_option|constant expression
constexpr idem::ByteSize size = idem::gibibytes(std::uint64_t{1} << 40);

#elif CASE == 8  // must-fail: Duration
idem::ClaimOptions options{.lease = 30};

#elif CASE == 9  // must-fail: Duration
idem::Duration duration = 30;

#elif CASE == 10  // must-fail: Instant
idem::At at{.now = 1700000000};

#elif CASE == 11  // must-fail: convert|conversion|initialize
// A point in time is not a span of it.
idem::Duration duration = std::chrono::system_clock::time_point();

#elif CASE == 12  // must-fail: duration_out_of_range|constant expression
constexpr idem::Duration duration = std::chrono::hours(24 * 366 * 300);
#endif
