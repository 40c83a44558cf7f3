#include "kernels/cpu/softmax_internal.h"

#include <algorithm>

#include "kernels/cpu/parallel_internal.h"
#include "kernels/cpu/softmax_loops_internal.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 8192;  // elements per thread's turn: some microseconds of exponentials

/// f(zero of the dtype, rows) for the rows of x, over threads.
template <class F>
void for_rows(const Tensor& x, const F& f) {
  const std::int64_t length = x.shape().back();
  parallel_for(x.numel() / length, std::max<std::int64_t>(1, kGrain / length),
               [&](std::int64_t begin, std::int64_t end) {
                 const Rows rows{length, begin, end};
                 x.dtype() == DType::f32 ? f(float{}, rows) : f(double{}, rows);
               });
}

}  // namespace

void softmax(const Tensor& x, const Tensor& y) {
  for_rows(x, [&]<class T>(T, Rows rows) { HOP_PICK(softmax_rows<T>)(rows, x.data<T>(), y.data<T>()); });
}

void softmax_grad(const Tensor& g, const Tensor& y, const Tensor& dx) {
  for_rows(y, [&]<class T>(T, Rows rows) {
    HOP_PICK(softmax_grad_rows<T>)(rows, g.data<T>(), y.data<T>(), dx.data<T>());
  });
}

void log_softmax(const Tensor& x, const Tensor& y) {
  for_rows(x, [&]<class T>(T, Rows rows) { HOP_PICK(log_softmax_rows<T>)(rows, x.data<T>(), y.data<T>()); });
}

void log_softmax_grad(const Tensor& g, const Tensor& y, const Tensor& dx) {
  for_rows(y, [&]<class T>(T, Rows rows) {
    HOP_PICK(log_softmax_grad_rows<T>)(rows, g.data<T>(), y.data<T>(), dx.data<T>());
  });
}

void pick_losses(const Tensor& log_probabilities, const Tensor& labels, const Tensor& losses) {
  const auto* label = labels.data<std::int64_t>();
  for_rows(log_probabilities, [&]<class T>(T, Rows rows) {
    const T* y = log_probabilities.data<T>();
    for (std::int64_t i = rows.begin; i < rows.end; ++i) losses.data<T>()[i] = -y[i * rows.length + label[i]];
  });
}

void cross_entropy_grad(const Tensor& g, const Tensor& log_probabilities, const Tensor& labels, const Tensor& dx) {
  for_rows(log_probabilities, [&]<class T>(T, Rows rows) {
    const T scale = *g.data<T>() / static_cast<T>(labels.numel());
    HOP_PICK(cross_entropy_grad_rows<T>)
    (rows, scale, log_probabilities.data<T>(), labels.data<std::int64_t>(), dx.data<T>());
  });
}

}  // namespace hop::kernels::cpu
