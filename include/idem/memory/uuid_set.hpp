#pragma once

#include <idem/core/uuid.hpp>
#include <idem/detail/abi.hpp>
#include <idem/memory/id_set.hpp>

namespace idem::inline IDEM_ABI {

// Remembers UUIDs, or any ids of 128 bits, exactly and for ever. See IdSet for the contract.
using UuidSet = IdSet<Uuid>;

}  // namespace idem::inline IDEM_ABI
