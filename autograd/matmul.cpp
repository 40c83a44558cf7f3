#include "autograd/matmul.h"

#include "autograd/as_rows_internal.h"
#include "autograd/copy.h"
#include "autograd/matmul_internal.h"
#include "autograd/record.h"
#include "autograd/reduce.h"
#include "autograd/view.h"
#include "kernels/elementwise.h"
#include "kernels/half_internal.h"
#include "kernels/matmul.h"

namespace hop {

using autograd::as_rows;
using autograd::BackwardContext;
using autograd::is_recorded;
using autograd::record;
using autograd::save_if;
using autograd::wide_product;

namespace {

Tensor transposed(const Tensor& x) { return transpose(x, -2, -1); }

// Vectors take part as matrices with one row (a) or one column (b).
struct Operands {
  Tensor a;  // (..., m, k); undefined when it was not saved
  Tensor b;  // (..., k, n)
  Tensor g;  // (..., m, n)
};

/// The gradient alpha a b of an operand of `shape`, of factors of 16 bits: rounded behind the sum over what was
/// broadcast.
Tensor rounded_product(const Tensor& a, const Tensor& b, const Shape& shape, double alpha = 1) {
  return to(sum_to(wide_product(a, b, alpha), shape), a.dtype());
}

Tensor grad_a(const Operands& o, const Shape& shape) {
  if (is_half(o.g.dtype())) return rounded_product(o.g, transposed(o.b), shape);
  return reshape(sum_to(matmul(o.g, transposed(o.b)), shape), shape);
}

// One matrix for a batch: the batch joins the rows, so that one product sums over it too.
Tensor grad_b(const Operands& o, const Shape& shape) {
  if (shape.size() <= 2 && o.g.dim() > 2) return matmul(transposed(as_rows(o.a)), as_rows(o.g));
  if (is_half(o.g.dtype())) return rounded_product(transposed(o.a), o.g, shape);
  return sum_to(matmul(transposed(o.a), o.g), shape);
}

// Two matrices, and no graph of the gradients: each gradient is one product, written where it is needed.
void set_matrix_gradients(BackwardContext& c, const Tensor& a, const Tensor& b) {
  if (c.wants(0)) c.set(0, kernels::matmul(c.grad(), transposed(b), c.target(0)));
  if (c.wants(1)) c.set(1, kernels::matmul(transposed(a), c.grad(), c.target(1)));
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  Tensor y = kernels::matmul(a, b);
  if (!is_recorded(a, b)) return y;
  return record("matmul", std::move(y), {a, b},
                [a_shape = a.shape(), b_shape = b.shape(), saved_a = save_if(b.requires_grad(), a),
                 saved_b = save_if(a.requires_grad(), b)](BackwardContext& c) {
                  if (a_shape.size() == 2 && b_shape.size() == 2 && !is_grad_enabled()) {
                    return set_matrix_gradients(c, c.value(saved_a), c.value(saved_b));
                  }
                  const bool row = a_shape.size() == 1;
                  const bool column = b_shape.size() == 1;
                  Operands o{c.value(saved_a), c.value(saved_b), c.grad()};
                  Shape a_matrix = a_shape;
                  Shape b_matrix = b_shape;
                  if (row) a_matrix = {1, a_shape[0]};
                  if (column) b_matrix = {b_shape[0], 1};
                  if (row && o.a.defined()) o.a = reshape(o.a, a_matrix);
                  if (column && o.b.defined()) o.b = reshape(o.b, b_matrix);
                  if (column) o.g = unsqueeze(o.g, -1);
                  if (row) o.g = unsqueeze(o.g, -2);
                  if (c.wants(0)) c.set(0, reshape(grad_a(o, a_matrix), a_shape));
                  if (c.wants(1)) c.set(1, reshape(grad_b(o, b_matrix), b_shape));
                });
}

Tensor autograd::wide_product(const Tensor& a, const Tensor& b, double alpha) {
  const DType dtype = a.dtype();
  const kernels::PrecisionScope precision(kernels::exact_precision(dtype));
  Tensor y = kernels::matmul(kernels::widened(a), kernels::widened(b));
  if (alpha != 1) y = kernels::mul(y, alpha);
  if (!is_recorded(a, b)) return y;
  return record("matmul", std::move(y), {a, b},
                [dtype, alpha, a_shape = a.shape(), b_shape = b.shape(), saved_a = save_if(b.requires_grad(), a),
                 saved_b = save_if(a.requires_grad(), b)](BackwardContext& c) {
                  const Tensor g = to(c.grad(), dtype);
                  if (c.wants(0)) c.set(0, rounded_product(g, transposed(c.value(saved_b)), a_shape, alpha));
                  if (c.wants(1)) c.set(1, rounded_product(transposed(c.value(saved_a)), g, b_shape, alpha));
                });
}

}  // namespace hop
