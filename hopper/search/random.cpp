#include "hopper/search/random.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/hash.h"

namespace hop::hopper {
namespace {

// Uniform in [0, 1): the upper 53 bits of a key.
double unit_interval(std::uint64_t key) { return static_cast<double>(key >> 11) * 0x1.0p-53; }

std::int64_t sample_integer(const Range& range, double u) {
  // Bins [k, k + 1) give both ends their full share. In logarithmic ranges the bins are those of the logarithm.
  const bool log = range.scale == Scale::Log;
  const double value = log ? range.min * std::exp(u * std::log((range.max + 1) / range.min))
                           : range.min + u * (range.max + 1 - range.min);
  return static_cast<std::int64_t>(std::clamp(std::floor(value), range.min, range.max));
}

// Six significant digits: readable, and independent of the last bits of a machine's exp and log.
double rounded(double value) {
  std::array<char, 32> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::general, 6).ptr;
  std::from_chars(buffer.data(), end, value);
  return value;
}

double sample_float(const Range& range, double u) {
  const bool log = range.scale == Scale::Log;
  const double value =
      log ? range.min * std::exp(u * std::log(range.max / range.min)) : range.min + u * (range.max - range.min);
  return std::clamp(rounded(value), range.min, range.max);  // rounding must not leave the range
}

Value sample(const Dimension& dimension, double u) {
  if (const auto* choices = std::get_if<Choices>(&dimension)) {
    const auto n = choices->size();
    return (*choices)[std::min(static_cast<std::size_t>(u * static_cast<double>(n)), n - 1)];
  }
  const auto& range = std::get<Range>(dimension);
  if (range.type == NumberType::Int) return sample_integer(range, u);
  return sample_float(range, u);
}

}  // namespace

RandomSearch::RandomSearch(Space space, std::uint32_t samples, std::uint64_t seed)
    : space_(std::move(space)), samples_(samples), seed_(seed) {
  check_space(space_);
  if (samples_ == 0) throw ConfigError("[search] expected samples >= 1, got 0");
}

std::optional<Proposal> RandomSearch::ask() {
  if (next_ == samples_) return std::nullopt;
  const std::uint32_t trial = next_++;
  Config config;
  for (const auto& [name, dimension] : space_) {
    config.set(name, sample(dimension, unit_interval(hash64(seed_, name, {trial}))));
  }
  return Proposal{std::move(config)};
}

}  // namespace hop::hopper
