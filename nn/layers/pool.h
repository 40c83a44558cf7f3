// Pooling over x (N, C, H, W).
#pragma once

#include <optional>

#include "autograd/pool.h"
#include "nn/module.h"
#include "nn/options.h"

namespace hop::nn {

struct PoolOptions {
  std::optional<Size2d> stride = {};  ///< by default equal to the kernel
  Size2d padding = 0;                 ///< at most half the kernel
};

class MaxPool2d : public Module {
 public:
  explicit MaxPool2d(Size2d kernel_size, PoolOptions options = {});
  Tensor forward(const Tensor& x) override;
  /// PyTorch's return_indices=True, for MaxUnpool2d. Without hooks.
  PooledMaxima with_indices(const Tensor& x) const { return max_pool2d_with_indices(x, options_); }
  std::string type_name() const override { return "MaxPool2d"; }
  std::string extra_repr() const override;

 private:
  hop::Pool2dOptions options_;
};

/// Padded zeros count in the mean (PyTorch's default).
class AvgPool2d : public Module {
 public:
  explicit AvgPool2d(Size2d kernel_size, PoolOptions options = {});
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "AvgPool2d"; }
  std::string extra_repr() const override;

 private:
  hop::Pool2dOptions options_;
};

/// The mean of each channel: (N, C, H, W) -> (N, C). AdaptiveAvgPool2d(1) and Flatten in one.
class GlobalAvgPool2d : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "GlobalAvgPool2d"; }
};

/// The means of output_size windows: (N, C, H, W) -> (N, C, height, width). Windows overlap where the sizes do not
/// divide the input's (autograd/pool_nd.h).
class AdaptiveAvgPool2d : public Module {
 public:
  /// Throws ConfigError for sizes below 1.
  explicit AdaptiveAvgPool2d(Size2d output_size);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "AdaptiveAvgPool2d"; }
  std::string extra_repr() const override;

 private:
  Size2d output_size_;
};

}  // namespace hop::nn
