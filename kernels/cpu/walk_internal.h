// Walking several strided tensors of one shape in step, line by line.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "tensor/shape.h"

namespace hop::kernels {

/// Up to N operands over one shape, in row-major order. Dimensions of size 1 are dropped. Neighbouring dimensions that
/// every operand walks with one stride are merged, so contiguous operands of any rank become one line.
template <int N>
class Walk {
 public:
  /// `strides[k][d]` is the step of operand k along dimension d, in bytes; 0 where it is broadcast.
  Walk(const Shape& shape, const std::array<Strides, N>& strides, int operands) : operands_(operands) {
    for (int d = 0; d < shape.size(); ++d) {
      if (shape[d] == 1) continue;
      if (rank_ > 0 && merges(shape[d], strides, d)) {
        size_[rank_ - 1] *= shape[d];
      } else {
        size_[rank_++] = shape[d];
      }
      for (int k = 0; k < operands_; ++k) stride_[k][rank_ - 1] = strides[static_cast<std::size_t>(k)][d];
    }
    if (rank_ == 0) size_[rank_++] = 1;
  }

  int rank() const { return rank_; }  ///< at least 1
  std::int64_t size(int d) const { return size_[d]; }
  std::int64_t stride(int k, int d) const { return stride_[k][d]; }
  /// The step of operand k along a line, in bytes.
  std::int64_t line_stride(int k) const { return stride_[k][rank_ - 1]; }

  /// Elements begin .. end - 1 in row-major order, line by line: f(offsets, n), where offsets[k] is the byte offset of
  /// operand k at the line's first element.
  template <class F>
  void for_each_line(std::int64_t begin, std::int64_t end, const F& f) const {
    if (begin >= end) return;
    std::int64_t index[kMaxDims], offset[N] = {};
    std::int64_t rest = begin;
    for (int d = rank_ - 1; d >= 0; --d) {
      index[d] = rest % size_[d];
      rest /= size_[d];
      for (int k = 0; k < operands_; ++k) offset[k] += index[d] * stride_[k][d];
    }
    const int last = rank_ - 1;
    while (begin < end) {
      const std::int64_t n = std::min(size_[last] - index[last], end - begin);
      f(static_cast<const std::int64_t*>(offset), n);
      begin += n;
      for (int k = 0; k < operands_; ++k) offset[k] -= index[last] * stride_[k][last];
      index[last] = 0;
      for (int d = last - 1; d >= 0; --d) {
        for (int k = 0; k < operands_; ++k) offset[k] += stride_[k][d];
        if (++index[d] < size_[d]) break;
        for (int k = 0; k < operands_; ++k) offset[k] -= size_[d] * stride_[k][d];
        index[d] = 0;
      }
    }
  }

 private:
  bool merges(std::int64_t size, const std::array<Strides, N>& strides, int d) const {
    for (int k = 0; k < operands_; ++k) {
      if (stride_[k][rank_ - 1] != size * strides[static_cast<std::size_t>(k)][d]) return false;
    }
    return true;
  }

  int operands_;
  int rank_ = 0;
  std::int64_t size_[kMaxDims] = {};
  std::int64_t stride_[N][kMaxDims] = {};
};

/// The steps, in bytes, of a tensor of `shape` and `strides` walked as the broadcast shape `to`.
inline Strides broadcast_strides(const Shape& shape, const Strides& strides, std::size_t element, const Shape& to) {
  Strides steps;
  steps.resize(to.size(), 0);
  const int added = to.size() - shape.size();
  for (int d = 0; d < shape.size(); ++d) {
    steps[added + d] = shape[d] == 1 ? 0 : strides[d] * static_cast<std::int64_t>(element);
  }
  return steps;
}

}  // namespace hop::kernels
