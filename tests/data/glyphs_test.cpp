// The generated set: the same pixels everywhere, balanced, and neither trivial nor hopeless.
#include "data/glyphs.h"

#include <algorithm>
#include <cmath>

#include "base/hash.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

TEST(Glyphs, AreTheSameBitsOnEveryMachine) {
  std::string rows;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const Glyph glyph = draw_glyph(kGlyphSeed, i);
    rows.append(glyph.image.begin(), glyph.image.end());
    rows += static_cast<char>(glyph.label);
  }
  EXPECT_EQ(sha256_hex(as_bytes(rows)), "598bdca41443caf4fe9b49559d24e0333027608b6935068c52bca197b48a2960");
}

TEST(Glyphs, AreAFunctionOfSeedAndIndex) {
  EXPECT_EQ(draw_glyph(1, 123).image, draw_glyph(1, 123).image);
  EXPECT_NE(draw_glyph(1, 123).image, draw_glyph(2, 123).image);
  EXPECT_NE(draw_glyph(1, 123).image, draw_glyph(1, 133).image);
  for (std::uint64_t i = 0; i < 30; ++i) EXPECT_EQ(draw_glyph(1, i).label, static_cast<int>(i % 10));
}

TEST(Glyphs, HaveTestRowsThatFollowTheTrainingRows) {
  const RawData raw = glyphs({.train_rows = 20, .test_rows = 5});
  EXPECT_EQ(raw.train->rows(), 20);
  EXPECT_EQ(raw.test->rows(), 5);
  GlyphImage row{};
  EXPECT_EQ(raw.test->read(3, std::as_writable_bytes(std::span(row))), 3);
  EXPECT_EQ(row, draw_glyph(kGlyphSeed, 23).image);
  EXPECT_EQ(glyphs({.test_rows = 0}).test, nullptr);
  EXPECT_THROW(glyphs({.train_rows = 0}), ConfigError);
}

// Accuracy of the class whose mean training image is nearest in angle: the weakest classifier that deserves the name.
double nearest_mean_accuracy(std::uint64_t train, std::uint64_t test) {
  std::array<std::array<double, 784>, kGlyphClasses> means{};
  const auto centred = [](const GlyphImage& image) {
    double mean = 0.0;
    for (const std::uint8_t p : image) mean += p / 784.0;
    std::array<double, 784> x{};
    for (std::size_t i = 0; i < 784; ++i) x[i] = image[i] - mean;
    return x;
  };
  for (std::uint64_t i = 0; i < train; ++i) {
    const auto x = centred(draw_glyph(7, i).image);
    for (std::size_t p = 0; p < 784; ++p) means[i % kGlyphClasses][p] += x[p];
  }
  std::uint64_t right = 0;
  for (std::uint64_t i = train; i < train + test; ++i) {
    const auto x = centred(draw_glyph(7, i).image);
    std::array<double, kGlyphClasses> score{};
    for (std::size_t c = 0; c < kGlyphClasses; ++c) {
      double dot = 0.0, square = 0.0;
      for (std::size_t p = 0; p < 784; ++p) dot += x[p] * means[c][p], square += means[c][p] * means[c][p];
      score[c] = dot / std::sqrt(square);
    }
    right += static_cast<std::size_t>(std::ranges::max_element(score) - score.begin()) == i % kGlyphClasses;
  }
  return static_cast<double>(right) / static_cast<double>(test);
}

TEST(Glyphs, AreLearnableButNotByTheirMeans) {
  const double accuracy = nearest_mean_accuracy(2000, 1000);
  EXPECT_GT(accuracy, 0.4);
  EXPECT_LT(accuracy, 0.8);
}

}  // namespace
}  // namespace hop::data
