#include <algorithm>
#include <string>

#include "base/error.h"
#include "kernels/capture_internal.h"
#include "kernels/cpu/as_internal.h"
#include "kernels/cpu/parallel_internal.h"
#include "kernels/cpu/softmax_loops_internal.h"
#include "kernels/reduce_operations.h"
#include "kernels/softmax_operations.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 8192;  // elements per thread's turn: some microseconds of exponentials

/// Launches f(zero of the dtype, rows) for the rows of x, over threads. f holds addresses by value.
template <class F>
void for_rows(const Tensor& x, const F& f) {
  const std::int64_t length = x.shape().back();
  launch([f, length, n = x.numel() / length, is_float = x.dtype() == DType::f32] {
    parallel_for(n, std::max<std::int64_t>(1, kGrain / length), [&](std::int64_t begin, std::int64_t end) {
      const Rows rows{length, begin, end};
      is_float ? f(float{}, rows) : f(double{}, rows);
    });
  });
}

/// Launches a check of labels (N) for x (N, C). Every run, also a replay, throws IndexError for a label out of range.
void check_labels(const char* op, const Tensor& labels, std::int64_t classes) {
  launch([op, label = labels.data<std::int64_t>(), n = labels.numel(), classes] {
    for (std::int64_t i = 0; i < n; ++i) {
      if (label[i] >= 0 && label[i] < classes) continue;
      throw IndexError("[" + std::string(op) + "] expected labels in 0.." + std::to_string(classes - 1) + ", got " +
                       std::to_string(label[i]) + " in row " + std::to_string(i));
    }
  });
}

void softmax(const Tensor& x, const Tensor& y) {
  for_rows(x, [from = x.raw_data(), to = y.raw_data()]<class T>(T, Rows rows) {
    HOP_PICK(softmax_rows<T>)(rows, as<T>(from), as<T>(to));
  });
}

void softmax_grad(const Tensor& g, const Tensor& y, const Tensor& dx) {
  for_rows(y, [g = g.raw_data(), y = y.raw_data(), dx = dx.raw_data()]<class T>(T, Rows rows) {
    HOP_PICK(softmax_grad_rows<T>)(rows, as<T>(g), as<T>(y), as<T>(dx));
  });
}

void log_softmax(const Tensor& x, const Tensor& y) {
  for_rows(x, [from = x.raw_data(), to = y.raw_data()]<class T>(T, Rows rows) {
    HOP_PICK(log_softmax_rows<T>)(rows, as<T>(from), as<T>(to));
  });
}

void log_softmax_grad(const Tensor& g, const Tensor& y, const Tensor& dx) {
  for_rows(y, [g = g.raw_data(), y = y.raw_data(), dx = dx.raw_data()]<class T>(T, Rows rows) {
    HOP_PICK(log_softmax_grad_rows<T>)(rows, as<T>(g), as<T>(y), as<T>(dx));
  });
}

void cross_entropy(const Tensor& x, const Tensor& labels, const Tensor& log_probabilities, const Tensor& loss) {
  check_labels("cross_entropy", labels, x.shape()[1]);
  log_softmax(x, log_probabilities);
  const Tensor losses = Tensor::empty({x.shape()[0]}, x.dtype());
  for_rows(x, [label = labels.data<std::int64_t>(), y = log_probabilities.raw_data(),
               losses = losses.raw_data()]<class T>(T, Rows rows) {
    for (std::int64_t i = rows.begin; i < rows.end; ++i) as<T>(losses)[i] = -as<T>(y)[i * rows.length + label[i]];
  });
  DimSet all;
  all.fill(true);
  ReduceOperations::cpu.reduce(Reduction::mean, losses, all, loss, 0);
}

void cross_entropy_grad(const Tensor& g, const Tensor& log_probabilities, const Tensor& labels, const Tensor& dx) {
  check_labels("cross_entropy gradient", labels, dx.shape()[1]);
  for_rows(log_probabilities, [g = g.raw_data(), y = log_probabilities.raw_data(), n = labels.numel(),
                               label = labels.data<std::int64_t>(), dx = dx.raw_data()]<class T>(T, Rows rows) {
    const T scale = *as<T>(g) / static_cast<T>(n);
    HOP_PICK(cross_entropy_grad_rows<T>)(rows, scale, as<T>(y), label, as<T>(dx));
  });
}

}  // namespace
}  // namespace hop::kernels::cpu

namespace hop::kernels {

const SoftmaxOperations SoftmaxOperations::cpu = {
    .softmax = cpu::softmax,
    .softmax_grad = cpu::softmax_grad,
    .log_softmax = cpu::log_softmax,
    .log_softmax_grad = cpu::log_softmax_grad,
    .cross_entropy = cpu::cross_entropy,
    .cross_entropy_grad = cpu::cross_entropy_grad,
};

}  // namespace hop::kernels
