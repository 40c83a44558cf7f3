// What every device shares: promotion, broadcasting, the result's allocation, errors. Then the device's loops.
#include "kernels/elementwise.h"

#include <string>

#include "base/error.h"
#include "kernels/expect_internal.h"
#include "kernels/operations_internal.h"

namespace hop::kernels::detail {
namespace {

using rows::Dtypes;

std::string where_in(const Call& call) {
  static constexpr const char* kSuffixes[] = {"", " gradient", " gradient"};
  return "[" + std::string(call.name) + kSuffixes[static_cast<int>(call.part)] + "] ";
}

Operand operand(const Input& input) {
  if (!input.is_tensor()) return {input.number().dtype(), Operand::Kind::number};
  return {input.tensor().dtype(), input.tensor().dim() == 0 ? Operand::Kind::zero_dim : Operand::Kind::tensor};
}

// Numbers alone have the default dtypes.
DType default_dtype(DType dtype) { return dtype == DType::f64 ? DType::f32 : dtype; }

DType promote(std::span<const Input> inputs) {
  if (inputs.size() == 1) return operand(inputs[0]).dtype;
  const Operand a = operand(inputs[0]), b = operand(inputs[1]);
  const DType dtype = a.dtype == b.dtype ? a.dtype : result_type(a, b);
  return a.kind == Operand::Kind::number && b.kind == Operand::Kind::number ? default_dtype(dtype) : dtype;
}

// The dtype in which the row computes; of the result, unless that is a truth value.
DType compute_dtype(const Call& call, std::span<const Input> inputs) {
  if (call.part != rows::Part::value) {
    const DType dtype = inputs[0].tensor().dtype();
    if (!is_floating(dtype))
      throw DtypeError(where_in(call) + "expected a floating gradient, got " + inputs[0].tensor().describe());
    return dtype;
  }
  if (inputs.size() == 3) {  // a condition, then operands
    if (operand(inputs[0]).dtype != DType::boolean) {
      throw DtypeError(where_in(call) + "expected a bool condition, got " +
                       std::string(name(operand(inputs[0]).dtype)));
    }
    inputs = inputs.subspan(1);
  }
  const DType dtype = promote(inputs);
  if (call.dtypes == Dtypes::real && !is_floating(dtype)) return DType::f32;
  if (call.dtypes == Dtypes::number && dtype == DType::boolean) {
    throw DtypeError(where_in(call) + "is not defined for bool: cast first, or use a logical operation");
  }
  return dtype;
}

Shape broadcast(const Call& call, std::span<const Input> inputs) {
  const Input* first = nullptr;
  Shape shape;
  for (const Input& input : inputs) {
    if (!input.is_tensor()) continue;
    const Tensor& x = input.tensor();
    if (first == nullptr) {
      first = &input;
      shape = x.shape();
      continue;
    }
    if (x.device() != first->tensor().device()) {
      throw DeviceError(where_in(call) + "expected operands on one device, got " + first->tensor().describe() +
                        " and " + x.describe());
    }
    if (!(x.shape() == shape)) shape = broadcast_shapes(shape, x.shape(), call.name);
  }
  return shape;
}

// PyTorch's rule of preserved memory format: the result of an operation on an image with channels last lies so, too. Of
// operands in both layouts the rarer one wins, whichever operand it is.
Layout result_layout(const Operations& device, const Shape& shape, std::span<const Input> inputs) {
  if (!device.channels_last || shape.size() != 4) return Layout::contiguous;
  for (const Input& input : inputs) {
    if (input.is_tensor() && is_channels_last(input.tensor()) && input.tensor().shape() == shape)
      return Layout::channels_last;
  }
  return Layout::contiguous;
}

// Numbers alone are computed on the CPU.
Device device_of(std::span<const Input> inputs) {
  for (const Input& input : inputs) {
    if (input.is_tensor()) return input.tensor().device();
  }
  return Device::cpu();
}

}  // namespace

Tensor elementwise(const Call& call, std::span<const Input> inputs, const Tensor& into) {
  for (const Input& input : inputs) {
    if (input.is_tensor() && !input.tensor().defined())
      throw Error(where_in(call) + "expected a tensor, got an undefined one");
  }
  const DType compute = compute_dtype(call, inputs);
  const Shape shape = broadcast(call, inputs);
  if (call.part != rows::Part::value && !(shape == inputs[0].tensor().shape())) {
    throw ShapeError(where_in(call) + "expected operands that broadcast to the gradient's shape " +
                     inputs[0].tensor().shape().to_string() + ", got " + shape.to_string());
  }
  const Device device = device_of(inputs);
  const Operations& table = operations(device);
  const Layout layout = into.defined() && table.channels_last ? layout_of(into) : result_layout(table, shape, inputs);
  const DType dtype = call.dtypes == Dtypes::truth ? DType::boolean : compute;
  const Tensor out = result_in(call.name, into, shape, dtype, device, layout);
  if (out.numel() != 0) table.elementwise(call, compute, out, inputs);
  return out;
}

}  // namespace hop::kernels::detail

namespace hop::kernels {

bool can_evaluate_into(const Tensor& y) {
  return y.is_contiguous() || (operations(y).channels_last && is_channels_last(y));
}

}  // namespace hop::kernels
