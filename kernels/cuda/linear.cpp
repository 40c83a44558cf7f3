// A linear layer's products fused with the operations around them in a training step. cuBLASLt does two things on the
// way: it masks a gradient by the relu of the layer before, and it sums the gradient of a bias while it reads the
// factor to be summed. Each saves a pass over memory, and a launch, which matters more in small layers.
//
// relu itself stays our own kernel (relu_mask.cu), which lets NaN pass, as everywhere.
#include "kernels/copy.h"
#include "kernels/copy_operations.h"
#include "kernels/cuda/blas.h"
#include "kernels/cuda/linear_internal.h"
#include "kernels/cuda/math.h"
#include "kernels/cuda/on_device.h"
#include "kernels/cuda/relu_mask.h"
#include "kernels/half_internal.h"
#include "kernels/linear_operations.h"
#include "kernels/matmul_operations.h"

namespace hop::kernels::cuda {
namespace {

/// Large products in bf16 and f16 round their factors first (matmul.cpp), which saves more.
constexpr std::int64_t kLarge = std::int64_t{1} << 30;

bool is_aligned(const Tensor& x) { return reinterpret_cast<std::uintptr_t>(x.raw_data()) % blas::kAlignment == 0; }
/// x, or an aligned copy for cuBLASLt, so that the choice of the kernel, and with it the bits, does not depend on
/// addresses.
Tensor aligned(const Tensor& x) { return is_aligned(x) ? x : clone(x); }

/// Multiplies by cuBLASLt. Without cuBLASLt, without an algorithm, or for operands that it does not take, does nothing
/// and returns false.
bool multiplied(blas::Product p, const blas::Operands& x) {
  if (math().own_kernels || !blas::available() || p.m == 0 || p.n == 0 || p.k == 0) return false;
  p.precision = precision();
  if (half_of(p.precision) && p.m * p.n * p.k >= kLarge) return false;
  return blas::multiply(p, x);
}

blas::Product product(std::int64_t m, std::int64_t n, std::int64_t k, blas::Epilogue epilogue) {
  blas::Product p;
  p.m = m, p.n = n, p.k = k, p.epilogue = epilogue;
  return p;
}

/// (rows, columns) -> (columns, rows), without a copy.
Tensor transposed(const Tensor& x) {
  return x.as_strided({x.size(1), x.size(0)}, {x.strides()[1], x.strides()[0]}, x.storage_offset());
}

std::int64_t relu_mask_bytes(const Tensor& x, const Tensor& y) {
  return static_cast<std::int64_t>(
      blas::aux_bytes(product(y.size(0), y.size(1), x.size(1), blas::Epilogue::relu_grad)));
}

void linear_relu(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y, const Tensor& mask) {
  MatmulOperations::cuda.matmul("linear", x, transposed(weight), bias, y);
  relu_with_mask(y, mask);
}

void linear_input_grad(const Tensor& g, const Tensor& weight, const Tensor& mask, const Tensor& dx) {
  input_grad_with(multiplied, g, weight, mask, dx);
}

void relu_mask_grad(const Tensor& g, const Tensor& mask, const Tensor& dx) { apply_mask(g, mask, dx); }

bool linear_parameter_grads(const Tensor& g, const Tensor& x, const Tensor& dweight, const Tensor& dbias) {
  return parameter_grads_with(multiplied, g, x, dweight, dbias);
}

}  // namespace

void input_grad_with(const Multiply& multiply, const Tensor& g, const Tensor& weight, const Tensor& mask,
                     const Tensor& dx) {
  const Tensor u = aligned(g), v = aligned(weight);
  const auto p = product(g.size(0), weight.size(1), g.size(1), blas::Epilogue::relu_grad);
  if (multiply(p, {u.raw_data(), v.raw_data(), dx.raw_data(), nullptr, mask.raw_data()})) return;
  MatmulOperations::cuda.matmul("linear gradient", g, weight, {}, dx);
  apply_mask(dx, mask, dx);
}

// cuBLASLt sums a factor over k only if the factor is transposed, like g here.
bool parameter_grads_with(const Multiply& multiply, const Tensor& g, const Tensor& x, const Tensor& dweight,
                          const Tensor& dbias) {
  if (!dweight.is_contiguous() || !dbias.is_contiguous()) return false;
  const auto room_for = [](const Tensor& y) {
    return is_aligned(y) ? y : Tensor::empty(y.shape(), y.dtype(), y.device());
  };
  const Tensor u = aligned(g), v = aligned(x), weight_sums = room_for(dweight), bias_sums = room_for(dbias);
  auto p = product(g.size(1), x.size(1), g.size(0), blas::Epilogue::bias_grad);
  p.a_transposed = true;
  if (!multiply(p, {u.raw_data(), v.raw_data(), weight_sums.raw_data(), bias_sums.raw_data(), nullptr})) return false;
  if (!weight_sums.is_same(dweight)) CopyOperations::cuda.copy(dweight, weight_sums);
  if (!bias_sums.is_same(dbias)) CopyOperations::cuda.copy(dbias, bias_sums);
  return true;
}

}  // namespace hop::kernels::cuda

namespace hop::kernels {

const LinearOperations LinearOperations::cuda = {
    .relu_mask_bytes = cuda::on_device<cuda::relu_mask_bytes>,
    .linear_relu = cuda::on_device<cuda::linear_relu>,
    .linear_input_grad = cuda::on_device<cuda::linear_input_grad>,
    .relu_mask_grad = cuda::on_device<cuda::relu_mask_grad>,
    .linear_parameter_grads = cuda::on_device<cuda::linear_parameter_grads>,
};

}  // namespace hop::kernels
