#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <idem/sequence/producer_batch.hpp>

namespace sequences {

inline constexpr const char* stamp_header = "stamp";

/// What a producer writes beside each message: producer id, epoch, sequence; 20 bytes.
std::string to_stamp(const idem::ProducerBatch& batch);

/// None: not 20 bytes. Whether the numbers make sense is for the tracker to say.
std::optional<idem::ProducerBatch> from_stamp(std::string_view stamp);

}  // namespace sequences
