#include "autograd/pad.h"

#include <algorithm>
#include <string>

#include "autograd/composed_internal.h"
#include "autograd/half_internal.h"
#include "autograd/index.h"
#include "autograd/record.h"
#include "autograd/view.h"
#include "kernels/copy.h"
#include "kernels/layout_internal.h"
#include "kernels/view.h"

namespace hop {

using autograd::BackwardContext;
using autograd::expected;
using autograd::is_recorded;
using autograd::record;

namespace {

/// The padding of one dimension. Negative numbers cut.
struct Pad {
  int dim;
  std::int64_t before, after;
};

[[noreturn]] void reject(const Tensor& x, const Pad& pad, const std::string& wish) {
  throw ShapeError(expected("pad") + wish + ", got (" + std::to_string(pad.before) + ", " + std::to_string(pad.after) +
                   ") for dimension " + std::to_string(pad.dim) + " of " + x.shape().to_string());
}

std::vector<Pad> checked_pads(const Tensor& x, const std::vector<std::int64_t>& pads) {
  kernels::expect_defined("pad", x);
  const auto pairs = static_cast<std::int64_t>(pads.size() / 2);
  if (pads.size() % 2 != 0 || pairs > x.dim()) {
    throw ShapeError(expected("pad") + "a pair of pads for at most " + std::to_string(x.dim()) + " dimensions, got " +
                     std::to_string(pads.size()) + " pads for " + x.shape().to_string());
  }
  std::vector<Pad> list;
  for (std::size_t i = 0; i < pads.size(); i += 2) {
    const Pad pad{x.dim() - 1 - static_cast<int>(i / 2), pads[i], pads[i + 1]};
    const std::int64_t cut =
        checked_add(std::min<std::int64_t>(pad.before, 0), std::min<std::int64_t>(pad.after, 0), "pad");
    if (cut < -x.size(pad.dim)) reject(x, pad, "pads that cut at most what there is");
    if (pad.before != 0 || pad.after != 0) list.push_back(pad);
  }
  return list;
}

// The part of y between the pads.
template <class Slice>
Tensor inside(Tensor y, const std::vector<Pad>& pads, Slice slice) {
  for (const auto& [dim, before, after] : pads) y = slice(y, dim, before, y.size(dim) - after);
  return y;
}

// x without the parts that negative pads cut. The pads that are left add.
Tensor cut(Tensor x, std::vector<Pad>& pads) {
  for (auto& [dim, before, after] : pads) {
    const std::int64_t from = std::max<std::int64_t>(-before, 0), to = x.size(dim) + std::min<std::int64_t>(after, 0);
    if (before < 0 || after < 0) x = slice(x, dim, from, to);
    before = std::max<std::int64_t>(before, 0);
    after = std::max<std::int64_t>(after, 0);
  }
  return x;
}

Tensor pad_constant(const Tensor& x, const std::vector<Pad>& pads, const Scalar& value) {
  std::vector<Pad> added = pads;
  const Tensor kept = cut(x, added);
  Shape shape = kept.shape();
  for (const auto& [dim, before, after] : added)
    shape[dim] = checked_add(shape[dim], checked_add(before, after, "pad"), "pad");
  Tensor y = kernels::full_in(kernels::copied_layout(x), shape, value, x.dtype(), x.device());
  kernels::copy_(
      inside(y, added,
             [](const Tensor& t, int d, std::int64_t from, std::int64_t to) { return kernels::slice(t, d, from, to); }),
      kept);
  if (!is_recorded(kept)) return y;
  return record("pad", std::move(y), {kept}, [added](BackwardContext& c) {
    c.set(0, inside(c.grad(), added,
                    [](const Tensor& t, int d, std::int64_t from, std::int64_t to) { return slice(t, d, from, to); }));
  });
}

// Where each element of the padded dimension comes from (i64), for a dimension of n values.
Tensor sources(const Tensor& x, const Pad& pad, PadMode mode) {
  const std::int64_t n = x.size(pad.dim);
  const std::int64_t most = mode == PadMode::reflect ? n - 1 : n;
  if (mode != PadMode::replicate && (pad.before > most || pad.after > most))
    reject(x, pad, "pads of at most " + std::to_string(std::max<std::int64_t>(most, 0)));
  const std::int64_t length = checked_add(n, checked_add(pad.before, pad.after, "pad"), "pad");
  if (n == 0 && length > 0) reject(x, pad, "a dimension with values");
  const Tensor i = kernels::sub(kernels::arange(length, DType::i64, x.device()), pad.before);
  if (mode == PadMode::replicate) return kernels::maximum(kernels::minimum(i, n - 1), 0);
  if (mode == PadMode::reflect) {
    return kernels::sub(n - 1, kernels::abs(kernels::sub(n - 1, kernels::abs(i))));
  }
  const Tensor from_the_end = kernels::where(kernels::lt(i, 0), kernels::add(i, n), i);
  return kernels::where(kernels::ge(i, n), kernels::sub(i, n), from_the_end);
}

}  // namespace

Tensor pad(const Tensor& x, const std::vector<std::int64_t>& pads, PadMode mode, Scalar value) {
  std::vector<Pad> list = checked_pads(x, pads);
  if (mode == PadMode::constant) return pad_constant(x, list, value);
  // Each dimension adds up gradients.
  if (autograd::any_half(x)) return autograd::rounded_like(pad(autograd::in_f32(x), pads, mode), x);
  const Tensor kept = mode == PadMode::circular ? cut(x, list) : x;
  Tensor y = kept;
  for (const Pad& one : list) y = index_select(y, one.dim, sources(kept, one, mode));
  return y;
}

}  // namespace hop
