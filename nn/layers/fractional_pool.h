// Max pooling over windows at random places: torch.nn.FractionalMaxPool2d and FractionalMaxPool3d.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "autograd/fractional_pool.h"
#include "nn/module.h"
#include "nn/options.h"

namespace hop::nn {

/// Exactly one of output_size and output_ratio (ConfigError).
struct FractionalPool2dOptions {
  std::optional<Size2d> output_size{};
  /// Of the input's height and width, rounded down; above 0 and below 1 (ConfigError).
  std::optional<std::array<double, 2>> output_ratio{};
  /// (N, C, 2), or (1, C, 2) for one image: always the same windows, PyTorch's _random_samples. By default each call
  /// draws others.
  Tensor random_samples{};
};

/// x (N, C, H, W) -> (N, C, P, Q), or (C, H, W) -> (C, P, Q): see fractional_max_pool2d(). Takes its numbers from the
/// root's random address (Module::set_random_key), in evaluation, too, as in PyTorch.
class FractionalMaxPool2d : public Module {
 public:
  explicit FractionalMaxPool2d(Size2d kernel_size, const FractionalPool2dOptions& options = {});
  Tensor forward(const Tensor& x) override { return with_indices(x).values; }
  /// PyTorch's return_indices=True. Without hooks.
  PooledMaxima with_indices(const Tensor& x);
  std::string type_name() const override { return "FractionalMaxPool2d"; }

 private:
  std::array<std::int64_t, 2> kernel_;
  std::optional<std::array<std::int64_t, 2>> output_size_;
  std::array<double, 2> output_ratio_{};
  Buffer random_samples_;  // undefined: each call draws
};

struct FractionalPool3dOptions {
  std::optional<Size3d> output_size{};
  std::optional<std::array<double, 3>> output_ratio{};  ///< of depth, height and width
  Tensor random_samples{};                              ///< (N, C, 3)
};

/// The same for x (N, C, D, H, W): see fractional_max_pool3d().
class FractionalMaxPool3d : public Module {
 public:
  explicit FractionalMaxPool3d(Size3d kernel_size, const FractionalPool3dOptions& options = {});
  Tensor forward(const Tensor& x) override { return with_indices(x).values; }
  PooledMaxima with_indices(const Tensor& x);
  std::string type_name() const override { return "FractionalMaxPool3d"; }

 private:
  std::array<std::int64_t, 3> kernel_;
  std::optional<std::array<std::int64_t, 3>> output_size_;
  std::array<double, 3> output_ratio_{};
  Buffer random_samples_;
};

}  // namespace hop::nn
