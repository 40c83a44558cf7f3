// The functions that a device supplies for kernels/attention.h. All operands have their columns side by side, at least
// one query, one key and one column.
#pragma once

#include "kernels/attention.h"
#include "kernels/operations_internal.h"

namespace hop::kernels {

struct AttentionOperations {
  static const AttentionOperations cpu, cuda;

  /// Whether the functions below take operands of these sizes.
  bool (*fits)(const AttentionInputs& in);
  /// Writes result.y and result.log_sum. `q` is in.q.
  void (*attention)(const Tensor& q, const AttentionInputs& in, const AttentionResult& result);
  /// Writes grads.
  void (*attention_grad)(const Tensor& g, const AttentionInputs& in, const AttentionResult& result,
                         const AttentionGrads& grads);
};

}  // namespace hop::kernels
