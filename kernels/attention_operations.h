// The functions that a device supplies for kernels/attention.h; null if the device does not have them. All operands
// have their columns side by side, at least one query, one key and one column.
#pragma once

#include "kernels/attention.h"
#include "kernels/operations_internal.h"

namespace hop::kernels {

struct AttentionOperations {
  static const AttentionOperations cpu, cuda;

  /// Writes result.y and result.log_sum.
  void (*attention)(const AttentionInputs& in, const AttentionResult& result) = nullptr;
  /// Writes grads.
  void (*attention_grad)(const Tensor& g, const AttentionInputs& in, const AttentionResult& result,
                         const AttentionGrads& grads) = nullptr;
};

}  // namespace hop::kernels
