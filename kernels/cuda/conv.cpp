// Convolutions: f32 through cuDNN; f64, and convolutions that cuDNN cannot do, through our own kernels. The choice is a
// function of math(), precision(), sizes and dtype. Operands of other layouts or alignments are copied first.
#include <algorithm>

#include "kernels/conv_operations.h"
#include "kernels/copy.h"
#include "kernels/cuda/conv_internal.h"
#include "kernels/cuda/copy_internal.h"
#include "kernels/cuda/math.h"
#include "kernels/cuda/on_device.h"
#include "kernels/elementwise.h"
#include "kernels/half_internal.h"

namespace hop::kernels::cuda {
namespace {

/// An operand that is read: contiguous, and aligned to the 16 bytes that cuDNN's plans assume.
Tensor dense(const Tensor& x) {
  return x.is_contiguous() && reinterpret_cast<std::uintptr_t>(x.raw_data()) % 16 == 0 ? x : clone(x);
}

constexpr std::int64_t kFewInGroup = 8;  // channels, for a tile

/// Our own kernels: tiles, whose columns are the channels of a group, or loops if a group has few channels.
void conv2d_by_own_kernels(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight,
                           const Tensor& y) {
  const std::int64_t groups = sizes.options.groups;
  const bool by_loops = groups > 1 && std::min(sizes.c, sizes.k) / groups < kFewInGroup;
  (by_loops ? conv2d_in_loops : conv2d_in_tiles)(pass, sizes, x, weight, y);
}

/// y (N, K, P, Q) <- y + bias (K), contiguous.
void add_bias(const Tensor& y, const Tensor& bias) {
  evaluate_into(y, rows::Add{}, y, bias.as_strided({bias.numel(), 1, 1}, {1, 1, 1}, bias.storage_offset()));
}

bool asks_cudnn(const Tensor& y) { return y.dtype() == DType::f32 && !math().own_kernels && dnn::available(); }

}  // namespace

bool conv2d_in_half(Precision precision, ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight,
                    const Tensor& y, const Convolve& convolve) {
  const DType dtype = half_of(precision).value();
  const auto narrow = [&](const Tensor& tensor, ConvPass written_by) {
    HalfImage image(tensor.shape(), dtype, tensor.device());
    if (pass != written_by) copy(image, tensor);
    return image;
  };
  const HalfImage u = narrow(x, ConvPass::input_grad);
  const HalfImage v = narrow(weight, ConvPass::weight_grad);
  const HalfImage g = narrow(y, ConvPass::forward);
  if (!convolve({pass, sizes, precision, true}, u.data(), v.data(), g.data())) return false;
  switch (pass) {
    case ConvPass::forward:
      copy(y, g);
      break;
    case ConvPass::input_grad:
      copy(x, u);
      break;
    case ConvPass::weight_grad:
      copy(weight, v);
      break;
  }
  return true;
}

ConvWay conv_way(ConvPass pass, const ConvSizes& sizes, Precision precision) {
  constexpr std::int64_t kFewFilters = 32;
  const std::int64_t channels = sizes.c / sizes.options.groups, filters = sizes.k / sizes.options.groups;
  const bool is_first = channels <= kFirstLayerChannels && sizes.options.groups == 1;
  if (is_first) return pass == ConvPass::input_grad ? ConvWay::cudnn : ConvWay::own;
  const bool few = precision == Precision::strict && channels >= kFewInGroup && filters <= kFewFilters;
  return pass == ConvPass::weight_grad && few ? ConvWay::own : ConvWay::cudnn;
}

static void conv2d(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& bias,
                   const Tensor& y) {
  ConvWay way = asks_cudnn(y) ? conv_way(pass, sizes, precision()) : ConvWay::own;
  Tensor u = x, v = weight;
  if (way == ConvWay::own && pass == ConvPass::forward) {
    u = dense(x);
    v = dense(weight);
    if (conv2d_of_first_layer(sizes, u, v, bias, y)) return;
    if (asks_cudnn(y)) way = ConvWay::cudnn;
  }
  const bool in_half = way == ConvWay::cudnn && half_of(precision());
  if (!in_half || !conv2d_in_half(precision(), pass, sizes, u, v, y)) {
    if (pass != ConvPass::input_grad) u = dense(u);
    if (pass != ConvPass::weight_grad) v = dense(v);
    const Tensor g = pass == ConvPass::forward ? y : dense(y);
    const Precision factors = precision() == Precision::strict ? Precision::strict : Precision::tf32;
    const dnn::Convolution conv{pass, sizes, factors, false};
    const bool done = way != ConvWay::own && dnn::convolve(conv, u.raw_data(), v.raw_data(), g.raw_data());
    if (!done) conv2d_by_own_kernels(pass, sizes, u, v, g);
  }
  if (bias.defined()) add_bias(y, bias);
}

}  // namespace hop::kernels::cuda

namespace hop::kernels {

const ConvOperations ConvOperations::cuda = {
    .conv2d = cuda::on_device<cuda::conv2d>,
};

}  // namespace hop::kernels
