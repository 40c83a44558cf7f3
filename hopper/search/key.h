// The keys of [search] that one method or one stopping rule reads.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "hopper/config.h"

namespace hop::hopper {

/// Epochs of a model at most.
inline constexpr std::uint32_t kMostEpochs = 1U << 20;

struct SearchKey {
  enum class Type : std::uint8_t { Whole, Number };

  std::string_view name{};
  Type type = Type::Whole;
  double min = 0, max = 0;
  std::optional<double> fallback{};  ///< the value of a key that is not given
  std::string_view absent{};         ///< without a fallback: what happens if the key is not given; "" if it must be
  std::string_view example{};
  std::string_view doc{};  ///< one line

  bool is_required() const { return !fallback && absent.empty(); }
};

/// The value of a key, or its fallback; none if it has neither.
std::optional<double> setting(std::span<const SearchKey> keys, const Config& settings, std::string_view name);

}  // namespace hop::hopper
