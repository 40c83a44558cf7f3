// Softmax over the rows of a matrix (N, C), from the formula to the kernel.
//
//   y_i = exp(x_i - max x) / sum_j exp(x_j - max x)
//
// The maximum is subtracted because exp(89) is no float any more; it changes nothing else, for it cancels.
//
// The naive kernel gives each row a thread:
//
//   __global__ void softmax(const float* x, float* y, int rows, int length) {
//     const int row = blockIdx.x * blockDim.x + threadIdx.x;
//     if (row >= rows) return;
//     float max = -INFINITY, sum = 0;
//     for (int i = 0; i < length; ++i) max = fmaxf(max, x[row * length + i]);
//     for (int i = 0; i < length; ++i) sum += expf(x[row * length + i] - max);
//     for (int i = 0; i < length; ++i) y[row * length + i] = expf(x[row * length + i] - max) / sum;
//   }
//
// It is right and slow, for three reasons, none of them arithmetic:
//
//   1. The 32 lanes of a warp read 32 different rows, `length` floats apart. Memory comes in sectors of 32 bytes, so
//      each lane drags in 8 floats to use one.
//   2. Every value is read three times. The floor of this kernel is one read and one write of x, 8 bytes per float;
//      nothing can be faster than 8 N C bytes over the bandwidth of the card.
//   3. A batch of 128 rows occupies 128 threads, of the 200,000 that a large card can hold.
//
// So let the lanes of a warp share a row. Neighbouring lanes read neighbouring values (1), each lane keeps its part in
// registers between the passes (2), and there are 32 times as many threads (3). What is new is that the maximum and the
// sum now lie scattered over 32 lanes: warp_reduce brings them together in five shuffles, without shared memory and
// without a barrier. A row of more than 1,024 values is too long for a warp's registers, so a block shares it, and its
// warps meet in shared memory: block_reduce. Beyond 8,192 values the row is read again for each pass, and the L2 cache
// serves all reads but the first.
//
// All of these are one function here. `row` knows who shares it (rows_device.h), read() loads the thread's part,
// reduce() combines over all threads of the row and gives each of them the result, write() stores. What is left is the
// formula.
#include <cmath>

#include "kernels/cuda/fault.h"
#include "kernels/cuda/on_device.h"
#include "kernels/cuda/operands_internal.h"
#include "kernels/cuda/rows_device.h"
#include "kernels/reduce_operations.h"
#include "kernels/softmax_operations.h"

namespace hop::kernels::cuda {
namespace {

using std::exp;  // the overload for numbers, not for tensors
using std::log;

// Floor: 2 s bytes per value (s = sizeof(T)): x once, y once. The second exp costs less than keeping the first one:
// registers that hold values leave room for fewer warps.
template <class T>
struct Softmax {
  const T* x;
  T* y;

  template <class Row>
  __device__ void operator()(const Row& row) const {
    const auto v = row.read(x);
    const T max = row.template reduce<Max>([&](auto i) { return v[i]; });
    const T sum = row.template reduce<Add>([&](auto i) { return exp(v[i] - max); });
    row.write(y, [&](auto i) { return exp(v[i] - max) / sum; });
  }
};

/// dx = y * (g - sum_j g_j y_j). Floor: 3 s per value.
template <class T>
struct SoftmaxGrad {
  const T *g, *y;
  T* dx;

  template <class Row>
  __device__ void operator()(const Row& row) const {
    const auto slope = row.read(g), value = row.read(y);
    const T dot = row.template reduce<Add>([&](auto i) { return slope[i] * value[i]; });
    row.write(dx, [&](auto i) { return value[i] * (slope[i] - dot); });
  }
};

/// The two values of a row in log_softmax(x)_i = x_i - max - log_sum.
template <class T>
struct LogNormalizer {
  T max, log_sum;

  template <class Row, class Values>
  __device__ LogNormalizer(const Row& row, const Values& v)
      : max(row.template reduce<Max>([&](auto i) { return v[i]; })),
        log_sum(log(row.template reduce<Add>([&](auto i) { return exp(v[i] - max); }))) {}
  __device__ T operator()(T x) const { return x - max - log_sum; }
};

/// Floor: 2 s per value.
template <class T>
struct LogSoftmax {
  const T* x;
  T* y;

  template <class Row>
  __device__ void operator()(const Row& row) const {
    const auto v = row.read(x);
    const LogNormalizer<T> normalize(row, v);
    row.write(y, [&](auto i) { return normalize(v[i]); });
  }
};

/// dx = g - exp(y) * sum_j g_j. Floor: 3 s per value.
template <class T>
struct LogSoftmaxGrad {
  const T *g, *y;
  T* dx;

