#pragma once

#include <cstdint>

#include <idem/core/hash.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

// What a guard knows of its claim. The token identifies one grant for ever; the number is only
// where to look.
struct ClaimTicket {
  std::uint64_t token = 0;  // 0: no grant
  std::uint32_t number = 0;
  std::uint32_t attempt = 0;
  std::uint32_t process = 0;  // the fork_count() of the process it was granted in
  std::uint16_t shard = 0;
  Verdict verdict = Verdict::unknown;
};

// The same where contents are compared: `first` is what the key stands for.
struct ContentTicket : ClaimTicket {
  Digest first{};
};

}  // namespace idem::inline IDEM_ABI::detail
