// Losses as objects, and by name. The functions are hop::cross_entropy and hop::mse_loss of autograd/.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "tensor/tensor.h"

namespace hop::nn {

/// (output of the model, target) -> mean loss ().
using Loss = std::function<Tensor(const Tensor& output, const Tensor& target)>;

/// The mean of -log softmax(x)[target]: x (N, C), target (N) i64. torch.nn.CrossEntropyLoss.
struct CrossEntropyLoss {
  Tensor operator()(const Tensor& logits, const Tensor& target) const;
};

/// The mean of (x - y)^2; equal shapes. torch.nn.MSELoss.
struct MSELoss {
  Tensor operator()(const Tensor& x, const Tensor& y) const;
};

/// The target that a loss compares outputs with.
enum class Target : std::uint8_t {
  Classes,  ///< (N) i64, 0 .. C - 1
  Numbers   ///< of the output's shape and dtype
};

/// A loss that ships with Hopscotch.
struct LossRow {
  std::string_view name{};
  Target target = Target::Classes;
  Tensor (*compute)(const Tensor& output, const Tensor& target) = nullptr;
  std::string_view doc{};  ///< one line
};

/// All of them: the one list of losses.
std::span<const LossRow> losses();
/// The row of a name. Throws ConfigError with the nearest name for any other.
const LossRow& find_loss(std::string_view name);
/// The loss of a name: "cross_entropy" or "mse_loss". Throws ConfigError with the nearest name for any other.
Loss loss_by_name(std::string_view name);

}  // namespace hop::nn
