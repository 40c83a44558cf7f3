#include "nn/layers/norm.h"

#include <limits>
#include <utility>

#include "autograd/activations.h"
#include "autograd/elementwise.h"
#include "autograd/grad_mode.h"
#include "autograd/group_norm.h"
#include "autograd/half_internal.h"
#include "autograd/inplace.h"
#include "autograd/norm.h"
#include "autograd/reduce.h"
#include "autograd/replica_norm_internal.h"
#include "autograd/view.h"
#include "kernels/expect_internal.h"
#include "nn/detail/layer.h"
#include "nn/detail/replica_statistics.h"
#include "nn/detail/text.h"
#include "nn/init.h"

namespace hop::nn {

using detail::filled_weight;

namespace {

/// The shape of statistics, of the options of BatchNorm or InstanceNorm.
template <class Options>
Shape per_channel_shape(const char* op, std::int64_t num_features, const Options& options) {
  detail::check_positive(op, {{"num_features", num_features}});
  kernels::expect_eps(op, options.eps);
  if (options.momentum && !(*options.momentum >= 0 && *options.momentum <= 1)) {
    throw ConfigError("[" + std::string(op) + "] expected a momentum in 0..1, got " + shortest(*options.momentum));
  }
  return {num_features};
}

void start_affine(const Parameter& weight, const Parameter& bias) {
  if (weight.defined()) init::constant_(weight, 1);
  if (bias.defined()) init::constant_(bias, 0);
}

/// Mean 0 and variance 1, if there are any.
void start_statistics(const Buffer& mean, const Buffer& var, const Buffer& count) {
  if (!mean.defined()) return;
  init::constant_(mean, 0);
  init::constant_(var, 1);
  init::constant_(count, 0);
}

/// PyTorch's text of `affine`, with the bias that it lacks.
std::string affine_text(bool affine, bool bias) {
  return detail::flag_text(affine) + (affine && !bias ? ", bias=False" : "");
}

std::string momentum_text(std::optional<double> momentum) { return momentum ? shortest(*momentum) : "None"; }

const Shape& checked(const Shape& normalized_shape, const LayerNormOptions& options) {
  kernels::expect_eps("LayerNorm", options.eps);
  for (const std::int64_t size : normalized_shape) detail::check_positive("LayerNorm", {{"sizes", size}});
  if (normalized_shape.empty()) throw ConfigError("[LayerNorm] expected at least one dimension, got none");
  return normalized_shape;
}

Shape grouped_channels(std::int64_t num_groups, std::int64_t num_channels, const GroupNormOptions& options) {
  kernels::expect_eps("GroupNorm", options.eps);
  detail::check_positive("GroupNorm", {{"num_groups", num_groups}, {"num_channels", num_channels}});
  if (num_channels % num_groups != 0) {
    throw ConfigError("[GroupNorm] expected num_channels that num_groups divides, got " + std::to_string(num_channels) +
                      " channels in " + std::to_string(num_groups) + " groups");
  }
  return {num_channels};
}

const Shape& checked(const Shape& normalized_shape, const RMSNormOptions& options) {
  if (options.eps) kernels::expect_eps("RMSNorm", *options.eps);
  for (const std::int64_t size : normalized_shape) detail::check_positive("RMSNorm", {{"sizes", size}});
  if (normalized_shape.empty()) throw ConfigError("[RMSNorm] expected at least one dimension, got none");
  return normalized_shape;
}

thread_local bool is_mean_of_batches = false;

}  // namespace

namespace detail {

MeanOfBatches::MeanOfBatches() : before_(std::exchange(is_mean_of_batches, true)) {}
MeanOfBatches::~MeanOfBatches() { is_mean_of_batches = before_; }

}  // namespace detail

BatchNorm::BatchNorm(std::int64_t num_features, const BatchNormOptions& options)
    : BatchNorm(per_channel_shape("BatchNorm", num_features, options), options) {}

BatchNorm::BatchNorm(const Shape& shape, const BatchNormOptions& options)
    : weight(options.affine ? register_parameter("weight", filled_weight(shape, 1, options.dtype)) : Parameter()),
      bias(options.affine && options.bias ? register_parameter("bias", filled_weight(shape, 0, options.dtype))
                                          : Parameter()),
      running_mean(options.track_running_stats ? register_buffer("running_mean", filled_weight(shape, 0, options.dtype))
                                               : Buffer()),
      running_var(options.track_running_stats ? register_buffer("running_var", filled_weight(shape, 1, options.dtype))
                                              : Buffer()),
      num_batches_tracked(options.track_running_stats
                              ? register_buffer("num_batches_tracked", kernels::zeros({}, DType::i64))
                              : Buffer()),
      num_features_(shape[0]),
      options_(options) {}

Tensor BatchNorm::forward(const Tensor& x, const BatchNormTail& tail) {
  check_input(x);
  check_residual(x, tail.residual);
  return normalize(x, tail);
}

Tensor BatchNorm::normalize(const Tensor& x, const BatchNormTail& tail) {
  if (!is_training() && running_mean.defined()) {
    Tensor y = batch_norm_eval(x, running_mean, running_var, weight, bias, options_.eps);
    if (tail.residual.defined()) y = y + tail.residual;
    return tail.relu ? relu(y) : y;
  }
  if (detail::ReplicaStatistics::talk() != nullptr && is_training()) return normalize_with_replicas(x, tail);
  const std::int64_t per_channel = x.numel() / num_features_;
  if (is_training() && per_channel < 2) {
    throw ShapeError("[" + type_name() + "] expected more than one value per channel while training, got " +
                     x.shape().to_string());
  }
  const BatchNormResult result = batch_norm(x, weight, bias, options_.eps, tail);
  if (is_training() && running_mean.defined()) {
    // The running variance estimates the variance of the population: Bessel's n / (n - 1) corrects the batch's biased
    // variance.
    const double bessel = static_cast<double>(per_channel) / static_cast<double>(per_channel - 1);
    update_running_stats(result.mean, result.var, bessel);
  }
  return result.y;
}

// A replayed step reads the count of the other replicas' rows anew, so the variance comes with Bessel's correction.
Tensor BatchNorm::normalize_with_replicas(const Tensor& x, const BatchNormTail& tail) {
  const ReplicaBatchNorm result =
      hop::replica_batch_norm(detail::ReplicaStatistics::talk(), x, weight, bias, options_.eps);
  if (running_mean.defined()) update_running_stats(result.mean, result.var, 1);
  const Tensor y = tail.residual.defined() ? result.y + tail.residual : result.y;
  return tail.relu ? relu(y) : y;
}

// Throws the same errors in evaluation as in training. Without it the addition in evaluation would broadcast and
// promote.
void BatchNorm::check_residual(const Tensor& x, const Tensor& residual) const {
  if (!residual.defined()) return;
  if (residual.shape() != x.shape()) {
    throw ShapeError("[" + type_name() + "] expected a residual of shape " + x.shape().to_string() + ", got " +
                     residual.shape().to_string());
  }
  if (residual.dtype() != x.dtype()) {
    throw DtypeError("[" + type_name() + "] expected a residual of dtype " + std::string(name(x.dtype())) + ", got " +
                     std::string(name(residual.dtype())));
  }
}

// `var` times `bessel` is unbiased.
void BatchNorm::update_running_stats(const Tensor& mean, const Tensor& var, double bessel) {
  const NoGradGuard no_grad;
  add_(num_batches_tracked, 1);
  if (!options_.momentum && !is_mean_of_batches) {  // a replayed step computes the share anew
    const Tensor share = kernels::div(1, kernels::cast(num_batches_tracked, mean.dtype()));
    copy_(running_mean, lerp(running_mean, mean, share));
    copy_(running_var, lerp(running_var, mul_(var, bessel), share));
    return;
  }
  const double share =
      is_mean_of_batches ? 1 / static_cast<double>(num_batches_tracked.item<std::int64_t>()) : *options_.momentum;
  lerp_(running_mean, mean, share);
  lerp_(running_var, mul_(var, bessel), share);
}

void BatchNorm::check_dims(const Tensor& x, int least, int most, const char* expected) const {
  if (!x.defined()) kernels::expect_defined(type_name().c_str(), x);
  if (x.dim() >= least && x.dim() <= most && x.size(1) == num_features_) return;
  throw ShapeError("[" + type_name() + "] expected " + expected + " with " + std::to_string(num_features_) +
                   " channels, got " + x.shape().to_string());
}

void BatchNorm::reset_parameters(const ParameterKeys&) {
  start_affine(weight, bias);
  reset_running_stats();
}

void BatchNorm::reset_running_stats() { start_statistics(running_mean, running_var, num_batches_tracked); }

std::string BatchNorm::extra_repr() const {
  return std::to_string(num_features_) + ", eps=" + shortest(options_.eps) +
         ", momentum=" + momentum_text(options_.momentum) + ", affine=" + affine_text(options_.affine, options_.bias) +
         ", track_running_stats=" + detail::flag_text(options_.track_running_stats);
}

LayerNorm::LayerNorm(const Shape& normalized_shape, LayerNormOptions options)
    : weight(options.elementwise_affine
                 ? register_parameter("weight", filled_weight(checked(normalized_shape, options), 1, options.dtype))
                 : Parameter()),
      bias(options.elementwise_affine && options.bias
               ? register_parameter("bias", filled_weight(normalized_shape, 0, options.dtype))
               : Parameter()),
      normalized_shape_(checked(normalized_shape, options)),
      options_(options) {}

Tensor LayerNorm::forward(const Tensor& x) { return layer_norm(x, normalized_shape_, weight, bias, options_.eps); }

void LayerNorm::reset_parameters(const ParameterKeys&) { start_affine(weight, bias); }

std::string LayerNorm::extra_repr() const {
  return normalized_shape_.to_string() + ", eps=" + shortest(options_.eps) +
         ", elementwise_affine=" + affine_text(options_.elementwise_affine, options_.bias);
}

GroupNorm::GroupNorm(std::int64_t num_groups, std::int64_t num_channels, GroupNormOptions options)
    : GroupNorm(num_groups, grouped_channels(num_groups, num_channels, options), options) {}

GroupNorm::GroupNorm(std::int64_t num_groups, const Shape& shape, const GroupNormOptions& options)
    : weight(options.affine ? register_parameter("weight", filled_weight(shape, 1, options.dtype)) : Parameter()),
      bias(options.affine && options.bias ? register_parameter("bias", filled_weight(shape, 0, options.dtype))
                                          : Parameter()),
      num_groups_(num_groups),
      num_channels_(shape[0]),
      options_(options) {}

Tensor GroupNorm::forward(const Tensor& x) {
  kernels::expect_defined("GroupNorm", x);
  if (x.dim() < 2 || x.size(1) != num_channels_) {
    throw ShapeError("[GroupNorm] expected (N, C, ..) with " + std::to_string(num_channels_) + " channels, got " +
                     x.shape().to_string());
  }
  return group_norm(x, num_groups_, weight, bias, options_.eps);
}

void GroupNorm::reset_parameters(const ParameterKeys&) { start_affine(weight, bias); }

std::string GroupNorm::extra_repr() const {
  return std::to_string(num_groups_) + ", " + std::to_string(num_channels_) + ", eps=" + shortest(options_.eps) +
         ", affine=" + affine_text(options_.affine, options_.bias);
}

RMSNorm::RMSNorm(const Shape& normalized_shape, RMSNormOptions options)
    : weight(options.elementwise_affine
                 ? register_parameter("weight", filled_weight(checked(normalized_shape, options), 1, options.dtype))
                 : Parameter()),
      normalized_shape_(checked(normalized_shape, options)),
      options_(options) {}

Tensor RMSNorm::forward(const Tensor& x) {
  if (!autograd::any_half(x, weight)) return normalize(x, weight);
  return autograd::rounded_like(normalize(autograd::in_f32(x), autograd::in_f32(weight)), x);
}

Tensor RMSNorm::normalize(const Tensor& x, const Tensor& factor) const {
  kernels::expect_floating("RMSNorm", {&x}, {&factor});
  Dims last;
  bool fits = x.dim() >= normalized_shape_.size();
  for (int i = 1; fits && i <= normalized_shape_.size(); ++i) {
    last.push_back(-i);
    fits = x.size(-i) == normalized_shape_[normalized_shape_.size() - i];
  }
  if (!fits) {
    throw ShapeError("[RMSNorm] expected a tensor whose last dimensions are " + normalized_shape_.to_string() +
                     ", got " + x.shape().to_string());
  }
  const double epsilon =
      x.dtype() == DType::f64 ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon();
  const Tensor y = x * rsqrt(mean(square(x), last, true) + options_.eps.value_or(epsilon));
  return factor.defined() ? y * factor : y;
}

void RMSNorm::reset_parameters(const ParameterKeys&) {
  if (weight.defined()) init::constant_(weight, 1);
}

std::string RMSNorm::extra_repr() const {
  return normalized_shape_.to_string() + ", eps=" + (options_.eps ? shortest(*options_.eps) : "None") +
         ", elementwise_affine=" + detail::flag_text(options_.elementwise_affine);
}

InstanceNorm::InstanceNorm(const char* form, int dims, std::int64_t num_features, const InstanceNormOptions& options)
    : InstanceNorm(form, dims, per_channel_shape("InstanceNorm", num_features, options), options) {}

InstanceNorm::InstanceNorm(const char* form, int dims, const Shape& shape, const InstanceNormOptions& options)
    : weight(options.affine ? register_parameter("weight", filled_weight(shape, 1, options.dtype)) : Parameter()),
      bias(options.affine && options.bias ? register_parameter("bias", filled_weight(shape, 0, options.dtype))
                                          : Parameter()),
      running_mean(options.track_running_stats ? register_buffer("running_mean", filled_weight(shape, 0, options.dtype))
                                               : Buffer()),
      running_var(options.track_running_stats ? register_buffer("running_var", filled_weight(shape, 1, options.dtype))
                                              : Buffer()),
      num_batches_tracked(options.track_running_stats
                              ? register_buffer("num_batches_tracked", kernels::zeros({}, DType::i64))
                              : Buffer()),
      form_(form),
      dims_(dims),
      num_features_(shape[0]),
      options_(options) {}

Tensor InstanceNorm::forward(const Tensor& x) {
  kernels::expect_defined(type_name().c_str(), x);
  const bool is_single = x.dim() == dims_ - 1;
  if ((!is_single && x.dim() != dims_) || x.size(is_single ? 0 : 1) != num_features_) {
    throw ShapeError("[" + type_name() + "] expected " + form_ + " with " + std::to_string(num_features_) +
                     " channels, got " + x.shape().to_string());
  }
  return is_single ? squeeze(of_batch(unsqueeze(x, 0)), 0) : of_batch(x);
}

// A group of one channel.
Tensor InstanceNorm::of_batch(const Tensor& x) {
  const bool is_tracking = running_mean.defined();
  if (is_tracking && !is_training()) return batch_norm_eval(x, running_mean, running_var, weight, bias, options_.eps);
  if (x.numel() == x.size(0) * num_features_ && x.numel() != 0) {
    throw ShapeError("[" + type_name() + "] expected more than one value per channel, got " + x.shape().to_string());
  }
  if (is_tracking && x.numel() != 0) update_running_stats(x);
  return group_norm(x, num_features_, weight, bias, options_.eps);
}

void InstanceNorm::update_running_stats(const Tensor& x) {
  if (!options_.momentum) return;
  const NoGradGuard no_grad;
  Dims places;
  for (int d = 2; d < x.dim(); ++d) places.push_back(d);
  const Tensor values = autograd::in_f32(x);
  lerp_(running_mean, mean(mean(values, places), {0}), *options_.momentum);
  lerp_(running_var, mean(var(values, places, 1), {0}), *options_.momentum);
}

void InstanceNorm::reset_parameters(const ParameterKeys&) {
  start_affine(weight, bias);
  reset_running_stats();
}

void InstanceNorm::reset_running_stats() { start_statistics(running_mean, running_var, num_batches_tracked); }

std::string InstanceNorm::extra_repr() const {
  return std::to_string(num_features_) + ", eps=" + shortest(options_.eps) +
         ", momentum=" + momentum_text(options_.momentum) + ", affine=" + affine_text(options_.affine, options_.bias) +
         ", track_running_stats=" + detail::flag_text(options_.track_running_stats);
}

}  // namespace hop::nn
