#pragma once

#include <cstdint>
#include <map>
#include <string_view>

#include <idem/detail/abi.hpp>
#include <idem/testing/world.hpp>

namespace idem::inline IDEM_ABI::testing {

// Somebody else's service, whose effects are counted: a payment gateway, a mail server. Each call is
// one step, and what was done stays done.
class Sink {
 public:
  explicit Sink(World& world, std::string_view what = "effect") : world_(world), what_(what) {}
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  // Does it, however often it was done before.
  void apply(std::uint64_t message) {
    world_.call(what_, [&] { ++effects_[message].count; });
  }
  // Idempotent by key: does it the first time, and answers the same ever after.
  void apply_once(std::uint64_t message) {
    world_.call(what_, [&] { effects_[message].count = 1; });
  }
  // Refuses a token lower than one it saw for this message. Whether it was done.
  bool apply_with_token(std::uint64_t message, std::uint64_t token) {
    return world_.call(what_, [&] {
      Done& done = effects_[message];
      if (token < done.token) return false;
      done.token = token;
      ++done.count;
      return true;
    });
  }

  [[nodiscard]] std::uint64_t effects(std::uint64_t message) const {
    const auto found = effects_.find(message);
    return found == effects_.end() ? 0 : found->second.count;
  }

 private:
  struct Done {
    std::uint64_t count = 0;
    std::uint64_t token = 0;
  };

  World& world_;
  std::string_view what_;
  std::map<std::uint64_t, Done> effects_{};
};

}  // namespace idem::inline IDEM_ABI::testing
