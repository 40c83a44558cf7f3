#include "data/glyphs.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "tensor/random.h"

namespace hop::data {
namespace {

// A skeleton lies in a box of 100 x 100, y downwards. A chain is a run of quadratic Bezier curves: end, control, end,
// control, end.
struct Point {
  std::int32_t x;
  std::int32_t y;
};
using Chain = std::span<const Point>;

constexpr Point kZero[] = {{50, 10}, {85, 10}, {85, 50}, {85, 90}, {50, 90}, {15, 90}, {15, 50}, {15, 10}, {50, 10}};
constexpr Point kOne[] = {{30, 30}, {42, 24}, {52, 10}, {50, 50}, {50, 90}};
constexpr Point kTwo[] = {{20, 30}, {22, 8}, {50, 10}, {92, 14}, {70, 46}, {52, 68}, {18, 90}, {50, 89}, {84, 88}};
constexpr Point kThree[] = {{20, 18}, {92, 0}, {70, 36}, {62, 48}, {42, 48}, {92, 50}, {80, 74}, {60, 102}, {18, 82}};
constexpr Point kFourAngle[] = {{62, 10}, {38, 36}, {15, 62}, {50, 63}, {88, 62}};
constexpr Point kFourStem[] = {{64, 34}, {64, 60}, {63, 92}};
constexpr Point kFive[] = {{80, 12}, {54, 12}, {28, 12}, {27, 28}, {25, 45}, {85, 32}, {80, 68}, {70, 98}, {18, 84}};
constexpr Point kSix[] = {{70, 10}, {20, 25}, {20, 65}, {22, 95}, {52, 90}, {88, 85}, {78, 58}, {55, 35}, {22, 62}};
constexpr Point kSeven[] = {{15, 14}, {50, 13}, {85, 12}, {55, 45}, {42, 92}};
constexpr Point kEight[] = {{50, 50}, {5, 30}, {50, 10}, {95, 30}, {50, 50}, {-5, 75}, {50, 92}, {105, 75}, {50, 50}};
constexpr Point kNine[] = {{30, 90}, {80, 75}, {80, 35}, {78, 5}, {48, 10}, {12, 15}, {22, 42}, {45, 65}, {78, 38}};

constexpr std::array<std::array<Chain, 2>, kGlyphClasses> kSkeletons = {
    {{kZero}, {kOne}, {kTwo}, {kThree}, {kFourAngle, kFourStem}, {kFive}, {kSix}, {kSeven}, {kEight}, {kNine}}};

// All arithmetic is in integers. Lengths on paper are in 1/256 of a pixel, ratios in 1/65536.
constexpr std::int64_t kPixel = 256;
constexpr std::int64_t kOneRatio = 65536;
constexpr std::int64_t kPaper = kGlyphSide * kPixel;

// One draw per statement or brace: C++ leaves the order of a call's arguments to the compiler, and images depend on it.
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint64_t index) : stream_({.key = hash64(seed, "glyph"), .step = index}) {}
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + stream_.below(static_cast<std::uint32_t>(high - low + 1));
  }
  bool one_in(std::uint32_t n) { return stream_.below(n) == 0; }
  std::uint32_t word() { return stream_.next(); }

 private:
  PhiloxStream stream_;
};

