// A linear layer's products together with what stands around them in a training step. cuBLASLt does two things on the
// way: it lets a gradient pass only where the layer before did (relu's gradient), and it sums the gradient of a bias
// while it reads the factor that it is the sum of. Both save a pass over memory and, what weighs more in small layers,
// a launch.
//
// relu itself stays a kernel of ours (relu_mask.cu): NaN passes it, as everywhere.
#include "kernels/copy.h"
#include "kernels/cuda/blas.h"
#include "kernels/cuda/math.h"
#include "kernels/cuda/operations_internal.h"
#include "kernels/cuda/relu_mask.h"

namespace hop::kernels::cuda {
namespace {

/// Large products in bf16 round their factors first (matmul.cpp), and save more with that.
constexpr std::int64_t kLarge = std::int64_t{1} << 30;

bool lies_well(const Tensor& x) {
  return x.dtype() == DType::f32 && x.is_contiguous() &&
         reinterpret_cast<std::uintptr_t>(x.raw_data()) % blas::kAlignment == 0;
}

/// False, and nothing is done, without cuBLASLt, where it knows no algorithm, and for operands that it does not take.
bool multiplied(blas::Product p, const blas::Operands& x) {
  if (math().own_kernels || !blas::available() || p.m == 0 || p.n == 0 || p.k == 0) return false;
  p.precision = precision();
  if (p.precision == Precision::bf16 && p.m * p.n * p.k >= kLarge) return false;
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

}  // namespace

Tensor linear_relu(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y) {
  matmul("linear", x, transposed(weight), bias, y);
  const auto bytes =
      static_cast<std::int64_t>(blas::aux_bytes(product(y.size(0), y.size(1), x.size(1), blas::Epilogue::relu_grad)));
  const Tensor mask = Tensor::empty({bytes}, DType::u8, y.device());
  relu_with_mask(y, mask);
  return mask;
}

void linear_input_grad(const Tensor& g, const Tensor& weight, const Tensor& mask, const Tensor& dx) {
  if (lies_well(g) && lies_well(weight) && lies_well(dx)) {
    const auto p = product(g.size(0), weight.size(1), g.size(1), blas::Epilogue::relu_grad);
    if (multiplied(p, {g.raw_data(), weight.raw_data(), dx.raw_data(), nullptr, mask.raw_data()})) return;
  }
  matmul("linear gradient", g, weight, {}, dx);
  apply_mask(dx, mask, dx);
}

void relu_mask_grad(const Tensor& g, const Tensor& mask, const Tensor& dx) { apply_mask(g, mask, dx); }

// cuBLASLt sums a factor over k only where that factor is transposed, as g is here.
bool linear_parameter_grads(const Tensor& g, const Tensor& x, const Tensor& dweight, const Tensor& dbias) {
  if (!lies_well(g) || !lies_well(x) || !lies_well(dweight) || !lies_well(dbias)) return false;
  auto p = product(g.size(1), x.size(1), g.size(0), blas::Epilogue::bias_grad);
  p.a_transposed = true;
  return multiplied(p, {g.raw_data(), x.raw_data(), dweight.raw_data(), dbias.raw_data(), nullptr});
}

}  // namespace hop::kernels::cuda
