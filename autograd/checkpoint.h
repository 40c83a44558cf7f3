// Trades time for memory: a part of the model keeps only its inputs and computes everything else again in the backward
// pass (Chen et al., "Training deep nets with sublinear memory cost", 2016).
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace hop {

namespace autograd {
using CheckpointBody = std::function<Tensor(const std::vector<Tensor>&)>;
Tensor checkpoint(CheckpointBody body, std::vector<Tensor> inputs);
}  // namespace autograd

/// fn(inputs...), which runs again in the backward pass. The second run repeats the first: modules draw the same random
/// numbers (Module::next_random) and is_training() gives the same answers, even if keys and modes have changed since.
/// Writes of fn to modules' buffers with hop::add_, lerp_, .. (BatchNorm's statistics) take effect once (PyTorch moves
/// the statistics twice). The rest of fn must compute the same each time: a RandomAddress that fn makes itself may not
/// change.
/// Parameters that fn captures get their gradients, too. A *computed* tensor that requires a gradient must be passed as
/// an input. checkpoint() cannot see which tensors fn captured, so the result requires a gradient even if no input
/// does, and every pass runs fn again. The backward pass throws AutogradError if modules in fn draw more often than in
/// the first run.
template <class Fn, class... Tensors>
Tensor checkpoint(Fn fn, const Tensors&... inputs) {
  return autograd::checkpoint(
      [fn = std::move(fn)](const std::vector<Tensor>& list) {
        return [&]<std::size_t... i>(std::index_sequence<i...>) { return fn(list[i]...); }
        (std::index_sequence_for<Tensors...>{});
      },
      {inputs...});
}

}  // namespace hop