// From the box of a skeleton to paper: stretch, shear, rotate, shift.
class Pose {
 public:
  explicit Pose(Draws& draws) {
    const std::int64_t width = draws.between(13 * kPixel, 21 * kPixel);  // on paper, of the box of 100
    const std::int64_t height = draws.between(15 * kPixel, 22 * kPixel);
    const std::int64_t shear = draws.between(-kOneRatio / 4, kOneRatio / 4);
    // Any t = tan(angle / 2) gives an exact rotation without a sine; 1 / 7 is 16 degrees.
    const std::int64_t t = draws.between(-kOneRatio / 7, kOneRatio / 7);
    const std::int64_t tt = t * t / kOneRatio;
    const std::int64_t cosine = (kOneRatio - tt) * kOneRatio / (kOneRatio + tt);
    const std::int64_t sine = 2 * t * kOneRatio / (kOneRatio + tt);
    const std::int64_t xy = height * shear / kOneRatio;
    xx_ = cosine * width;
    xy_ = cosine * xy - sine * height;
    yx_ = sine * width;
    yy_ = sine * xy + cosine * height;
    x0_ = kPaper / 2 + draws.between(-2 * kPixel, 2 * kPixel);
    y0_ = kPaper / 2 + draws.between(-2 * kPixel, 2 * kPixel);
  }
  Point operator()(Point p) const {
    const std::int64_t x = p.x - 50;
    const std::int64_t y = p.y - 50;
    return {static_cast<std::int32_t>(x0_ + (xx_ * x + xy_ * y) / (100 * kOneRatio)),
            static_cast<std::int32_t>(y0_ + (yx_ * x + yy_ * y) / (100 * kOneRatio))};
  }

 private:
  std::int64_t xx_ = 0, xy_ = 0, yx_ = 0, yy_ = 0, x0_ = 0, y0_ = 0;
};

// A round pen: full ink at its centre, none beyond its radius. Ink never gets lighter.
class Pen {
 public:
  Pen(GlyphImage& image, std::int64_t radius, std::int64_t ink) : image_(image), radius_(radius), ink_(ink) {}

  void curve(Point a, Point control, Point b) {
    constexpr std::int64_t kSteps = 32;  // steps are less than a pixel apart
    for (std::int64_t t = 0; t <= kSteps; ++t) {
      const std::int64_t s = kSteps - t;
      dot((a.x * s * s + 2 * control.x * s * t + b.x * t * t) / (kSteps * kSteps),
          (a.y * s * s + 2 * control.y * s * t + b.y * t * t) / (kSteps * kSteps));
    }
  }

 private:
  void dot(std::int64_t x, std::int64_t y) {
    const auto [left, right] = pixels(x);
    const auto [top, bottom] = pixels(y);
    const std::int64_t square = radius_ * radius_;
    for (std::int64_t row = top; row <= bottom; ++row) {
      for (std::int64_t column = left; column <= right; ++column) {
        const std::int64_t dx = column * kPixel + kPixel / 2 - x;
        const std::int64_t dy = row * kPixel + kPixel / 2 - y;
        const std::int64_t inside = square - dx * dx - dy * dy;
        if (inside <= 0) continue;
        // Full ink over the inner half of the disc's area, then a linear edge: soft borders without a square root.
        const auto value = static_cast<std::uint8_t>(std::min(ink_, 2 * ink_ * inside / square));
        std::uint8_t& pixel = image_[static_cast<std::size_t>(row * kGlyphSide + column)];
        pixel = std::max(pixel, value);
      }
    }
  }
  // The pixels that a dot at `center` may reach, cut at the edges of the paper.
  std::pair<std::int64_t, std::int64_t> pixels(std::int64_t center) const {
    return {std::max<std::int64_t>(0, (center - radius_) / kPixel - 1),
            std::min<std::int64_t>(kGlyphSide - 1, (center + radius_) / kPixel)};
  }

  GlyphImage& image_;
  std::int64_t radius_;
  std::int64_t ink_;
};

void draw_skeleton(GlyphImage& image, int label, Draws& draws) {
  const Pose pose(draws);
  const std::int64_t ink = draws.between(140, 255);
  Pen pen(image, draws.between(kPixel, kPixel * 2), ink);
  constexpr std::int32_t kWobble = 9;  // in units of the box of 100: makes glyphs of a class differ
  const auto hand = [&](Point p) {
    p.x += static_cast<std::int32_t>(draws.between(-kWobble, kWobble));
    p.y += static_cast<std::int32_t>(draws.between(-kWobble, kWobble));
    return pose(p);
  };
  for (const Chain chain : kSkeletons[static_cast<std::size_t>(label)]) {
    if (chain.empty()) continue;
    Point end = hand(chain[0]);
    for (std::size_t i = 2; i < chain.size(); i += 2) {
      const Point control = hand(chain[i - 1]);
      const Point start = std::exchange(end, hand(chain[i]));
      pen.curve(start, control, end);
    }
  }
}

