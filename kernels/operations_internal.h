// The seam between the definition of an operation and its computation on a device. The shape rules
// (kernels/softmax.cpp, ..) check the operands, allocate the results and then call operations(device).softmax(..). Each
// device has one explicit table: kernels/cpu/operations.cpp and kernels/cuda/operations.cpp.
//
// For every entry, unless its comment says otherwise: operands are defined, checked and on one device; results are
// allocated and contiguous and have elements. An entry plans (chooses loops, allocates scratch) and hands its work to
// the device: on the CPU through launch() of capture_internal.h, on CUDA through the current stream. So a captured step
// binds addresses only, and values that change from step to step are read from memory when the work runs.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "kernels/capture.h"
#include "kernels/conv.h"
#include "kernels/elementwise.h"
#include "kernels/norm.h"
#include "kernels/optimizer.h"
#include "kernels/random.h"
#include "kernels/shapes_internal.h"
#include "tensor/tensor.h"

namespace hop::kernels {

/// Which dimensions are reduced.
using DimSet = std::array<bool, kMaxDims>;

/// The sizes of one convolution, x (n, c, h, w) with weight (k, c / groups, r, s) -> y (n, k, p, q).
struct ConvSizes {
  std::int64_t n, c, h, w, k, r, s, p, q;
  Conv2dOptions options;
};
/// Which of x, weight and y is computed from the other two.
enum class ConvPass : std::uint8_t { forward, input_grad, weight_grad };

struct Operations {
  /// Whether entries may also get images that are dense with channels last (layout_internal.h), if their comments say
  /// so. Elementwise operations and convolutions then keep that layout.
  bool channels_last = false;

  // ---- copy.h
  /// y <- x, broadcast to y's shape and converted. Any strides on both sides; the two share no bytes. May be empty.
  void (*copy)(const Tensor& y, const Tensor& x);
  /// y <- value. Any strides; may be empty.
  void (*fill)(const Tensor& y, Scalar value);
  /// y_i = i, any dtype.
  void (*arange)(const Tensor& y);

  // ---- elementwise.h
  /// Computes the call in `compute` into `out`, of the broadcast shape of the inputs (any strides, any dtypes). With
  /// channels_last, `out` may have that layout.
  void (*elementwise)(const detail::Call& call, DType compute, const Tensor& out, std::span<const Input> inputs);

  // ---- reduce.h
  /// Reduces the dimensions of x in `dims` into y of the result's dtype. x: any strides, may be empty (but for max and
  /// min). mean and var want a floating x; `correction` is for var alone.
  void (*reduce)(Reduction op, const Tensor& x, const DimSet& dims, const Tensor& y, std::int64_t correction);
  /// y_i = index of the first maximum of row i of x, contiguous rows of `length` > 0. A NaN is the maximum.
  void (*argmax)(const Tensor& x, std::int64_t length, const Tensor& y);

  // ---- softmax.h: contiguous, floating, of one dtype and shape (.., C), C > 0
  void (*softmax)(const Tensor& x, const Tensor& y);
  void (*softmax_grad)(const Tensor& g, const Tensor& y, const Tensor& dx);
  void (*log_softmax)(const Tensor& x, const Tensor& y);
  void (*log_softmax_grad)(const Tensor& g, const Tensor& y, const Tensor& dx);
  /// x (N, C), labels (N) i64: log_probabilities (N, C) and loss () = their mean negative at the labels. A label
  /// outside 0..C-1 is an IndexError: of this call on the CPU, of the next synchronize() on other devices.
  void (*cross_entropy)(const Tensor& x, const Tensor& labels, const Tensor& log_probabilities, const Tensor& loss);
  /// dx = g / N * (exp(log_probabilities) - one_hot(labels)); g is (). Labels as above.
  void (*cross_entropy_grad)(const Tensor& g, const Tensor& log_probabilities, const Tensor& labels, const Tensor& dx);

  // ---- norm.h: the entry allocates the results; x has elements, any strides; weight and bias may be undefined
  NormResult (*layer_norm)(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const Shape& rows);
  NormGrads (*layer_norm_grad)(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                               const Tensor& rstd);
  NormResult (*batch_norm)(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                           const BatchNormTail& tail);
  NormGrads (*batch_norm_grad)(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                               const Tensor& rstd, const BatchNormTailGrad& tail);
  Tensor (*batch_norm_apply)(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                             const Tensor& rstd);

