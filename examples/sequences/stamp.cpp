#include "stamp.hpp"

#include <array>
#include <cstddef>
#include <span>

#include <idem/core/byte_cursor.hpp>

namespace sequences {

std::string to_stamp(const idem::ProducerBatch& batch) {
  std::array<std::byte, 20> room{};
  idem::ByteWriter writer(room);
  writer.i64(batch.producer_id);
  writer.i32(batch.epoch);
  writer.i64(batch.first_sequence);
  return {reinterpret_cast<const char*>(room.data()), room.size()};
}

std::optional<idem::ProducerBatch> from_stamp(std::string_view stamp) {
  idem::ByteReader reader(std::as_bytes(std::span(stamp)));
  idem::ProducerBatch batch;
  const bool whole = reader.i64(batch.producer_id) && reader.i32(batch.epoch) &&
                     reader.i64(batch.first_sequence) && reader.remaining() == 0;
  if (!whole) return std::nullopt;
  batch.last_sequence = batch.first_sequence;  // one number a message
  return batch;
}

}  // namespace sequences
