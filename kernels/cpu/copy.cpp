#include "kernels/copy_operations.h"

#include <bit>
#include <cstring>

#include "kernels/capture_internal.h"
#include "kernels/cpu/line_internal.h"
#include "kernels/cpu/parallel_internal.h"
#include "kernels/cpu/transpose_internal.h"
#include "kernels/cpu/walk_internal.h"
#include "kernels/layout_internal.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 65536;  // elements per thread's turn

using CopyWalk = Walk<2>;  // y, then x

// For a transposition: the dimension along which x's elements lie side by side while y's lines run along another.
// Otherwise -1.
int transposed_dim(const CopyWalk& walk, std::int64_t size) {
  if (walk.line_stride(0) != size || walk.line_stride(1) == size || walk.line_stride(1) == 0) return -1;
  for (int d = walk.rank() - 2; d >= 0; --d) {
    if (walk.stride(1, d) == size) return d;
  }
  return -1;
}

// Matrix by matrix: dimension `row` of the walk by its last one, for every index of the others.
void copy_transposed(const CopyWalk& walk, int row, std::byte* to, const std::byte* from, std::size_t size) {
  Shape others;
  std::array<Strides, 2> strides;
  for (int d = 0; d < walk.rank() - 1; ++d) {
    if (d == row) continue;
    others.push_back(walk.size(d));
    for (int k = 0; k < 2; ++k) strides[static_cast<std::size_t>(k)].push_back(walk.stride(k, d));
  }
  const std::int64_t columns = walk.size(walk.rank() - 1), x_stride = walk.line_stride(1),
                     y_stride = walk.stride(0, row);
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / columns);
  const CopyWalk matrices(others, strides, 2);
  matrices.for_each_line(0, others.numel(), [&](const std::int64_t* offset, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
      std::byte* y = to + offset[0] + i * matrices.line_stride(0);
      const std::byte* x = from + offset[1] + i * matrices.line_stride(1);
      parallel_for(walk.size(row), grain, [&](std::int64_t begin, std::int64_t end) {
        transpose(x + begin * static_cast<std::int64_t>(size), x_stride, y + begin * y_stride, y_stride, end - begin,
                  columns, size);
      });
    }
  });
}

void copy_lines(const CopyWalk& walk, std::int64_t n, DType to_dtype, std::byte* to, DType from_dtype,
                const std::byte* from) {
  const auto size = static_cast<std::int64_t>(size_of(to_dtype));
  const bool bytes_only = from_dtype == to_dtype && walk.line_stride(0) == size && walk.line_stride(1) == size;
  const auto convert = &HOP_PICK(convert_line);
  parallel_for(n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    walk.for_each_line(begin, end, [&](const std::int64_t* offset, std::int64_t count) {
      if (bytes_only) {
        std::memcpy(to + offset[0], from + offset[1], static_cast<std::size_t>(count * size));
      } else {
        convert(from_dtype, from + offset[1], walk.line_stride(1), to_dtype, to + offset[0], walk.line_stride(0),
                count);
      }
    });
  });
}

// y <- the elements at `from`, `steps` bytes apart along y's dimensions; a number where `from` is null.
struct Copy {
  CopyWalk walk;
  std::int64_t n;
  DType to_dtype, from_dtype;
  std::byte* to;
  const std::byte* from;
  alignas(8) std::byte number[8];

  void operator()() const {
    const std::byte* source = from != nullptr ? from : number;
    const std::size_t size = size_of(to_dtype);
    const int row = from_dtype == to_dtype ? transposed_dim(walk, static_cast<std::int64_t>(size)) : -1;
    if (row >= 0)
      copy_transposed(walk, row, to, source, size);
    else
      copy_lines(walk, n, to_dtype, to, from_dtype, source);
  }
};

/// Walks in the order of y's memory if y is an image with channels last or a part of one, otherwise row by row.
CopyWalk make_walk(const Tensor& y, const Strides& steps) {
  const Strides own = broadcast_strides(y.shape(), y.strides(), size_of(y.dtype()), y.shape());
  if (!has_channels_innermost(y)) return {y.shape(), {own, steps}, 2};
  return {channels_innermost(y.shape()), {channels_innermost(own), channels_innermost(steps)}, 2};
}

Copy make_copy(const Tensor& y, DType dtype, const Strides& steps) {
  return {make_walk(y, steps), y.numel(), y.dtype(), dtype, y.raw_data(), nullptr, {}};
}

bool is_zero(Scalar value) {
  return value.dtype() != DType::f64 ? value.to<std::int64_t>() == 0
                                     : std::bit_cast<std::uint64_t>(value.to<double>()) == 0;
}

void copy(const Tensor& y, const Tensor& x) {
  if (y.numel() == 0) return;
  const bool alike = (y.is_contiguous() && x.is_contiguous()) || (is_channels_last(y) && is_channels_last(x));
  if (y.dtype() == x.dtype() && alike && y.numel() == x.numel()) {
    const std::size_t bytes = static_cast<std::size_t>(y.numel()) * size_of(y.dtype());
    return launch([to = y.raw_data(), from = x.raw_data(), bytes] { std::memcpy(to, from, bytes); });
  }
  Copy work = make_copy(y, x.dtype(), broadcast_strides(x.shape(), x.strides(), size_of(x.dtype()), y.shape()));
  work.from = x.raw_data();
  launch(work);
}

void fill(const Tensor& y, Scalar value) {
  if (y.numel() == 0) return;
  if (is_zero(value) && (y.is_contiguous() || is_channels_last(y))) {
    const std::size_t bytes = static_cast<std::size_t>(y.numel()) * size_of(y.dtype());
    return launch([to = y.raw_data(), bytes] { std::memset(to, 0, bytes); });
  }
  Strides none;
  none.resize(y.dim(), 0);
  visit_dtype(value.dtype(), [&]<class T>(T) {
    const T number = value.to<T>();
    Copy work = make_copy(y, value.dtype(), none);
    std::memcpy(work.number, &number, sizeof number);
    launch(work);
  });
}

void arange(const Tensor& y) {
  visit_stored_dtype(y.dtype(), [&]<class T>(T) {
    launch([to = y.data<T>(), n = y.numel()] {
      for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(i);
    });
  });
}

}  // namespace
}  // namespace hop::kernels::cpu

namespace hop::kernels {

const CopyOperations CopyOperations::cpu = {
    .copy = cpu::copy,
    .fill = cpu::fill,
    .arange = cpu::arange,
};

}  // namespace hop::kernels
