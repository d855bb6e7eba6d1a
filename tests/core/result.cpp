#include <idem/core/error.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

#include "support/thrown.hpp"

using idem::Error;
using idem::ErrorCode;
using idem::Result;

TEST_CASE("error code: every byte has a name") {
  constexpr std::string_view names[] = {"bad_length",     "bad_character", "truncated",
                                        "trailing_bytes", "bad_magic",     "bad_version",
                                        "bad_checksum",   "bad_value",     "other_options",
                                        "limit_exceeded", "out_of_memory", "write_failed"};
  for (int byte = 0; byte < 256; ++byte) {
    CAPTURE(byte);
    CHECK(idem::name(static_cast<ErrorCode>(byte)) == (byte < 12 ? names[byte] : "invalid"));
  }
  CHECK(idem::name(ErrorCode::bad_length) == "bad_length");
  CHECK(idem::name(ErrorCode::out_of_memory) == "out_of_memory");
}

TEST_CASE("error: its sentence names the thing, the code and the position") {
  CHECK(idem::to_string(Error{ErrorCode::bad_character, 8, "uuid"}) ==
        "uuid: bad_character at position 8");
  CHECK(idem::to_string(Error{ErrorCode::truncated, 0, "count"}) ==
        "count: truncated at position 0");
  CHECK(idem::to_string(Error{ErrorCode::bad_value, static_cast<std::size_t>(-1), "n"}) ==
        "n: bad_value at position " + std::to_string(static_cast<std::size_t>(-1)));
}

TEST_CASE("error: equal when all three parts are") {
  const Error error{ErrorCode::bad_magic, 3, "header"};
  CHECK(error == Error{ErrorCode::bad_magic, 3, "header"});
  CHECK(error != Error{ErrorCode::bad_version, 3, "header"});
  CHECK(error != Error{ErrorCode::bad_magic, 4, "header"});
  CHECK(error != Error{ErrorCode::bad_magic, 3, "footer"});
}

TEST_CASE("result: with a value") {
  Result<int> result = 7;
  CHECK(result.has_value());
  CHECK(static_cast<bool>(result));
  CHECK(*result == 7);
  CHECK(result.value() == 7);
  CHECK(std::as_const(result).value() == 7);
  CHECK(*std::as_const(result) == 7);
  CHECK(result.error() == Error{});
  *result = 8;
  CHECK(result.value() == 8);
  result.value() = 9;
  CHECK(*result == 9);
}

TEST_CASE("result: with an error") {
  const Error error{ErrorCode::bad_value, 12, "field"};
  const Result<int> result = error;
  CHECK_FALSE(result.has_value());
  CHECK_FALSE(static_cast<bool>(result));
  CHECK(result.error() == error);
  const std::string sentence = idem_test::refusal([&] { (void)result.value(); });
  CHECK(idem_test::contains(sentence, "field: bad_value at position 12"));
  Result<int> changeable = error;
  CHECK_THROWS_AS((void)changeable.value(), std::invalid_argument);
  CHECK_THROWS_AS((void)Result<int>(error).value(), std::invalid_argument);
}

TEST_CASE("result: an error is no value even where its code is zero") {
  const Result<int> result = Error{};
  CHECK_FALSE(result.has_value());
}

TEST_CASE("result: carries what can only be moved, and reaches its members") {
  Result<std::unique_ptr<std::string>> result = std::make_unique<std::string>("payload");
  CHECK((*result)->size() == 7);
  CHECK(result->get() == result.value().get());
  CHECK(std::as_const(result)->get() == result.value().get());
  const std::unique_ptr<std::string> taken = std::move(result).value();
  CHECK(*taken == "payload");
  Result<std::unique_ptr<int>> other = std::make_unique<int>(5);
  const std::unique_ptr<int> taken_too = *std::move(other);
  CHECK(*taken_too == 5);
}

TEST_CASE("result: never turns into a bool or a number by itself") {
  static_assert(!std::is_convertible_v<Result<int>, bool>);
  static_assert(!std::is_convertible_v<Result<int>, int>);
  static_assert(std::is_constructible_v<bool, Result<int>>);
  constexpr Result<int> constant = 3;
  static_assert(constant.has_value() && *constant == 3);
}
