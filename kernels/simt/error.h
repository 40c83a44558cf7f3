// What the executor finds wrong with a kernel. Messages name the kernel, the block, the CUDA threads, file and line.
#pragma once

#include "base/error.h"

namespace hop::simt {

/// The base: a kernel did what CUDA leaves undefined, or threw.
struct KernelError : Error {
  using Error::Error;
};
/// Threads of a block wait for each other for ever, or meet at different barriers.
struct DivergenceError : KernelError {
  using KernelError::KernelError;
};
/// A kernel wrote outside a buffer or outside its dynamic shared memory.
struct OverrunError : KernelError {
  using KernelError::KernelError;
};
/// A C++ exception left a kernel. On a GPU there is none.
struct ThrowError : KernelError {
  using KernelError::KernelError;
};

}  // namespace hop::simt
