#pragma once

#include <cstdint>

#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI {

// core/verdict.hpp defines it and fwd.hpp names it. g++ takes the attribute of an enumeration from
// whichever declaration comes first and warns about every other one that has it, so this is the one.
enum class [[nodiscard]] Verdict : std::uint8_t;

}  // namespace idem::inline IDEM_ABI