  template <class Row>
  __device__ void operator()(const Row& row) const {
    const auto slope = row.read(g), value = row.read(y);
    const T sum = row.template reduce<Add>([&](auto i) { return slope[i]; });
    row.write(dx, [&](auto i) { return slope[i] - exp(value[i]) * sum; });
  }
};

// ---- Cross-entropy: the loss of a row is -log_softmax(x)[label]

/// The labels of the rows. A label outside 0..C-1 is reported to the next synchronize() and becomes -1.
struct Labels {
  const std::int64_t* labels;
  Fault fault;

  template <class Row>
  __device__ std::int64_t of(const Row& row) const {
    const std::int64_t label = row.exists() ? labels[row.index()] : 0;
    if (label >= 0 && label < row.length()) return label;
    if (row.leads()) report(fault, static_cast<std::uint64_t>(row.index()));
    return -1;
  }
};

/// A row's loss, from the one thread that holds the label's value. If another thread read x[label], it would race with
/// the thread that overwrites x.
template <class T>
struct RowLosses {
  T* losses;

  template <class Row>
  __device__ void write_without_label(const Row& row, std::int64_t label) const {
    if (label < 0 && row.leads()) losses[row.index()] = std::numeric_limits<T>::quiet_NaN();
  }
  template <class Row, class I>
  __device__ void write(const Row& row, I i, std::int64_t label, T log_probability) const {
    if (row.position(i) == label) losses[row.index()] = -log_probability;
  }
};

/// Floor: 2 s per value, 8 + s per row.
template <class T>
struct CrossEntropy {
  const T* x;
  Labels labels;
  T* log_probabilities;
  RowLosses<T> losses;

  template <class Row>
  __device__ void operator()(const Row& row) const {
    const auto v = row.read(x);
    const std::int64_t label = labels.of(row);
    const LogNormalizer<T> normalize(row, v);
    losses.write_without_label(row, label);
    row.write(log_probabilities, [&](auto i) {
      const T log_probability = normalize(v[i]);
      losses.write(row, i, label, log_probability);
      return log_probability;
    });
  }
};

/// g / N * (p - one_hot(label)), from log p. A null g counts as 1.
template <class T>
struct LogitGradient {
  const T* g;
  std::int64_t rows;

  __device__ T scale() const { return (g == nullptr ? T{1} : *g) / static_cast<T>(rows); }
  static __device__ T of(T scale, T log_probability, bool is_label) {
    const T share = scale * exp(log_probability);
    return is_label ? share - scale : share;
  }
};

/// Floor: 2 s per value. The values are independent here, so `row` only serves to walk them.
template <class T>
struct CrossEntropyGrad {
  LogitGradient<T> gradient;
  const T* log_probabilities;
  Labels labels;
  T* dx;

  template <class Row>
  __device__ void operator()(const Row& row) const {
    const T scale = gradient.scale();  // before the row: an f64 quotient is a function call, which would have to save
                                       // the row's registers
    const std::int64_t label = labels.of(row);
    const auto v = row.read(log_probabilities);
    row.write(dx, [&](auto i) { return LogitGradient<T>::of(scale, v[i], row.position(i) == label); });
  }
};

/// Forward and backward at once: log probabilities never leave the registers. Floor: 2 s per value, half of what the
/// two kernels above take together. dx may be x: each thread reads its values before it writes, and in long rows the
/// thread that reads a value also overwrites it.
template <class T>
struct FusedCrossEntropy {
  const T* x;
  Labels labels;
  LogitGradient<T> gradient;
  RowLosses<T> losses;
  T* dx;

