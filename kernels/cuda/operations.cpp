// The table of operations of Device::cuda.
#include "kernels/cuda/operations_internal.h"

#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda {
namespace {

const Tensor& first_tensor(const Tensor& x, const auto&...) { return x; }
[[maybe_unused]] const Tensor& first_tensor(const UpdateRule&, std::span<const UpdateSegment>,
                                            const UpdateState& state) {
  return state.lr;
}
const Tensor& first_tensor(const auto&, const auto&... rest) { return first_tensor(rest...); }

/// `operation` with the current device set to that of its tensors.
template <auto* operation>
struct OnDevice;
template <class Result, class... Args, Result (*operation)(Args...)>
struct OnDevice<operation> {
  static Result call(Args... args) {
    // conv2d's first tensor may be the one that it writes, but is never undefined
    use_device(first_tensor(args...).device().index);
    return operation(args...);
  }
};

}  // namespace

const Operations& operations() {
  static constexpr Operations kTable = {
      .copy = OnDevice<copy>::call,
      .fill = OnDevice<fill>::call,
      .arange = OnDevice<arange>::call,
      .elementwise = OnDevice<elementwise>::call,
      .reduce = OnDevice<reduce>::call,
      .argmax = OnDevice<argmax>::call,
      .softmax = OnDevice<softmax>::call,
      .softmax_grad = OnDevice<softmax_grad>::call,
      .log_softmax = OnDevice<log_softmax>::call,
      .log_softmax_grad = OnDevice<log_softmax_grad>::call,
      .cross_entropy = OnDevice<cross_entropy>::call,
      .cross_entropy_grad = OnDevice<cross_entropy_grad>::call,
      .layer_norm = OnDevice<layer_norm>::call,
      .layer_norm_grad = OnDevice<layer_norm_grad>::call,
      .batch_norm = OnDevice<batch_norm>::call,
      .batch_norm_grad = OnDevice<batch_norm_grad>::call,
      .batch_norm_apply = OnDevice<batch_norm_apply>::call,
      .matmul = OnDevice<matmul>::call,
      .linear_relu = OnDevice<linear_relu>::call,
      .linear_input_grad = OnDevice<linear_input_grad>::call,
      .relu_mask_grad = OnDevice<relu_mask_grad>::call,
      .linear_parameter_grads = OnDevice<linear_parameter_grads>::call,
      .conv2d = OnDevice<conv2d>::call,
      .max_pool2d = OnDevice<max_pool2d>::call,
      .max_pool2d_grad = OnDevice<max_pool2d_grad>::call,
      .max_pool2d_gather = OnDevice<max_pool2d_gather>::call,
      .avg_pool2d = OnDevice<avg_pool2d>::call,
      .avg_pool2d_grad = OnDevice<avg_pool2d_grad>::call,
      .gather = OnDevice<gather>::call,
      .scatter_add = OnDevice<scatter_add>::call,
      .index_select = OnDevice<index_select>::call,
      .index_add = OnDevice<index_add>::call,
      .uniform = OnDevice<uniform>::call,
      .normal = OnDevice<normal>::call,
      .dropout = OnDevice<dropout>::call,
      .update = OnDevice<update>::call,
      .measure = OnDevice<measure>::call,
      .capture = capture,
  };
  return kTable;
}

}  // namespace hop::kernels::cuda
