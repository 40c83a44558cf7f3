// Convolutions: f32 through cuDNN, f64 and whatever cuDNN cannot do through our own kernels. Which of the two is a
// function of math(), precision(), sizes and dtype; layouts and addresses are evened out before.
#include "kernels/copy.h"
#include "kernels/cuda/bias_activation.h"
#include "kernels/cuda/conv_internal.h"
#include "kernels/cuda/copy_internal.h"
#include "kernels/cuda/math.h"
#include "kernels/cuda/operations_internal.h"

namespace hop::kernels::cuda {
namespace {

/// A tensor that is read, contiguous and on the 16 bytes that cuDNN's plans are made for.
Tensor dense(const Tensor& x) {
  return x.is_contiguous() && reinterpret_cast<std::uintptr_t>(x.raw_data()) % 16 == 0 ? x : clone(x);
}

bool asks_cudnn(const Tensor& y) { return y.dtype() == DType::f32 && !math().own_kernels && dnn::available(); }

}  // namespace

bool conv2d_in_bf16(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& y,
                    const Convolve& convolve) {
  const auto narrow = [&](const Tensor& tensor, ConvPass written_by) {
    Bf16Image image(tensor.shape(), tensor.device());
    if (pass != written_by) copy(image, tensor);
    return image;
  };
  const Bf16Image u = narrow(x, ConvPass::input_grad);
  const Bf16Image v = narrow(weight, ConvPass::weight_grad);
  const Bf16Image g = narrow(y, ConvPass::forward);
  if (!convolve({pass, sizes, Precision::bf16, true}, u.data(), v.data(), g.data())) return false;
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

void conv2d(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& bias,
            const Tensor& y) {
  bool done = asks_cudnn(y) && precision() == Precision::bf16 && conv2d_in_bf16(pass, sizes, x, weight, y);
  if (!done) {
    const Tensor u = pass == ConvPass::input_grad ? x : dense(x);
    const Tensor v = pass == ConvPass::weight_grad ? weight : dense(weight);
    const Tensor g = pass == ConvPass::forward ? y : dense(y);
    const Precision of_factors = precision() == Precision::strict ? Precision::strict : Precision::tf32;
    done = asks_cudnn(y) && dnn::convolve({pass, sizes, of_factors, false}, u.raw_data(), v.raw_data(), g.raw_data());
    if (!done) conv2d_in_loops(pass, sizes, u, v, g);
  }
  if (bias.defined()) bias_activation(y, bias, 1);
}

}  // namespace hop::kernels::cuda
