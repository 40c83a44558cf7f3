#include "kernels/cuda/math.h"

#include <atomic>

namespace hop::kernels::cuda {
namespace {

std::atomic<Math> current;

}  // namespace

Math math() { return current.load(std::memory_order_relaxed); }
void set_math(Math math) { current.store(math, std::memory_order_relaxed); }

}  // namespace hop::kernels::cuda
