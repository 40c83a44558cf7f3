#include "autograd/counting.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "autograd/composed_internal.h"
#include "autograd/half_internal.h"
#include "autograd/sort.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/index.h"
#include "kernels/sort.h"
#include "kernels/view.h"

namespace hop {

using autograd::expect_rank;
using autograd::expected;
using autograd::on_host;

namespace {

Tensor vector_of(const std::vector<std::int64_t>& values, Device device) {
  return Tensor::from(std::span<const std::int64_t>(values), {static_cast<std::int64_t>(values.size())}, device);
}

/// x, contiguous, as a vector.
Tensor flat(const Tensor& x) { return *kernels::try_reshape_view(kernels::contiguous(x), {x.numel()}); }

}  // namespace

Tensor bincount(const Tensor& x, const Tensor& weights, std::int64_t minlength) {
  expect_rank("bincount", "a vector", x, 1);
  if (is_floating(x.dtype()) || x.dtype() == DType::boolean)
    throw DtypeError(expected("bincount") + "integers, got " + x.describe());
  if (minlength < 0)
    throw ConfigError(expected("bincount") + "minlength of at least 0, got " + std::to_string(minlength));
  if (weights.defined()) {
    kernels::expect_same_device("bincount", {&x, &weights});
    kernels::expect_shape("bincount", "weights", weights, x.shape());
  }
  const DType dtype = weights.defined() ? weights.dtype() == DType::f32 ? DType::f32 : DType::f64 : DType::i64;
  const std::int64_t top = x.numel() == 0 ? -1 : on_host("bincount", kernels::max(x)).item<std::int64_t>();
  const std::int64_t n = std::max(checked_add(top, 1, "bincount"), minlength);
  if (x.numel() == 0) return kernels::zeros({n}, dtype, x.device());
  const std::int64_t least = on_host("bincount", kernels::min(x)).item<std::int64_t>();
  if (least < 0) throw IndexError(expected("bincount") + "values of at least 0, got " + std::to_string(least));
  const Tensor parts = weights.defined() ? kernels::cast(kernels::contiguous(weights.detach()), dtype)
                                         : kernels::ones(x.shape(), DType::f64, x.device());
  return kernels::cast(kernels::index_add({n}, 0, kernels::cast(x, DType::i64), parts), dtype);
}

Tensor histc(const Tensor& x, std::int64_t bins, double min, double max) {
  if (autograd::any_half(x)) return autograd::rounded_like(histc(autograd::in_f32(x.detach()), bins, min, max), x);
  kernels::expect_floating("histc", x);
  if (bins < 1) throw ConfigError(expected("histc") + "at least 1 bin, got " + std::to_string(bins));
  double low = min, high = max;
  if (low == high && x.numel() != 0) {
    low = on_host("histc", kernels::min(x)).item<double>();
    high = on_host("histc", kernels::max(x)).item<double>();
  }
  if (low == high) {
    low -= 1;
    high += 1;
  }
  if (!(low < high) || !std::isfinite(low) || !std::isfinite(high)) {
    throw ConfigError(expected("histc") + "finite bounds with min <= max, got " + std::to_string(low) + " and " +
                      std::to_string(high));
  }
  Tensor values = flat(x.detach());
  // Numbers so large that their distance or a product with it is infinite are made smaller by a power of two.
  constexpr double kSmaller = 0x1p-64;
  const double largest =
      x.dtype() == DType::f32 ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
  if (!((high / 2 - low / 2) * static_cast<double>(bins) < largest / 2)) {
    values = kernels::mul(values, kSmaller);
    low *= kSmaller;
    high *= kSmaller;
  }
  const Tensor is_inside = kernels::logical_and(kernels::ge(values, low), kernels::le(values, high));
  const Tensor inside = kernels::where(is_inside, values, low);
  const Tensor place = kernels::div(kernels::mul(kernels::sub(inside, low), static_cast<double>(bins)), high - low);
  const Tensor bin = kernels::minimum(kernels::cast(place, DType::i64), bins - 1);  // max itself is in the last one
  return kernels::cast(kernels::index_add({bins}, 0, bin, kernels::cast(is_inside, DType::f64)), x.dtype());
}

namespace {

/// x on the host as rows whose differences count: its elements, or its slices along `dim`.
struct Rows {
  Tensor host{};    // x, flat without a dim
  Tensor values{};  // (rows, size), contiguous
  int dim = 0;      // of `host`
  std::int64_t count() const { return values.size(0); }
  std::int64_t size() const { return values.size(1); }
};

Rows rows_of(const char* op, const Tensor& x, std::optional<std::int64_t> dim) {
  kernels::expect_defined(op, x);
  if (!dim) {
    const Tensor line = flat(on_host(op, x.detach()));
    return {line, *kernels::try_reshape_view(line, {line.numel(), 1}), 0};
  }
  const int d = autograd::existing_dim(op, x, *dim);
  const std::int64_t n = x.size(d);
  if (n != 0 && x.numel() == 0) throw ShapeError(expected(op) + "slices with elements, got " + x.describe());
  const Tensor host = on_host(op, x.detach());
  Dims order{d};
  for (int i = 0; i < x.dim(); ++i) {
    if (i != d) order.push_back(i);
  }
  const Tensor slices = kernels::contiguous(kernels::permute(host, kernels::DimList(order.begin(), order.end())));
  return {host, *kernels::try_reshape_view(slices, {n, n == 0 ? 0 : x.numel() / n}), d};
}

/// The rows in lexicographical order; NaN is the largest value.
std::vector<std::int64_t> sorted_order(const Rows& rows) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(rows.count()));
  if (rows.size() == 1) {
    const Tensor indices = kernels::argsort(flat(rows.values), 0, false);
    std::copy_n(indices.data<std::int64_t>(), order.size(), order.begin());
    return order;
  }
  std::iota(order.begin(), order.end(), 0);
  visit_stored_dtype(rows.values.dtype(), [&]<class T>(T) {
    const T* const at = rows.values.data<T>();
    const auto before = [](const T& a, const T& b) { return a < b || (a == a && b != b); };
    std::ranges::stable_sort(order, [&, size = rows.size()](std::int64_t a, std::int64_t b) {
      return std::lexicographical_compare(at + a * size, at + (a + 1) * size, at + b * size, at + (b + 1) * size,
                                          before);
    });
  });
  return order;
}

