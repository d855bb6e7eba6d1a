#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include <idem/detail/abi.hpp>
#include <idem/testing/world.hpp>

namespace idem::inline IDEM_ABI::testing {

// Whether a store keeps what it acknowledged. One that is replicated asynchronously, or does not
// sync, does not always.
enum class Keeps : bool { everything = true, all_but_the_last_write = false };

// A value that outlives the process: a file, a table, a whole database. Changed by transactions, each
// one step, done whole or not at all.
//
// Guarantee   after a crash the value is that of the last transaction done. With
//             Keeps::all_but_the_last_write an amnesia takes the last acknowledged one back, once.
template <class T>
class Durable final : private detail::Forgetful {
 public:
  explicit Durable(World& world, T first = T(), Keeps keeps = Keeps::everything)
      : world_(world), value_(std::move(first)), keeps_(keeps) {
    if (keeps_ == Keeps::all_but_the_last_write) world_.add_forgetful(*this);
  }
  Durable(const Durable&) = delete;
  Durable& operator=(const Durable&) = delete;

  // Reading is no step: between a read and the next write anything may happen all the same.
  [[nodiscard]] const T& value() const noexcept { return value_; }

  // `change(T&)` under the transaction; what it returns. Throws CallFailed where the call reports
  // failure, done or not. What `change` throws comes out, and nothing was changed.
  template <class Change>
  auto transact(std::string_view what, Change&& change) {
    return world_.call(what, [&] {
      T next = value_;
      if constexpr (std::is_void_v<decltype(change(next))>) {
        change(next);
        keep(std::move(next));
      } else {
        auto result = change(next);
        keep(std::move(next));
        return result;
      }
    });
  }
  void write(std::string_view what, T value) {
    world_.call(what, [&] { keep(std::move(value)); });
  }

 private:
  void keep(T&& next) {
    if (keeps_ == Keeps::all_but_the_last_write) before_last_ = std::move(value_);
    value_ = std::move(next);
  }

  [[nodiscard]] bool has_something_to_forget() const noexcept override {
    return before_last_.has_value();
  }
  void forget_last() override {
    value_ = *std::move(before_last_);
    before_last_.reset();
  }

  World& world_;
  T value_;
  std::optional<T> before_last_{};
  Keeps keeps_;
};

}  // namespace idem::inline IDEM_ABI::testing
