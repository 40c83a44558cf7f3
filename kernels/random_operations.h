// The functions that a device supplies for kernels/random.h. Tensors are contiguous and floating. The address may say
// where its key and step lie (RandomAddress::key_at).
#pragma once

#include "kernels/operations_internal.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

namespace hop::kernels {

struct RandomOperations {
  static const RandomOperations cpu, cuda;

  void (*uniform)(const Tensor& y, double low, double high, const RandomAddress& address);
  void (*normal)(const Tensor& y, double mean, double std, const RandomAddress& address);
  void (*dropout)(const Tensor& x, const Tensor& y, double p, const RandomAddress& address);
};

}  // namespace hop::kernels
