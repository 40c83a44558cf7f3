// The partial inverses of MaxPool1d, MaxPool2d and MaxPool3d.
//
//   nn::MaxPool2d pool(2);
//   nn::MaxUnpool2d unpool(2);
//   const auto [y, places] = pool.with_indices(x);
//   unpool(y, places);  // x's maxima in their places, and zeros
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "autograd/unpool.h"
#include "nn/layers/pool.h"
#include "nn/layers/pool_nd.h"
#include "nn/module.h"
#include "nn/options.h"

namespace hop::nn {

/// x (N, C, P), or (C, P), and the indices of its maxima -> (N, C, L): see max_unpool1d(). torch.nn.MaxUnpool1d. A call
/// with one tensor throws hop::Error.
class MaxUnpool1d : public Module {
 public:
  /// `options` as of the pooling: stride, padding and dilation count. Throws ConfigError for a kernel, a stride or a
  /// dilation below 1.
  explicit MaxUnpool1d(std::int64_t kernel_size, const Pool1dOptions& options = {});

  using Module::operator();
  using Module::forward;
  /// Hooks see x. Throws ShapeError, DtypeError, IndexError.
  Tensor operator()(const Tensor& x, const Tensor& indices, std::optional<std::int64_t> output_size = {}) {
    return with_hooks(x, [&](const Tensor& input) { return max_unpool1d(input, indices, window_, output_size); });
  }
  std::string type_name() const override { return "MaxUnpool1d"; }
  std::string extra_repr() const override;

 private:
  PoolWindow window_;
};

/// x (N, C, P, Q) -> (N, C, H, W): see max_unpool2d(). torch.nn.MaxUnpool2d.
class MaxUnpool2d : public Module {
 public:
  explicit MaxUnpool2d(Size2d kernel_size, const PoolOptions& options = {});

  using Module::operator();
  using Module::forward;
  Tensor operator()(const Tensor& x, const Tensor& indices, std::optional<Size2d> output_size = {});
  std::string type_name() const override { return "MaxUnpool2d"; }
  std::string extra_repr() const override;

 private:
  Pool2dOptions options_;
};

/// x (N, C, O, P, Q) -> (N, C, D, H, W): see max_unpool3d(). torch.nn.MaxUnpool3d.
class MaxUnpool3d : public Module {
 public:
  explicit MaxUnpool3d(Size3d kernel_size, const Pool3dOptions& options = {});

  using Module::operator();
  using Module::forward;
  Tensor operator()(const Tensor& x, const Tensor& indices, std::optional<Size3d> output_size = {});
  std::string type_name() const override { return "MaxUnpool3d"; }
  std::string extra_repr() const override;

 private:
  std::array<PoolWindow, 3> windows_;
};

}  // namespace hop::nn
