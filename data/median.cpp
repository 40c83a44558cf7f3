#include "data/median.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace hop::data {
namespace {

constexpr int kBits = 11;
constexpr std::size_t kBuckets = std::size_t{1} << kBits;
constexpr std::uint32_t kSign = 0x8000'0000;

// The low bits that are still open after pass `pass`: 21, 10, 0.
constexpr int left_after(int pass) { return std::max(0, 32 - kBits * (pass + 1)); }
static_assert(left_after(Median::kPasses - 1) == 0);

// Whole numbers in the order of the floats.
std::uint32_t key_of(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}
float value_of(std::uint32_t key) { return std::bit_cast<float>((key & kSign) != 0 ? key & ~kSign : ~key); }

}  // namespace

Median::Median() {
  for (Middle& middle : middles_) middle.counts.assign(kBuckets, 0);
}

void Median::include(float value) {
  if (std::isnan(value)) return;
  const std::uint32_t key = key_of(value);
  const int left = left_after(pass_);
  if (pass_ == 0) ++count_;
  for (Middle& middle : middles_) {
    if (pass_ > 0 && key >> left_after(pass_ - 1) != middle.prefix) continue;
    const std::uint32_t decided = pass_ == 0 ? 0 : middle.prefix << (left_after(pass_ - 1) - left);
    ++middle.counts[(key >> left) - decided];
  }
}

void Median::end_pass() {
  if (pass_ == 0) {
    middles_[0].rank = (count_ - 1) / 2;
    middles_[1].rank = count_ / 2;
  }
  const int width = pass_ == 0 ? 0 : left_after(pass_ - 1) - left_after(pass_);
  for (Middle& middle : middles_) {
    std::uint32_t bucket = 0;
    while (bucket + 1 < kBuckets && middle.rank >= middle.counts[bucket]) middle.rank -= middle.counts[bucket++];
    middle.prefix = (middle.prefix << width) + bucket;
    std::ranges::fill(middle.counts, 0);
  }
  ++pass_;
}

double Median::value() const {
  return (static_cast<double>(value_of(middles_[0].prefix)) + static_cast<double>(value_of(middles_[1].prefix))) / 2;
}

}  // namespace hop::data
