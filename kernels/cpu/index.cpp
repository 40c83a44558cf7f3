// Gathering and scattering by an index. Sums are made in the order of the index, so their bits are a function of it.
#include <cstring>
#include <string>

#include "base/error.h"
#include "kernels/capture_internal.h"
#include "kernels/cpu/line_internal.h"
#include "kernels/cpu/operations_internal.h"
#include "kernels/cpu/walk_internal.h"

namespace hop::kernels::cpu {
namespace {

// A contiguous tensor around one dimension: (outer, size, inner), in bytes of inner.
struct Around {
  std::int64_t outer = 1;
  std::int64_t size = 1;
  std::int64_t inner = 1;
  Around(const Shape& shape, int dim) : size(shape[dim]) {
    for (int d = 0; d < dim; ++d) outer *= shape[d];
    for (int d = dim + 1; d < shape.size(); ++d) inner *= shape[d];
  }
};

/// An index whose values are checked, once per run, before they are used.
struct CheckedIndex {
  const char* op;
  const std::int64_t* values;
  std::int64_t count, size;

  CheckedIndex(const char* name, const Tensor& index, std::int64_t dimension)
      : op(name), values(index.data<std::int64_t>()), count(index.numel()), size(dimension) {}

  void check() const {
    for (std::int64_t i = 0; i < count; ++i) {
      if (values[i] >= 0 && values[i] < size) continue;
      throw IndexError("[" + std::string(op) + "] expected indices in 0.." + std::to_string(size - 1) + ", got " +
                       std::to_string(values[i]) + " (at position " + std::to_string(i) + ")");
    }
  }
};

/// The places, in elements of the indexed tensor, that an index of the same rank names.
class Places {
 public:
  Places(const Tensor& index, const Strides& strides, int dim)
      : walk_(index.shape(), {without(strides, dim)}, 1), count_(index.numel()), step_(strides[dim]) {}

  /// f(place, i) for the index's elements i in row-major order.
  template <class F>
  void for_each(const std::int64_t* index, const F& f) const {
    std::int64_t i = 0;
    walk_.for_each_line(0, count_, [&](const std::int64_t* offset, std::int64_t n) {
      for (std::int64_t k = 0; k < n; ++k, ++i) f(offset[0] + k * walk_.line_stride(0) + index[i] * step_, i);
    });
  }

 private:
  static Strides without(Strides strides, int dim) {
    strides[dim] = 0;
    return strides;
  }
  Walk<1> walk_;
  std::int64_t count_, step_;
};

// Adds with the loop of rows::Add, so that a slice is added as fast as two tensors.
void add_slice(LineKernel add, DType dtype, std::byte* to, const std::byte* from, std::int64_t n) {
  const auto step = static_cast<std::int64_t>(size_of(dtype));
  const Line line{n, to, {to, from}, {step, step}, {dtype, dtype}};
  const rows::Add row;
  add(line, &row);
}

}  // namespace

void gather(const Tensor& x, int dim, const Tensor& index, const Tensor& y) {
  visit_dtype(x.dtype(), [&]<class T>(T) {
    launch([checked = CheckedIndex("gather", index, x.shape()[dim]), places = Places(index, x.strides(), dim),
            from = x.data<T>(), to = y.data<T>()] {
      checked.check();
      places.for_each(checked.values, [=](std::int64_t place, std::int64_t i) { to[i] = from[place]; });
    });
  });
}

void scatter_add(const Tensor& g, int dim, const Tensor& index, const Tensor& y) {
  fill(y, 0);
  visit_dtype(g.dtype(), [&]<class T>(T) {
    launch([checked = CheckedIndex("scatter_add", index, y.shape()[dim]), places = Places(index, y.strides(), dim),
            from = g.data<T>(), to = y.data<T>()] {
      checked.check();
      places.for_each(checked.values,
                      [=](std::int64_t place, std::int64_t i) { to[place] = static_cast<T>(to[place] + from[i]); });
    });
  });
}

void index_select(const Tensor& x, int dim, const Tensor& index, const Tensor& y) {
  const Around around(x.shape(), dim);
  const std::size_t bytes = static_cast<std::size_t>(around.inner) * size_of(x.dtype());
  launch(
      [checked = CheckedIndex("index_select", index, around.size), around, bytes, x = x.raw_data(), y = y.raw_data()] {
        checked.check();
        std::byte* to = y;
        for (std::int64_t o = 0; o < around.outer; ++o) {
          const std::byte* from = x + static_cast<std::size_t>(o * around.size) * bytes;
          for (std::int64_t i = 0; i < checked.count; ++i, to += bytes)
            std::memcpy(to, from + static_cast<std::size_t>(checked.values[i]) * bytes, bytes);
        }
      });
}

void index_add(const Tensor& g, int dim, const Tensor& index, const Tensor& y) {
  fill(y, 0);
  const Around around(y.shape(), dim);
  const std::size_t bytes = static_cast<std::size_t>(around.inner) * size_of(g.dtype());
  launch([checked = CheckedIndex("index_add", index, around.size), around, bytes, dtype = g.dtype(), g = g.raw_data(),
          y = y.raw_data(), add = line_kernel(rows::Add::id, rows::Part::value, g.dtype())] {
    checked.check();
    const std::byte* from = g;
    for (std::int64_t o = 0; o < around.outer; ++o) {
      std::byte* to = y + static_cast<std::size_t>(o * around.size) * bytes;
      for (std::int64_t i = 0; i < checked.count; ++i, from += bytes)
        add_slice(add, dtype, to + static_cast<std::size_t>(checked.values[i]) * bytes, from, around.inner);
    }
  });
}

}  // namespace hop::kernels::cpu
