// Whole numbers from JSON that may be damaged or hostile.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

namespace hop {

/// The whole number in `json`, a value of nlohmann's library; none if it is not a whole number, or if it does not fit
/// T. The library's own conversions silently turn 5.9 into 5 and -1 into 2^64 - 1, and 1e300 into any number.
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
