// Plans of elementwise launches: which elements lie side by side, how many a thread moves at once, which operands are
// numbers.
#include <cstring>

#include "kernels/cuda/elementwise_internal.h"
#include "kernels/cuda/on_device.h"
#include "kernels/cuda/packet.h"
#include "kernels/cuda/runtime.h"
#include "kernels/elementwise_operations.h"

namespace hop::kernels::cuda {
namespace {

constexpr int kY = kMaxOperands;  // y's place among the operands
using ElementwiseSteps = Steps<kMaxOperands + 1>;

const RowLaunchers& launchers_of(int row) {
  static const auto table = [] {
    std::array<RowLaunchers, rows::kRowCount> t{};
    add_unary_rows(t.data());
    add_unary_gradients(t.data());
    add_binary_rows(t.data());
    add_binary_gradients(t.data());
    add_truth_rows(t.data());
    return t;
  }();
  return table[static_cast<std::size_t>(row)];
}

std::int64_t size_in(const Tensor& x) { return static_cast<std::int64_t>(size_of(x.dtype())); }

/// Packets are read in the computing dtype or from bytes (images, conditions). Other dtypes are read element by
/// element.
int width_of(const ElementwiseSteps& steps, DType compute, const Tensor& y, std::span<const Input> inputs) {
  const int width = packet_width(size_of(compute));
  if (!steps.takes_packets(kY, y.raw_data(), size_in(y), width)) return 1;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const int k = static_cast<int>(i);
    if (!inputs[i].is_tensor()) continue;
    const Tensor& x = inputs[i].tensor();
    if (x.dtype() != compute && size_in(x) != 1) return 1;
    if (steps.line_stride(k) != 0 && !steps.takes_packets(k, x.raw_data(), size_in(x), width)) return 1;
  }
  return width;
}

Operand operand(const Input& input, DType compute, bool repeats) {
  if (input.is_tensor()) return {input.tensor().raw_data(), input.tensor().dtype(), repeats, {}};
  Operand number{nullptr, compute, true, {}};
  visit_dtype(compute, [&]<class T>(T) {
    const T value = input.number().to<T>();
    std::memcpy(number.number, &value, sizeof value);
  });
  return number;
}

ElementwiseSteps steps_of(const Tensor& y, std::span<const Input> inputs) {
  std::array<Strides, kMaxOperands + 1> strides;
  for (Strides& s : strides) s.resize(y.dim(), 0);
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (!inputs[k].is_tensor()) continue;
    const Tensor& x = inputs[k].tensor();
    strides[k] = broadcast_strides(x.shape(), x.strides(), size_of(x.dtype()), y.shape());
  }
  strides[kY] = broadcast_strides(y.shape(), y.strides(), size_of(y.dtype()), y.shape());
  return ElementwiseSteps(Walk<kMaxOperands + 1>(y.shape(), strides, kMaxOperands + 1));
}

/// Plans y = f(inputs), computed in `compute`, and launches it on the current stream, in several parts if y has more
/// than kMaxElements. y is contiguous. An input may be y itself, element for element.
void run_elementwise(Launcher launcher, const void* row, DType compute, const Tensor& y,
                     std::span<const Input> inputs) {
  const ElementwiseSteps steps = steps_of(y, inputs);
  ElementwisePlan plan{};
  plan.width = width_of(steps, compute, y, inputs);
  for (std::size_t k = 0; k < inputs.size(); ++k)
    plan.in[k] = operand(inputs[k], compute, steps.line_stride(static_cast<int>(k)) == 0);

  const cudaStream_t stream = current_stream();
  const std::int64_t start[kMaxOperands + 1] = {};
  for_each_part(steps, kMaxElements, plan.width, start, [&](const ElementwiseSteps& part, const auto& offset) {
    ElementwisePlan piece = plan;
    piece.n = static_cast<std::uint32_t>(part.elements());
    piece.units = (piece.n + static_cast<std::uint32_t>(plan.width) - 1) / static_cast<std::uint32_t>(plan.width);
    piece.walk = part.in_units(plan.width);
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      if (piece.in[k].data != nullptr) piece.in[k].data += offset[k];
    }
    piece.out = y.raw_data() + offset[kY];
    launcher(piece, row, stream);
  });
}

void elementwise(const detail::Call& call, DType compute, const Tensor& out, std::span<const Input> inputs) {
  const RowLaunchers& row = launchers_of(call.id);
  const Launcher* by_dtype = call.part == rows::Part::value        ? row.value
                             : call.part == rows::Part::gradient_a ? row.gradient_a
                                                                   : row.gradient_b;
  run_elementwise(by_dtype[static_cast<int>(compute)], call.row, compute, out, inputs);
}

}  // namespace
}  // namespace hop::kernels::cuda

namespace hop::kernels {

const ElementwiseOperations ElementwiseOperations::cuda = {
    .elementwise = cuda::on_device<cuda::elementwise>,
};

}  // namespace hop::kernels
