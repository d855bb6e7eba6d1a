#include "offsets.hpp"

#include <array>
#include <chrono>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>

namespace payments {
namespace {

constexpr int answer_ms = 30'000;
constexpr std::size_t max_metadata = 4096;  // offset.metadata.max.bytes of a broker by default

void check(rd_kafka_resp_err_t error, const char* what) {
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error(std::string(what) + ": " + rd_kafka_err2str(error));
  }
}

idem::OffsetLedger restore(const rd_kafka_topic_partition_t& committed, std::uint64_t owner) {
  const idem::OffsetLedgerOptions options{.owner_epoch = owner};
  // Nothing committed yet. Offsets before the first delivery count as passed over.
  if (committed.offset < 0) return idem::OffsetLedger(options);
  auto restored =
      idem::OffsetLedger::restore_text(committed.offset, kafka::metadata_of(committed), options);
  if (!restored) {
    // Somebody else has committed, or set the offset by hand. The offset is good without the map:
    // what is done beyond it is delivered again, and the deduplicator knows it.
    std::cerr << "payments consumer: the map of partition " << committed.partition
              << " is not used: " << restored.error().what << '\n';
    restored = idem::OffsetLedger::restore_text(committed.offset, {}, options);
  }
  return std::move(restored).value();
}

}  // namespace

Offsets::Offsets(rd_kafka_t* client, int partitions, std::uint64_t owner)
    : client_(client), owner_(owner), changed_(static_cast<std::size_t>(partitions), false) {
  const kafka::Partitions all(rd_kafka_topic_partition_list_new(partitions));
  for (std::int32_t partition = 0; partition < partitions; ++partition) {
    rd_kafka_topic_partition_list_add(all.get(), topic, partition);
  }
  check(rd_kafka_committed(client_, all.get(), answer_ms), "nobody knows what was committed");
  for (int i = 0; i < partitions; ++i) {
    rd_kafka_topic_partition_t& partition = all->elems[i];
    check(partition.err, "nobody knows what was committed");
    ledgers_.push_back(restore(partition, owner_));
    partition.offset = partition.offset < 0 ? RD_KAFKA_OFFSET_BEGINNING : ledgers_.back().next();
  }
  // Assigned, not subscribed: this consumer is alone in its group, and need not wait for a
  // rebalance to start.
  check(rd_kafka_assign(client_, all.get()), "no partitions");
}

Offsets::Offsets(rd_kafka_t* client, const Position& from, std::uint64_t owner)
    : client_(client), owner_(owner), changed_(from.size(), false) {
  const kafka::Partitions all(rd_kafka_topic_partition_list_new(static_cast<int>(from.size())));
  for (std::size_t i = 0; i < from.size(); ++i) {
    rd_kafka_topic_partition_list_add(all.get(), topic, static_cast<std::int32_t>(i))->offset =
        from[i];
    ledgers_.emplace_back(idem::OffsetLedgerOptions{.next = from[i], .owner_epoch = owner});
  }
  check(rd_kafka_assign(client_, all.get()), "no partitions");
}

Position Offsets::position() const {
  Position position;
  for (const idem::OffsetLedger& ledger : ledgers_) position.push_back(ledger.next());
  return position;
}

idem::OffsetLedger& Offsets::ledger(const Place& place) {
  return ledgers_.at(static_cast<std::size_t>(place.first));
}

idem::Verdict Offsets::deliver(const Place& place) {
  changed_.at(static_cast<std::size_t>(place.first)) = true;
  return ledger(place).deliver(place.second, std::chrono::steady_clock::now());
}

bool Offsets::complete(const Place& place) {
  changed_.at(static_cast<std::size_t>(place.first)) = true;
  idem::OffsetLedger& ledger = this->ledger(place);
  const bool in_order = place.second == ledger.next();
  if (const auto verdict = ledger.complete(place.second, owner_); verdict != idem::Verdict::fresh) {
    throw std::logic_error("an offset was completed that is " + std::string(idem::name(verdict)));
  }
  return !in_order;
}

void Offsets::commit() {
  const kafka::Partitions offsets(rd_kafka_topic_partition_list_new(0));
  for (std::size_t i = 0; i < ledgers_.size(); ++i) {
    if (!changed_[i]) continue;
    std::array<char, max_metadata> text;
    // A map that does not fit has size 0, and the offset goes alone.
    const auto checkpoint = ledgers_[i].checkpoint_text(text, owner_);
    if (checkpoint.verdict != idem::Verdict::fresh) {
      throw std::runtime_error("another consumer has taken over");
    }
    kafka::add_offset(offsets.get(), topic, static_cast<std::int32_t>(i), checkpoint.next,
                      {text.data(), checkpoint.size});
  }
  const auto error = rd_kafka_commit(client_, offsets.get(), 0);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    changed_.assign(changed_.size(), false);
  } else {
    // The next commit includes these offsets. Death comes first? Then there are more duplicates.
    std::cerr << "payments consumer: offsets not committed: " << rd_kafka_err2str(error) << '\n';
  }
}

}  // namespace payments
