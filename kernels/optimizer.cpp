#include "kernels/optimizer.h"

#include <string>

#include "base/error.h"
#include "kernels/expect_internal.h"
#include "kernels/optimizer_operations.h"
#include "kernels/update_rules.h"

namespace hop::kernels {
namespace {

/// How errors call the operation and the tensors of a segment.
struct Words {
  const char *op, *parameter, *gradient;

  std::string expected() const { return "[" + std::string(op) + "] expected "; }
};
constexpr Words kUpdate = {"update", "parameter", "gradient"};
constexpr Words kAverages = {"update_averages", "average", "value"};

void expect_like(const Words& words, const char* what, const Tensor& x, const Tensor& parameter) {
  expect_defined(words.op, x);
  expect_floating(words.op, {&parameter, &x});
  expect_shape(words.op, what, x, parameter.shape());
  if (x.is_contiguous()) return;
  throw ShapeError(words.expected() + "a contiguous " + what + ", got a strided view of " + x.describe());
}

void check(const Words& words, std::span<const std::string_view> slots, const UpdateSegment& segment) {
  const Tensor& p = segment.parameter;
  expect_like(words, words.parameter, p, p);
  expect_like(words, words.gradient, segment.gradient, p);
  if (segment.slots.size() != slots.size()) {
    throw ShapeError(words.expected() + std::to_string(slots.size()) + " slots, got " +
                     std::to_string(segment.slots.size()));
  }
  for (std::size_t k = 0; k < slots.size(); ++k) expect_like(words, slots[k].data(), segment.slots[k], p);  // a literal
}

void check_scalar(const Words& words, const char* what, const Tensor& x, DType dtype, const Tensor& parameter) {
  expect_defined(words.op, x);
  expect_same_device(words.op, {&parameter, &x});
  if (x.dtype() != dtype || x.numel() != 1) {
    throw DtypeError(words.expected() + what + " as one " + std::string(name(dtype)) + ", got " + x.describe());
  }
}

/// Checks all but the learning rate. Returns a tensor on the device of the update.
const Tensor& check(const Words& words, std::span<const std::string_view> slots,
                    std::span<const UpdateSegment> segments, const UpdateState& state) {
  expect_defined(words.op, state.step);
  const Tensor& first = segments.empty() ? state.step : segments.front().parameter;
  for (const UpdateSegment& segment : segments) {
    check(words, slots, segment);
    expect_same_device(words.op, {&first, &segment.parameter});
  }
  check_scalar(words, "the step", state.step, DType::i64, first);
  if (state.stop.defined()) check_scalar(words, "the stop flag", state.stop, DType::f64, first);
  return first;
}

void bump_versions(std::span<const UpdateSegment> segments, const UpdateState& state) {
  for (const UpdateSegment& segment : segments) {
    segment.parameter.bump_version();
    for (const Tensor& slot : segment.slots) slot.bump_version();
  }
  state.step.bump_version();
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
  const Tensor& first = check(kUpdate, slots_of(rule), segments, state);
  check_scalar(kUpdate, "the learning rate", state.lr, DType::f64, first);
  operations<OptimizerOperations>(first).update(rule, segments, state);
  bump_versions(segments, state);
}

void update_averages(const AverageRule& rule, std::span<const UpdateSegment> segments, const UpdateState& state) {
  const Tensor& first = check(kAverages, {}, segments, state);
  operations<OptimizerOperations>(first).update_averages(rule, segments, state);
  bump_versions(segments, state);
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
