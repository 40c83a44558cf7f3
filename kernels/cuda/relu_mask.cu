// A warp handles 32 values of a row and one word of the mask. Floors: relu one read and one write of y; the gradient
// one read of g and one write of dx.
#include "kernels/cuda/relu_mask.h"

#include <algorithm>

#include "kernels/cuda/grid.h"
#include "kernels/cuda/reduce_device.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/walk.h"

namespace hop::kernels::cuda {
namespace {

constexpr int kWarps = kThreads / 32;

/// The words of a mask: `words` of 32 values in each row.
struct Words {
  std::int64_t columns, rows;
  std::uint32_t words;

  Words(const Tensor& matrix)
      : columns(matrix.size(1)), rows(matrix.size(0)), words(static_cast<std::uint32_t>((columns + 127) / 128 * 4)) {}
  std::int64_t count() const { return rows * words; }

  /// Calls f(word, where, exists) for every lane of every word: the offset of its value, and whether it has a value.
  template <class F>
  __device__ void for_each(const F& f) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const std::int64_t n = rows * words, step = std::int64_t{gridDim.x} * kWarps;
    for (std::int64_t word = std::int64_t{blockIdx.x} * kWarps + threadIdx.x / 32; word < n; word += step) {
      const std::int64_t row = word / words, column = (word - row * words) * 32 + lane;
      f(word, row * columns + column, column < columns);
    }
  }
};

__global__ void __launch_bounds__(kThreads) relu_kernel(Words z, float* y, std::uint32_t* mask) {
  z.for_each([&](std::int64_t word, std::int64_t where, bool exists) {
    const float value = exists ? y[where] : 0.0F;
    const bool passes = exists && !(value <= 0.0F);  // NaN passes
    if (exists && !passes) y[where] = 0.0F;
    const unsigned bits = __ballot_sync(kAllLanes, passes ? 1 : 0);
    if (threadIdx.x % 32 == 0) mask[word] = bits;
  });
}

__global__ void __launch_bounds__(kThreads) mask_kernel(Words z, const float* g, const std::uint32_t* mask, float* dx) {
  z.for_each([&](std::int64_t word, std::int64_t where, bool exists) {
    if (!exists) return;
    const bool passes = (mask[word] >> (threadIdx.x % 32U) & 1U) != 0;
    dx[where] = passes ? g[where] : 0.0F;
  });
}

unsigned blocks_of(const Words& words) { return blocks_for(words.count() * 32); }

}  // namespace

void relu_with_mask(const Tensor& y, const Tensor& mask) {
  const Words words(y);
  launch(relu_kernel, blocks_of(words), kThreads, 0, current_stream(), words, y.data<float>(),
         reinterpret_cast<std::uint32_t*>(mask.raw_data()));
}

void apply_mask(const Tensor& g, const Tensor& mask, const Tensor& dx) {
  const Words words(g);
  launch(mask_kernel, blocks_of(words), kThreads, 0, current_stream(), words, g.data<float>(),
         reinterpret_cast<const std::uint32_t*>(mask.raw_data()), dx.data<float>());
}

}  // namespace hop::kernels::cuda
