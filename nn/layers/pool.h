// Pooling over x (N, C, H, W), or over one image (C, H, W).
#pragma once

#include <optional>

#include "autograd/pool.h"
#include "autograd/pool_nd.h"
#include "nn/module.h"
#include "nn/options.h"

namespace hop::nn {

struct PoolOptions {
  std::optional<Size2d> stride = {};                  ///< by default equal to the kernel
  Size2d padding = 0;                                 ///< at most half of what the kernel spans
  Size2d dilation = 1;                                ///< of maxima: the distance between the values of a window
  bool ceil_mode = false;                             ///< the last windows may reach out of the image
  bool count_include_pad = true;                      ///< of averages: padded zeros count
  std::optional<std::int64_t> divisor_override = {};  ///< of averages: instead of the number of values
};

/// The maximum of each window: see max_pool2d().
class MaxPool2d : public Module {
 public:
  /// Throws ConfigError for a kernel, a stride or a dilation below 1, and for an option of averages.
  explicit MaxPool2d(Size2d kernel_size, PoolOptions options = {});
  Tensor forward(const Tensor& x) override;
  /// PyTorch's return_indices=True, for MaxUnpool2d. Without hooks.
  PooledMaxima with_indices(const Tensor& x) const { return max_pool2d_with_indices(x, options_); }
  std::string type_name() const override { return "MaxPool2d"; }
  std::string extra_repr() const override;

 private:
  hop::Pool2dOptions options_;
};

/// The mean of each window: see avg_pool2d().
class AvgPool2d : public Module {
 public:
  /// Throws ConfigError for a kernel or a stride below 1, a dilation, and a divisor of 0.
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

/// The means of output_size windows: (N, C, H, W) -> (N, C, height, width), or (C, H, W) -> (C, height, width). Windows
/// overlap where the sizes do not divide the input's (autograd/pool_nd.h). `AdaptiveAvgPool2d({kKeepSize, 7})` keeps
/// the height: PyTorch's None.
class AdaptiveAvgPool2d : public Module {
 public:
  /// Throws ConfigError for sizes below 1 other than kKeepSize.
  explicit AdaptiveAvgPool2d(Size2d output_size);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "AdaptiveAvgPool2d"; }
  std::string extra_repr() const override;

 private:
  Size2d output_size_;
};

}  // namespace hop::nn