  template <class Row>
  __device__ void operator()(const Row& row) const {
    const auto v = row.read(x);
    const std::int64_t label = labels.of(row);
    const LogNormalizer<T> normalize(row, v);
    const T scale = gradient.scale();
    losses.write_without_label(row, label);
    row.write(dx, [&](auto i) {
      const T log_probability = normalize(v[i]);
      losses.write(row, i, label, log_probability);
      return LogitGradient<T>::of(scale, log_probability, row.position(i) == label);
    });
  }
};

/// The whole loss of a small batch in one block: FusedCrossEntropy for up to kFewRows rows of up to kFewLanes values,
/// then the mean of their losses by the tree that reduce.cu has for as many values. A second launch would take as long
/// as the first one.
constexpr int kFewRows = 64, kFewLanes = 16;
template <class T>
__global__ void __launch_bounds__(kFewRows* kFewLanes)
    cross_entropy_of_few(FusedCrossEntropy<T> body, std::int64_t rows, std::int64_t length, T* loss) {
  body(HeldRow<T, LaneGroup<kFewLanes>, 1, 1>(rows, length, false));
  __syncthreads();
  if (threadIdx.x >= 32) return;
  T sum = 0;
  for (int i = 0; i < 4; ++i) {
    const int row = static_cast<int>(threadIdx.x) * 4 + i;
    if (row < rows) sum += body.losses.losses[row];
  }
  sum = warp_reduce<Add>(sum);
  if (threadIdx.x == 0) *loss = sum / static_cast<T>(rows);
}

// ---- Host side

/// Queues body(zero of the dtype) for the rows of `like`. `matrices` are the tensors that it walks.
template <class Body, class... Matrices>
void launch_softmax(const Body& body, const Tensor& like, const Matrices&... matrices) {
  const std::int64_t length = like.shape().back();
  const bool aligned = all_aligned(like.raw_data(), matrices.raw_data()...);
  visit_floating(like, [&]<class T>(T zero) { launch_rows<T>(like.numel() / length, length, aligned, body(zero)); });
}

Labels labels_of(const Tensor& labels) { return {labels.data<std::int64_t>(), fault_of("cross_entropy")}; }

void mean_of(const Tensor& losses, const Tensor& loss) {
  DimSet all;
  all.fill(true);
  ReduceOperations::cuda.reduce(Reduction::mean, losses, all, loss, 0);
}

void softmax(const Tensor& x, const Tensor& y) {
  launch_softmax([&]<class T>(T) { return Softmax<T>{x.data<T>(), y.data<T>()}; }, x, y);
}

void softmax_grad(const Tensor& g, const Tensor& y, const Tensor& dx) {
  launch_softmax([&]<class T>(T) { return SoftmaxGrad<T>{g.data<T>(), y.data<T>(), dx.data<T>()}; }, y, g, dx);
}

void log_softmax(const Tensor& x, const Tensor& y) {
  launch_softmax([&]<class T>(T) { return LogSoftmax<T>{x.data<T>(), y.data<T>()}; }, x, y);
}

void log_softmax_grad(const Tensor& g, const Tensor& y, const Tensor& dx) {
  launch_softmax([&]<class T>(T) { return LogSoftmaxGrad<T>{g.data<T>(), y.data<T>(), dx.data<T>()}; }, y, g, dx);
}

void cross_entropy(const Tensor& x, const Tensor& labels, const Tensor& log_probabilities, const Tensor& loss) {
  const Tensor losses = Tensor::empty({x.shape()[0]}, x.dtype(), x.device());
  const auto body = [&]<class T>(T) {
    return CrossEntropy<T>{x.data<T>(), labels_of(labels), log_probabilities.data<T>(), {losses.data<T>()}};
  };
  launch_softmax(body, x, log_probabilities);
  mean_of(losses, loss);
}

void cross_entropy_grad(const Tensor& g, const Tensor& log_probabilities, const Tensor& labels, const Tensor& dx) {
  const auto body = [&]<class T>(T) {
    const LogitGradient<T> gradient{g.data<T>(), labels.numel()};
    return CrossEntropyGrad<T>{gradient, log_probabilities.data<T>(), labels_of(labels), dx.data<T>()};
  };
  launch_softmax(body, dx, log_probabilities);
}

void cross_entropy_fused(const Tensor& x, const Tensor& labels, const Tensor& loss, const Tensor& dx) {
  const Tensor losses = Tensor::empty({x.shape()[0]}, x.dtype(), x.device());
  const auto body = [&]<class T>(T) {
    const LogitGradient<T> gradient{nullptr, labels.numel()};
    return FusedCrossEntropy<T>{x.data<T>(), labels_of(labels), gradient, {losses.data<T>()}, dx.data<T>()};
  };
  const std::int64_t rows = x.shape()[0], length = x.shape()[1];
  if (rows <= kFewRows && length <= kFewLanes) {
    return visit_floating(x, [&]<class T>(T zero) {
      const unsigned threads = 32 * blocks_for(rows * kFewLanes, 32);
      launch(cross_entropy_of_few<T>, 1, threads, 0, current_stream(), body(zero), rows, length, loss.data<T>());
    });
  }
  launch_softmax(body, x, dx);
  mean_of(losses, loss);
}

}  // namespace
}  // namespace hop::kernels::cuda

namespace hop::kernels {

const SoftmaxOperations SoftmaxOperations::cuda = {
    .softmax = cuda::on_device<cuda::softmax>,
    .softmax_grad = cuda::on_device<cuda::softmax_grad>,
    .log_softmax = cuda::on_device<cuda::log_softmax>,
    .log_softmax_grad = cuda::on_device<cuda::log_softmax_grad>,
    .cross_entropy = cuda::on_device<cuda::cross_entropy>,
    .cross_entropy_grad = cuda::on_device<cuda::cross_entropy_grad>,
    .cross_entropy_fused = cuda::on_device<cuda::cross_entropy_fused>,
};

}  // namespace hop::kernels
