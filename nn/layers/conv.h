// Convolutions and transposed convolutions, and the windows of an image.
#pragma once

#include <vector>

#include "autograd/conv.h"
#include "kernels/conv.h"
#include "nn/module.h"
#include "nn/options.h"

namespace hop::nn {

struct Conv2dOptions {
  Size2d stride = 1;
  Padding2d padding = 0;
  Size2d dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
  DType dtype = DType::f32;
};

/// Cross-correlation of x (N, in, H, W) with `out` kernels -> (N, out, P, Q). torch.nn.Conv2d, zero padding.
class Conv2d : public Module {
 public:
  /// Throws ConfigError for sizes below 1, channels that groups do not divide, and kSame with a stride.
  Conv2d(std::int64_t in_channels, std::int64_t out_channels, Size2d kernel_size, Conv2dOptions options = {});

  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "Conv2d"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (out, in / groups, kernel height, kernel width)
  Parameter bias;    ///< (out), or undefined

 private:
  hop::Conv2dOptions options_;
  bool is_same_;
  std::vector<std::int64_t> pads_;  // of kSame, if the zeros of both sides differ: those that pad() adds
};

struct Conv1dOptions {
  std::int64_t stride = 1;
  Padding1d padding = 0;
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

/// `groups` and `bias` as in Conv2dOptions; the order is PyTorch's.
struct ConvTranspose2dOptions {
  Size2d stride = 1;
  Size2d padding = 0;         ///< rows and columns cut from every side of the result
  Size2d output_padding = 0;  ///< rows and columns more below and on the right; below the stride
  std::int64_t groups = 1;
  bool bias = true;
  Size2d dilation = 1;
  DType dtype = DType::f32;
};

/// The gradient of a Conv2d with respect to its input, as a layer: x (N, in, H, W) -> (N, out, P, Q), P = (H - 1)
/// stride - 2 padding + dilation (kernel - 1) + output_padding + 1. torch.nn.ConvTranspose2d: see conv_transpose2d().
class ConvTranspose2d : public Module {
 public:
  /// Throws ConfigError for sizes below 1 and channels that groups do not divide.
  ConvTranspose2d(std::int64_t in_channels, std::int64_t out_channels, Size2d kernel_size,
                  ConvTranspose2dOptions options = {});

  /// Throws ShapeError, DtypeError.
  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "ConvTranspose2d"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (in, out / groups, kernel height, kernel width)
  Parameter bias;    ///< (out), or undefined

 private:
  hop::ConvTranspose2dOptions options_;
};

struct ConvTranspose1dOptions {
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  std::int64_t output_padding = 0;
  std::int64_t groups = 1;
  bool bias = true;
  std::int64_t dilation = 1;
  DType dtype = DType::f32;
};

/// The same along one dimension: x (N, in, L) -> (N, out, M). torch.nn.ConvTranspose1d.
class ConvTranspose1d : public Module {
 public:
  ConvTranspose1d(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel_size,
                  ConvTranspose1dOptions options = {});

  /// Throws ShapeError, DtypeError.
  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "ConvTranspose1d"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (in, out / groups, kernel)
  Parameter bias;    ///< (out), or undefined

 private:
  ConvTranspose1dOptions options_;
};

struct UnfoldOptions {
  Size2d dilation = 1;
  Size2d padding = 0;
  Size2d stride = 1;
};

/// The windows of an image as columns: (N, C, H, W) -> (N, C kernel height kernel width, L). torch.nn.Unfold: see
/// unfold().
class Unfold : public Module {
 public:
  explicit Unfold(Size2d kernel_size, UnfoldOptions options = {});
  Tensor forward(const Tensor& x) override { return unfold(x, options_); }
  std::string type_name() const override { return "Unfold"; }
  std::string extra_repr() const override;

 private:
  WindowOptions options_;
};

/// The sum of columns where their windows overlap: (N, C kernel height kernel width, L) -> (N, C, H, W). torch.nn.Fold:
/// see fold().
class Fold : public Module {
 public:
  Fold(Size2d output_size, Size2d kernel_size, UnfoldOptions options = {});
  Tensor forward(const Tensor& x) override { return fold(x, output_size_.array(), options_); }
  std::string type_name() const override { return "Fold"; }
  std::string extra_repr() const override;

 private:
  Size2d output_size_;
  WindowOptions options_;
};

}  // namespace hop::nn
