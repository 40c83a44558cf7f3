// The vectorised loops of softmax: rows begin..end-1 of contiguous matrices of `length` > 0 columns. T is float or
// double.
#pragma once

#include <cstdint>

#include "kernels/cpu/isa_internal.h"

namespace hop::kernels {

/// A range of rows.
struct Rows {
  std::int64_t length, begin, end;
};

HOP_EACH_ISA(template <class T> void softmax_rows(Rows rows, const T* x, T* y);
             template <class T> void softmax_grad_rows(Rows rows, const T* g, const T* y, T* dx);
             template <class T> void log_softmax_rows(Rows rows, const T* x, T* y);
             template <class T> void log_softmax_grad_rows(Rows rows, const T* g, const T* y, T* dx);
             /// dx = scale * (exp(y) - one_hot(labels))
             template <class T>
             void cross_entropy_grad_rows(Rows rows, T scale, const T* y, const std::int64_t* labels, T* dx);)

}  // namespace hop::kernels
