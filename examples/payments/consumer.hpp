#pragma once

#include "options.hpp"

namespace payments {

/// One life of the consumer: reads the ledger, then charges what is delivered until its standard
/// input is closed. Throws std::exception when it cannot go on; whatever was not committed is then
/// delivered to its successor.
void consume(const ConsumerOptions& options);

}  // namespace payments
