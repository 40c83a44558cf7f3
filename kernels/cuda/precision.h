// How exactly the libraries multiply.
#pragma once

#include <cstdint>

namespace hop::kernels::cuda {

/// What becomes of f32 factors in products and convolutions. Sums are always f32. tf32 keeps 10 bits of each factor's
/// mantissa, bf16 keeps 7: faster by the tensor cores' rate, with relative errors near 3e-4 and 4e-3.
enum class Precision : std::uint8_t { strict, tf32, bf16 };

}  // namespace hop::kernels::cuda
