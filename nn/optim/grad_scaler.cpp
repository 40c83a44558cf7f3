#include "nn/optim/grad_scaler.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "base/error.h"
#include "base/words.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "nn/detail/gradients.h"

namespace hop::optim {
namespace {

[[noreturn]] void reject(const std::string& expected, double got) {
  throw ConfigError("[GradScaler] expected " + expected + ", got " + shortest(got));
}

void check(const GradScalerOptions& o) {
  if (!(o.init_scale > 0) || !std::isfinite(static_cast<float>(o.init_scale)))
    reject("an init_scale above 0 that f32 holds", o.init_scale);
  if (!(o.growth_factor > 1) || !std::isfinite(o.growth_factor)) reject("a growth_factor above 1", o.growth_factor);
  if (!(o.backoff_factor > 0 && o.backoff_factor < 1)) reject("a backoff_factor in 0..1", o.backoff_factor);
  if (o.growth_interval < 1 || o.growth_interval > std::numeric_limits<std::int32_t>::max())
    reject("a growth_interval of at least 1 that i32 holds", static_cast<double>(o.growth_interval));
}

constexpr const char *kScale = "grad_scaler.scale", *kGrowthTracker = "grad_scaler.growth_tracker";

/// scale * factor, rounded once, as PyTorch does.
Tensor product(const Tensor& scale, double factor) {
  return kernels::cast(kernels::mul(kernels::cast(scale, DType::f64), factor), DType::f32);
}

}  // namespace

GradScaler::GradScaler(Optimizer& optimizer, const GradScalerOptions& options)
    : optimizer_(optimizer), options_(options) {
  check(options);
  if (!options.enabled) return;
  const Device device = optimizer.step_tensor().device();
  scale_ = kernels::full({}, options.init_scale, DType::f32, device);
  growth_tracker_ = kernels::zeros({}, DType::i32, device);
  found_inf_ = kernels::zeros({}, DType::f64, device);
  stop_ = kernels::zeros({}, DType::f64, device);
  optimizer.carry(kScale, scale_);
  optimizer.carry(kGrowthTracker, growth_tracker_);
}

GradScaler::~GradScaler() {
  if (!is_enabled()) return;
  optimizer_.drop(kScale);
  optimizer_.drop(kGrowthTracker);
  if (optimizer_.stop_flag().is_same(stop_)) optimizer_.stop_when(outer_stop_);
}

void GradScaler::expect(const char* op, bool allowed, const char* why) const {
  if (!allowed) throw StateError("[GradScaler::" + std::string(op) + "] expected " + why);
}

Tensor GradScaler::scale(const Tensor& loss) const { return is_enabled() ? loss * scale_ : loss; }

// max(|g|) is infinite or NaN if an element is.
void GradScaler::unscale_() {
  if (!is_enabled()) return;
  expect("unscale_", stage_ == Stage::ready, "one call between two of update(), got a second one");
  const NoGradGuard no_grad;
  std::vector<Tensor> parameters;
  for (const ParameterSegment& segment : optimizer_.segments()) parameters.push_back(segment.parameter);
  const Tensor inverse = kernels::cast(kernels::reciprocal(kernels::cast(scale_, DType::f64)), DType::f32);
  Tensor largest = kernels::zeros({}, DType::f64, scale_.device());
  const std::vector<Tensor> gradients = nn::detail::given_gradients(parameters);
  for (const Tensor& gradient : gradients) {
    largest = kernels::maximum(largest, kernels::cast(max(kernels::abs(gradient)), DType::f64));
    nn::detail::scale_gradient(gradient, inverse);
  }
  kernels::copy_(found_inf_, kernels::logical_not(kernels::isfinite(largest)));
  has_gradients_ = !gradients.empty();
  stage_ = Stage::unscaled;
}

void GradScaler::step() {
  if (!is_enabled()) return optimizer_.step();
  expect("step", stage_ != Stage::stepped, "update() after the last step, got a second one");
  if (stage_ == Stage::ready) unscale_();
  if (!has_gradients_) {
    stage_ = Stage::ready;
    throw StateError("[GradScaler::step] expected a gradient, got none; call backward(scaler.scale(loss)) first");
  }
  if (!optimizer_.stop_flag().is_same(stop_)) {
    outer_stop_ = optimizer_.stop_flag();
    optimizer_.stop_when(stop_);
  }
  if (outer_stop_.defined())
    kernels::copy_(stop_, kernels::logical_or(found_inf_, outer_stop_));
  else
    kernels::copy_(stop_, found_inf_);
  optimizer_.step();
  stage_ = Stage::stepped;
}

void GradScaler::update() {
  if (!is_enabled()) return;
  expect("update", stage_ == Stage::stepped, "step() first");
  const NoGradGuard no_grad;
  const Tensor found = kernels::ne(found_inf_, 0), good = kernels::add(growth_tracker_, 1);
  const Tensor grows = kernels::eq(good, options_.growth_interval), raised = product(scale_, options_.growth_factor);
  const Tensor grown = kernels::where(kernels::logical_and(grows, kernels::isfinite(raised)), raised, scale_);
  Tensor scale = kernels::where(found, product(scale_, options_.backoff_factor), grown);
  Tensor tracker = kernels::where(kernels::logical_or(found, grows), 0, good);
  if (outer_stop_.defined()) {  // the step was none
    const Tensor stopped = kernels::ne(outer_stop_, 0);
    scale = kernels::where(stopped, scale_, scale);
    tracker = kernels::where(stopped, growth_tracker_, tracker);
  }
  kernels::copy_(scale_, scale);
  kernels::copy_(growth_tracker_, tracker);
  // A step of the optimizer alone must not see this step's infinite gradient.
  outer_stop_.defined() ? kernels::copy_(stop_, outer_stop_) : kernels::fill_(stop_, 0);
  stage_ = Stage::ready;
}

double GradScaler::get_scale() const { return is_enabled() ? scale_.item<double>() : 1.0; }

}  // namespace hop::optim
