#pragma once

#include <cstdint>
#include <utility>

namespace payments {

inline constexpr const char* topic = "orders";
inline constexpr const char* run_header = "run";  // which start of the producer sent this copy

/// A topic partition and an offset: one place in the log.
using Place = std::pair<std::int32_t, std::int64_t>;

}  // namespace payments