/// The rows, taken in `order`, without those that equal the one before.
Unique grouped(const Tensor& x, const Rows& rows, bool is_flat, const std::vector<std::int64_t>& order) {
  const Tensor inverse = Tensor::empty({rows.count()}, DType::i64);
  std::vector<std::int64_t> firsts, counts;
  visit_stored_dtype(x.dtype(), [&]<class T>(T) {
    const T* const at = rows.values.data<T>();
    const std::int64_t size = rows.size();
    for (std::size_t i = 0; i < order.size(); ++i) {
      const T* const row = at + order[i] * size;
      if (i == 0 || !std::equal(row, row + size, at + order[i - 1] * size)) {
        firsts.push_back(order[i]);
        counts.push_back(0);
      }
      ++counts.back();
      inverse.data<std::int64_t>()[order[i]] = static_cast<std::int64_t>(firsts.size()) - 1;
    }
  });
  const Tensor different = kernels::index_select(rows.host, rows.dim, vector_of(firsts, Device::cpu()));
  const Tensor places = is_flat ? *kernels::try_reshape_view(inverse, x.shape()) : inverse;
  return {kernels::to_device(different, x.device()), kernels::to_device(places, x.device()),
          vector_of(counts, x.device())};
}

}  // namespace

Unique unique(const Tensor& x, std::optional<std::int64_t> dim) {
  const Rows rows = rows_of("unique", x, dim);
  return grouped(x, rows, !dim, sorted_order(rows));
}

Unique unique_consecutive(const Tensor& x, std::optional<std::int64_t> dim) {
  const Rows rows = rows_of("unique_consecutive", x, dim);
  std::vector<std::int64_t> order(static_cast<std::size_t>(rows.count()));
  std::iota(order.begin(), order.end(), 0);
  return grouped(x, rows, !dim, order);
}

