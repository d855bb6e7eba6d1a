#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <idem/core/uuid.hpp>

#include "append_file.hpp"

namespace payments {

struct Charge {
  idem::Uuid id;
  std::int64_t cents = 0;
  std::string customer;
};

/// Every charge ever made, a line each: id, cents, customer. The line is the charge: an order whose
/// line is whole was charged, and no other.
class Ledger {
 public:
  /// Throws std::runtime_error if a whole line is no charge.
  explicit Ledger(const std::filesystem::path& path);

  /// The orders that were charged before this object was made.
  const std::vector<idem::Uuid>& recovered() const { return recovered_; }
  std::size_t torn_bytes() const { return file_.torn_bytes(); }

  void charge(const Charge& charge);
  /// As a service that takes an idempotency key: false where an order of that id was charged, by
  /// whomever.
  [[nodiscard]] bool charge_if_new(const Charge& charge);
  void sync() { file_.sync(); }

  /// Writes as much of a charge as a process gets done that dies in the middle.
  void charge_half(const Charge& charge);

 private:
  AppendFile file_;
  std::vector<idem::Uuid> recovered_;
  std::set<idem::Uuid> keys_;  // the ids of all lines
};

}  // namespace payments
