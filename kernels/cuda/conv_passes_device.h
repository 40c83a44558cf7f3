// Convolution and its gradients as products of matrices that are never stored (implicit GEMM): the places of their
// rows, columns and steps. conv_tiles.cu explains and multiplies.
#pragma once

#include <cstdint>

#include "kernels/cuda/language.h"

namespace hop::kernels::cuda {

constexpr int kNowhere = -(1 << 29);  // stays outside of every image when an offset is added

struct alignas(16) Place {
  std::int64_t offset;
  int row, column;
};
__device__ inline Place nowhere() { return {0, kNowhere, 0}; }

/// One factor of a product: an image or, without bounds of its own, any array.
template <class T>
struct ConvFactor {
  const T* at;
  int rows, columns;          // of the image; 1, 1: only kNowhere is outside
  int row_step, column_step;  // only rows and columns that are multiples of these exist: dx with strides
  std::int64_t row_stride, column_stride;

  __device__ T load(const Place& line, const Place& step) const {
    int row = line.row + step.row, column = line.column + step.column;
    std::int64_t offset = line.offset + step.offset;
    if (row_step != 1 || column_step != 1) {
      if (row < 0 || column < 0 || row % row_step != 0 || column % column_step != 0) return T{0};
      row /= row_step, column /= column_step;
      offset += row * row_stride + column * column_stride;
    }
    const bool inside = row >= 0 && row < rows && column >= 0 && column < columns;
    return inside ? at[offset] : T{0};
  }
};

/// The sizes of a convolution, contiguous arrays.
struct DeviceConvSizes {
  int n, c, h, w, k, r, s, p, q;
  int group_in, group_out;
  int row_step, column_step, row_padding, column_padding, row_dilation, column_dilation;

