#include "kernels/cpu/elementwise_internal.h"

#include <cstring>

#include "kernels/cpu/parallel_internal.h"
#include "kernels/cpu/walk_internal.h"

namespace hop::kernels::cpu {
namespace {

// Elements per thread's turn: a few microseconds of work, so that waking a thread pays.
constexpr std::int64_t kGrain = 32768;

const RowKernels& kernels_of(int row) {
  static const auto table = [] {
    std::array<RowKernels, rows::kRowCount> t{};
    HOP_PICK(add_unary_rows)(t.data());
    HOP_PICK(add_binary_rows)(t.data());
    HOP_PICK(add_truth_rows)(t.data());
    return t;
  }();
  return table[static_cast<std::size_t>(row)];
}

// The bytes of the numbers among the inputs, in their own dtypes.
struct Numbers {
  std::int64_t bytes[kMaxInputs];
  const std::byte* put(int k, const Scalar& number) {
    if (number.dtype() == DType::f64) {
      const auto value = number.to<double>();
      std::memcpy(&bytes[k], &value, sizeof value);
    } else if (number.dtype() == DType::i64) {
      bytes[k] = number.to<std::int64_t>();
    } else {
      const unsigned char value = number.to<bool>() ? 1 : 0;
      std::memcpy(&bytes[k], &value, 1);
    }
    return reinterpret_cast<const std::byte*>(&bytes[k]);
  }
};

// Makes `line` the whole output if every input is contiguous or a single value: no walk is needed.
bool single_line(const Tensor& out, std::span<const Input> inputs, Line& line) {
  line.n = out.numel();
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (!inputs[k].is_tensor()) continue;
    const Tensor& x = inputs[k].tensor();
    if (x.numel() == 1) continue;
    if (!x.is_contiguous() || x.numel() != line.n) return false;
    line.stride[k] = static_cast<std::int64_t>(size_of(x.dtype()));
  }
  return true;
}

void run_lines(LineKernel kernel, const void* row, const Tensor& out, std::span<const Input> inputs,
               const Line& first) {
  const int n = static_cast<int>(inputs.size());
  std::array<Strides, kMaxInputs + 1> strides;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (!inputs[k].is_tensor()) {
      strides[k].resize(out.dim(), 0);
      continue;
    }
    const Tensor& x = inputs[k].tensor();
    strides[k] = broadcast_strides(x.shape(), x.strides(), size_of(x.dtype()), out.shape());
  }
  strides[inputs.size()] = broadcast_strides(out.shape(), out.strides(), size_of(out.dtype()), out.shape());
  const Walk<kMaxInputs + 1> walk(out.shape(), strides, n + 1);

  parallel_for(out.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    Line line = first;
    for (int k = 0; k < n; ++k) line.stride[k] = walk.line_stride(k);
    walk.for_each_line(begin, end, [&](const std::int64_t* offset, std::int64_t count) {
      line.n = count;
      for (int k = 0; k < n; ++k) line.in[k] = first.in[k] + offset[k];
      line.out = first.out + offset[n];
      kernel(line, row);
    });
  });
}

}  // namespace

LineKernel line_kernel(int row, rows::Part part, DType dtype) {
  const RowKernels& kernels = kernels_of(row);
  const LineKernel* by_dtype = part == rows::Part::value        ? kernels.value
                               : part == rows::Part::gradient_a ? kernels.gradient_a
                                                                : kernels.gradient_b;
  return by_dtype[static_cast<int>(dtype)];
}

void elementwise(const detail::Call& call, DType compute, const Tensor& out, std::span<const Input> inputs) {
  const LineKernel kernel = line_kernel(call.id, call.part, compute);
  Line line;
  Numbers numbers;
  line.out = out.raw_data();
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const bool is_tensor = inputs[k].is_tensor();
    line.in[k] = is_tensor ? inputs[k].tensor().raw_data() : numbers.put(static_cast<int>(k), inputs[k].number());
    line.dtype[k] = is_tensor ? inputs[k].tensor().dtype() : inputs[k].number().dtype();
    line.stride[k] = 0;
  }
  if (!single_line(out, inputs, line)) return run_lines(kernel, call.row, out, inputs, line);
  if (line.n <= kGrain) return kernel(line, call.row);

  const auto element = static_cast<std::int64_t>(size_of(out.dtype()));
  parallel_for(line.n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    Line part = line;
    part.n = end - begin;
    part.out += begin * element;
    for (std::size_t k = 0; k < inputs.size(); ++k) part.in[k] += begin * part.stride[k];
    kernel(part, call.row);
  });
}

}  // namespace hop::kernels::cpu
