// Errors that the executor finds in a kernel. Messages name the kernel, the block, the CUDA threads, file and line.
#pragma once

#include "base/error.h"

namespace hop::simt {

/// The base of all: a kernel's behaviour is undefined in CUDA, or it threw.
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
/// A C++ exception left a kernel. GPUs have no exceptions.
struct ThrowError : KernelError {
  using KernelError::KernelError;
};

}  // namespace hop::simt