  // ---- matmul.h
  /// y (.., m, n) = a (.., m, k) b (.., k, n) + bias (n). Any strides in a and b; leading dimensions broadcast; y may
  /// leave out dimensions of size 1; k may be 0; bias may be undefined. `op` names the call in errors.
  void (*matmul)(const char* op, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y);
  // A linear layer's products fused with the operations around them; null if the device does not have them. Matrices of
  // f32; all but x and bias contiguous.
  /// y = relu(x weight^T + bias). Returns the mask of the values that passed relu, in the device's own form.
  Tensor (*linear_relu)(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y) = nullptr;
  /// dx = g weight where the mask lets it pass, else 0.
  void (*linear_input_grad)(const Tensor& g, const Tensor& weight, const Tensor& mask, const Tensor& dx) = nullptr;
  /// dx = g where the mask lets it pass, else 0.
  void (*relu_mask_grad)(const Tensor& g, const Tensor& mask, const Tensor& dx) = nullptr;
  /// dweight = g^T x, dbias = the sum of g's rows. If one launch cannot give both, does nothing and returns false.
  bool (*linear_parameter_grads)(const Tensor& g, const Tensor& x, const Tensor& dweight,
                                 const Tensor& dbias) = nullptr;

  // ---- conv.h
  /// forward writes y (and adds bias if it is defined), input_grad writes x, weight_grad writes weight. Operands that
  /// are read are contiguous, or f32 and dense with channels last. The result is contiguous, or with channels_last an
  /// image of that layout.
  void (*conv2d)(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& bias,
                 const Tensor& y);

  // ---- pool.h: (N, C, H, W), floating, one dtype; indices i64 within a plane. One layout: contiguous or channels last
  void (*max_pool2d)(const PoolShape& shape, const Tensor& x, const Tensor& y, const Tensor& indices);
  /// dx = 0, then dx[indices] += g within each plane. An index outside its plane is an IndexError, as for labels.
  /// `windows`: the windows that the indices come from, or null. If given, a device may ignore an index outside its
  /// window. Indices inside their windows give the same result in both cases.
  void (*max_pool2d_grad)(const PoolShape* windows, const Tensor& g, const Tensor& indices, const Tensor& dx);
  /// y = x[indices] within each plane.
  void (*max_pool2d_gather)(const Tensor& x, const Tensor& indices, const Tensor& y);
  void (*avg_pool2d)(const PoolShape& shape, const Tensor& x, const Tensor& y);
  void (*avg_pool2d_grad)(const PoolShape& shape, const Tensor& g, const Tensor& dx);

  // ---- index.h: index i64, contiguous; a value outside the dimension is an IndexError, as for labels
  /// y[i] = x[i with component `dim` replaced by index[i]]; x of any strides.
  void (*gather)(const Tensor& x, int dim, const Tensor& index, const Tensor& y);
  /// y = 0, then y[i with component `dim` replaced by index[i]] += g[i], in the order of i; g contiguous. A
  /// one-dimensional y sums as in index_add.
  void (*scatter_add)(const Tensor& g, int dim, const Tensor& index, const Tensor& y);
  /// y = the slices of x, contiguous, at index (n) along `dim`. `op`, index_select or embedding, names the call in
  /// errors.
  void (*index_select)(const char* op, const Tensor& x, int dim, const Tensor& index, const Tensor& y);
  /// y = 0, then y's slice at index[i] += g's slice i, in the order of i, in f64 and rounded once; g contiguous.
  void (*index_add)(const Tensor& g, int dim, const Tensor& index, const Tensor& y);

  // ---- random.h: contiguous, floating. The address may say where its key and step lie (RandomAddress::key_at).
  void (*uniform)(const Tensor& y, double low, double high, const RandomAddress& address);
  void (*normal)(const Tensor& y, double mean, double std, const RandomAddress& address);
  void (*dropout)(const Tensor& x, const Tensor& y, double p, const RandomAddress& address);

  // ---- optimizer.h
  /// One update of all segments; see kernels/optimizer.h.
  void (*update)(const UpdateRule& rule, std::span<const UpdateSegment> segments, const UpdateState& state);
  /// meter (2) f64: meter[0] += loss * rows; meter[1] = 1 where loss is not below `limit` (NaN is not).
  void (*measure)(const Tensor& loss, double rows, double limit, const Tensor& meter);

  // ---- capture.h
  /// Runs `work` once and records it. Meanwhile this thread's allocations come from the plan's pool.
  std::unique_ptr<Plan::Recorded> (*capture)(Device device, const std::function<void()>& work);
};

/// The table of a device type. Throws DeviceError for a type that this program lacks.
const Operations& operations(DeviceType type);
/// The table for work on `device`. Throws StateError while a step of another device is captured.
const Operations& operations(Device device);
inline const Operations& operations(const Tensor& x) { return operations(x.device()); }
/// Adds a device type's table, once, before its first use. `table` stays alive.
void register_operations(DeviceType type, const Operations& table);

}  // namespace hop::kernels
