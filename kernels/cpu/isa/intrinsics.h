// Vector intrinsics and Eigen, for sources under kernels/cpu/isa/; first of their includes.
#pragma once

// g++ 12's AVX-512 intrinsics start from an undefined register on purpose. Inlined into our code, they look
// uninitialized. So these two warnings are off in sources that include this header, from here on, and nowhere else.
#pragma GCC diagnostic ignored "-Wuninitialized"
#ifndef __clang__  // clang has no such warning
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include <Eigen/Core>
