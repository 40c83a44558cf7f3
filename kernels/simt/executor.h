// Runs CUDA kernels on the CPU: the same .cu source, compiled by the host compiler, each CUDA thread a fiber.
//
// One OS thread runs one block at a time. Its CUDA threads take turns: a thread runs until it waits at a barrier or in
// a warp operation, or ends. Then the next one runs, in the order of Options::schedule. So a run is deterministic, a
// debugger can stop in any CUDA thread, and a kernel that is wrong only in some orders can be run in them. __shared__
// is `static thread_local`, dynamic shared memory is the block's, atomics are the compiler's.
//
// What it finds: threads that wait for ever or at different barriers, lanes missing from a warp operation, values taken
// from lanes that are not there (poisoned: NaN and -1), stores next to buffers and next to dynamic shared memory,
// launches beyond a GPU's limits; missing barriers by results that change with the schedule and, built with
// ThreadSanitizer (./dev test --race), by a report with file, line and CUDA threads.
//
// What it cannot do:
// - No memory model weaker than ThreadSanitizer's; a fence orders more here than on a GPU.
// - No grid-wide synchronisation, clusters, cp.async, TMA, mbarrier, wgmma, inline PTX, textures, __activemask, dynamic
//   parallelism. mma.sync has one emulated shape (kernels/cuda/lessons/mma.h).
// - A thread that spins until another thread writes hangs: nobody preempts it.
// - expf, logf, .. are the C library's, not CUDA's: the last bits differ. + - * / sqrt fma are the same.
// - AddressSanitizer does not see overruns of static __shared__ arrays (UndefinedBehaviorSanitizer does, where the
//   compiler knows the array). Host code that touches device memory is not found.
// - Guards stand right around each cudaMalloc: a store far away, or into a neighbour, is not found.
// - __launch_bounds__ and the size of static shared memory are not checked: nvcc does that.
// - Kernels of two streams never overlap: a missing wait between streams shows as another order (Options::streams).
// - Timings say nothing about a GPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <string>

#include "kernels/simt/error.h"
#include "kernels/simt/vector_types.h"

namespace hop::simt {

/// The order in which the threads of a block take turns. Blocks run first to last with in_order, otherwise last to
/// first.
enum class Schedule : std::uint8_t { in_order, reversed, shuffled };

/// When a stream runs its work. A missing wait between two streams can show: in `lazy`, a reader that does not wait for
/// its writer; in `others_first`, a writer that does not wait for the readers of the old values.
enum class Streams : std::uint8_t {
  at_once,      ///< within the call that queues it, so that a debugger sees the caller
  lazy,         ///< when the host waits for it, and then only as much as necessary
  others_first  ///< when the host waits for it, after all work of all other streams
};

/// How kernels run. Read at each launch and each wait; change it while no kernel runs and no stream has work.
struct Options {
  Schedule schedule = Schedule::in_order;
  std::uint64_t seed = 1;  ///< of `shuffled`
  unsigned workers = 1;    ///< OS threads that share the blocks of a grid
  Streams streams = Streams::at_once;
  int devices = 1;                                    ///< result of cudaGetDeviceCount; 0: cudaErrorNoDevice
  int compute_capability = 80;                        ///< major and minor
  std::size_t device_memory = std::size_t{4} << 30U;  ///< bytes; cudaMalloc fails beyond
  std::size_t pinned_range = std::size_t{1} << 40U;   ///< the longest in bytes; cudaHostAlloc fails beyond
  /// A cudaError_t that every call that needs the device returns, as on a GPU after a failed kernel; 0: none.
  int lost = 0;
};
Options& options();

/// One launch: `body` is the kernel with its arguments, called once per CUDA thread.
struct Launch {
  std::function<void()> body;
  const void* kernel;  ///< its address, which identifies it
  dim3 grid, block;
  std::size_t shared_bytes;  ///< dynamic shared memory per block
};

/// Runs all blocks of a launch; returns when the last has ended. Throws KernelError if it finds an error: with one
/// worker the first. The runtime, not this function, checks a GPU's limits.
void run(const Launch& launch);

/// The name of a function by its address, from the program's symbol table: "softmax_rows<float>"; "kernel" if stripped.
std::string function_name(const void* address);

/// The places where the CUDA threads of the running block wait, a line per place. For debuggers: `printf "%s",
/// hop::simt::threads()`; the text stays valid until the next call.
const char* threads();

// ---- The primitives of the language (kernels/simt/language.h); called on a CUDA thread.

using Location = std::source_location;

/// All threads of the block that have not ended meet here.
struct Vote {
  int count;    ///< threads whose predicate was not 0
  int threads;  ///< threads that met
};
Vote block_barrier(const char* operation, bool predicate, const Location& where);

/// All lanes of `mask` that have not ended meet here, each with a value; each receives combine(values, present, lane,
/// argument): `values` by lane, `present` the lanes that met. combine runs while all these lanes stand still.
using Combine = std::uint64_t (*)(const std::uint64_t* values, unsigned present, unsigned lane, std::uint64_t argument);
std::uint64_t warp_meeting(const char* operation, unsigned mask, std::uint64_t value, std::uint64_t argument,
                           Combine combine, const Location& where);

/// The calling thread's place in its warp.
unsigned lane();
/// The block's dynamic shared memory: 16-byte aligned, filled with 0xFF before the block starts.
void* dynamic_shared_memory();
/// A memory fence. ThreadSanitizer has no fences: under it, a fence orders everything before it with everything after
/// it.
void fence();

}  // namespace hop::simt

// The position of a CUDA thread, under CUDA's names.
extern constinit thread_local uint3 threadIdx;
extern constinit thread_local uint3 blockIdx;
extern constinit thread_local dim3 blockDim;
extern constinit thread_local dim3 gridDim;
inline constexpr int warpSize = 32;
