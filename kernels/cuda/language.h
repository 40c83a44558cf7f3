// The CUDA C++ language and runtime API for both compilers: nvcc for a GPU, or the host compiler with HOP_SIMT, where
// kernels/simt runs every CUDA thread as a fiber. A .cu file gets them only through this header.
//
// Rules of a kernel file, so that both compilers read it alike:
// - launch() instead of <<<>>>, dynamic_shared<T>() instead of `extern __shared__`;
// - __shared__ only within functions, of types without constructors; a function is `inline` or `__forceinline__`, not
//   both; no code between #ifdef __CUDA_ARCH__. Host functions here have no thread_local of plain types: over simt it
//   would be taken for shared memory, and poisoned;
// - a barrier that all threads of the block reach, a warp operation that all lanes of its mask reach;
// - no atomics on floating numbers: the order of the additions would decide the last bits.
#pragma once

#include <cstddef>
#include <string>
#include <type_traits>

#include "base/error.h"

#if defined(HOP_SIMT)
#include "kernels/simt/language.h"
#include "kernels/simt/runtime.h"
#else
#include <cuda_runtime.h>
#endif

namespace hop::kernels::cuda {

/// Throws CudaError if `status` is not cudaSuccess, and clears it for cudaGetLastError. `call` is the call that
/// returned it; the message adds `context` in brackets.
void check(cudaError_t status, const char* call, const std::string& context = {});
/// Clears a failure that cannot be reported. Otherwise the next launch would report it as its own.
void ignore(cudaError_t status) noexcept;
/// check() of a launch.
void check_launch(cudaError_t status, dim3 grid, dim3 block, std::size_t shared_bytes);

}  // namespace hop::kernels::cuda

#if defined(HOP_SIMT) || defined(__CUDACC__)

namespace hop::kernels::cuda {

/// Launches `kernel` on `grid` blocks of `block` threads with `shared_bytes` of dynamic shared memory each. Does not
/// wait for the kernel. Throws CudaError if the kernel cannot be launched (too many threads, too much shared memory, a
/// lost device); over simt also hop::simt::KernelError for errors of the kernel.
template <class... P>
void launch(void (*kernel)(P...), dim3 grid, dim3 block, std::size_t shared_bytes, cudaStream_t stream,
            std::type_identity_t<P>... arguments) {
#if defined(HOP_SIMT)
  const cudaError_t status = simt::submit(
      {[=] { kernel(arguments...); }, reinterpret_cast<const void*>(kernel), grid, block, shared_bytes}, stream);
#else
  kernel<<<grid, block, shared_bytes, stream>>>(arguments...);
  const cudaError_t status = cudaPeekAtLastError();
#endif
  check_launch(status, grid, block, shared_bytes);
}

/// The block's dynamic shared memory, as an array of T: launch()'s `shared_bytes`, aligned to 16.
template <class T>
__device__ inline T* dynamic_shared() {
#if defined(HOP_SIMT)
  return static_cast<T*>(simt::dynamic_shared_memory());
#else
  extern __shared__ __align__(16) unsigned char hop_dynamic_shared[];
  return reinterpret_cast<T*>(hop_dynamic_shared);
#endif
}

}  // namespace hop::kernels::cuda

#endif
