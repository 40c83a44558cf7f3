#pragma once

#include "kernels/conv.h"
#include "nn/module.h"
#include "nn/options.h"

namespace hop::nn {

struct Conv2dOptions {
  Size2d stride = 1;
  Size2d padding = 0;
  Size2d dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
  DType dtype = DType::f32;
};

/// Cross-correlation of x (N, in, H, W) with `out` kernels -> (N, out, P, Q). torch.nn.Conv2d, zero padding.
class Conv2d : public Module {
 public:
  Conv2d(std::int64_t in_channels, std::int64_t out_channels, Size2d kernel_size, Conv2dOptions options = {});

  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "Conv2d"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (out, in / groups, kernel height, kernel width)
  Parameter bias;    ///< (out), or undefined

 private:
  hop::Conv2dOptions options_;
};

struct Conv1dOptions {
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  std::int64_t dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
  DType dtype = DType::f32;
};

/// Cross-correlation of x (N, in, L) with `out` kernels -> (N, out, M), M = (L + 2 padding - dilation (kernel - 1) - 1)
/// / stride + 1, rounded down. torch.nn.Conv1d, zero padding. It is a conv2d() of images of height 1.
class Conv1d : public Module {
 public:
  Conv1d(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel_size, Conv1dOptions options = {});

  /// Throws ShapeError, DtypeError.
  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "Conv1d"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (out, in / groups, kernel)
  Parameter bias;    ///< (out), or undefined

 private:
  Conv1dOptions options_;
};

}  // namespace hop::nn