  __device__ std::int64_t plane() const { return static_cast<std::int64_t>(h) * w; }
  __device__ std::int64_t result_plane() const { return static_cast<std::int64_t>(p) * q; }
};

/// A pixel or tap number split into its parts, the last fastest.
struct Index3 {
  std::int64_t first;
  int second, third;
  __device__ Index3(std::int64_t i, int seconds, int thirds)
      : first(i / thirds / seconds),
        second(static_cast<int>(i / thirds % seconds)),
        third(static_cast<int>(i % thirds)) {}
};

/// The corner in x of the window of result pixel `i`; below it, the place of tap `i` = (c, r, s) of a window of
/// `group`.
__device__ inline Place corner_of(const DeviceConvSizes& z, std::int64_t i) {
  const Index3 at(i, z.p, z.q);
  const int row = at.second * z.row_step - z.row_padding, column = at.third * z.column_step - z.column_padding;
  return {at.first * z.c * z.plane() + static_cast<std::int64_t>(row) * z.w + column, row, column};
}
__device__ inline Place tap_of(const DeviceConvSizes& z, int group, std::int64_t i) {
  const Index3 at(i, z.r, z.s);
  const int row = at.second * z.row_dilation, column = at.third * z.column_dilation;
  return {(group * z.group_in + at.first) * z.plane() + static_cast<std::int64_t>(row) * z.w + column, row, column};
}
__device__ inline std::int64_t result_offset(const DeviceConvSizes& z, std::int64_t pixel) {
  return pixel / z.result_plane() * z.k * z.result_plane() + pixel % z.result_plane();
}

/// The passes: their numbers of rows, columns and steps, the places of these in the two factors, and the place to which
/// a sum is written.
template <class T>
struct Forward {
  static constexpr bool kRowsAlongDepth = false;
  DeviceConvSizes z;
  const T *x, *weight;
  T* y;
  __device__ std::int64_t rows() const { return z.n * z.result_plane(); }
  __device__ std::int64_t columns() const { return z.group_out; }
  __device__ std::int64_t steps() const { return static_cast<std::int64_t>(z.group_in) * z.r * z.s; }
  __device__ ConvFactor<T> row_factor() const { return {x, z.h, z.w, 1, 1, 0, 0}; }
  __device__ ConvFactor<T> column_factor() const { return {weight, 1, 1, 1, 1, 0, 0}; }
  __device__ Place row(int, std::int64_t i) const { return corner_of(z, i); }
  __device__ Place column(int group, std::int64_t i) const { return {(group * z.group_out + i) * steps(), 0, 0}; }
  __device__ Place row_step(int group, std::int64_t i) const { return tap_of(z, group, i); }
  __device__ Place column_step(int, std::int64_t i) const { return {i, 0, 0}; }
  __device__ std::int64_t out_row(std::int64_t i) const { return result_offset(z, i); }
  __device__ std::int64_t out_column(int group, std::int64_t i) const {
    return (group * z.group_out + i) * z.result_plane();
  }
  __device__ T* out(std::int64_t) const { return y; }
};

template <class T>
struct InputGrad {
  static constexpr bool kRowsAlongDepth = false;
  DeviceConvSizes z;
  const T *g, *weight;
  T* dx;
  __device__ bool is_strided() const { return z.row_step != 1 || z.column_step != 1; }
  __device__ std::int64_t rows() const { return z.n * z.plane(); }
  __device__ std::int64_t columns() const { return z.group_in; }
  __device__ std::int64_t steps() const { return static_cast<std::int64_t>(z.group_out) * z.r * z.s; }
  __device__ ConvFactor<T> row_factor() const { return {g, z.p, z.q, z.row_step, z.column_step, z.q, 1}; }
  __device__ ConvFactor<T> column_factor() const { return {weight, 1, 1, 1, 1, 0, 0}; }
  __device__ Place row(int, std::int64_t i) const {
    const Index3 at(i, z.h, z.w);
    return in_g(at.first * z.k * z.result_plane(), at.second + z.row_padding, at.third + z.column_padding);
  }
  __device__ Place column(int, std::int64_t i) const { return {i * z.r * z.s, 0, 0}; }
  __device__ Place row_step(int group, std::int64_t i) const {
    const Index3 at(i, z.r, z.s);
    return in_g((group * z.group_out + at.first) * z.result_plane(), -at.second * z.row_dilation,
                -at.third * z.column_dilation);
  }
  __device__ Place column_step(int group, std::int64_t i) const {
    const std::int64_t taps = static_cast<std::int64_t>(z.r) * z.s;
    return {(group * z.group_out + i / taps) * z.group_in * taps + i % taps, 0, 0};
  }
  __device__ std::int64_t out_row(std::int64_t i) const { return i / z.plane() * z.c * z.plane() + i % z.plane(); }
  __device__ std::int64_t out_column(int group, std::int64_t i) const { return (group * z.group_in + i) * z.plane(); }
  __device__ T* out(std::int64_t) const { return dx; }

 private:
  /// With strides, only the sum of two rows determines the row of g.
  __device__ Place in_g(std::int64_t offset, int row, int column) const {
    return {is_strided() ? offset : offset + static_cast<std::int64_t>(row) * z.q + column, row, column};
  }
};

template <class T>
struct WeightGrad {
  static constexpr bool kRowsAlongDepth = true;
  DeviceConvSizes z;
  const T *g, *x;
  T* parts;
  __device__ std::int64_t rows() const { return z.group_out; }
  __device__ std::int64_t columns() const { return static_cast<std::int64_t>(z.group_in) * z.r * z.s; }
  __device__ std::int64_t steps() const { return z.n * z.result_plane(); }
  __device__ ConvFactor<T> row_factor() const { return {g, 1, 1, 1, 1, 0, 0}; }
  __device__ ConvFactor<T> column_factor() const { return {x, z.h, z.w, 1, 1, 0, 0}; }
  __device__ Place row(int group, std::int64_t i) const { return {(group * z.group_out + i) * z.result_plane(), 0, 0}; }
  __device__ Place column(int group, std::int64_t i) const { return tap_of(z, group, i); }
  __device__ Place row_step(int, std::int64_t i) const { return {result_offset(z, i), 0, 0}; }
  __device__ Place column_step(int, std::int64_t i) const { return corner_of(z, i); }
  __device__ std::int64_t out_row(std::int64_t i) const { return i * columns(); }
  __device__ std::int64_t out_column(int group, std::int64_t i) const { return group * z.group_out * columns() + i; }
  __device__ T* out(std::int64_t part) const { return parts + part * z.k * columns(); }
};

}  // namespace hop::kernels::cuda
