// Pooling over sequences and volumes, and pooling to a given size. Inputs may lack the batch dimension N.
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
  std::int64_t padding = 0;              ///< at most half of what the kernel spans
  std::int64_t dilation = 1;             ///< of maxima: the distance between the values of a window
  bool ceil_mode = false;                ///< the last window may reach out of the line
  bool count_include_pad = true;         ///< of averages: padded zeros count
};

/// x (N, C, L): see max_pool1d(). torch.nn.MaxPool1d.
class MaxPool1d : public Module {
 public:
  /// Throws ConfigError for a kernel, a stride or a dilation below 1, and for an option of averages.
  explicit MaxPool1d(std::int64_t kernel_size, const Pool1dOptions& options = {});
  Tensor forward(const Tensor& x) override { return max_pool1d(x, window_, mode_); }
  /// PyTorch's return_indices=True, for MaxUnpool1d. Without hooks.
  PooledMaxima with_indices(const Tensor& x) const { return max_pool1d_with_indices(x, window_, mode_); }
  std::string type_name() const override { return "MaxPool1d"; }
  std::string extra_repr() const override;

 private:
  PoolWindow window_;
  PoolMode mode_;
};

/// x (N, C, L): see avg_pool1d(). torch.nn.AvgPool1d.
class AvgPool1d : public Module {
 public:
  /// Throws ConfigError for a kernel or a stride below 1, and for a dilation.
  explicit AvgPool1d(std::int64_t kernel_size, const Pool1dOptions& options = {});
  Tensor forward(const Tensor& x) override { return avg_pool1d(x, window_, mode_); }
  std::string type_name() const override { return "AvgPool1d"; }
  std::string extra_repr() const override;

 private:
  PoolWindow window_;
  PoolMode mode_;
};

struct Pool3dOptions {
  std::optional<Size3d> stride{};                  ///< by default equal to the kernel
  Size3d padding = 0;                              ///< at most half of what the kernel spans
  Size3d dilation = 1;                             ///< of maxima: the distance between the values of a window
  bool ceil_mode = false;                          ///< the last windows may reach out of the volume
  bool count_include_pad = true;                   ///< of averages: padded zeros count
  std::optional<std::int64_t> divisor_override{};  ///< of averages: instead of the number of values
};

/// x (N, C, D, H, W): see max_pool3d(). torch.nn.MaxPool3d.
class MaxPool3d : public Module {
 public:
  /// Throws ConfigError for a kernel, a stride or a dilation below 1, and for an option of averages.
  explicit MaxPool3d(Size3d kernel_size, const Pool3dOptions& options = {});
  Tensor forward(const Tensor& x) override { return max_pool3d(x, windows_, mode_); }
  /// PyTorch's return_indices=True, for MaxUnpool3d. Without hooks.
  PooledMaxima with_indices(const Tensor& x) const { return max_pool3d_with_indices(x, windows_, mode_); }
  std::string type_name() const override { return "MaxPool3d"; }
  std::string extra_repr() const override;

 private:
  std::array<PoolWindow, 3> windows_;
  PoolMode mode_;
};

/// x (N, C, D, H, W): see avg_pool3d(). torch.nn.AvgPool3d.
class AvgPool3d : public Module {
 public:
  /// Throws ConfigError for a kernel or a stride below 1, a dilation, and a divisor of 0.
  explicit AvgPool3d(Size3d kernel_size, const Pool3dOptions& options = {});
  Tensor forward(const Tensor& x) override { return avg_pool3d(x, windows_, mode_); }
  std::string type_name() const override { return "AvgPool3d"; }
  std::string extra_repr() const override;

 private:
  std::array<PoolWindow, 3> windows_;
  PoolMode mode_;
};

/// The common part of the layers below: windows of x's last dimensions, as many as there are sizes (see
/// adaptive_avg_pool). A size may be kKeepSize, PyTorch's None.
class AdaptivePool : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return name_; }
  std::string extra_repr() const override;

 protected:
  using Pool = Tensor (*)(const Tensor& x, const std::vector<std::int64_t>& sizes);
  /// Throws ConfigError for other sizes below 1. `form` is "(N, C, L) or (C, L)": an x has one dimension more than
  /// sizes, or two.
  AdaptivePool(const char* name, const char* form, Pool pool, std::vector<std::int64_t> output_size);
  /// Throws ShapeError for another number of dimensions.
  void check(const Tensor& x) const;
  const std::vector<std::int64_t>& output_size() const { return output_size_; }

 private:
  const char *name_, *form_;
  Pool pool_;
  std::vector<std::int64_t> output_size_;
};

/// Those of maxima.
class AdaptiveMaxPool : public AdaptivePool {
 public:
  /// PyTorch's return_indices=True. Without hooks.
  PooledMaxima with_indices(const Tensor& x) const;

 protected:
  AdaptiveMaxPool(const char* name, const char* form, std::vector<std::int64_t> output_size);
};

/// x (N, C, L) -> (N, C, output_size)
class AdaptiveAvgPool1d : public AdaptivePool {
 public:
  explicit AdaptiveAvgPool1d(std::int64_t output_size)
      : AdaptivePool("AdaptiveAvgPool1d", "(N, C, L) or (C, L)", adaptive_avg_pool, {output_size}) {}
};
/// x (N, C, D, H, W) -> (N, C, output_size)
class AdaptiveAvgPool3d : public AdaptivePool {
 public:
  explicit AdaptiveAvgPool3d(Size3d output_size)
      : AdaptivePool("AdaptiveAvgPool3d", "(N, C, D, H, W) or (C, D, H, W)", adaptive_avg_pool,
                     {output_size.sizes.begin(), output_size.sizes.end()}) {}
};
/// x (N, C, L) -> (N, C, output_size)
class AdaptiveMaxPool1d : public AdaptiveMaxPool {
 public:
  explicit AdaptiveMaxPool1d(std::int64_t output_size)
      : AdaptiveMaxPool("AdaptiveMaxPool1d", "(N, C, L) or (C, L)", {output_size}) {}
};
/// x (N, C, H, W) -> (N, C, height, width)
class AdaptiveMaxPool2d : public AdaptiveMaxPool {
 public:
  explicit AdaptiveMaxPool2d(Size2d output_size)
      : AdaptiveMaxPool("AdaptiveMaxPool2d", "(N, C, H, W) or (C, H, W)", {output_size.height, output_size.width}) {}
};
/// x (N, C, D, H, W) -> (N, C, output_size)
class AdaptiveMaxPool3d : public AdaptiveMaxPool {
 public:
  explicit AdaptiveMaxPool3d(Size3d output_size)
      : AdaptiveMaxPool("AdaptiveMaxPool3d", "(N, C, D, H, W) or (C, D, H, W)",
                        {output_size.sizes.begin(), output_size.sizes.end()}) {}
};

}  // namespace hop::nn
