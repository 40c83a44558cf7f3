#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>

#include "kernels/norm.h"
#include "nn/module.h"

namespace hop::nn {

namespace detail {

/// While it lives, each BatchNorm that this thread trains keeps the mean over all its batches instead of a moving one:
/// batch k since num_batches_tracked was 0 has the momentum 1 / k, as without a momentum.
class MeanOfBatches {
 public:
  MeanOfBatches();
  ~MeanOfBatches();
  MeanOfBatches(const MeanOfBatches&) = delete;
  MeanOfBatches& operator=(const MeanOfBatches&) = delete;

 private:
  bool before_;
};

}  // namespace detail

struct BatchNormOptions {
  double eps = 1e-5;  ///< finite, at least 0 (ConfigError)
  /// 0..1 (ConfigError): the weight of this batch in the running statistics. std::nullopt, PyTorch's None: they are
  /// means over all batches since num_batches_tracked was 0.
  std::optional<double> momentum = 0.1;
  bool affine = true;
  bool track_running_stats = true;
  bool bias = true;  ///< of an affine layer
  DType dtype = DType::f32;
};

/// Normalisation per channel over all other dimensions (Ioffe & Szegedy, 2015), with the statistics of the batch while
/// training and the running ones (unbiased variance) in evaluation. torch.nn.BatchNorm1d and 2d. A call can include the
/// operations that follow: bn(x, {.residual = shortcut, .relu = true}) is relu(bn(x) + shortcut), with the same bits,
/// and while training without extra passes over memory for the addition and the activation. Hooks then see the result
/// of all three.
class BatchNorm : public Module {
 public:
  using Module::operator();
  Tensor operator()(const Tensor& x, const BatchNormTail& tail) {
    return with_hooks(x, [&](const Tensor& input) { return forward(input, tail); });
  }
  Tensor forward(const Tensor& x) override { return forward(x, {}); }
  Tensor forward(const Tensor& x, const BatchNormTail& tail);
  void reset_parameters(const ParameterKeys& keys) override;
  /// Running statistics as before the first batch: mean 0, variance 1, no batch counted.
  void reset_running_stats();
  std::string extra_repr() const override;

  Parameter weight;                  ///< (C), undefined without affine
  Parameter bias;                    ///< (C), undefined without affine and without bias
  Buffer running_mean, running_var;  ///< (C), undefined without track_running_stats
  Buffer num_batches_tracked;        ///< () i64, undefined without track_running_stats

 protected:
  BatchNorm(std::int64_t num_features, const BatchNormOptions& options);
  virtual void check_input(const Tensor& x) const = 0;
  void check_dims(const Tensor& x, int least, int most, const char* expected) const;

 private:
  BatchNorm(const Shape& shape, const BatchNormOptions& options);
  void check_residual(const Tensor& x, const Tensor& residual) const;
  Tensor normalize(const Tensor& x, const BatchNormTail& tail);
  Tensor normalize_with_replicas(const Tensor& x, const BatchNormTail& tail);
  void update_running_stats(const Tensor& mean, const Tensor& var, double bessel);

  std::int64_t num_features_;
  BatchNormOptions options_;
};

/// x (N, C) or (N, C, L)
class BatchNorm1d : public BatchNorm {
 public:
  explicit BatchNorm1d(std::int64_t num_features, BatchNormOptions options = {}) : BatchNorm(num_features, options) {}
  std::string type_name() const override { return "BatchNorm1d"; }

 protected:
  void check_input(const Tensor& x) const override { check_dims(x, 2, 3, "(N, C) or (N, C, L)"); }
};

/// x (N, C, H, W)
class BatchNorm2d : public BatchNorm {
 public:
  explicit BatchNorm2d(std::int64_t num_features, BatchNormOptions options = {}) : BatchNorm(num_features, options) {}
  std::string type_name() const override { return "BatchNorm2d"; }

 protected:
  void check_input(const Tensor& x) const override { check_dims(x, 4, 4, "(N, C, H, W)"); }
};

/// x (N, C, D, H, W)
class BatchNorm3d : public BatchNorm {
 public:
  explicit BatchNorm3d(std::int64_t num_features, BatchNormOptions options = {}) : BatchNorm(num_features, options) {}
  std::string type_name() const override { return "BatchNorm3d"; }

 protected:
  void check_input(const Tensor& x) const override { check_dims(x, 5, 5, "(N, C, D, H, W)"); }
};

struct LayerNormOptions {
  double eps = 1e-5;
  bool elementwise_affine = true;
  bool bias = true;  ///< with elementwise_affine
  DType dtype = DType::f32;
};

/// Normalisation of each sample over its last dimensions `normalized_shape` (Ba et al., 2016). torch.nn.LayerNorm.
class LayerNorm : public Module {
 public:
  explicit LayerNorm(const Shape& normalized_shape, LayerNormOptions options = {});
  explicit LayerNorm(std::initializer_list<std::int64_t> normalized_shape, LayerNormOptions options = {})
      : LayerNorm(Shape(normalized_shape), options) {}

  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "LayerNorm"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< of normalized_shape, undefined without elementwise_affine
  Parameter bias;    ///< the same, undefined without bias, too

