// The kinds of fields that a described struct may have (hopper/detail/flat.h). Internal to Hopscotch.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <variant>

#include "base/error.h"
#include "base/hash.h"

namespace hop::hopper::flat {

/// The bytes are no table of this type, or a part of it is missing or unknown.
struct BadTable : Error {
  using Error::Error;
};

template <class T>
concept StrongId = requires(const T id) {
  requires std::unsigned_integral<decltype(T::value)>;
  T(id.value);
};
/// A number in place; 0 if it is absent.
template <class T>
concept Scalar = std::is_arithmetic_v<T> || std::is_enum_v<T> || StrongId<T>;
/// 64-bit words in place: a digest, zero if it is absent; a nonce or a proof.
template <class T>
concept Words = std::same_as<T, Digest> || std::same_as<T, std::array<std::uint64_t, 4>>;
/// A table of its own.
template <class T>
concept Described = requires(const T& value) {
  T::describe(value, [](const char*, auto&, auto&&...) {});
};

/// Whether a field of this type must be present. (A std::optional may be absent.)
template <class T>
inline constexpr bool kMustBeThere = Described<T> || (Words<T> && !std::same_as<T, Digest>);
template <class... T>
inline constexpr bool kMustBeThere<std::variant<T...>> = true;

/// "Hello" for hop::hopper::message::Hello.
template <class T>
constexpr std::string_view type_name() {
  std::string_view text = __PRETTY_FUNCTION__;  // has "T = hop::hopper::message::Hello" in it, and then a ; or a ]
  text = text.substr(text.find("T = "));
  text = text.substr(0, text.find_first_of(";]"));
  return text.substr(text.rfind(':') + 1);
}

/// The number that stands for a scalar.
constexpr auto raw(Scalar auto value) {
  using T = decltype(value);
  if constexpr (std::same_as<T, bool>) {
    return static_cast<std::uint8_t>(value);
  } else if constexpr (std::is_enum_v<T>) {
    return static_cast<std::underlying_type_t<T>>(value);
  } else if constexpr (StrongId<T>) {
    return value.value;
  } else {
    return value;
  }
}
template <Scalar T>
using Raw = decltype(raw(T{}));
template <Words T>
using Array = std::array<std::uint64_t, sizeof(T) / sizeof(std::uint64_t)>;

}  // namespace hop::hopper::flat
