// One step of a recurrent cell, between the products: every gate is a run of `hidden` values of its row, so a unit's
// values lie `hidden` apart, and neighbouring units fill a vector. Bytes per f32 unit of an LSTM, and so the floor: 60
// forward (8 gates and the cell in; 4 kept, h and the cell out), 60 on the way back. Bound by exp and tanh.
#include "kernels/cpu/isa/access.h"
#include "kernels/cpu/isa/pack_math.h"
#include "kernels/cpu/recurrent_loops_internal.h"
#include "kernels/recurrent_rules.h"

namespace hop::kernels::HOP_ISA {
namespace {

template <class T>
struct VectorOf {
  using Type = T;
};
template <>
struct VectorOf<float> {
  using Type = rows::Pack;
};
template <class T>
using Vector = typename VectorOf<T>::Type;

/// v[k] = the vector of gate k, whose values lie `hidden` apart.
template <class V, int n, class T, class... Count>
HOP_INLINE void load_all(V (&v)[n], const T* from, std::int64_t hidden, Count... count) {
#pragma GCC unroll 4
  for (int k = 0; k < n; ++k) v[k] = Access<V>::load(from + k * hidden, count...);
}
template <class V, int n, class T, class... Count>
HOP_INLINE void store_all(const V (&v)[n], T* to, std::int64_t hidden, Count... count) {
#pragma GCC unroll 4
  for (int k = 0; k < n; ++k) Access<V>::store(v[k], to + k * hidden, count...);
}

}  // namespace

template <class Cell, class T>
void recurrent_step_rows(const RecurrentRows& rows, const RecurrentStepData<T>& data) {
  using V = Vector<T>;
  using A = Access<V>;
  const std::int64_t hidden = rows.hidden;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t unit = row * hidden, gate = unit * Cell::gates;
    for_each_vector<V>(
        hidden, [&](std::int64_t i, auto... count) __attribute__((always_inline)) {
          V x[Cell::gates], h[Cell::gates], kept[rules::kKept], h_next, next;
          load_all(x, data.x_gates + gate + i, hidden, count...);
          load_all(h, data.h_gates + gate + i, hidden, count...);
          Cell::forward(x, h, A::load(data.state + unit + i, count...), kept, h_next, next);
          store_all(kept, data.kept + unit * rules::kKept + i, hidden, count...);
          A::store(h_next, data.h_next + unit + i, count...);
          if constexpr (Cell::has_cell) A::store(next, data.next + unit + i, count...);
        });
  }
}

template <class Cell, class T>
void recurrent_grad_rows(const RecurrentRows& rows, const RecurrentSlopeData<T>& data) {
  using V = Vector<T>;
  using A = Access<V>;
  const std::int64_t hidden = rows.hidden;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t unit = row * hidden, gate = unit * Cell::gates;
    for_each_vector<V>(
        hidden, [&](std::int64_t i, auto... count) __attribute__((always_inline)) {
          const auto at = [&](const T* p) __attribute__((always_inline)) { return A::load(p + unit + i, count...); };
          V kept[rules::kKept], dx[Cell::gates], dgates[Cell::gates], dbefore, next = {};
          load_all(kept, data.kept + unit * rules::kKept + i, hidden, count...);
          if constexpr (Cell::has_cell) next = at(data.next);
          const V dh = at(data.dy) + at(data.dh), dstate = at(data.dstate);
          Cell::backward(dh, dstate, kept, at(data.state), next, dx, dgates, dbefore);
          store_all(dx, data.dx_gates + gate + i, hidden, count...);
          if constexpr (!Cell::shares_gradients) store_all(dgates, data.dh_gates + gate + i, hidden, count...);
          A::store(dbefore, data.dstate + unit + i, count...);
        });
  }
}

#define HOP_RECURRENT(Cell, T)                                                                          \
  template void recurrent_step_rows<rules::Cell, T>(const RecurrentRows&, const RecurrentStepData<T>&); \
  template void recurrent_grad_rows<rules::Cell, T>(const RecurrentRows&, const RecurrentSlopeData<T>&);
HOP_RECURRENT(LstmCell, float)
HOP_RECURRENT(LstmCell, double)
HOP_RECURRENT(GruCell, float)
HOP_RECURRENT(GruCell, double)

}  // namespace hop::kernels::HOP_ISA
