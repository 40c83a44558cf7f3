// Whether our own kernels alone multiply, or the libraries and our kernel for few rows. precision()
// (kernels/precision.h) says how exactly.
#pragma once

namespace hop::kernels::cuda {

/// How this process multiplies on CUDA devices. Part of a run: the bits depend on it.
struct Math {
  /// Never a library, and never the kernel for few rows: kernels that add the terms of every sum one after another, so
  /// a result's bits depend on its own operands alone, not on the batch around it or on the card. They compute strict
  /// in every precision().
  bool own_kernels = false;
};
Math math();
void set_math(Math math);

}  // namespace hop::kernels::cuda
