// Pooling over sequences and volumes, and pooling to a given size.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "autograd/pool_nd.h"
#include "nn/module.h"
#include "nn/options.h"

namespace hop::nn {

struct Pool1dOptions {
  std::optional<std::int64_t> stride{};  ///< by default equal to the kernel
  std::int64_t padding = 0;              ///< at most half the kernel
};

/// x (N, C, L). torch.nn.MaxPool1d; not there: dilation, ceil_mode.
class MaxPool1d : public Module {
 public:
  /// Throws ConfigError for a kernel or a stride below 1.
  explicit MaxPool1d(std::int64_t kernel_size, const Pool1dOptions& options = {});
  Tensor forward(const Tensor& x) override { return max_pool1d(x, window_); }
  /// PyTorch's return_indices=True, for MaxUnpool1d. Without hooks.
  PooledMaxima with_indices(const Tensor& x) const { return max_pool1d_with_indices(x, window_); }
  std::string type_name() const override { return "MaxPool1d"; }
  std::string extra_repr() const override;

 private:
  PoolWindow window_;
};

/// x (N, C, L). Padded zeros count in the mean. torch.nn.AvgPool1d; not there: ceil_mode, count_include_pad=False.
class AvgPool1d : public Module {
 public:
  explicit AvgPool1d(std::int64_t kernel_size, const Pool1dOptions& options = {});
  Tensor forward(const Tensor& x) override { return avg_pool1d(x, window_); }
  std::string type_name() const override { return "AvgPool1d"; }
  std::string extra_repr() const override;

 private:
  PoolWindow window_;
};

struct Pool3dOptions {
  std::optional<Size3d> stride{};  ///< by default equal to the kernel
  Size3d padding = 0;              ///< at most half the kernel
};

/// x (N, C, D, H, W). torch.nn.MaxPool3d; not there: dilation, ceil_mode.
class MaxPool3d : public Module {
 public:
  explicit MaxPool3d(Size3d kernel_size, const Pool3dOptions& options = {});
  Tensor forward(const Tensor& x) override { return max_pool3d(x, windows_); }
  /// PyTorch's return_indices=True, for MaxUnpool3d. Without hooks.
  PooledMaxima with_indices(const Tensor& x) const { return max_pool3d_with_indices(x, windows_); }
  std::string type_name() const override { return "MaxPool3d"; }
  std::string extra_repr() const override;

 private:
  std::array<PoolWindow, 3> windows_;
};

/// x (N, C, D, H, W). Padded zeros count in the mean. torch.nn.AvgPool3d; not there: ceil_mode,
/// count_include_pad=False.
class AvgPool3d : public Module {
 public:
  explicit AvgPool3d(Size3d kernel_size, const Pool3dOptions& options = {});
  Tensor forward(const Tensor& x) override { return avg_pool3d(x, windows_); }
  std::string type_name() const override { return "AvgPool3d"; }
  std::string extra_repr() const override;

 private:
  std::array<PoolWindow, 3> windows_;
};

/// The common part of the layers below: windows of x's last dimensions, as many as there are sizes (see
/// adaptive_avg_pool).
class AdaptivePool : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return name_; }
  std::string extra_repr() const override;

 protected:
  using Pool = Tensor (*)(const Tensor& x, const std::vector<std::int64_t>& sizes);
  /// Throws ConfigError for sizes below 1. `form` is "(N, C, L)", of an x with two dimensions more than sizes.
  AdaptivePool(const char* name, const char* form, Pool pool, std::vector<std::int64_t> output_size);

 private:
  const char *name_, *form_;
  Pool pool_;
  std::vector<std::int64_t> output_size_;
};

/// x (N, C, L) -> (N, C, output_size)
class AdaptiveAvgPool1d : public AdaptivePool {
 public:
  explicit AdaptiveAvgPool1d(std::int64_t output_size)
      : AdaptivePool("AdaptiveAvgPool1d", "(N, C, L)", adaptive_avg_pool, {output_size}) {}
};
/// x (N, C, D, H, W) -> (N, C, output_size)
class AdaptiveAvgPool3d : public AdaptivePool {
 public:
  explicit AdaptiveAvgPool3d(Size3d output_size)
      : AdaptivePool("AdaptiveAvgPool3d", "(N, C, D, H, W)", adaptive_avg_pool,
                     {output_size.sizes.begin(), output_size.sizes.end()}) {}
};
/// x (N, C, L) -> (N, C, output_size)
class AdaptiveMaxPool1d : public AdaptivePool {
 public:
  explicit AdaptiveMaxPool1d(std::int64_t output_size)
      : AdaptivePool("AdaptiveMaxPool1d", "(N, C, L)", adaptive_max_pool, {output_size}) {}
};
/// x (N, C, H, W) -> (N, C, height, width)
class AdaptiveMaxPool2d : public AdaptivePool {
 public:
  explicit AdaptiveMaxPool2d(std::int64_t height, std::int64_t width)
      : AdaptivePool("AdaptiveMaxPool2d", "(N, C, H, W)", adaptive_max_pool, {height, width}) {}
  explicit AdaptiveMaxPool2d(std::int64_t square) : AdaptiveMaxPool2d(square, square) {}
};
/// x (N, C, D, H, W) -> (N, C, output_size)
class AdaptiveMaxPool3d : public AdaptivePool {
 public:
  explicit AdaptiveMaxPool3d(Size3d output_size)
      : AdaptivePool("AdaptiveMaxPool3d", "(N, C, D, H, W)", adaptive_max_pool,
                     {output_size.sizes.begin(), output_size.sizes.end()}) {}
};

}  // namespace hop::nn
