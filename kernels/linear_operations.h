// A linear layer's products fused with the operations around them (kernels/matmul.h); null if the device does not have
// them. Matrices of f32; all but x and bias contiguous.
#pragma once

#include "kernels/operations_internal.h"
#include "tensor/tensor.h"

namespace hop::kernels {

struct LinearOperations {
  static const LinearOperations cpu, cuda;

  /// The bytes of the mask of y = relu(x weight^T + bias): which values passed relu, in the device's own form.
  std::int64_t (*relu_mask_bytes)(const Tensor& x, const Tensor& y) = nullptr;
  /// y = relu(x weight^T + bias), and the mask (bytes) u8.
  void (*linear_relu)(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y,
                      const Tensor& mask) = nullptr;
  /// dx = g weight where the mask lets it pass, else 0.
  void (*linear_input_grad)(const Tensor& g, const Tensor& weight, const Tensor& mask, const Tensor& dx) = nullptr;
  /// dx = g where the mask lets it pass, else 0.
  void (*relu_mask_grad)(const Tensor& g, const Tensor& mask, const Tensor& dx) = nullptr;
  /// dweight = g^T x, dbias = the sum of g's rows. If one launch cannot give both, does nothing and returns false.
  bool (*linear_parameter_grads)(const Tensor& g, const Tensor& x, const Tensor& dweight,
                                 const Tensor& dbias) = nullptr;
};

}  // namespace hop::kernels
