// Chains: several rows applied in one pass over memory, chosen at compile time. Chain<Add, Relu> is relu(a + b),
// Chain<Mul, Add, Tanh> is tanh(a * b + c): each row takes the result so far as its first operand, and its own further
// operands from the inputs. The cost of memory-bound work is the bytes that it reads and writes, so k rows in one pass
// cost 1 / k.
//
// For code in kernels/cuda that knows its next steps: bias_activation.cu finishes products and convolutions with it
// when no library does. The values are those of the rows one after the other, bit for bit.
#pragma once

#include "kernels/cuda/elementwise_rows.h"

namespace hop::kernels::cuda {

/// A chain as a function of the elementwise kernel. Rows have their attributes: Chain{rows::Add{}, rows::Elu{0.5}}.
template <class Row, class... Next>
struct Chain {
  static constexpr int inputs = Row::arity + (0 + ... + (Next::arity - 1));
  Row row;
  Chain<Next...> next;

  constexpr explicit Chain(const Row& first, const Next&... others) : row(first), next(others...) {}
  template <class T>
  __device__ T operator()(const T* x) const {
    return next.continued(rows::apply<Row, Part::value>(row, x), x + Row::arity);
  }
  /// The rest of the chain, from the result so far and the inputs not yet used.
  template <class T>
  __device__ T continued(T so_far, const T* x) const {
    return next.continued(Chain<Row>(row).continued(so_far, x), x + Row::arity - 1);
  }
};

template <class Row>
struct Chain<Row> {
  static constexpr int inputs = Row::arity;
  Row row;

  __host__ __device__ constexpr explicit Chain(const Row& only) : row(only) {}
  template <class T>
  __device__ T operator()(const T* x) const {
    return rows::apply<Row, Part::value>(row, x);
  }
  template <class T>
  __device__ T continued(T so_far, const T* x) const {
    T operands[Row::arity] = {so_far};
    for (int k = 1; k < Row::arity; ++k) operands[k] = x[k - 1];
    return rows::apply<Row, Part::value>(row, static_cast<const T*>(operands));
  }
};

/// y <- chain(inputs). y is contiguous, f32 or f64, of the inputs' broadcast shape; it may be an input.
template <class... Rows>
void run_chain(const Chain<Rows...>& chain, const Tensor& y, std::span<const Input> inputs) {
  const auto run = [&]<class T>(T) {
    const Launcher launcher = [](const ElementwisePlan& plan, const void* bound, cudaStream_t stream) {
      launch_elementwise<Chain<Rows...>, T>(plan, *static_cast<const Chain<Rows...>*>(bound), stream);
    };
    run_elementwise(launcher, &chain, y.dtype(), y, inputs);
  };
  y.dtype() == DType::f32 ? run(float{}) : run(double{});
}

}  // namespace hop::kernels::cuda
