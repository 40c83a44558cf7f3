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
    // conv2d's first tensor may be the one it writes, but never undefined
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
      .reduce = nullptr,
      .argmax = nullptr,
      .softmax = nullptr,
      .softmax_grad = nullptr,
      .log_softmax = nullptr,
      .log_softmax_grad = nullptr,
      .cross_entropy = nullptr,
      .cross_entropy_grad = nullptr,
      .layer_norm = nullptr,
      .layer_norm_grad = nullptr,
      .batch_norm = nullptr,
      .batch_norm_grad = nullptr,
      .batch_norm_apply = nullptr,
      .matmul = OnDevice<matmul>::call,
      .conv2d = OnDevice<conv2d>::call,
      .max_pool2d = nullptr,
      .max_pool2d_grad = nullptr,
      .max_pool2d_gather = nullptr,
      .avg_pool2d = nullptr,
      .avg_pool2d_grad = nullptr,
      .gather = OnDevice<gather>::call,
      .scatter_add = OnDevice<scatter_add>::call,
      .index_select = OnDevice<index_select>::call,
      .index_add = OnDevice<index_add>::call,
      .uniform = OnDevice<uniform>::call,
      .normal = OnDevice<normal>::call,
      .dropout = OnDevice<dropout>::call,
      .update = nullptr,
      .measure = nullptr,
      .capture = capture,
  };
  return kTable;
}

}  // namespace hop::kernels::cuda
