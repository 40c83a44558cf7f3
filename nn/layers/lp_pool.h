// Power means of windows: torch.nn.LPPool1d, LPPool2d and LPPool3d.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "autograd/pool_nd.h"
#include "nn/module.h"
#include "nn/options.h"

namespace hop::nn {

/// (sum x^norm_type)^(1 / norm_type) of each window of x (N, C, L): see lp_pool1d(). torch.nn.LPPool1d.
class LPPool1d : public Module {
 public:
  /// `stride` is by default equal to the kernel. Throws ConfigError for a kernel or a stride below 1, and unless
  /// norm_type is finite and above 0.
  LPPool1d(double norm_type, std::int64_t kernel_size, std::optional<std::int64_t> stride = {}, bool ceil_mode = false);
  Tensor forward(const Tensor& x) override { return lp_pool1d(x, norm_type_, window_, {.ceil_mode = ceil_mode_}); }
  std::string type_name() const override { return "LPPool1d"; }
  std::string extra_repr() const override;

 private:
  double norm_type_;
  PoolWindow window_;
  bool ceil_mode_;
};

/// The same for x (N, C, H, W).
class LPPool2d : public Module {
 public:
  LPPool2d(double norm_type, Size2d kernel_size, std::optional<Size2d> stride = {}, bool ceil_mode = false);
  Tensor forward(const Tensor& x) override { return lp_pool2d(x, norm_type_, options_); }
  std::string type_name() const override { return "LPPool2d"; }
  std::string extra_repr() const override;

 private:
  double norm_type_;
  Pool2dOptions options_;
};

/// The same for x (N, C, D, H, W).
class LPPool3d : public Module {
 public:
  LPPool3d(double norm_type, Size3d kernel_size, std::optional<Size3d> stride = {}, bool ceil_mode = false);
  Tensor forward(const Tensor& x) override { return lp_pool3d(x, norm_type_, windows_, {.ceil_mode = ceil_mode_}); }
  std::string type_name() const override { return "LPPool3d"; }
  std::string extra_repr() const override;

 private:
  double norm_type_;
  std::array<PoolWindow, 3> windows_;
  bool ceil_mode_;
};

}  // namespace hop::nn
