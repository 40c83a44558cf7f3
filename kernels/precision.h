// How exactly f32 factors are multiplied. A property of the calling thread, like the number of threads, so that several
// workers of one process do not disturb each other. Part of a run, because bits depend on it.
#pragma once

#include <cstdint>
#include <string_view>

namespace hop::kernels {

/// How the factors of f32 products (on CUDA also of convolutions) are rounded. Sums and tensors are always f32. Our own
/// kernels on CUDA (math().own_kernels) compute strict.
enum class Precision : std::uint8_t {
  strict,  ///< not at all
  tf32,    ///< CUDA: 10 bits of mantissa, relative errors near 3e-4. The CPU computes strict.
  /// 7 bits, relative errors near 4e-3. CPUs without bf16 instructions compute strict. Convolutions on CUDA also round
  /// their results to 7 bits before they become f32 again: cuDNN's engines write the dtype that they read.
  bf16,
  /// CUDA: f16, 10 bits as in tf32, but of a small range: factors beyond 65504 become infinite, those below 2^-25
  /// become 0, and below 2^-14 they lose digits. Convolutions round their results to f16, too, so these overflow as
  /// well. Scale the loss against gradients that become 0 (optim::GradScaler). The CPU computes strict.
  f16,
};

namespace detail {
/// The calling thread's mode. In the header, because each node of a recorded graph reads it (autograd/node.h).
extern constinit thread_local Precision precision_of_thread;
}  // namespace detail

/// For operations called by this thread from now on. A captured step keeps the precision that it was recorded with, and
/// the gradient of an operation is computed in the operation's own (autograd/node.h).
inline void set_precision(Precision precision) { detail::precision_of_thread = precision; }
inline Precision precision() { return detail::precision_of_thread; }
/// Sets the thread's precision while it lives.
class PrecisionScope {
 public:
  explicit PrecisionScope(Precision wanted) : before_(precision()) { set_precision(wanted); }
  ~PrecisionScope() { set_precision(before_); }
  PrecisionScope(const PrecisionScope&) = delete;
  PrecisionScope& operator=(const PrecisionScope&) = delete;

 private:
  Precision before_;
};

/// "strict", "tf32", "bf16" or "f16"; ConfigError for another name.
Precision precision_of(std::string_view name);
std::string_view name(Precision precision);

/// Whether this processor multiplies bf16 and isa() is not lowered. If not, bf16 means strict on the CPU.
bool has_bf16();

}  // namespace hop::kernels
