// From the numbers of a row to the input of a model: y = (x - offset) * factor. Training, validation on the CPU and
// prediction scale rows here. (On a device, batches.cpp computes the same formula with operations.)
#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "data/columns.h"

namespace hop::data {

/// A scaling, ready for rows. `S`, float or double, is the scaling_dtype() of the numbers as a data set stores them.
class RowScaling {
 public:
  explicit RowScaling(Scaling scaling);
  const Scaling& scaling() const { return scaling_; }

  /// Scales one row of n numbers.
  template <class S, class T>
  void apply(const T* __restrict from, float* __restrict to, std::int64_t n) const;

 private:
  template <class S>
  struct ColumnScales {  // empty if one scale serves all
    std::vector<S> offsets = {}, factors = {};
  };
  template <class S>
  const ColumnScales<S>& columns() const {
    if constexpr (std::is_same_v<S, float>)
      return narrow_;
    else
      return wide_;
  }

  Scaling scaling_;
  ColumnScales<float> narrow_;
  ColumnScales<double> wide_;
};

template <class S, class T>
void RowScaling::apply(const T* __restrict from, float* __restrict to, std::int64_t n) const {
  const ColumnScales<S>& each = columns<S>();
  if (!each.offsets.empty()) {
    const S* const offsets = each.offsets.data();
    const S* const factors = each.factors.data();
    for (std::int64_t i = 0; i < n; ++i) {
      to[i] = static_cast<float>((static_cast<S>(from[i]) - offsets[i]) * factors[i]);
    }
    return;
  }
  const S offset = static_cast<S>(scaling_.all().offset), factor = static_cast<S>(scaling_.all().factor);
  const auto scaled = [=](T value) { return static_cast<float>((static_cast<S>(value) - offset) * factor); };
  constexpr std::int64_t kPiece = 16;  // pieces of constant size, so that the compiler makes vector code
  std::int64_t i = 0;
  for (; i + kPiece <= n; i += kPiece) {
    for (std::int64_t j = 0; j < kPiece; ++j) to[i + j] = scaled(from[i + j]);
  }
  for (; i < n; ++i) to[i] = scaled(from[i]);
}

}  // namespace hop::data
