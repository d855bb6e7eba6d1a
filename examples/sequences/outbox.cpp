#include "outbox.hpp"

namespace sequences {

std::int32_t Outbox::take_over() {
  next_sequence_ = 0;
  return ++epoch_;
}

bool Outbox::add(std::int32_t epoch) {
  if (epoch != epoch_) return false;
  rows_.push_back({.stamp = {.producer_id = producer_id_,
                             .epoch = epoch,
                             .first_sequence = next_sequence_,
                             .last_sequence = next_sequence_},
                   .payload = "order " + std::to_string(rows_.size()) + " of producer " +
                              std::to_string(producer_id_)});
  ++next_sequence_;
  return true;
}

std::size_t Outbox::first_unacknowledged() const {
  std::size_t index = 0;
  while (index < rows_.size() && rows_[index].acknowledged) ++index;
  return index;
}

}  // namespace sequences
