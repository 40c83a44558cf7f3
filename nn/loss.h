// Losses. The functions are hop::cross_entropy and hop::mse_loss of autograd/; here they are objects, and found by
// name.
#pragma once

#include <functional>
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

/// "cross_entropy" or "mse_loss"; throws ConfigError with the nearest name otherwise.
Loss loss_by_name(std::string_view name);

}  // namespace hop::nn
