// Every elementwise operation of the table: y = exp(x), y = add(a, b), .. and the gradients exp_grad, add_grad_a,
// add_grad_b, .. Operands broadcast by NumPy's rules (a ShapeError names the operation and both shapes) and promote by
// PyTorch's rules (tensor/dtype.h); a number takes part like a scalar of PyTorch. The result is a new contiguous
// tensor. On the CPU the result is an image with channels last if an operand of the result's shape is one.
// If an integer dtype cannot hold a number, comparisons are still right (u8 < 256 is true; PyTorch compares with 0),
// and so are comparisons between integer tensors of different dtypes. Sums and products wrap; maximum and minimum take
// the nearest number that fits; where and pow throw DtypeError. Integers and a fractional number compute in f32,
// comparisons in f64. bf16 and f16 compute in f32, numbers beside them too, and the result is rounded once.
// An element's bits depend on the operands' values alone: not on its position, the layout, the alignment or the number
// of threads. Cost: one read of each operand, one write, about 0.1 us of overhead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "kernels/elementwise_rows.h"
#include "tensor/scalar.h"
#include "tensor/tensor.h"

namespace hop::kernels {

/// An operand: a tensor or a number. Constructed implicitly at a call. Does not keep a tensor alive.
class Input {
 public:
  Input(const Tensor& tensor) : tensor_(&tensor) {}
  Input(Scalar number) : number_(number) {}
  template <class T>
  requires std::is_arithmetic_v<T> Input(T number) : number_(number) {}

  bool is_tensor() const { return tensor_ != nullptr; }
  const Tensor& tensor() const { return *tensor_; }
  const Scalar& number() const { return number_; }

