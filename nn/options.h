// Option types that several layers share.
#pragma once

#include <array>
#include <cstdint>

#include "autograd/same_padding.h"

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

/// Depth, height and width; one number stands for all three.
struct Size3d {
  std::array<std::int64_t, 3> sizes;

  constexpr Size3d(std::int64_t cube) : sizes{cube, cube, cube} {}
  constexpr Size3d(std::int64_t d, std::int64_t h, std::int64_t w) : sizes{d, h, w} {}
  constexpr bool operator==(const Size3d&) const = default;
};

/// PyTorch's padding="same".
using hop::kSame;
using hop::SamePadding;

/// Zeros on every side, or kSame: `{.padding = 1}`, `{.padding = {1, 2}}`, `{.padding = nn::kSame}`.
struct Padding2d {
  Size2d size;
  bool is_same = false;

  constexpr Padding2d(std::int64_t square) : size(square) {}
  constexpr Padding2d(std::int64_t h, std::int64_t w) : size(h, w) {}
  constexpr Padding2d(Size2d s) : size(s) {}
  constexpr Padding2d(SamePadding) : size(0), is_same(true) {}
  constexpr bool operator==(const Padding2d&) const = default;
};

/// The same along one dimension.
struct Padding1d {
  std::int64_t size;
  bool is_same = false;

  constexpr Padding1d(std::int64_t n) : size(n) {}
  constexpr Padding1d(SamePadding) : size(0), is_same(true) {}
  constexpr bool operator==(const Padding1d&) const = default;
};

/// The same along three.
struct Padding3d {
  Size3d size;
  bool is_same = false;

  constexpr Padding3d(std::int64_t cube) : size(cube) {}
  constexpr Padding3d(std::int64_t d, std::int64_t h, std::int64_t w) : size(d, h, w) {}
  constexpr Padding3d(Size3d s) : size(s) {}
  constexpr Padding3d(SamePadding) : size(0), is_same(true) {}
  constexpr bool operator==(const Padding3d&) const = default;
};

}  // namespace hop::nn
