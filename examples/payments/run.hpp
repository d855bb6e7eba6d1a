#pragma once

#include "options.hpp"

namespace payments {

/// The whole demonstration: broker, producer, consumers and their kills, then the table on standard
/// output and the faults on standard error. Returns whether there were none. Throws std::exception
/// if the run itself fails.
bool run(const Options& options);

}  // namespace payments
