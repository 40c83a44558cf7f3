// Gathering and scattering by an index. Sums run in the order of the index, so their bits are a function of the index.
// index_add in f32 sums in f64 and rounds once. The positions of each destination are grouped first, so that its sum
// needs one row of scratch and is written once. For narrow rows grouping would not pay: they are added to an f64 copy
// of y. The additions are the same, and so are the bits.
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/error.h"
#include "kernels/capture_internal.h"
#include "kernels/copy_operations.h"
#include "kernels/cpu/index_loops_internal.h"
#include "kernels/cpu/walk_internal.h"
#include "kernels/index_operations.h"

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

/// The places of each value in an index. Found by counting, or by sorting if there were many more counters than values.
struct Groups {
  static bool counts(std::int64_t n, std::int64_t size) { return size / 64 <= n; }
  static std::int64_t room(std::int64_t n, std::int64_t size) { return n + (counts(n, size) ? size : 0); }

  /// Calls f(value, places, count) for every value in the index, with its places in rising order. `room` is scratch of
  /// room() words.
  template <class F>
  static void for_each(const CheckedIndex& index, std::int64_t* room, const F& f) {
    const std::int64_t n = index.count, size = index.size;
    std::int64_t* const places = room;
    if (!counts(n, size)) {
      for (std::int64_t i = 0; i < n; ++i) places[i] = i;
      const std::int64_t* values = index.values;
      std::sort(places, places + n, [values](std::int64_t a, std::int64_t b) {
        return values[a] != values[b] ? values[a] < values[b] : a < b;
      });
      for (std::int64_t i = 0, end = 0; i < n; i = end) {
        while (end < n && values[places[end]] == values[places[i]]) ++end;
        f(values[places[i]], places + i, end - i);
      }
      return;
    }
    std::int64_t* const end = room + n;  // per value: first its count, then its begin, then its end
    std::fill(end, end + size, 0);
    for (std::int64_t i = 0; i < n; ++i) ++end[index.values[i]];
    for (std::int64_t v = 0, sum = 0; v < size; ++v) sum += std::exchange(end[v], sum);
    for (std::int64_t i = 0; i < n; ++i) places[end[index.values[i]]++] = i;
    for (std::int64_t v = 0, first = 0; v < size; first = end[v++]) {
      if (end[v] != first) f(v, places + first, end[v] - first);
    }
  }
};

/// index_add on plain addresses: g (outer, index.count, inner) to y (outer, index.size, inner).
struct AddF32 {
  CheckedIndex index;
  Around around;
  const float* g;
  float* y;
  std::int64_t* room;

  void operator()() const {
    index.check();
    std::fill(y, y + around.outer * around.size * around.inner, 0.0F);
    Groups::for_each(index, room, [&](std::int64_t value, const std::int64_t* places, std::int64_t n) {
      for (std::int64_t o = 0; o < around.outer; ++o) {
        HOP_PICK(add_rows)
        (g + o * index.count * around.inner, around.inner, places, n, y + (o * around.size + value) * around.inner);
      }
    });
  }
};

/// index_add for rows of few values: `sums` has as many elements as y.
struct AddNarrowF32 {
  CheckedIndex index;
  Around around;
  const float* g;
  float* y;
  double* sums;

  void operator()() const {
    index.check();
    const std::int64_t elements = around.outer * around.size * around.inner, inner = around.inner;
    std::fill(sums, sums + elements, 0.0);
    const float* from = g;
    for (std::int64_t o = 0; o < around.outer; ++o) {
      for (std::int64_t i = 0; i < index.count; ++i, from += inner) {
        double* to = sums + (o * around.size + index.values[i]) * inner;
        for (std::int64_t j = 0; j < inner; ++j) to[j] += static_cast<double>(from[j]);
      }
    }
    for (std::int64_t e = 0; e < elements; ++e) y[e] = static_cast<float>(sums[e]);
  }
};

/// index_add in f64: adds one value after the other to y.
struct AddF64 {
  CheckedIndex index;
  Around around;
  const double* g;
  double* y;

  void operator()() const {
    index.check();
    std::fill(y, y + around.outer * around.size * around.inner, 0.0);
    const double* from = g;
    for (std::int64_t o = 0; o < around.outer; ++o) {
      for (std::int64_t i = 0; i < index.count; ++i, from += around.inner) {
        double* to = y + (o * around.size + index.values[i]) * around.inner;
        for (std::int64_t j = 0; j < around.inner; ++j) to[j] += from[j];
      }
    }
  }
};

void add_at(const char* op, const Tensor& g, int dim, const Tensor& index, const Tensor& y) {
  const Around around(y.shape(), dim);
  const CheckedIndex checked(op, index, around.size);
  if (y.dtype() == DType::f64) return launch(AddF64{checked, around, g.data<double>(), y.data<double>()});
  if (around.inner < 8 && around.size <= 4 * checked.count) {
    const Tensor sums = Tensor::empty(y.shape(), DType::f64);
    return launch(AddNarrowF32{checked, around, g.data<float>(), y.data<float>(), sums.data<double>()});
  }
  const Tensor room = Tensor::empty({Groups::room(checked.count, around.size)}, DType::i64);
  launch(AddF32{checked, around, g.data<float>(), y.data<float>(), room.data<std::int64_t>()});
}

void gather(const char* op, const Tensor& x, int dim, const Tensor& index, const Tensor& y) {
  visit_stored_dtype(x.dtype(), [&]<class T>(T) {
    launch([checked = CheckedIndex(op, index, x.shape()[dim]), places = Places(index, x.strides(), dim),
            from = x.data<T>(), to = y.data<T>()] {
      checked.check();
      places.for_each(checked.values, [=](std::int64_t place, std::int64_t i) { to[i] = from[place]; });
    });
  });
}

void scatter_add(const char* op, const Tensor& g, int dim, const Tensor& index, const Tensor& y) {
  if (y.dim() == 1) return add_at(op, g, dim, index, y);
  CopyOperations::cpu.fill(y, 0);
  visit_dtype(g.dtype(), [&]<class T>(T) {
    launch([checked = CheckedIndex(op, index, y.shape()[dim]), places = Places(index, y.strides(), dim),
            from = g.data<T>(), to = y.data<T>()] {
      checked.check();
      places.for_each(checked.values,
                      [=](std::int64_t place, std::int64_t i) { to[place] = static_cast<T>(to[place] + from[i]); });
    });
  });
}

void index_select(const char* op, const Tensor& x, int dim, const Tensor& index, const Tensor& y) {
  const Around around(x.shape(), dim);
  const std::size_t bytes = static_cast<std::size_t>(around.inner) * size_of(x.dtype());
  launch([checked = CheckedIndex(op, index, around.size), around, bytes, x = x.raw_data(), y = y.raw_data()] {
    checked.check();
    std::byte* to = y;
    for (std::int64_t o = 0; o < around.outer; ++o) {
      const std::byte* from = x + static_cast<std::size_t>(o * around.size) * bytes;
      for (std::int64_t i = 0; i < checked.count; ++i, to += bytes)
        std::memcpy(to, from + static_cast<std::size_t>(checked.values[i]) * bytes, bytes);
    }
  });
}

void index_add(const char* op, const Tensor& g, int dim, const Tensor& index, const Tensor& y) {
  add_at(op, g, dim, index, y);
}

}  // namespace
}  // namespace hop::kernels::cpu

namespace hop::kernels {

const IndexOperations IndexOperations::cpu = {
    .gather = cpu::gather,
    .scatter_add = cpu::scatter_add,
    .index_select = cpu::index_select,
    .index_add = cpu::index_add,
};

}  // namespace hop::kernels
