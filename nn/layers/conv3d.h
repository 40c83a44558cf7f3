// Convolutions of volumes, and their transposes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "autograd/conv3d.h"
#include "autograd/pad.h"
#include "nn/module.h"
#include "nn/options.h"

namespace hop::nn {

struct Conv3dOptions {
  Size3d stride = 1;
  Padding3d padding = 0;
  Size3d dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
  PadMode padding_mode = PadMode::constant;  ///< what stands in the padding; constant: zeros
  DType dtype = DType::f32;
};

/// Cross-correlation of x (N, in, D, H, W) with `out` kernels -> (N, out, O, P, Q), or (in, D, H, W) -> (out, O, P, Q).
/// torch.nn.Conv3d: see conv3d().
class Conv3d : public Module {
 public:
  /// Throws ConfigError for sizes below 1, channels that groups do not divide, kSame with a stride, and a negative
  /// padding in another mode than zeros.
  Conv3d(std::int64_t in_channels, std::int64_t out_channels, Size3d kernel_size, Conv3dOptions options = {});

  /// Throws ShapeError, DtypeError.
  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "Conv3d"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (out, in / groups, kernel depth, kernel height, kernel width)
  Parameter bias;    ///< (out), or undefined

 private:
  Padding3d padding_;
  PadMode padding_mode_;
  hop::Conv3dOptions options_;      // with the zeros that the convolution adds itself
  std::vector<std::int64_t> pads_;  // what pad() adds before it
};

/// `groups` and `bias` as in Conv3dOptions; the order is PyTorch's.
struct ConvTranspose3dOptions {
  Size3d stride = 1;
  Size3d padding = 0;         ///< cut from every side of the result
  Size3d output_padding = 0;  ///< more at the end of each dimension; below the stride or the dilation
  std::int64_t groups = 1;
  bool bias = true;
  Size3d dilation = 1;
  DType dtype = DType::f32;
};

/// The gradient of a Conv3d with respect to its input, as a layer: x (N, in, D, H, W) -> (N, out, O, P, Q),
/// or (in, D, H, W) -> (out, O, P, Q). torch.nn.ConvTranspose3d: see conv_transpose3d(). No padding_mode, as in
/// ConvTranspose2d.
class ConvTranspose3d : public Module {
 public:
  /// Throws ConfigError for sizes below 1 and channels that groups do not divide.
  ConvTranspose3d(std::int64_t in_channels, std::int64_t out_channels, Size3d kernel_size,
                  ConvTranspose3dOptions options = {});

  using Module::operator();
  /// Throws ShapeError, DtypeError.
  Tensor forward(const Tensor& x) override;
  Tensor operator()(const Tensor& x, Size3d output_size);  ///< see ConvTranspose2d
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "ConvTranspose3d"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (in, out / groups, kernel depth, kernel height, kernel width)
  Parameter bias;    ///< (out), or undefined

 private:
  hop::ConvTranspose3dOptions options_;
};

}  // namespace hop::nn
