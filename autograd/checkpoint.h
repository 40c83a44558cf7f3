// Trading time for memory: a part of the model keeps its inputs only, and computes everything else again in the
// backward pass (Chen et al., "Training deep nets with sublinear memory cost", 2016).
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

/// fn(inputs...), to be run again in the backward pass. The second run does what the first one did, whatever happened
/// in between: modules draw the same random numbers (Module::next_random) and answer is_training() alike, and what fn
/// writes to their buffers with hop::add_, lerp_, .. (BatchNorm's statistics) is written once; PyTorch moves them
/// twice. The rest of fn must compute the same each time: a RandomAddress that fn makes itself may not change.
/// Parameters that fn captures get their gradients too; a *computed* tensor that requires a gradient must be passed as
/// an input. The result requires a gradient even if no input does, and every pass runs fn again, as what fn captured
/// cannot be seen. The backward pass throws AutogradError when modules in fn draw more often than in the first run.
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