namespace {

/// A number in (0, 1]: its logarithm is finite.
double open_uniform(PhiloxStream& stream) {
  const double high = stream.next(), low = stream.next();
  return (high * 0x1p32 + low + 0.5) * 0x1p-64;
}

/// The category in which the part `share` of the whole weight lies.
std::int64_t category_at(const std::vector<double>& sums, double share) {
  const auto found = std::upper_bound(sums.begin(), sums.end(), share * sums.back());
  return std::min<std::int64_t>(found - sums.begin(), static_cast<std::int64_t>(sums.size()) - 1);
}

/// One row of samples. With replacement a category is where a uniform number falls in the running sums. Without, each
/// category waits for an exponential time, its weight the rate, and the first ones are taken (Efraimidis and Spirakis
/// 2006).
void draw_row(std::span<const double> weights, bool replacement, PhiloxStream& stream,
              std::span<std::int64_t> samples) {
  if (replacement) {
    std::vector<double> sums(weights.size());
    std::partial_sum(weights.begin(), weights.end(), sums.begin());
    for (std::int64_t& sample : samples) {
      do sample = category_at(sums, open_uniform(stream));
      while (weights[static_cast<std::size_t>(sample)] == 0);  // the last sum may be reached by rounding
    }
    return;
  }
  constexpr double kForever = std::numeric_limits<double>::infinity();
  std::vector<std::pair<double, std::int64_t>> times;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    // A weight of 0 waits for ever, also beside one that is so small that the division overflows.
    const double wait = -std::log(open_uniform(stream));
    const double time = weights[i] == 0 ? kForever : std::min(wait / weights[i], std::numeric_limits<double>::max());
    times.emplace_back(time, static_cast<std::int64_t>(i));
  }
  std::sort(times.begin(), times.end());
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = times[i].second;
}

void check_row(std::span<const double> weights, std::int64_t num_samples, bool replacement) {
  std::int64_t positive = 0;
  double sum = 0;
  for (const double w : weights) {
    sum += w;
    if (!(w >= 0) || std::isinf(w))
      throw ConfigError(expected("multinomial") + "finite weights of at least 0, got " + std::to_string(w));
    positive += w > 0 ? 1 : 0;
  }
  if (std::isinf(sum)) throw ConfigError(expected("multinomial") + "weights with a finite sum, got an infinite one");
  const std::int64_t needed = replacement ? 1 : num_samples;
  if (positive < needed) {
    throw ConfigError(expected("multinomial") + "at least " + std::to_string(needed) +
                      " positive weights in each row, got " + std::to_string(positive));
  }
}

}  // namespace

Tensor multinomial(const Tensor& weights, std::int64_t num_samples, bool replacement, RandomAddress address) {
  kernels::expect_any_floating("multinomial", weights);
  if (weights.dim() != 1 && weights.dim() != 2)
    throw ShapeError(expected("multinomial") + "weights (n) or (rows, n), got " + weights.describe());
  if (num_samples < 1)
    throw ConfigError(expected("multinomial") + "at least 1 sample, got " + std::to_string(num_samples));
  const Tensor w = kernels::cast(on_host("multinomial", weights.detach()), DType::f64);
  Shape shape = weights.shape();
  shape[weights.dim() - 1] = num_samples;
  const Tensor y = Tensor::empty(shape, DType::i64);
  const auto n = static_cast<std::size_t>(weights.size(-1)), k = static_cast<std::size_t>(num_samples);
  PhiloxStream stream(address);
  for (std::size_t row = 0; row < (weights.dim() == 1 ? 1 : static_cast<std::size_t>(weights.size(0))); ++row) {
    const std::span<const double> rates(w.data<double>() + row * n, n);
    check_row(rates, num_samples, replacement);
    draw_row(rates, replacement, stream, {y.data<std::int64_t>() + row * k, k});
  }
  return kernels::to_device(y, weights.device());
}

}  // namespace hop
