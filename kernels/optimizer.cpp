#include "kernels/optimizer.h"

#include <string>

#include "base/error.h"
#include "kernels/expect_internal.h"
#include "kernels/optimizer_operations.h"
#include "kernels/update_rules.h"

namespace hop::kernels {
namespace {

constexpr const char* kOp = "update";

void expect_like(const char* what, const Tensor& x, const Tensor& parameter) {
  expect_defined(kOp, x);
  expect_floating(kOp, {&parameter, &x});
  expect_shape(kOp, what, x, parameter.shape());
  if (!x.is_contiguous())
    throw ShapeError("[update] expected a contiguous " + std::string(what) + ", got a strided view of " + x.describe());
}

void check(std::span<const std::string_view> slots, const UpdateSegment& segment) {
  const Tensor& p = segment.parameter;
  expect_like("parameter", p, p);
  expect_like("gradient", segment.gradient, p);
  if (segment.slots.size() != slots.size()) {
    throw ShapeError("[update] expected " + std::to_string(slots.size()) + " slots, got " +
                     std::to_string(segment.slots.size()));
  }
  for (std::size_t k = 0; k < slots.size(); ++k) expect_like(slots[k].data(), segment.slots[k], p);  // a literal
}

void check_scalar(const char* what, const Tensor& x, DType dtype, const Tensor& parameter) {
  expect_defined(kOp, x);
  expect_same_device(kOp, {&parameter, &x});
  if (x.dtype() != dtype || x.numel() != 1) {
    throw DtypeError("[update] expected " + std::string(what) + " as one " + std::string(name(dtype)) + ", got " +
                     x.describe());
  }
}

}  // namespace

std::vector<std::string_view> slots_of(const UpdateRule& rule) {
  return std::visit(
      [](const auto& r) {
        std::vector<std::string_view> kept;
        for (std::size_t k = 0; k < r.slots.size(); ++k) {
          if (rules::keeps(r, k)) kept.push_back(r.slots[k]);
        }
        return kept;
      },
      rule);
}

void update(const UpdateRule& rule, std::span<const UpdateSegment> segments, const UpdateState& state) {
  expect_defined(kOp, state.step);
  const Tensor& first = segments.empty() ? state.step : segments.front().parameter;
  const std::vector<std::string_view> slots = slots_of(rule);
  for (const UpdateSegment& segment : segments) {
    check(slots, segment);
    expect_same_device(kOp, {&first, &segment.parameter});
  }
  check_scalar("the learning rate", state.lr, DType::f64, first);
  check_scalar("the step", state.step, DType::i64, first);
  if (state.stop.defined()) check_scalar("the stop flag", state.stop, DType::f64, first);
  operations<OptimizerOperations>(first).update(rule, segments, state);
  for (const UpdateSegment& segment : segments) {
    segment.parameter.bump_version();
    for (const Tensor& slot : segment.slots) slot.bump_version();
  }
  state.step.bump_version();
}

void measure(const Tensor& loss, double rows, double limit, const Tensor& meter) {
  expect_floating("measure", loss);
  expect_shape("measure", "loss", loss, {});
  expect_defined("measure", meter);
  expect_same_device("measure", {&loss, &meter});
  expect_shape("measure", "meter", meter, {2});
  if (meter.dtype() != DType::f64 || !meter.is_contiguous())
    throw DtypeError("[measure] expected a contiguous meter of f64, got " + meter.describe());
  operations<OptimizerOperations>(loss).measure(loss, rows, limit, meter);
  meter.bump_version();
}

}  // namespace hop::kernels
