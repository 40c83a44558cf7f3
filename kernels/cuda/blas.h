// Matrix products through cuBLASLt, which is looked for at run time. cuBLASLt's heuristic chooses each product's
// algorithm once, without timing, among algorithms whose reductions have a fixed order and fit into our workspace. The
// choice is kept for the life of the process. So the bits of a product depend on its values, its Product and the card
// alone.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "kernels/cuda/runtime.h"
#include "kernels/precision.h"
#include "tensor/dtype.h"

namespace hop::kernels::cuda::blas {

/// The operation on the product before it is written, with the vector `bias` and the matrix `aux`. cuBLASLt has relu
/// and gelu, too. But its relu does not promise to let NaN pass, and its gelu is the formula by tanh.
enum class Epilogue : std::uint8_t {
  none,
  bias,       ///< d = a b + bias (n)
  bias_grad,  ///< d = a b, and bias (m) = sum of a over k; a = g^T must be transposed
  relu_grad,  ///< d = a b where the bit of aux is set, else 0
};

/// The shape of d (m, n) = epilogue(a (m, k) b (k, n)), `batch` times. Matrices are stored row by row, a transposed one
/// column by column; d is dense.
struct Product {
  std::int64_t m = 0, n = 0, k = 0;
  DType dtype = DType::f32;  ///< f32 or f64; f64 has no epilogue but none
  Precision precision = Precision::strict;
  bool rounded_factors = false;  ///< a and b are arrays of bf16 or f16, as `precision` says; d is f32
  bool a_transposed = false, b_transposed = false;
  std::int64_t a_ld = 0, b_ld = 0;  ///< elements from one row (transposed: column) to the next; 0: dense
  bool accumulate = false;          ///< d += a b
  Epilogue epilogue = Epilogue::none;
  std::int64_t batch = 1;
  std::int64_t a_step = 0, b_step = 0, d_step = 0;  ///< elements from one matrix of the batch to the next; may be 0
  std::int32_t alignment = 16;                      ///< bytes, a power of two, that divide every matrix's address

  auto operator<=>(const Product&) const = default;
};

/// The addresses of the matrices, on the current device.
struct Operands {
  const void* a = nullptr;
  const void* b = nullptr;
  void* d = nullptr;
  void* bias = nullptr;  ///< read or written, as the epilogue says
  void* aux = nullptr;   ///< read or written, as the epilogue says; see aux_bytes()
};
inline constexpr std::uintptr_t kAlignment = 16;  ///< a larger alignment gives cuBLASLt no better choice

/// Whether cuBLASLt was found.
bool available();
const std::string& why_not_available();
/// cuBLASLt's own version number; "none" if it was not found.
std::string version();

/// Queues the product on the current stream. If cuBLASLt knows no algorithm for it, does nothing and returns false.
/// Throws CudaError.
[[nodiscard]] bool multiply(const Product& product, const Operands& operands);

/// The bytes of `aux`: for relu_grad one bit per element of d, each row on a multiple of 128 bits; else 0.
std::size_t aux_bytes(const Product& product);

/// The algorithm that multiply() uses for this product on the current device, for the record of a run: "cublasLt
/// 130100: id 66 tile 20 stages 9 split-k 1 reduction 0 swizzle 0 custom 0 inner 0 cluster 0 workspace 0". Throws
/// DeviceError if there is none.
std::string choice(const Product& product);

}  // namespace hop::kernels::cuda::blas
