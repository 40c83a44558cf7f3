// The rows of kernels/elementwise.def as differentiable functions, and the operators made of them.
//   exp(x)  leaky_relu(x, 0.2)  add(a, b)  mul(x, 2)  where(condition, a, 0)  eq(a, b)  ..
// elementwise_functions.h lists them all, with formulas. Comparisons and predicates give bool and have no gradient.
#pragma once

#include "autograd/elementwise_functions.h"
#include "kernels/elementwise.h"
#include "tensor/tensor.h"

namespace hop {

namespace autograd {
// Evaluate a row and record it. Instantiated for every row of the table in elementwise.cpp.
template <class Row>
Tensor unary(const Row& row, const Tensor& x);
template <class Row>
Tensor binary(const Row& row, kernels::Input a, kernels::Input b);
template <class Row>
Tensor ternary(const Row& row, kernels::Input condition, kernels::Input a, kernels::Input b);
}  // namespace autograd

#define HOP_UNARY(name, Name, dtypes, attributes, ...)                    \
  inline Tensor name(const Tensor& x HOP_DECLARED attributes) {           \
    return autograd::unary(kernels::rows::Name{HOP_NAMES attributes}, x); \
  }
#define HOP_BINARY(name, Name, ...) \
  inline Tensor name(kernels::Input a, kernels::Input b) { return autograd::binary(kernels::rows::Name{}, a, b); }
#define HOP_TERNARY(name, Name, ...)                                                 \
  inline Tensor name(kernels::Input condition, kernels::Input a, kernels::Input b) { \
    return autograd::ternary(kernels::rows::Name{}, condition, a, b);                \
  }
#define HOP_PREDICATE(name, Name, ...) \
  inline Tensor name(const Tensor& x) { return kernels::evaluate(kernels::rows::Name{}, x); }
#define HOP_COMPARE(name, Name, ...) \
  inline Tensor name(kernels::Input a, kernels::Input b) { return kernels::evaluate(kernels::rows::Name{}, a, b); }
#include "kernels/elementwise.def"

/// x^exponent. Integers are converted to f32. (pow of two tensors keeps integers.)
inline Tensor pow(const Tensor& x, double exponent) { return pow_scalar(x, exponent); }

inline Tensor operator-(const Tensor& x) { return neg(x); }
inline Tensor operator+(kernels::Input a, kernels::Input b) { return hop::add(a, b); }
inline Tensor operator-(kernels::Input a, kernels::Input b) { return hop::sub(a, b); }
inline Tensor operator*(kernels::Input a, kernels::Input b) { return hop::mul(a, b); }
inline Tensor operator/(kernels::Input a, kernels::Input b) { return hop::div(a, b); }
inline Tensor operator==(kernels::Input a, kernels::Input b) { return hop::eq(a, b); }
inline Tensor operator!=(kernels::Input a, kernels::Input b) { return hop::ne(a, b); }
inline Tensor operator<(kernels::Input a, kernels::Input b) { return hop::lt(a, b); }
inline Tensor operator<=(kernels::Input a, kernels::Input b) { return hop::le(a, b); }
inline Tensor operator>(kernels::Input a, kernels::Input b) { return hop::gt(a, b); }
inline Tensor operator>=(kernels::Input a, kernels::Input b) { return hop::ge(a, b); }

}  // namespace hop
