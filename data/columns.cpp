#include "data/columns.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/words.h"

namespace hop::data {
namespace {

// `scale` for values from `low` to `high`, in a dtype that holds the differences of the values and the factor. An
// infinite one would make NaN of the rows.
Scale computable(Scale scale, double low, double high, DType stored, const std::string& name) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  if (scaling_dtype(stored) != DType::f32 || scale == Scale{}) return scale;
  if (high - low > kLargest) {
    throw DataError("[data] expected values of a feature" + (name.empty() ? "" : " \"" + printable(name) + "\"") +
                    " that differ by at most 3.4e38, got " + shortest(low) + " and " + shortest(high) +
                    ": write them in a larger unit");
  }
  return {scale.offset, std::min(scale.factor, kLargest)};
}

// A constant column becomes 0.
Scale scale_of(const Moments& m, ColumnScale kind) {
  if (kind == ColumnScale::none) return {};
  const double deviation = std::sqrt(m.squares / static_cast<double>(std::max<std::int64_t>(m.count, 1)));
  const double width = kind == ColumnScale::minmax ? m.high - m.low : deviation;
  const bool varies = m.high > m.low && std::isfinite(1.0 / width);
  return varies ? Scale{kind == ColumnScale::minmax ? m.low : m.mean, 1.0 / width} : Scale{m.low, 0.0};
}

}  // namespace

void Scaling::check(const Shape& feature_shape) const {
  if (!is_per_column() || std::cmp_equal(columns_.size(), feature_shape.numel())) return;
  throw DataError("[columns] expected a scale for each of " + std::to_string(feature_shape.numel()) +
                  " features, got " + std::to_string(columns_.size()));
}

ScalingFit::ScalingFit(DType dtype, const Shape& feature_shape)
    : dtype_(dtype),
      per_column_(is_floating(dtype) && feature_shape.size() == 1),
      moments_(per_column_ ? static_cast<std::size_t>(feature_shape.numel()) : 1) {}

bool ScalingFit::needs_rows() const { return is_floating(dtype_); }

void Moments::include(double value) {
  if (!std::isfinite(value)) return;
  low = count == 0 ? value : std::min(low, value);
  high = count == 0 ? value : std::max(high, value);
  const double delta = value - mean;
  mean += delta / static_cast<double>(++count);
  squares += delta * (value - mean);
}

void Moments::include(const Moments& later) {
  if (later.count == 0) return;
  if (count == 0) {
    *this = later;
    return;
  }
  const auto before = static_cast<double>(count), more = static_cast<double>(later.count);
  const double delta = later.mean - mean, all = before + more;
  mean += delta * (more / all);
  squares += later.squares + delta * delta * (before * more / all);
  low = std::min(low, later.low);
  high = std::max(high, later.high);
  count += later.count;
}

void ScalingFit::include(ByteView features) {
  visit_dtype(dtype_, [&]<class T>(T) {
    for (std::size_t i = 0; i < features.size() / sizeof(T); ++i) {
      T value;
      std::memcpy(&value, features.data() + i * sizeof(T), sizeof(T));
      moments_[per_column_ ? i : 0].include(static_cast<double>(value));
    }
  });
}

void ScalingFit::include(const std::vector<Moments>& later) {
  if (later.size() != moments_.size()) {
    throw DataError("[columns] expected the moments of " + std::to_string(moments_.size()) + " columns, got " +
                    std::to_string(later.size()));
  }
  for (std::size_t i = 0; i < later.size(); ++i) moments_[i].include(later[i]);
}

Scaling ScalingFit::result(const std::vector<std::string>& names, const std::vector<ColumnScale>& scales) const {
  if (dtype_ == DType::u8) return Scale{0.0, 1.0 / 255.0};
  if (!is_floating(dtype_)) return Scale{};
  if (!per_column_) {
    const Moments& m = moments_[0];
    const Scale scale = m.high > m.low ? Scale{m.low, 1.0 / (m.high - m.low)} : Scale{};
    return computable(scale, m.low, m.high, dtype_, "");
  }
  std::vector<FeatureColumn> columns;
  for (std::size_t i = 0; i < moments_.size(); ++i) {
    const ColumnScale kind = i < scales.size() ? scales[i] : ColumnScale::standard;
    const std::string name = i < names.size() ? names[i] : "";
    columns.push_back({name, computable(scale_of(moments_[i], kind), moments_[i].low, moments_[i].high, dtype_, name)});
  }
  return Scaling(std::move(columns));
}

std::vector<TargetColumn> ScalingFit::targets(const std::vector<std::string>& names) const {
  std::vector<TargetColumn> columns;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Moments& m = moments_[i];
    columns.push_back({names[i], scale_of(m, ColumnScale::standard), m.low, m.high});
  }
  return columns;
}

}  // namespace hop::data