 private:
  const Tensor* tensor_ = nullptr;
  Scalar number_ = false;
};

namespace detail {

using rows::Part;

/// One row's function with its attributes, as the untyped code below the public functions receives it.
struct Call {
  const char* name{};
  rows::Dtypes dtypes{};
  int id{};
  Part part{};
  const void* row{};  // holds the attributes; trivially copyable
  std::size_t row_bytes{};
};

inline constexpr std::size_t kMaxRowBytes = 16;  ///< of a row's attributes: two doubles

/// Promotes, broadcasts, allocates and runs. `inputs` are the inputs that the part reads: the operands, or first g and
/// then those of condition, a (x), b and y that are read. If `out` is defined, it receives the result.
Tensor elementwise(const Call& call, std::span<const Input> inputs, const Tensor& out = {});

template <class Row, class... Inputs>
Tensor run(const Row& row, Part part, const Inputs&... inputs) {
  static_assert(sizeof(Row) <= kMaxRowBytes);
  const Input list[] = {inputs...};
  return elementwise({Row::name, Row::dtypes, Row::id, part, &row, sizeof(Row)}, list);
}

/// Passes on only the inputs that are read, as `probe` says. g comes first: the result has its dtype and shape.
template <class Row>
Tensor run_gradient(const Row& row, Part part, rows::Probe probe, const Tensor& g, const Input (&candidates)[4],
                    const Tensor& out = {}) {
  using enum rows::Probe::Source;
  constexpr rows::Probe::Source kSources[4] = {kCondition, kA, kB, kY};
  if (probe.is_g()) return g;
  Input list[5] = {g, false, false, false, false};
  std::size_t count = 1;
  for (std::size_t i = 0; i < 4; ++i) {
    if (probe.reads(kSources[i])) list[count++] = candidates[i];
  }
  return elementwise({Row::name, Row::dtypes, Row::id, part, &row, sizeof(Row)}, std::span(list, count), out);
}

}  // namespace detail

// ---- by row: for code that treats all operations alike (autograd, tests) --------------------------------------------

/// y = row(x); y = row(a, b); y = row(condition, a, b).
template <class Row>
Tensor evaluate(const Row& row, Input x) {
  return detail::run(row, detail::Part::value, x);
}
template <class Row>
Tensor evaluate(const Row& row, Input a, Input b) {
  return detail::run(row, detail::Part::value, a, b);
}
template <class Row>
Tensor evaluate(const Row& row, Input condition, Input a, Input b) {
  return detail::run(row, detail::Part::value, condition, a, b);
}

/// Whether elementwise results can be written into y: y is contiguous, or on the CPU an image with channels last.
bool can_evaluate_into(const Tensor& y);
/// y <- row(a, b). y has the result's shape and dtype, and can_evaluate_into(y) is true. y may be an operand (as in
/// add_). Bumps y's version. Throws ShapeError, DtypeError, DeviceError.
template <class Row>
void evaluate_into(const Tensor& y, const Row& row, Input a, Input b) {
  const Input list[] = {a, b};
  detail::elementwise({Row::name, Row::dtypes, Row::id, detail::Part::value, &row, sizeof(Row)}, list, y);
}

/// The gradient of a unary row in one pass, in g's dtype; g itself if the rule is g. x and y may be undefined if
/// rows::reads_x<Row> and rows::reads_y<Row> say that the rule does not read them. If `out` is given, it receives the
/// result; it may be g.
template <class Row>
Tensor gradient(const Row& row, const Tensor& g, const Tensor& x, const Tensor& y, const Tensor& out = {}) {
  return detail::run_gradient(row, detail::Part::gradient_a, rows::probe<Row>, g, {false, x, false, y}, out);
}
/// The gradients of a binary row, each of the broadcast shape (that of g and y) and in g's dtype; g itself if the rule
/// is g. Tensors that the rule does not read (rows::probe_a<Row>.reads(..), rows::probe_b<Row>.reads(..)) may be
/// undefined.
template <class Row>
requires(Row::arity == 2) Tensor gradient_a(const Row& row, const Tensor& g, Input a, Input b, const Tensor& y) {
  return detail::run_gradient(row, detail::Part::gradient_a, rows::probe_a<Row>, g, {false, a, b, y});
}
template <class Row>
requires(Row::arity == 2) Tensor gradient_b(const Row& row, const Tensor& g, Input a, Input b, const Tensor& y) {
  return detail::run_gradient(row, detail::Part::gradient_b, rows::probe_b<Row>, g, {false, a, b, y});
}
template <class Row>
requires(Row::arity == 3) Tensor
    gradient_a(const Row& row, const Tensor& g, Input condition, Input a, Input b, const Tensor& y) {
  return detail::run_gradient(row, detail::Part::gradient_a, rows::probe_a<Row>, g, {condition, a, b, y});
}
template <class Row>
requires(Row::arity == 3) Tensor
    gradient_b(const Row& row, const Tensor& g, Input condition, Input a, Input b, const Tensor& y) {
  return detail::run_gradient(row, detail::Part::gradient_b, rows::probe_b<Row>, g, {condition, a, b, y});
}

// ---- by name: exp(x), leaky_relu(x, 0.2), add(a, b), where(condition, a, b), eq(a, b), .. ---------------------------

#define HOP_UNARY(name, Name, dtypes, attributes, ...)                                                     \
  inline Tensor name(const Tensor& x HOP_PARAMETERS attributes) {                                          \
    return evaluate(rows::Name{HOP_NAMES attributes}, x);                                                  \
  }                                                                                                        \
  inline Tensor name##_grad(const Tensor& g, const Tensor& x, const Tensor& y HOP_PARAMETERS attributes) { \
    return gradient(rows::Name{HOP_NAMES attributes}, g, x, y);                                            \
  }
#define HOP_BINARY(name, Name, ...)                                                 \
  inline Tensor name(Input a, Input b) { return evaluate(rows::Name{}, a, b); }     \
  inline Tensor name##_grad_a(const Tensor& g, Input a, Input b, const Tensor& y) { \
    return gradient_a(rows::Name{}, g, a, b, y);                                    \
  }                                                                                 \
  inline Tensor name##_grad_b(const Tensor& g, Input a, Input b, const Tensor& y) { \
    return gradient_b(rows::Name{}, g, a, b, y);                                    \
  }
#define HOP_TERNARY(name, Name, ...) \
  inline Tensor name(Input condition, Input a, Input b) { return evaluate(rows::Name{}, condition, a, b); }
#define HOP_PREDICATE(name, Name, ...) \
  inline Tensor name(const Tensor& x) { return evaluate(rows::Name{}, x); }
#define HOP_COMPARE(name, Name, ...) \
  inline Tensor name(Input a, Input b) { return evaluate(rows::Name{}, a, b); }
#include "kernels/elementwise.def"

}  // namespace hop::kernels

/// A constant in the rule of a Tensor is a number: it promotes weakly and costs no memory.
template <>
struct hop::kernels::rows::Constant<hop::Tensor> {
  static hop::Scalar of(double value) { return value; }
};
