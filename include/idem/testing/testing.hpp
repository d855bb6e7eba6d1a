#pragma once

// Everything of idem::testing, for the tests of those who use idem: needs exceptions, and is never
// in idem.hpp.

#include <idem/testing/dumb_deduplicator.hpp>
#include <idem/testing/durable.hpp>
#include <idem/testing/fault.hpp>
#include <idem/testing/manual_clock.hpp>
#include <idem/testing/simulated_store.hpp>
#include <idem/testing/simulation.hpp>
#include <idem/testing/simulation_options.hpp>
#include <idem/testing/simulation_report.hpp>
#include <idem/testing/sink.hpp>
#include <idem/testing/world.hpp>
