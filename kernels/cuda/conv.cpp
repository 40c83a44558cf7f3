// Convolutions: f32 through cuDNN, f64 and whatever cuDNN cannot do through our own kernels. Which of the two is a
// function of math(), precision(), sizes and dtype; layouts and addresses are evened out before.
#include "kernels/cuda/bias_activation.h"
#include "kernels/cuda/conv_internal.h"
#include "kernels/cuda/dnn.h"
#include "kernels/cuda/math.h"
#include "kernels/cuda/operations_internal.h"

namespace hop::kernels::cuda {
namespace {

/// A tensor that is read, contiguous and on the 16 bytes that cuDNN's plans are made for.
Tensor dense(const Tensor& x) {
  if (x.is_contiguous() && reinterpret_cast<std::uintptr_t>(x.raw_data()) % 16 == 0) return x;
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  operations().copy(y, x);
  return y;
}

}  // namespace

void conv2d(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& bias,
            const Tensor& y) {
  const Tensor u = pass == ConvPass::input_grad ? x : dense(x);
  const Tensor v = pass == ConvPass::weight_grad ? weight : dense(weight);
  const Tensor g = pass == ConvPass::forward ? y : dense(y);
  bool done = false;
  if (y.dtype() == DType::f32 && !math().own_kernels && dnn::available()) {
    // bf16 tensors do not exist yet, so bf16 is tf32 here
    const Precision of_factors = precision() == Precision::strict ? Precision::strict : Precision::tf32;
    done = dnn::convolve({pass, sizes, of_factors, false}, u.raw_data(), v.raw_data(), g.raw_data());
  }
  if (!done) conv2d_in_loops(pass, sizes, u, v, g);
  if (bias.defined()) bias_activation(g, bias, 1);
}

}  // namespace hop::kernels::cuda