Point anywhere(Draws& draws) {
  return {static_cast<std::int32_t>(draws.between(0, kPaper)), static_cast<std::int32_t>(draws.between(0, kPaper))};
}

// A stray stroke that belongs to no class.
void add_clutter(GlyphImage& image, Draws& draws) {
  const std::int64_t ink = draws.between(80, 255);
  Pen pen(image, draws.between(kPixel, kPixel * 3 / 2), ink);
  const Point start = anywhere(draws);
  const auto near = [&](std::int32_t c) {
    return c + static_cast<std::int32_t>(draws.between(-6 * kPixel, 6 * kPixel));
  };
  const Point end{near(start.x), near(start.y)};
  pen.curve(start, {near(start.x), near(start.y)}, end);
}

// A blank patch over part of the glyph.
void occlude(GlyphImage& image, Draws& draws) {
  const std::int64_t side = draws.between(4, 9);
  const std::int64_t top = draws.between(4, kGlyphSide - 4 - side);
  const std::int64_t left = draws.between(4, kGlyphSide - 4 - side);
  for (std::int64_t row = top; row < top + side; ++row) {
    std::fill_n(image.begin() + row * kGlyphSide + left, side, std::uint8_t{0});
  }
}

// Triangular noise on every pixel, of random strength: the centred sum of two random bytes.
void add_noise(GlyphImage& image, Draws& draws) {
  const std::int64_t strength = draws.between(10, 70);
  for (std::size_t i = 0; i < image.size(); i += 2) {
    std::uint32_t word = draws.word();
    for (std::size_t j = i; j < i + 2; ++j, word >>= 16) {
      const std::int64_t centred = static_cast<std::int64_t>(word & 0xFF) + (word >> 8 & 0xFF) - 255;
      image[j] = static_cast<std::uint8_t>(std::clamp<std::int64_t>(image[j] + centred * strength / 255, 0, 255));
    }
  }
}

class GlyphSource final : public RowSource {
 public:
  GlyphSource(std::uint64_t seed, std::int64_t first, std::int64_t rows) : seed_(seed), first_(first), rows_(rows) {}
  std::int64_t rows() const override { return rows_; }
  DType feature_dtype() const override { return DType::u8; }
  Shape feature_shape() const override { return {1, kGlyphSide, kGlyphSide}; }
  std::int64_t classes() const override { return kGlyphClasses; }
  std::int64_t read(std::int64_t row, MutableByteView features) const override {
    const Glyph glyph = draw_glyph(seed_, static_cast<std::uint64_t>(first_ + row));
    std::memcpy(features.data(), glyph.image.data(), glyph.image.size());
    return glyph.label;
  }

 private:
  std::uint64_t seed_;
  std::int64_t first_;
  std::int64_t rows_;
};

}  // namespace

Glyph draw_glyph(std::uint64_t seed, std::uint64_t index) {
  Glyph glyph{.label = static_cast<int>(index % kGlyphClasses)};
  Draws draws(seed, index);
  draw_skeleton(glyph.image, glyph.label, draws);
  if (draws.one_in(3)) add_clutter(glyph.image, draws);
  if (draws.one_in(3)) occlude(glyph.image, draws);
  add_noise(glyph.image, draws);
  return glyph;
}

RawData glyphs(const GlyphOptions& options) {
  if (options.train_rows < 1 || options.test_rows < 0) {
    throw ConfigError("[glyphs] expected at least 1 training row and 0 test rows, got " +
                      std::to_string(options.train_rows) + " and " + std::to_string(options.test_rows));
  }
  RawData raw{.format = "glyphs", .train = nullptr, .test = nullptr, .files = {}};
  raw.train = std::make_unique<GlyphSource>(options.seed, 0, options.train_rows);
  if (options.test_rows > 0) {
    raw.test = std::make_unique<GlyphSource>(options.seed, options.train_rows, options.test_rows);
  }
  return raw;
}

}  // namespace hop::data
