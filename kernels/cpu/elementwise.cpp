#include "kernels/elementwise_operations.h"

#include <cstring>

#include "kernels/capture_internal.h"
#include "kernels/cpu/line_internal.h"
#include "kernels/cpu/parallel_internal.h"
#include "kernels/cpu/walk_internal.h"
#include "kernels/layout_internal.h"

namespace hop::kernels::cpu {
namespace {

// Elements per thread's turn: a few microseconds of work, enough to pay for waking a thread.
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

/// One call, ready to run: addresses, and its numbers by value.
struct BoundLine {
  LineKernel kernel;
  Line line;
  bool has_numbers;
  alignas(8) std::byte numbers[kMaxInputs][8];  // line.in[k] is null where input k is a number
  alignas(8) std::byte row[detail::kMaxRowBytes];

  /// The line with the addresses of its numbers, which lie in this object.
  Line first() const {
    Line first = line;
    for (int k = 0; has_numbers && k < kMaxInputs; ++k) {
      if (first.in[k] == nullptr) first.in[k] = numbers[k];
    }
    return first;
  }
};

/// Writes the number in its own dtype.
void put(std::byte* to, const Scalar& number) {
  if (number.dtype() == DType::f64) {
    const auto value = number.to<double>();
    std::memcpy(to, &value, sizeof value);
  } else if (number.dtype() == DType::i64) {
    const auto value = number.to<std::int64_t>();
    std::memcpy(to, &value, sizeof value);
  } else {
    to[0] = std::byte{number.to<bool>()};
  }
}

/// If every input has the output's layout or is a single value, makes `line` the whole output and returns true: no walk
/// is needed.
bool single_line(const Tensor& out, std::span<const Input> inputs, Line& line) {
  line.n = out.numel();
  const bool by_planes = out.is_contiguous();
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (!inputs[k].is_tensor()) continue;
    const Tensor& x = inputs[k].tensor();
    if (x.numel() == 1) continue;
    if (x.numel() != line.n || !(by_planes ? x.is_contiguous() : is_channels_last(x))) return false;
    line.stride[k] = static_cast<std::int64_t>(size_of(x.dtype()));
  }
  return true;
}

/// A call whose inputs all have the output's layout or are single values.
struct WholeLine {
  BoundLine bound;
  std::int64_t element;  // bytes of an output element

  void operator()() const {
    if (bound.line.n <= kGrain && !bound.has_numbers) return bound.kernel(bound.line, bound.row);  // without a copy
    const Line line = bound.first();
    if (line.n <= kGrain) return bound.kernel(line, bound.row);
    parallel_for(line.n, kGrain, [&](std::int64_t begin, std::int64_t end) {
      Line part = line;
      part.n = end - begin;
      part.out += begin * element;
      for (int k = 0; k < kMaxInputs; ++k) part.in[k] += begin * part.stride[k];
      bound.kernel(part, bound.row);
    });
  }
};

/// Any other call: line by line.
struct WalkedLines {
  using LineWalk = Walk<kMaxInputs + 1>;
  BoundLine bound;
  LineWalk walk;
  std::int64_t elements;
  int inputs;

  void operator()() const {
    const Line first = bound.first();
    parallel_for(elements, kGrain, [&](std::int64_t begin, std::int64_t end) {
      Line line = first;
      for (int k = 0; k < inputs; ++k) line.stride[k] = walk.line_stride(k);
      walk.for_each_line(begin, end, [&](const std::int64_t* offset, std::int64_t count) {
        line.n = count;
        for (int k = 0; k < inputs; ++k) line.in[k] = first.in[k] + offset[k];
        line.out = first.out + offset[inputs];
        bound.kernel(line, bound.row);
      });
    });
  }
};

/// Converts images of another layout to the output's layout first: a transposition is quicker than a strided walk.
/// `copies` keeps the converted images alive.
std::array<Input, kMaxInputs> align_images(const Tensor& out, std::span<const Input> inputs,
                                           std::array<Tensor, kMaxInputs>& copies) {
  std::array<Input, kMaxInputs> aligned = {false, false, false, false, false};
  std::copy(inputs.begin(), inputs.end(), aligned.begin());
  const Layout layout = layout_of(out);
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (!inputs[k].is_tensor() || !(inputs[k].tensor().shape() == out.shape())) continue;
    const Tensor& x = inputs[k].tensor();
    if (layout == Layout::contiguous ? !is_channels_last(x) : !x.is_contiguous()) continue;
    copies[k] = in_layout(layout, x);
    aligned[k] = copies[k];
  }
  return aligned;
}

/// Walks the outputs in the order of their memory.
WalkedLines::LineWalk make_walk(const Tensor& out, std::span<const Input> inputs) {
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
  const int operands = static_cast<int>(inputs.size()) + 1;
  if (out.is_contiguous()) return {out.shape(), strides, operands};
  for (int k = 0; k < operands; ++k) {
    Strides& steps = strides[static_cast<std::size_t>(k)];
    steps = channels_innermost(steps);
  }
  return {channels_innermost(out.shape()), strides, operands};
}

/// The loop of one part of a row (rows::Exp::id, ..), computing in `dtype`; null if there is none.
LineKernel line_kernel(int row, rows::Part part, DType dtype) {
  const RowKernels& kernels = kernels_of(row);
  const LineKernel* by_dtype = part == rows::Part::value        ? kernels.value
                               : part == rows::Part::gradient_a ? kernels.gradient_a
                                                                : kernels.gradient_b;
  return by_dtype[static_cast<int>(dtype)];
}

/// The call with the addresses of its operands. The caller sets the strides.
BoundLine bind(const detail::Call& call, DType compute, const Tensor& out, std::span<const Input> inputs) {
  BoundLine bound;
  bound.kernel = line_kernel(call.id, call.part, compute);
  std::memcpy(bound.row, call.row, call.row_bytes);
  bound.line.out = out.raw_data();
  bound.has_numbers = false;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const bool is_tensor = inputs[k].is_tensor();
    bound.has_numbers = bound.has_numbers || !is_tensor;
    if (!is_tensor) put(bound.numbers[k], inputs[k].number());
    bound.line.in[k] = is_tensor ? inputs[k].tensor().raw_data() : nullptr;
    bound.line.dtype[k] = is_tensor ? inputs[k].tensor().dtype() : inputs[k].number().dtype();
    bound.line.stride[k] = 0;
  }
  for (std::size_t k = inputs.size(); k < kMaxInputs; ++k) {
    bound.line.in[k] = nullptr;
    bound.line.stride[k] = 0;
  }
  return bound;
}

}  // namespace

static void elementwise(const detail::Call& call, DType compute, const Tensor& out, std::span<const Input> inputs) {
  WholeLine work{bind(call, compute, out, inputs), static_cast<std::int64_t>(size_of(out.dtype()))};
  if (single_line(out, inputs, work.bound.line)) return launch(work);
  std::array<Tensor, kMaxInputs> copies;
  const auto aligned = align_images(out, inputs, copies);
  const std::span<const Input> operands(aligned.data(), inputs.size());
  work.bound = bind(call, compute, out, operands);
  if (single_line(out, operands, work.bound.line)) return launch(work);
  launch(WalkedLines{work.bound, make_walk(out, operands), out.numel(), static_cast<int>(inputs.size())});
}

}  // namespace hop::kernels::cpu

namespace hop::kernels {

const ElementwiseOperations ElementwiseOperations::cpu = {
    .elementwise = cpu::elementwise,
};

}  // namespace hop::kernels
