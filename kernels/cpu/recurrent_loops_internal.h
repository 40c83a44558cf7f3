// The loops of recurrent cells: rows begin..end-1 of one step, each of `hidden` units. Tensors as in
// recurrent_operations.h. T is float or double.
#pragma once

#include <cstdint>

#include "kernels/cpu/isa_internal.h"

namespace hop::kernels {

struct RecurrentRows {
  std::int64_t hidden, begin, end;
};

template <class T>
struct RecurrentStepData {
  const T *x_gates, *h_gates, *state;
  T *kept, *h_next, *next;  // next: null without a cell
};
template <class T>
struct RecurrentSlopeData {
  const T *dy, *dh;
  T* dstate;  // in place
  const T *kept, *state, *next;
  T *dx_gates, *dh_gates;
};

HOP_EACH_ISA(template <class Cell, class T>
             void recurrent_step_rows(const RecurrentRows& rows, const RecurrentStepData<T>& data);
             template <class Cell, class T>
             void recurrent_grad_rows(const RecurrentRows& rows, const RecurrentSlopeData<T>& data);)

}  // namespace hop::kernels