 private:
  Shape normalized_shape_;
  LayerNormOptions options_;
};

struct GroupNormOptions {
  double eps = 1e-5;  ///< finite, at least 0 (ConfigError)
  bool affine = true;
  bool bias = true;  ///< of an affine layer
  DType dtype = DType::f32;
};

/// Normalisation of each sample over groups of neighbouring channels (Wu & He, 2018): x (N, num_channels, ..).
/// torch.nn.GroupNorm. It computes the same in training and in evaluation, and a batch of one row is enough.
class GroupNorm : public Module {
 public:
  GroupNorm(std::int64_t num_groups, std::int64_t num_channels, GroupNormOptions options = {});

  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "GroupNorm"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (num_channels), undefined without affine
  Parameter bias;    ///< (num_channels), undefined without affine and without bias

 private:
  GroupNorm(std::int64_t num_groups, const Shape& shape, const GroupNormOptions& options);

  std::int64_t num_groups_, num_channels_;
  GroupNormOptions options_;
};

struct RMSNormOptions {
  std::optional<double> eps = {};  ///< by default the distance of 1 to the next number of x's dtype
  bool elementwise_affine = true;
  DType dtype = DType::f32;
};

/// x / sqrt(mean(x^2) + eps) weight over the last dimensions `normalized_shape` (Zhang & Sennrich, 2019).
/// torch.nn.RMSNorm.
class RMSNorm : public Module {
 public:
  explicit RMSNorm(const Shape& normalized_shape, RMSNormOptions options = {});
  explicit RMSNorm(std::initializer_list<std::int64_t> normalized_shape, RMSNormOptions options = {})
      : RMSNorm(Shape(normalized_shape), options) {}

  /// Throws ShapeError unless x is (.., normalized_shape), DtypeError.
  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "RMSNorm"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< of normalized_shape, undefined without elementwise_affine

 private:
  Tensor normalize(const Tensor& x, const Tensor& factor) const;

  Shape normalized_shape_;
  RMSNormOptions options_;
};

struct InstanceNormOptions {
  double eps = 1e-5;  ///< finite, at least 0 (ConfigError)
  /// 0..1 (ConfigError): the weight of this batch in the running statistics. std::nullopt, as in PyTorch: 0.
  std::optional<double> momentum = 0.1;
  bool affine = false;
  bool track_running_stats = false;
  bool bias = true;  ///< of an affine layer
  DType dtype = DType::f32;
};

/// Normalisation of each channel of each sample (Ulyanov et al., 2016), with or without a batch dimension.
/// torch.nn.InstanceNorm1d, 2d and 3d. It computes the same in training and in evaluation, unless it tracks running
/// statistics, the means over the samples of a batch: these take the place of the sample's own in evaluation.
class InstanceNorm : public Module {
 public:
  /// Throws ShapeError for another number of dimensions or channels, and for one value per channel where it takes the
  /// statistics of the sample.
  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  /// Running statistics as before the first batch: mean 0, variance 1.
  void reset_running_stats();
  std::string extra_repr() const override;

  Parameter weight;                  ///< (C), undefined without affine
  Parameter bias;                    ///< (C), undefined without affine and without bias
  Buffer running_mean, running_var;  ///< (C), undefined without track_running_stats
  /// () i64, undefined without track_running_stats. It stays 0, as in PyTorch.
  Buffer num_batches_tracked;

 protected:
  /// `form` is "(N, C, L) or (C, L)", where the first has `dims` dimensions.
  InstanceNorm(const char* form, int dims, std::int64_t num_features, const InstanceNormOptions& options);

 private:
  InstanceNorm(const char* form, int dims, const Shape& shape, const InstanceNormOptions& options);
  Tensor of_batch(const Tensor& x);
  void update_running_stats(const Tensor& x);

  const char* form_;
  int dims_;
  std::int64_t num_features_;
  InstanceNormOptions options_;
};

/// x (N, C, L) or (C, L)
class InstanceNorm1d : public InstanceNorm {
 public:
  explicit InstanceNorm1d(std::int64_t num_features, InstanceNormOptions options = {})
      : InstanceNorm("(N, C, L) or (C, L)", 3, num_features, options) {}
  std::string type_name() const override { return "InstanceNorm1d"; }
};

/// x (N, C, H, W) or (C, H, W)
class InstanceNorm2d : public InstanceNorm {
 public:
  explicit InstanceNorm2d(std::int64_t num_features, InstanceNormOptions options = {})
      : InstanceNorm("(N, C, H, W) or (C, H, W)", 4, num_features, options) {}
  std::string type_name() const override { return "InstanceNorm2d"; }
};

/// x (N, C, D, H, W) or (C, D, H, W)
class InstanceNorm3d : public InstanceNorm {
 public:
  explicit InstanceNorm3d(std::int64_t num_features, InstanceNormOptions options = {})
      : InstanceNorm("(N, C, D, H, W) or (C, D, H, W)", 5, num_features, options) {}
  std::string type_name() const override { return "InstanceNorm3d"; }
};

}  // namespace hop::nn
