#include <algorithm>
#include <string>

#include "base/error.h"
#include "kernels/capture_internal.h"
#include "kernels/cpu/as_internal.h"
#include "kernels/cpu/operations_internal.h"
#include "kernels/cpu/parallel_internal.h"
#include "kernels/cpu/pool_loops_internal.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 16384;  // elements per thread's turn

/// Launches f(zero of the dtype, begin, end) over the planes of an image. f holds addresses by value.
template <class F>
void for_planes(const Tensor& image, const F& f) {
  const std::int64_t planes = image.size(0) * image.size(1);
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, image.numel() / planes));
  launch([f, planes, grain, is_float = image.dtype() == DType::f32] {
    parallel_for(planes, grain, [&](std::int64_t begin, std::int64_t end) {
      is_float ? f(float{}, begin, end) : f(double{}, begin, end);
    });
  });
}

/// Outputs that each name a place in their plane of an image.
struct Indexed {
  std::int64_t plane_size, outputs;
  const std::int64_t* index;

  Indexed(const Tensor& image, const Tensor& indices)
      : plane_size(image.size(2) * image.size(3)),
        outputs(indices.size(2) * indices.size(3)),
        index(indices.data<std::int64_t>()) {}

  /// f(place in the image, output) for every output of planes begin..end-1.
  template <class F>
  void for_each(std::int64_t begin, std::int64_t end, const F& f) const {
    for (std::int64_t plane = begin; plane < end; ++plane) {
      for (std::int64_t i = plane * outputs; i < (plane + 1) * outputs; ++i) f(plane * plane_size + index[i], i);
    }
  }
};

/// Launches a check that every index lies in its plane: an IndexError, from every run.
void check_indices(const char* op, const Tensor& indices, const Tensor& image) {
  launch([op, n = indices.numel(), all = Indexed(image, indices)] {
    for (std::int64_t i = 0; i < n; ++i) {
      if (all.index[i] >= 0 && all.index[i] < all.plane_size) continue;
      throw IndexError("[" + std::string(op) + "] expected indices in 0.." + std::to_string(all.plane_size - 1) +
                       ", got one outside the plane: " + std::to_string(all.index[i]));
    }
  });
}

}  // namespace

void max_pool2d(const PoolShape& shape, const Tensor& x, const Tensor& y, const Tensor& indices) {
  for_planes(x, [shape, x = x.raw_data(), y = y.raw_data(), indices = indices.data<std::int64_t>()]<class T>(
                    T, std::int64_t begin, std::int64_t end) {
    HOP_PICK(max_pool_planes<T>)(shape, as<T>(x), as<T>(y), indices, begin, end);
  });
}

void avg_pool2d(const PoolShape& shape, const Tensor& x, const Tensor& y) {
  for_planes(x, [shape, x = x.raw_data(), y = y.raw_data()]<class T>(T, std::int64_t begin, std::int64_t end) {
    HOP_PICK(avg_pool_planes<T>)(shape, as<T>(x), as<T>(y), begin, end);
  });
}

void avg_pool2d_grad(const PoolShape& shape, const Tensor& g, const Tensor& dx) {
  for_planes(dx, [shape, g = g.raw_data(), dx = dx.raw_data()]<class T>(T, std::int64_t begin, std::int64_t end) {
    HOP_PICK(avg_pool_grad_planes<T>)(shape, as<T>(g), as<T>(dx), begin, end);
  });
}

void max_pool2d_grad(const Tensor& g, const Tensor& indices, const Tensor& dx) {
  check_indices("max_pool2d gradient", indices, dx);
  for_planes(dx, [all = Indexed(dx, indices), g = g.raw_data(), dx = dx.raw_data()]<class T>(T, std::int64_t begin,
                                                                                             std::int64_t end) {
    const T* from = as<T>(g);
    T* to = as<T>(dx);
    std::fill(to + begin * all.plane_size, to + end * all.plane_size, T{0});
    all.for_each(begin, end, [=](std::int64_t place, std::int64_t output) { to[place] += from[output]; });
  });
}

void max_pool2d_gather(const Tensor& x, const Tensor& indices, const Tensor& y) {
  check_indices("max_pool2d gather", indices, x);
  for_planes(x, [all = Indexed(x, indices), x = x.raw_data(), y = y.raw_data()]<class T>(T, std::int64_t begin,
                                                                                         std::int64_t end) {
    const T* from = as<T>(x);
    T* to = as<T>(y);
    all.for_each(begin, end, [=](std::int64_t place, std::int64_t output) { to[output] = from[place]; });
  });
}

}  // namespace hop::kernels::cpu
