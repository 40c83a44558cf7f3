// Option types that several layers share.
#pragma once

#include <array>
#include <cstdint>

namespace hop::nn {

/// Height and width; one number is a square: `{.padding = 2}`, `{.padding = {1, 2}}`.
struct Size2d {
  std::int64_t height;
  std::int64_t width;

  constexpr Size2d(std::int64_t square) : height(square), width(square) {}
  constexpr Size2d(std::int64_t h, std::int64_t w) : height(h), width(w) {}
  constexpr std::array<std::int64_t, 2> array() const { return {height, width}; }
  constexpr bool operator==(const Size2d&) const = default;
};

}  // namespace hop::nn
