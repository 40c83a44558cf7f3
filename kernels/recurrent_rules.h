// The cells of recurrent layers, a struct each, which says once what one hidden unit goes through in a step and on the
// way back. The CPU instantiates both functions with packs of floats and with double, CUDA with float and double, and
// autograd with Tensor: there they are the rule that can be differentiated again.
//
//   gates                    the gates of a unit, each a sum of a value from the input and one from the hidden state,
//                            in PyTorch's order
//   has_cell                 whether the state that a step passes on directly is a cell beside h. Otherwise it is h
//   shares_gradients         whether a gate's two values have the same gradient
//   forward(x, h, state,     x and h: the two values of each gate. kept: what the way back reads. h_next is the new
//     kept, h_next, next)    hidden value, next the new state (h_next itself without a cell)
//   backward(dh, dstate,     dh: the gradient of h_next from all readers but the next step's state, which gave dstate.
//     kept, state, next,     dx and dgates: the gradients of x and h; dgates stays untouched where they are shared.
//     dx, dgates, dbefore)   dbefore: the gradient of `state`
#pragma once

#include "kernels/elementwise_vocabulary.h"

namespace hop::kernels::rules {

using rows::sigmoid;
using rows::tanh;

inline constexpr int kKept = 4;  // per unit, in every cell

/// Long short-term memory (Hochreiter & Schmidhuber, 1997), with the gates i, f, g, o:
///   c' = sigmoid(f) c + sigmoid(i) tanh(g),  h' = sigmoid(o) tanh(c')
struct LstmCell {
  static constexpr int gates = 4;
  static constexpr bool has_cell = true;
  static constexpr bool shares_gradients = true;

  template <class V>
  static HOP_INLINE void forward(const V (&x)[4], const V (&h)[4], const V& state, V (&kept)[kKept], V& h_next,
                                 V& next) {
    kept[0] = sigmoid(x[0] + h[0]);
    kept[1] = sigmoid(x[1] + h[1]);
    kept[2] = tanh(x[2] + h[2]);
    kept[3] = sigmoid(x[3] + h[3]);
    next = kept[1] * state + kept[0] * kept[2];
    h_next = kept[3] * tanh(next);
  }

  template <class V>
  static HOP_INLINE void backward(const V& dh, const V& dstate, const V (&kept)[kKept], const V& state, const V& next,
                                  V (&dx)[4], V (&)[4], V& dbefore) {
    const V &i = kept[0], &f = kept[1], &g = kept[2], &o = kept[3];
    const V t = tanh(next);
    const V dc = dstate + dh * o * (1 - t * t);
    dx[0] = dc * g * (i * (1 - i));
    dx[1] = dc * state * (f * (1 - f));
    dx[2] = dc * i * (1 - g * g);
    dx[3] = dh * t * (o * (1 - o));
    dbefore = dc * f;
  }
};

/// Gated recurrent unit (Cho et al., 2014) with the reset gate behind the product, and the gates r, z, n:
///   n' = tanh(n_x + sigmoid(r) n_h),  h' = (1 - sigmoid(z)) n' + sigmoid(z) h
struct GruCell {
  static constexpr int gates = 3;
  static constexpr bool has_cell = false;
  static constexpr bool shares_gradients = false;

  template <class V>
  static HOP_INLINE void forward(const V (&x)[3], const V (&h)[3], const V& state, V (&kept)[kKept], V& h_next,
                                 V& next) {
    kept[0] = sigmoid(x[0] + h[0]);
    kept[1] = sigmoid(x[1] + h[1]);
    kept[2] = tanh(x[2] + kept[0] * h[2]);
    kept[3] = h[2];
    h_next = kept[2] + kept[1] * (state - kept[2]);
    next = h_next;
  }

  template <class V>
  static HOP_INLINE void backward(const V& dh, const V& dstate, const V (&kept)[kKept], const V& state, const V&,
                                  V (&dx)[3], V (&dgates)[3], V& dbefore) {
    const V &r = kept[0], &z = kept[1], &n = kept[2];
    const V d = dh + dstate;
    const V dn = (d - d * z) * (1 - n * n);
    dx[0] = dgates[0] = dn * kept[3] * (r * (1 - r));
    dx[1] = dgates[1] = d * (state - n) * (z * (1 - z));
    dx[2] = dn;
    dgates[2] = dn * r;
    dbefore = d * z;
  }
};

}  // namespace hop::kernels::rules
