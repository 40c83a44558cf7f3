// How exactly the libraries multiply.
#pragma once

#include <cstdint>

namespace hop::kernels::cuda {

/// What becomes of f32 factors in products and convolutions. Sums are always f32. tf32 keeps 10 bits of each factor's
/// mantissa, bf16 keeps 7: faster by the tensor cores' rate, with relative errors near 3e-4 and 4e-3.
enum class Precision : std::uint8_t { strict, tf32, bf16 };

/// How this process multiplies on CUDA devices. Part of a run: the bits depend on it.
struct Math {
  Precision precision = Precision::strict;
  /// Never a library: our own kernels add the terms of every sum one after another, so a result's bits depend on its
  /// own operands alone, not on the batch around it or on the card.
  bool own_kernels = false;
};
Math math();
void set_math(Math math);

}  // namespace hop::kernels::cuda
