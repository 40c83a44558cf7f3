#include <algorithm>
#include <string>

#include "base/error.h"
#include "kernels/capture_internal.h"
#include "kernels/cpu/as_internal.h"
#include "kernels/cpu/parallel_internal.h"
#include "kernels/cpu/pool_loops_internal.h"
#include "kernels/layout_internal.h"
#include "kernels/pool_operations.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 16384;  // elements per thread's turn

/// Launches f(zero of the dtype, begin, end) over `count` parts that make up an image. f holds addresses by value.
template <class F>
void for_parts(const Tensor& image, std::int64_t count, const F& f) {
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, image.numel() / count));
  launch([f, count, grain, is_float = image.dtype() == DType::f32] {
    parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
      is_float ? f(float{}, begin, end) : f(double{}, begin, end);
    });
  });
}

template <class F>
void for_planes(const Tensor& image, const F& f) {
  for_parts(image, image.size(0) * image.size(1), f);
}

/// Outputs, each with the index of a place in its plane of an image. They lie plane by plane, or with the channels of
/// an output side by side.
struct Indexed {
  std::int64_t plane_size, outputs, channels;
  bool columns;
  const std::int64_t* index;

  Indexed(const Tensor& image, const Tensor& indices)
      : plane_size(image.size(2) * image.size(3)),
        outputs(indices.size(2) * indices.size(3)),
        channels(image.size(1)),
        columns(is_channels_last(indices)),
        index(indices.data<std::int64_t>()) {}

  /// f(place in the image, output) for every output of images begin..end-1.
  template <class F>
  void for_each(std::int64_t begin, std::int64_t end, const F& f) const {
    if (columns) {
      for (std::int64_t i = begin * outputs; i < end * outputs; ++i) {
        const std::int64_t image = i / outputs * plane_size;
        for (std::int64_t c = 0; c < channels; ++c) {
          const std::int64_t output = i * channels + c;
          f((image + index[output]) * channels + c, output);
        }
      }
    } else {
      for (std::int64_t plane = begin * channels; plane < end * channels; ++plane) {
        for (std::int64_t i = plane * outputs; i < (plane + 1) * outputs; ++i) f(plane * plane_size + index[i], i);
      }
    }
  }
};

/// Launches a check that every index lies in its plane. Every run, also a replay, throws IndexError if not.
void check_indices(const char* op, const Tensor& indices, const Tensor& image) {
  launch([op, n = indices.numel(), index = indices.data<std::int64_t>(), size = image.size(2) * image.size(3)] {
    std::int64_t signs = 0;  // negative if any index, or the space behind it, is negative: the loop needs no branch
    for (std::int64_t i = 0; i < n; ++i) signs |= index[i] | (size - 1 - index[i]);
    if (signs >= 0) return;
    const std::int64_t bad = *std::find_if(index, index + n, [=](std::int64_t i) { return i < 0 || i >= size; });
    throw IndexError("[" + std::string(op) + "] expected indices in 0.." + std::to_string(size - 1) +
                     ", got one outside the plane: " + std::to_string(bad));
  });
}

void max_pool2d(const PoolShape& shape, const Tensor& x, const Tensor& y, const Tensor& indices) {
  const auto columns = [shape, channels = x.size(1), x = x.raw_data(), y = y.raw_data(),
                        indices = indices.data<std::int64_t>()]<class T>(T, std::int64_t begin, std::int64_t end) {
    HOP_PICK(max_pool_columns<T>)(shape, channels, as<T>(x), as<T>(y), indices, begin, end);
  };
  if (is_channels_last(x)) return for_parts(x, x.size(0) * shape.p, columns);
  for_planes(x, [shape, x = x.raw_data(), y = y.raw_data(), indices = indices.data<std::int64_t>()]<class T>(
                    T, std::int64_t begin, std::int64_t end) {
    HOP_PICK(max_pool_planes<T>)(shape, as<T>(x), as<T>(y), indices, begin, end);
  });
}

void avg_pool2d(const PoolShape& shape, const Tensor& x, const Tensor& y) {
  if (is_channels_last(x)) {
    return for_parts(x, x.size(0) * shape.p,
                     [shape, channels = x.size(1), x = x.raw_data(), y = y.raw_data()]<class T>(T, std::int64_t begin,
                                                                                                std::int64_t end) {
                       HOP_PICK(avg_pool_columns<T>)(shape, channels, as<T>(x), as<T>(y), begin, end);
                     });
  }
  for_planes(x, [shape, x = x.raw_data(), y = y.raw_data()]<class T>(T, std::int64_t begin, std::int64_t end) {
    HOP_PICK(avg_pool_planes<T>)(shape, as<T>(x), as<T>(y), begin, end);
  });
}

void avg_pool2d_grad(const PoolShape& shape, const Tensor& g, const Tensor& dx) {
  if (is_channels_last(g)) {
    return for_parts(dx, dx.size(0),
                     [shape, channels = g.size(1), g = g.raw_data(), dx = dx.raw_data()]<class T>(T, std::int64_t begin,
                                                                                                  std::int64_t end) {
                       HOP_PICK(avg_pool_grad_columns<T>)(shape, channels, as<T>(g), as<T>(dx), begin, end);
                     });
  }
  for_planes(dx, [shape, g = g.raw_data(), dx = dx.raw_data()]<class T>(T, std::int64_t begin, std::int64_t end) {
    HOP_PICK(avg_pool_grad_planes<T>)(shape, as<T>(g), as<T>(dx), begin, end);
  });
}

void max_pool2d_grad(const PoolShape*, const Tensor& g, const Tensor& indices, const Tensor& dx) {
  check_indices("max_pool2d gradient", indices, dx);
  for_parts(dx, dx.size(0),
            [all = Indexed(dx, indices), g = g.raw_data(), dx = dx.raw_data()]<class T>(T, std::int64_t begin,
                                                                                        std::int64_t end) {
              const T* from = as<T>(g);
              T* to = as<T>(dx);
              const std::int64_t image = all.channels * all.plane_size;
              std::fill(to + begin * image, to + end * image, T{0});
              all.for_each(begin, end, [=](std::int64_t place, std::int64_t output) { to[place] += from[output]; });
            });
}

void max_pool2d_gather(const Tensor& x, const Tensor& indices, const Tensor& y) {
  check_indices("max_pool2d gather", indices, x);
  for_parts(x, x.size(0),
            [all = Indexed(x, indices), x = x.raw_data(), y = y.raw_data()]<class T>(T, std::int64_t begin,
                                                                                     std::int64_t end) {
              const T* from = as<T>(x);
              T* to = as<T>(y);
              all.for_each(begin, end, [=](std::int64_t place, std::int64_t output) { to[output] = from[place]; });
            });
}

}  // namespace
}  // namespace hop::kernels::cpu

namespace hop::kernels {

const PoolOperations PoolOperations::cpu = {
    .max_pool2d = cpu::max_pool2d,
    .max_pool2d_grad = cpu::max_pool2d_grad,
    .max_pool2d_gather = cpu::max_pool2d_gather,
    .avg_pool2d = cpu::avg_pool2d,
    .avg_pool2d_grad = cpu::avg_pool2d_grad,
};

}  // namespace hop::kernels
