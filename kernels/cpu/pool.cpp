#include "kernels/cpu/pool_internal.h"

#include <algorithm>
#include <atomic>

#include "kernels/cpu/parallel_internal.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 16384;  // elements per thread's turn

/// f(zero of the dtype, begin, end) over the planes of an image.
template <class F>
void for_planes(const Tensor& image, const F& f) {
  const std::int64_t planes = image.size(0) * image.size(1);
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, image.numel() / planes));
  parallel_for(planes, grain, [&](std::int64_t begin, std::int64_t end) {
    image.dtype() == DType::f32 ? f(float{}, begin, end) : f(double{}, begin, end);
  });
}

/// f(place in the image, output) for every output of planes begin..end-1, as long as its index lies in the plane.
template <class F>
bool for_each_index(const Tensor& indices, std::int64_t plane_size, std::int64_t begin, std::int64_t end, const F& f) {
  const auto* index = indices.data<std::int64_t>();
  const std::int64_t outputs = indices.size(2) * indices.size(3);
  for (std::int64_t plane = begin; plane < end; ++plane) {
    for (std::int64_t i = plane * outputs; i < (plane + 1) * outputs; ++i) {
      if (index[i] < 0 || index[i] >= plane_size) return false;
      f(plane * plane_size + index[i], i);
    }
  }
  return true;
}

}  // namespace

void max_pool2d(const PoolShape& shape, const Tensor& x, const Tensor& y, const Tensor& indices) {
  for_planes(x, [&]<class T>(T, std::int64_t begin, std::int64_t end) {
    HOP_PICK(max_pool_planes<T>)(shape, x.data<T>(), y.data<T>(), indices.data<std::int64_t>(), begin, end);
  });
}

void avg_pool2d(const PoolShape& shape, const Tensor& x, const Tensor& y) {
  for_planes(x, [&]<class T>(T, std::int64_t begin, std::int64_t end) {
    HOP_PICK(avg_pool_planes<T>)(shape, x.data<T>(), y.data<T>(), begin, end);
  });
}

void avg_pool2d_grad(const PoolShape& shape, const Tensor& g, const Tensor& dx) {
  for_planes(dx, [&]<class T>(T, std::int64_t begin, std::int64_t end) {
    HOP_PICK(avg_pool_grad_planes<T>)(shape, g.data<T>(), dx.data<T>(), begin, end);
  });
}

bool scatter_planes(const Tensor& g, const Tensor& indices, const Tensor& dx) {
  std::atomic<bool> valid = true;
  for_planes(dx, [&]<class T>(T, std::int64_t begin, std::int64_t end) {
    const std::int64_t size = dx.size(2) * dx.size(3);
    const T* from = g.data<T>();
    T* to = dx.data<T>();
    std::fill(to + begin * size, to + end * size, T{0});
    if (!for_each_index(indices, size, begin, end, [=](auto place, auto output) { to[place] += from[output]; }))
      valid = false;
  });
  return valid;
}

bool gather_planes(const Tensor& x, const Tensor& indices, const Tensor& y) {
  std::atomic<bool> valid = true;
  for_planes(x, [&]<class T>(T, std::int64_t begin, std::int64_t end) {
    const std::int64_t size = x.size(2) * x.size(3);
    const T* from = x.data<T>();
    T* to = y.data<T>();
    if (!for_each_index(indices, size, begin, end, [=](auto place, auto output) { to[output] = from[place]; }))
      valid = false;
  });
  return valid;
}

}  // namespace hop::kernels::cpu
