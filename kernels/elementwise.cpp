// The part that all devices share: promotion, broadcasting, the result's allocation, errors. Then come the device's
// loops.
#include "kernels/elementwise.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"
#include "kernels/elementwise_operations.h"
#include "kernels/expect_internal.h"
#include "kernels/half_internal.h"

namespace hop::kernels::detail {
namespace {

using rows::Dtypes;

std::string where_in(const Call& call) {
  static constexpr const char* kSuffixes[] = {"", " gradient", " gradient"};
  const bool is_power = call.id == rows::ids::PowScalar;  // which users call as pow(x, 2)
  return "[" + std::string(is_power ? "pow" : call.name) + kSuffixes[static_cast<int>(call.part)] + "] ";
}

Operand operand(const Input& input) {
  if (!input.is_tensor()) return {input.number().dtype(), Operand::Kind::number};
  return {input.tensor().dtype(), input.tensor().dim() == 0 ? Operand::Kind::zero_dim : Operand::Kind::tensor};
}

// If all operands are numbers, the result has a default dtype.
DType default_dtype(DType dtype) { return dtype == DType::f64 ? DType::f32 : dtype; }

/// A dtype in which no value is lost, unlike in PyTorch, but for integers beyond 2^53 beside floating operands. The
/// result of a comparison does not have the operands' dtype, so the weaker operand need not be converted to the dtype
/// of the stronger one (257 would become 1 in u8, 16777217 would become 16777216 in f32).
DType comparison_dtype(const Operand& a, const Operand& b) {
  const bool a_is_floating = is_floating(a.dtype), b_is_floating = is_floating(b.dtype);
  if (!a_is_floating && !b_is_floating) {
    // fit_number() takes care of a number that the tensor's dtype cannot hold.
    if (a.kind == Operand::Kind::number || b.kind == Operand::Kind::number) return result_type(a, b);
    return promote_types(a.dtype, b.dtype);
  }
  if (a_is_floating == b_is_floating) return result_type(a, b);
  const Operand& integers = a_is_floating ? b : a;
  const Operand& floats = a_is_floating ? a : b;
  const bool fit_f32 = integers.dtype == DType::u8 || integers.dtype == DType::boolean;
  if (floats.kind == Operand::Kind::number) return DType::f64;
  if (integers.kind == Operand::Kind::number) return floats.dtype;  // fit_number() looks at its value
  return fit_f32 ? floats.dtype : DType::f64;
}

DType promote(const Call& call, std::span<const Input> inputs) {
  if (inputs.size() == 1) return operand(inputs[0]).dtype;
  const Operand a = operand(inputs[0]), b = operand(inputs[1]);
  if (call.dtypes == Dtypes::truth && a.dtype != b.dtype) return comparison_dtype(a, b);
  const DType dtype = a.dtype == b.dtype ? a.dtype : result_type(a, b);
  return a.kind == Operand::Kind::number && b.kind == Operand::Kind::number ? default_dtype(dtype) : dtype;
}

/// Whether a bound of a clamp is no whole number: then the result for integers is floating, as in PyTorch. (An infinite
/// bound is none.)
bool has_broken_bound(const Call& call) {
  if (call.id != rows::ids::Clamp) return false;
  const auto& clamp = *static_cast<const rows::Clamp*>(call.row);
  return std::trunc(clamp.min) != clamp.min || std::trunc(clamp.max) != clamp.max;
}

// The dtype of the result, unless it is a truth value. The row computes in it, or in widened(it).
DType result_dtype(const Call& call, std::span<const Input> inputs) {
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
  const DType dtype = promote(call, inputs);
  if (call.dtypes == Dtypes::real && !is_floating(dtype)) return DType::f32;
  if (call.dtypes == Dtypes::number && dtype == DType::boolean) {
    throw DtypeError(where_in(call) + "is not defined for bool: cast first, or use a logical operation");
  }
  return !is_floating(dtype) && has_broken_bound(call) ? DType::f32 : dtype;
}

/// Whether `number` keeps its order among the values of `dtype`: the dtype holds it, and it becomes neither 0 nor
/// infinite.
bool keeps_its_order(const Scalar& number, DType dtype) {
  if (!number.fits(dtype)) return false;
  return dtype != DType::f32 || number.to<float>() != 0 || number.to<double>() == 0;
}

/// The number nearest to `number` that `dtype`, an integer type, holds.
Scalar saturated(const Scalar& number, DType dtype) {
  return visit_dtype(dtype, [&]<class T>(T) -> Scalar {
    const bool negative = !number.exceeds_i64() && number.to<std::int64_t>() < 0;
    return negative ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();
  });
}

/// Fits `number` to a row that computes in `compute`. If `compute` does not hold it: a comparison moves to a dtype that
/// does; sums and products wrap around, as between tensors; maximum and minimum take the nearest number. Any other
/// integer row would be wrong: DtypeError.
Scalar fit_number(const Call& call, const Scalar& number, DType& compute) {
  if (is_floating(compute)) {
    if (call.dtypes == Dtypes::truth && !keeps_its_order(number, compute)) compute = DType::f64;
    return number.exceeds_i64() ? Scalar(number.to<double>()) : number;
  }
  if (number.fits(compute)) return number;
  if (call.dtypes == Dtypes::truth) {
    compute = number.exceeds_i64() ? DType::f64 : DType::i64;
    return number.exceeds_i64() ? Scalar(std::numeric_limits<double>::infinity()) : number;
  }
  if (call.id == rows::ids::Maximum || call.id == rows::ids::Minimum) return saturated(number, compute);
  if (call.id == rows::ids::Add || call.id == rows::ids::Sub || call.id == rows::ids::Mul)
    return number.to<std::int64_t>();
  throw DtypeError(where_in(call) + "expected a number that " + std::string(name(compute)) + " holds, got " +
                   number.to_string());
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

// PyTorch's rule of preserved memory format: if an operand is an image with channels last, the result is, too. The
// order of the operands does not matter.
Layout result_layout(Device device, const Shape& shape, std::span<const Input> inputs) {
  if (!keeps_channels_last(device) || shape.size() != 4) return Layout::contiguous;
  for (const Input& input : inputs) {
    if (input.is_tensor() && is_channels_last(input.tensor()) && input.tensor().shape() == shape)
      return Layout::channels_last;
  }
  return Layout::contiguous;
}

// If all operands are numbers, the CPU computes.
Device device_of(std::span<const Input> inputs) {
  for (const Input& input : inputs) {
    if (input.is_tensor()) return input.tensor().device();
  }
  return Device::cpu();
}

// All operands hold in `compute`.
Tensor compute_in(DType compute, const Call& call, std::span<const Input> inputs, const Tensor& into) {
  const Shape shape = broadcast(call, inputs);
  if (call.part != rows::Part::value && !(shape == inputs[0].tensor().shape())) {
    throw ShapeError(where_in(call) + "expected operands that broadcast to the gradient's shape " +
                     inputs[0].tensor().shape().to_string() + ", got " + shape.to_string());
  }
  const Device device = device_of(inputs);
  const Layout layout = into.defined() ? kept_layout(into) : result_layout(device, shape, inputs);
  const DType dtype = call.dtypes == Dtypes::truth ? DType::boolean : compute;
  const Tensor out = result_in(call.name, into, shape, dtype, device, layout);
  if (out.numel() != 0) operations<ElementwiseOperations>(device).elementwise(call, compute, out, inputs);
  return out;
}

// A function of its own: the array of operands would cost a call of tensors alone a tenth of its time.
[[gnu::noinline]] Tensor compute_with_numbers(DType compute, const Call& call, std::span<const Input> inputs,
                                              const Tensor& into) {
  std::array<Input, 5> fitted = {false, false, false, false, false};
  std::transform(inputs.begin(), inputs.end(), fitted.begin(), [&](const Input& input) -> Input {
    return input.is_tensor() ? input : Input(fit_number(call, input.number(), compute));
  });
  return compute_in(compute, call, std::span(fitted.data(), inputs.size()), into);
}

// Operands of 16 bits: in f32, or in the wider dtype of another operand.
[[gnu::noinline]] Tensor compute_with_halves(DType dtype, const Call& call, std::span<const Input> inputs,
                                             const Tensor& into) {
  std::array<Tensor, 5> wide;
  std::array<Input, 5> list = {false, false, false, false, false};
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    list[i] = inputs[i];
    if (!inputs[i].is_tensor()) continue;
    wide[i] = widened(inputs[i].tensor());
    list[i] = wide[i];
  }
  const std::span<const Input> operands(list.data(), inputs.size());
  if (!is_half(dtype) || call.dtypes == Dtypes::truth)
    return compute_with_numbers(hop::widened(dtype), call, operands, into);
  return narrowed(call.name, compute_with_numbers(DType::f32, call, operands, {}), dtype, into);
}

}  // namespace

Tensor elementwise(const Call& call, std::span<const Input> inputs, const Tensor& into) {
  bool has_numbers = false, has_halves = false;
  for (const Input& input : inputs) {
    has_numbers = has_numbers || !input.is_tensor();
    if (input.is_tensor() && !input.tensor().defined())
      throw Error(where_in(call) + "expected a tensor, got an undefined one");
    has_halves = has_halves || (input.is_tensor() && is_half(input.tensor().dtype()));
  }
  const DType compute = result_dtype(call, inputs);
  if (has_halves) [[unlikely]]
    return compute_with_halves(compute, call, inputs, into);
  return has_numbers ? compute_with_numbers(compute, call, inputs, into) : compute_in(compute, call, inputs, into);
}

}  // namespace hop::kernels::detail

namespace hop::kernels {

bool can_evaluate_into(const Tensor& y) { return y.is_contiguous() || kept_layout(y) == Layout::channels_last; }

}  // namespace hop::kernels
