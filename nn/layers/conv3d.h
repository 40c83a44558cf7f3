// Convolutions of volumes, and their transposes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "autograd/conv3d.h"
#include "nn/module.h"
#include "nn/options.h"

namespace hop::nn {

struct Conv3dOptions {
  Size3d stride = 1;
  Padding3d padding = 0;
  Size3d dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
  DType dtype = DType::f32;
};

/// Cross-correlation of x (N, in, D, H, W) with `out` kernels -> (N, out, O, P, Q). torch.nn.Conv3d, zero padding: see
/// conv3d().
class Conv3d : public Module {
 public:
  /// Throws ConfigError for sizes below 1, channels that groups do not divide, and kSame with a stride.
  Conv3d(std::int64_t in_channels, std::int64_t out_channels, Size3d kernel_size, Conv3dOptions options = {});

  /// Throws ShapeError, DtypeError.
  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "Conv3d"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (out, in / groups, kernel depth, kernel height, kernel width)
  Parameter bias;    ///< (out), or undefined

 private:
  hop::Conv3dOptions options_;
  bool is_same_;
  std::vector<std::int64_t> pads_;  // of kSame, if the zeros of both sides differ: those that pad() adds
};

/// `groups` and `bias` as in Conv3dOptions; the order is PyTorch's.
struct ConvTranspose3dOptions {
  Size3d stride = 1;
  Size3d padding = 0;         ///< cut from every side of the result
  Size3d output_padding = 0;  ///< more at the end of each dimension; below the stride
  std::int64_t groups = 1;
  bool bias = true;
  Size3d dilation = 1;
  DType dtype = DType::f32;
};

/// The gradient of a Conv3d with respect to its input, as a layer: x (N, in, D, H, W) -> (N, out, O, P, Q).
/// torch.nn.ConvTranspose3d: see conv_transpose3d().
class ConvTranspose3d : public Module {
 public:
  /// Throws ConfigError for sizes below 1 and channels that groups do not divide.
  ConvTranspose3d(std::int64_t in_channels, std::int64_t out_channels, Size3d kernel_size,
                  ConvTranspose3dOptions options = {});

  /// Throws ShapeError, DtypeError.
  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "ConvTranspose3d"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (in, out / groups, kernel depth, kernel height, kernel width)
  Parameter bias;    ///< (out), or undefined

 private:
  hop::ConvTranspose3dOptions options_;
};

}  // namespace hop::nn
