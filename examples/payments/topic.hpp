#pragma once

namespace payments {

inline constexpr const char* topic = "orders";
inline constexpr const char* run_header = "run";  // which start of the producer sent this copy

}  // namespace payments
