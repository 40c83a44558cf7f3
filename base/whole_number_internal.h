// Whole numbers out of JSON that nobody vouches for.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

namespace hop {

/// The number that `json`, a value of nlohmann's library, is; nothing where it is no whole number or none that fits T.
/// The library's own conversions make 5 of 5.9 and 2^64 - 1 of -1 without a word, and anything at all of 1e300.
template <class T, class Json>
std::optional<T> whole_number(const Json& json) {
  const auto fitting = [](auto number) {
    return std::in_range<T>(number) ? std::optional<T>(static_cast<T>(number)) : std::nullopt;
  };
  if (json.is_number_unsigned()) return fitting(json.template get<std::uint64_t>());
  if (json.is_number_integer()) return fitting(json.template get<std::int64_t>());
  return std::nullopt;
}

}  // namespace hop
