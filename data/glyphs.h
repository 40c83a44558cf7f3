// The built-in image set, generated: ten classes of handwriting-like strokes, 28 x 28 bytes, no download.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "data/source.h"

namespace hop::data {

inline constexpr int kGlyphClasses = 10;
inline constexpr int kGlyphSide = 28;
/// "glyphs" names one data set, as "mnist" does: its rows do not depend on the seed of an experiment.
inline constexpr std::uint64_t kGlyphSeed = 2026;

using GlyphImage = std::array<std::uint8_t, kGlyphSide * kGlyphSide>;

struct Glyph {
  GlyphImage image{};  ///< row by row, 0 is paper and 255 is ink
  int label = 0;       ///< index mod 10
};

/// Draws glyph number `index`: a function of (seed, index) alone, in integer arithmetic, so that every machine gives
/// the same bits.
Glyph draw_glyph(std::uint64_t seed, std::uint64_t index);

struct GlyphOptions {
  std::int64_t train_rows = 8000;
  std::int64_t test_rows = 2000;  ///< numbers train_rows, train_rows + 1, ...
  std::uint64_t seed = kGlyphSeed;
};

/// Throws ConfigError for negative sizes. test_rows = 0: no test rows.
RawData glyphs(const GlyphOptions& options = {});

}  // namespace hop::data
