#include <algorithm>
#include <cmath>

#include "data/formats/number_column_internal.h"

namespace hop::data {
namespace {

constexpr double kExactInF32 = 16'777'216;  // 2^24: above it not every whole number is an f32

}  // namespace

void NumberColumn::measure(double value) {
  least = std::min(least, value);
  greatest = std::max(greatest, value);
  const double error = std::abs(static_cast<double>(static_cast<float>(value)) - value);
  greatest_error = std::max(greatest_error, error);
  if (std::abs(value) > kExactInF32 && std::floor(value) == value && error != 0) whole_rounded = true;
}

void NumberColumn::compare(double value) {
  may_be_id_ = std::floor(value) == value && seen_.insert(value).second;
  if (!may_be_id_) seen_ = {};
}

bool NumberColumn::looks_like_an_id() const {
  constexpr std::size_t kFewest = 1000;  // fewer whole numbers of a wide range may differ by chance
  return may_be_id_ && seen_.size() >= kFewest && missing == 0;
}

void NumberColumn::include(double value) {
  measure(value);
  if (may_be_id_ && seen_.size() < kLookedAt) compare(value);
  const auto rounded = static_cast<float>(value);
  if (rows++ == 0)
    first = rounded;
  else if (rounded != last + 1)
    counts_up = false;
  last = rounded;
}

void NumberColumn::precede(double value) {
  measure(value);
  if (rows++ > 0 && first != static_cast<float>(value) + 1) counts_up = false;
}

}  // namespace hop::data
