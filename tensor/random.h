// Random numbers that are addressed, not drawn: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1,
// 2, 3", SC 2011). The same address gives the same numbers on every device, for every thread count, after any hop.
#pragma once

#include <array>
#include <cstdint>

namespace hop {

/// Ten Philox rounds: 128 random bits from a 128-bit counter and a 64-bit key.
constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                  std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key = {key[0] + 0x9E3779B9U, key[1] + 0xBB67AE85U};
  }
  return counter;
}

/// The address of one tensor's worth of random numbers. key = hash64(seed, purpose, {model, ...}); `draw` counts the
/// draws within a step.
struct RandomAddress {
  std::uint64_t key = 0;
  std::uint64_t step = 0;  ///< below 2^48
  std::uint32_t draw = 0;
  /// Where to read key and step at the moment that the numbers are made. A captured step is replayed for other steps
  /// and other models, so it reads them there instead of from the members. Addresses on the device that makes the
  /// numbers. Null: the members count.
  const std::uint64_t* key_at = nullptr;
  const std::int64_t* step_at = nullptr;

  /// Four words for elements 4 * block .. 4 * block + 3; block below 2^48.
  constexpr std::array<std::uint32_t, 4> words(std::uint64_t block) const {
    return philox4x32({static_cast<std::uint32_t>(block), draw, static_cast<std::uint32_t>(step),
                       static_cast<std::uint32_t>(step >> 32) | static_cast<std::uint32_t>(block >> 32) << 16},
                      {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)});
  }
};

/// A word as a float in [0, 1): its 24 highest bits.
constexpr float uniform01(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24F; }

/// A stream of words for sequential use (shuffles, generated data): consecutive words of one address.
class PhiloxStream {
 public:
  explicit PhiloxStream(RandomAddress address) : address_(address) {}
  std::uint32_t next() {
    if (used_ == 4) {
      words_ = address_.words(block_++);
      used_ = 0;
    }
    return words_[used_++];
  }
  float uniform() { return uniform01(next()); }
  /// Uniform in 0..bound-1 without bias (Lemire's multiply and reject). Throws ConfigError for a bound of 0.
  std::uint32_t below(std::uint32_t bound);
  /// Standard normal (Box-Muller; one value per two words).
  double normal();

 private:
  RandomAddress address_;
  std::array<std::uint32_t, 4> words_{};
  std::uint64_t block_ = 0;
  unsigned used_ = 4;
};

}  // namespace hop
