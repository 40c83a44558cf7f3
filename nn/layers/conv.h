// Convolutions and transposed convolutions, and the windows of an image.
#pragma once

#include <vector>

#include "autograd/conv.h"
#include "autograd/pad.h"
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
  PadMode padding_mode = PadMode::constant;  ///< what stands in the padding; constant: zeros
  DType dtype = DType::f32;
};

/// Cross-correlation of x (N, in, H, W) with `out` kernels -> (N, out, P, Q), or (in, H, W) -> (out, P, Q).
/// torch.nn.Conv2d.
class Conv2d : public Module {
 public:
  /// Throws ConfigError for sizes below 1, channels that groups do not divide, kSame with a stride, and a negative
  /// padding in another mode than zeros.
  Conv2d(std::int64_t in_channels, std::int64_t out_channels, Size2d kernel_size, Conv2dOptions options = {});

  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "Conv2d"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (out, in / groups, kernel height, kernel width)
  Parameter bias;    ///< (out), or undefined

 private:
  Padding2d padding_;
  PadMode padding_mode_;
  hop::Conv2dOptions options_;      // with the zeros that the convolution adds itself
  std::vector<std::int64_t> pads_;  // what pad() adds before it
};

struct Conv1dOptions {
  std::int64_t stride = 1;
  Padding1d padding = 0;
  std::int64_t dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
  PadMode padding_mode = PadMode::constant;  ///< what stands in the padding; constant: zeros
  DType dtype = DType::f32;
};

/// Cross-correlation of x (N, in, L) with `out` kernels -> (N, out, M), M = (L + 2 padding - dilation (kernel - 1) - 1)
/// / stride + 1, rounded down. Or (in, L) -> (out, M). torch.nn.Conv1d: see conv1d().
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
  std::int64_t zeros_;              // that the convolution adds itself
  std::vector<std::int64_t> pads_;  // what pad() adds before it
};

/// `groups` and `bias` as in Conv2dOptions; the order is PyTorch's.
struct ConvTranspose2dOptions {
  Size2d stride = 1;
  Size2d padding = 0;         ///< rows and columns cut from every side of the result
  Size2d output_padding = 0;  ///< rows and columns more below and on the right; below the stride or the dilation
  std::int64_t groups = 1;
  bool bias = true;
  Size2d dilation = 1;
  DType dtype = DType::f32;
};

/// The gradient of a Conv2d with respect to its input, as a layer: x (N, in, H, W) -> (N, out, P, Q), P = (H - 1)
/// stride - 2 padding + dilation (kernel - 1) + output_padding + 1. Or (in, H, W) -> (out, P, Q). torch.nn
/// .ConvTranspose2d: see conv_transpose2d(). Its padding is cut, so it has no padding_mode (PyTorch takes "zeros").
class ConvTranspose2d : public Module {
 public:
  /// Throws ConfigError for sizes below 1 and channels that groups do not divide.
  ConvTranspose2d(std::int64_t in_channels, std::int64_t out_channels, Size2d kernel_size,
                  ConvTranspose2dOptions options = {});

  using Module::operator();
  /// Throws ShapeError, DtypeError.
  Tensor forward(const Tensor& x) override;
  /// A result of this height and width, which takes the place of output_padding: of the sizes from 0 to stride - 1 more
  /// than without one. Hooks see x. Throws ShapeError for another size.
  Tensor operator()(const Tensor& x, Size2d output_size);
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

/// The same along one dimension: x (N, in, L) -> (N, out, M), or (in, L) -> (out, M). torch.nn.ConvTranspose1d.
class ConvTranspose1d : public Module {
 public:
  ConvTranspose1d(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel_size,
                  ConvTranspose1dOptions options = {});

  using Module::operator();
  /// Throws ShapeError, DtypeError.
  Tensor forward(const Tensor& x) override;
  Tensor operator()(const Tensor& x, std::int64_t output_size);  ///< see ConvTranspose2d
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
