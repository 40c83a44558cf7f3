// Long because it is one table.
#include "tests/autograd/random_program_rows.h"

#include <algorithm>
#include <array>

#include "autograd/checkpoint.h"
#include "kernels/elementwise.h"
#include "kernels/random.h"

namespace hop::autograd {
namespace {

using Sizes = std::vector<std::int64_t>;

std::int64_t some_dim(const Instruction& i, const Tensor& x) { return i.choice % x.dim(); }

/// A number in low..high, another one for each `draw` (0..7).
std::int64_t roll(const Instruction& i, int draw, std::int64_t low, std::int64_t high) {
  const std::uint64_t mixed = (static_cast<std::uint64_t>(i.choice) + 1) * 0x9E3779B97F4A7C15ULL >> (8 + 6 * draw);
  return low + static_cast<std::int64_t>(mixed % static_cast<std::uint64_t>(high - low + 1));
}

double number(const Instruction& i, int draw, std::int64_t low, std::int64_t high) {
  return static_cast<double>(roll(i, draw, low, high));
}

/// The first values of x in this shape, from the beginning again where they end.
Tensor in_shape(const Tensor& x, const Shape& shape) {
  const Tensor flat = reshape(x, {x.numel()});
  const std::int64_t times = (shape.numel() + x.numel() - 1) / x.numel();
  return reshape(slice(times > 1 ? repeat(flat, {times}) : flat, 0, 0, shape.numel()), shape);
}
Tensor like(const Tensor& y, const Tensor& x) { return in_shape(y, x.shape()); }
Tensor positive(const Tensor& x) { return square(x) + 0.5; }

/// A sum of f at numbers of at least 0.5 and at numbers of at most -0.5.
template <class F>
Tensor on_both_sides(const Tensor& x, const F& f) {
  return f(positive(x)) + f(-positive(x)) * 0.5;
}

// x * c, where c is a buffer that was written in every way before.
Tensor times_a_written_buffer(const Machine& m, const Instruction& i, const Tensor& x, const Tensor&) {
  const Tensor c = kernels::clone(kernels::contiguous(m.constant(i, x)));
  {
    const NoGradGuard no_grad;
    const Tensor flat = reshape(c, {c.numel()});
    zero_(slice(flat, 0, 0, c.numel(), 3));
    copy_(slice(flat, 0, 0, 1), m.numbers(i, {1}, c));
    mul_(slice(flat, 0, 0, c.numel(), 2), 0.5);
    if (c.dim() > 1) add_(select(transpose(c, 0, -1), 0, 0), 0.25);
    if (c.dim() > 1) sub_(select(c, 0, 0), 0.125);
    div_(slice(flat, 0, 0, c.numel(), 3), 2);
    i.choice % 2 == 0 ? fill_(slice(flat, 0, 0, 1), 0.75) : lerp_(c, m.numbers(i, c.shape(), c), 0.25);
    if (i.choice % 3 == 0) index_put_(flat, m.positions(i, {2}, c.numel()), 0.5);
    if (c.dim() == 2) embedding_renorm_(c, m.positions(i, {2}, c.size(0)), 0.5);
  }
  return x * c;
}

// The hook makes the gradient 1 + choice % 3 times as large; so does the formula, whose value is x.
Tensor hooked(const Machine& m, const Instruction& i, const Tensor& x, const Tensor&) {
  const double factor = 1.0 + static_cast<double>(i.choice % 3);
  if (m.how.base != nullptr) return x * factor - m.constant(i, x) * (factor - 1);
  static_cast<void>(m.constant(i, x));
  const Tensor y = x * 1.0;
  if (y.requires_grad()) register_hook(y, [factor](const Tensor& g) { return g * factor; });
  return y;
}

Tensor checkpointed(const Machine& m, const Instruction& i, const Tensor& x, const Tensor& y) {
  const auto body = [program = &m.program, how = m.how, code = i.body](const Tensor& a, const Tensor& b) {
    return Machine{*program, how}.run(code, {a, b}).back();
  };
  return m.how.base != nullptr ? body(x, y) : checkpoint(body, x, y);
}

Tensor picked(const Machine&, const Instruction& i, const Tensor& x, const Tensor&) {
  const std::int64_t dim = some_dim(i, x), n = x.size(dim);
  const Tensor index = kernels::arange(n + 1, DType::i64);  // in order, and the first one again
  return index_select(x, dim, kernels::cast(kernels::where(kernels::lt(index, n), index, 0), DType::i64));
}

/// Constants of -1 and 1.
Tensor signs(const Machine& m, const Instruction& i, const Shape& shape, const Tensor& x) {
  const Tensor numbers = m.numbers(i, shape, x);
  return kernels::sub(kernels::mul(kernels::cast(kernels::gt(numbers, 0), x.dtype()), 2), 1);
}

Tensor joined(const std::vector<Tensor>& parts, std::int64_t dim) {
  return cat({parts.back() * 2.0, parts.front()}, dim);
}

// ---- operands and options of convolutions and poolings; y is the weight -------------------------------------------
Conv1dOptions line(const Instruction& i) {
  return {.stride = roll(i, 0, 1, 2),
          .padding = roll(i, 1, 0, 2),
          .dilation = roll(i, 2, 1, 2),
          .groups = roll(i, 3, 1, 2)};
}
Conv2dOptions plane(const Instruction& i) {
  return {.stride = {roll(i, 0, 1, 2), 1},
          .padding = {roll(i, 1, 0, 1), roll(i, 2, 0, 2)},
          .dilation = {1, roll(i, 3, 1, 2)},
          .groups = roll(i, 4, 1, 2)};
}
Conv3dOptions volume(const Instruction& i) {
  return {.stride = {1, roll(i, 0, 1, 2), 1},
          .padding = {roll(i, 1, 0, 1), 0, roll(i, 2, 0, 1)},
          .dilation = {1, 1, roll(i, 3, 1, 2)},
          .groups = roll(i, 4, 1, 2)};
}
Tensor image(const Instruction& i, const Tensor& x) { return in_shape(x, {roll(i, 5, 1, 2), 2, 5, roll(i, 6, 5, 7)}); }
Tensor sequence(const Instruction& i, const Tensor& x) { return in_shape(x, {roll(i, 5, 1, 2), 2, roll(i, 6, 5, 8)}); }
Tensor block(const Tensor& x) { return in_shape(x, {1, 2, 3, 4, 3}); }
Pool2dOptions windows(const Instruction& i) {
  return {.kernel = {2, roll(i, 0, 1, 3)},
          .stride = {roll(i, 1, 0, 2), 1},
          .padding = {roll(i, 2, 0, 1), 0},
          .ceil_mode = i.choice % 2 == 0};
}
Pool2dOptions maxima(const Instruction& i) {
  Pool2dOptions options = windows(i);
  options.dilation = {roll(i, 3, 1, 2), 1};
  return options;
}
PoolWindow window(const Instruction& i) {
  return {.kernel = 2, .stride = roll(i, 0, 0, 2), .padding = roll(i, 1, 0, 1)};
}

// ---- what two operands must be for an operation -------------------------------------------------------------------
bool has_dims(const Tensor& x, const Tensor&) { return x.dim() > 0; }
bool is_matrix(const Tensor& x, const Tensor&) { return x.dim() >= 2; }
bool multiplies(const Tensor& x, const Tensor& y) { return x.dim() >= 2 && y.dim() == 2 && x.size(-1) == y.size(0); }
bool is_flat(const Tensor& x, const Tensor&) { return x.dim() == 2; }
bool can_grow(const Tensor& x, const Tensor&) { return x.dim() > 0 && x.dim() < 4 && x.numel() < 40000; }
bool broadcast(const Tensor& x, const Tensor& y) {
  for (int d = 1; d <= std::min(x.dim(), y.dim()); ++d) {
    if (x.size(-d) != y.size(-d) && x.size(-d) != 1 && y.size(-d) != 1) return false;
  }
  return x.numel() * y.numel() < 40000 * 8;
}

// The expression sees m, i, x, y.
#define HOP_APPLY(...)                                                                     \
  [](const Machine& m, const Instruction& i, const Tensor& x, const Tensor& y) -> Tensor { \
    static_cast<void>(m), static_cast<void>(i), static_cast<void>(y);                      \
    return __VA_ARGS__;                                                                    \
  }
const Row kRows[] = {
    {"tanh", HOP_APPLY(tanh(x))},  // kTanh
    // ---- rows of kernels/elementwise.def, where they are smooth, and where they have kinks
    {"neg", HOP_APPLY(neg(x))},
    {"abs", HOP_APPLY(abs(x))},
    {"sign", HOP_APPLY(sign(x) * x)},
    {"square", HOP_APPLY(square(tanh(x)))},
    {"reciprocal", HOP_APPLY(reciprocal(positive(x)))},
    {"sqrt", HOP_APPLY(sqrt(positive(x)))},
    {"rsqrt", HOP_APPLY(rsqrt(positive(x)))},
    {"exp", HOP_APPLY(exp(sin(x)))},
    {"expm1", HOP_APPLY(expm1(x * 0.5))},
    {"log", HOP_APPLY(log(positive(x)))},
    {"log1p", HOP_APPLY(log1p(square(x)))},
    {"sin", HOP_APPLY(sin(x))},
    {"cos", HOP_APPLY(cos(x))},
    {"tan", HOP_APPLY(tan(x * 0.3))},
    {"asin", HOP_APPLY(asin(tanh(x) * 0.9))},
    {"acos", HOP_APPLY(acos(tanh(x) * 0.9))},
    {"atan", HOP_APPLY(atan(x))},
    {"sinh", HOP_APPLY(sinh(x * 0.5))},
    {"cosh", HOP_APPLY(cosh(x * 0.5))},
    {"sigmoid", HOP_APPLY(sigmoid(x))},
    {"logsigmoid", HOP_APPLY(logsigmoid(x))},
    {"erf", HOP_APPLY(erf(x))},
    {"floor", HOP_APPLY(floor(x * 2) + x)},
    {"ceil", HOP_APPLY(ceil(x * 2) - x)},
    {"trunc", HOP_APPLY(trunc(x * 2) * x)},
    {"round", HOP_APPLY(round(x * 2) - x)},
    {"pow_scalar", HOP_APPLY(pow_scalar(positive(x), 0.5 * number(i, 0, -3, 3)))},
    {"pow by a number", HOP_APPLY(pow(positive(x), 1.5))},
    {"clamp", HOP_APPLY(clamp(x, -0.5, 0.7))},
    {"relu", HOP_APPLY(relu(x))},
    {"leaky_relu", HOP_APPLY(leaky_relu(x, 0.2))},
    {"elu", HOP_APPLY(elu(x, 0.7))},
    {"silu", HOP_APPLY(silu(x))},
    {"gelu", HOP_APPLY(gelu(x))},
    {"gelu_tanh", HOP_APPLY(gelu_tanh(x))},
    {"softplus", HOP_APPLY(softplus(x, 2, 1))},
    {"add to itself", HOP_APPLY(x + x)},
    {"sub from a number", HOP_APPLY(0.5 - x)},
    {"add", HOP_APPLY(x + y), 2, broadcast},
    {"sub", HOP_APPLY(x - y), 2, broadcast},
    {"mul", HOP_APPLY(x * y), 2, broadcast},
    {"mul by a constant", HOP_APPLY(x * m.constant(i, y)), 2, broadcast},
    {"div", HOP_APPLY(on_both_sides(y, [&](const Tensor& d) { return x / d; })), 2, broadcast},
    {"pow", HOP_APPLY(pow(positive(x), y)), 2, broadcast},
    {"atan2", HOP_APPLY(atan2(x, positive(y))), 2, broadcast},
    {"atan2 of any y", HOP_APPLY(on_both_sides(x, [&](const Tensor& a) { return atan2(a, y); })), 2, broadcast},
    {"hypot", HOP_APPLY(on_both_sides(y, [&](const Tensor& b) { return hypot(x, b); })), 2, broadcast},
    {"remainder", HOP_APPLY(on_both_sides(y, [&](const Tensor& d) { return remainder(x, d); })), 2, broadcast},
    {"fmod", HOP_APPLY(on_both_sides(y, [&](const Tensor& d) { return fmod(x, d); })), 2, broadcast},
    {"floor_divide", HOP_APPLY(on_both_sides(y, [&](const Tensor& d) { return floor_divide(x, d); }) + x), 2, broadcast},
    {"maximum", HOP_APPLY(maximum(x, y)), 2, broadcast},
    {"minimum", HOP_APPLY(minimum(x, y)), 2, broadcast},
    {"where", HOP_APPLY(where(kernels::gt(m.constant(i, x), 0), x, y)), 2, broadcast},
    // ---- activations.h
    {"gelu of a kind", HOP_APPLY(gelu(x, i.choice % 2 == 0 ? GeluApproximate::tanh : GeluApproximate::none))},
    {"hardtanh", HOP_APPLY(hardtanh(x, -0.6, 0.8))},
    {"relu6", HOP_APPLY(relu6(x * 4))},
    {"hardsigmoid", HOP_APPLY(hardsigmoid(x * 4))},
    {"hardswish", HOP_APPLY(hardswish(x * 2))},
    {"mish", HOP_APPLY(mish(x))},
    {"selu", HOP_APPLY(selu(x))},
    {"prelu", HOP_APPLY(prelu(x, in_shape(y, {x.dim() > 1 ? x.size(1) : 1}))), 2},
    {"glu", HOP_APPLY(glu(in_shape(x, {2, 4, 2}), i.choice % 3))},
    {"softsign", HOP_APPLY(softsign(x))},
    {"hardshrink", HOP_APPLY(hardshrink(x, 0.3))},
    {"softshrink", HOP_APPLY(softshrink(x, 0.3))},
    {"tanhshrink", HOP_APPLY(tanhshrink(x))},
    {"threshold", HOP_APPLY(threshold(x, 0.1, 0.3))},
    {"logit", HOP_APPLY(logit(sigmoid(x)))},
    {"logit within bounds", HOP_APPLY(logit(x, 0.2))},
    {"clamp by tensors", HOP_APPLY(clamp(x, like(y, x) - 0.4, like(y, x) + 0.4)), 2},
    {"logaddexp", HOP_APPLY(logaddexp(x, y)), 2, broadcast},
    {"add with a factor", HOP_APPLY(add(x, y, -0.5)), 2, broadcast},
    {"sub with a factor", HOP_APPLY(sub(x, y, 1.5)), 2, broadcast},
    {"lerp", HOP_APPLY(lerp(x, y, 0.3)), 2, broadcast},
    {"lerp by a tensor", HOP_APPLY(lerp(x, y, sigmoid(x * 3))), 2, broadcast},
    {"addcmul", HOP_APPLY(addcmul(x, y, sin(x), 0.5)), 2, broadcast},
    {"addcdiv", HOP_APPLY(addcdiv(x, y, positive(x), -0.5)), 2, broadcast},
    // ---- view.h, copy.h, memory_format.h
    {"reshape", HOP_APPLY(reshape(x, {x.numel()}))},
    {"flatten", HOP_APPLY(flatten(x, some_dim(i, x))), 1, has_dims},
    {"transpose", HOP_APPLY(transpose(x, some_dim(i, x), -1)), 1, is_matrix},
    {"permute",
     [](const Machine&, const Instruction& i, const Tensor& x, const Tensor&) {
       Dims dims;
       for (int d = 0; d < x.dim(); ++d) dims.push_back((d + some_dim(i, x)) % x.dim());
       return permute(x, dims);
     },
     1, has_dims},
    {"slice",
     HOP_APPLY(
         slice(x, some_dim(i, x), i.choice / 8 % x.size(some_dim(i, x)), x.size(some_dim(i, x)), 1 + i.choice % 2)),
     1, has_dims},
    {"select", HOP_APPLY(select(x, some_dim(i, x), i.choice / 8 % x.size(some_dim(i, x)))), 1, has_dims},
    {"squeeze", HOP_APPLY(squeeze(unsqueeze(sin(x), some_dim(i, x)))), 1, can_grow},
    {"squeeze of a dimension", HOP_APPLY(squeeze(unsqueeze(x, some_dim(i, x)), {some_dim(i, x)})), 1, can_grow},
    {"unsqueeze", HOP_APPLY(unsqueeze(x, some_dim(i, x))), 1, can_grow},
    {"expand",
     [](const Machine&, const Instruction&, const Tensor& x, const Tensor&) {
       Shape shape{2};
       for (const auto n : x.shape()) shape.push_back(n);
       return expand(unsqueeze(x, 0), shape);
     },
     1, can_grow},
    {"contiguous", HOP_APPLY(contiguous(transpose(x, 0, -1))), 1, is_matrix},
    {"contiguous with channels last", HOP_APPLY(contiguous(image(i, x), MemoryFormat::channels_last))},
    {"to a format", HOP_APPLY(to(image(i, x), MemoryFormat::channels_last))},
    {"clone in a format", HOP_APPLY(clone(image(i, x), MemoryFormat::channels_last))},
    {"clone", HOP_APPLY(clone(x))},
    {"to", HOP_APPLY(to(to(x, DType::f64) * 0.5, x.dtype()))},
    {"to a device", HOP_APPLY(to(to(x, Device::cpu()), Device::cpu(), x.dtype()) * 2)},
    {"cat", HOP_APPLY(cat({x, x * 0.5}, some_dim(i, x))), 1, has_dims},
    {"stack", HOP_APPLY(stack({x, sin(x)}, some_dim(i, x))), 1, can_grow},
    // ---- arrange.h
    {"concat", HOP_APPLY(concat({x * 0.5, x}, some_dim(i, x))), 1, has_dims},
    {"split", HOP_APPLY(joined(split(x, roll(i, 1, 1, 2), some_dim(i, x)), some_dim(i, x))), 1, has_dims},
    {"split by sizes", HOP_APPLY(joined(split(in_shape(x, {2, 4}), {1, 3}, 1), 1))},
    {"chunk", HOP_APPLY(joined(chunk(x, 2, some_dim(i, x)), some_dim(i, x))), 1, has_dims},
    {"unbind",
     [](const Machine&, const Instruction& i, const Tensor& x, const Tensor&) {
       const std::vector<Tensor> parts = unbind(x, some_dim(i, x));
       return parts.front() - parts.back() * 0.5;
     },
     1, has_dims},
    {"flip", HOP_APPLY(flip(x, {some_dim(i, x)})), 1, has_dims},
    {"roll", HOP_APPLY(roll(x, {i.choice % 5 - 2}, {some_dim(i, x)})), 1, has_dims},
    {"roll of all", HOP_APPLY(roll(x, {i.choice % 5 - 2}))},
    {"repeat", HOP_APPLY(repeat(in_shape(x, {2, 3}), {1, roll(i, 0, 1, 2), roll(i, 1, 1, 2)}))},
    {"tile", HOP_APPLY(tile(in_shape(x, {2, 3}), {roll(i, 0, 1, 3)}))},
    {"repeat_interleave", HOP_APPLY(repeat_interleave(x, 2, some_dim(i, x))), 1, can_grow},
    {"repeat_interleave of all", HOP_APPLY(repeat_interleave(in_shape(x, {2, 2}), 2))},
    {"repeat_interleave by numbers",
     HOP_APPLY(repeat_interleave(in_shape(x, {3, 2}), m.positions(i, {3}, 2, 1), 0)),
     1,
     fits_all,
     {.no_capture = true}},
    {"diagonal", HOP_APPLY(diagonal(in_shape(x, {3, 4, 2}), i.choice % 3 - 1, i.choice % 2, 2))},
    {"meshgrid",
     [](const Machine&, const Instruction& i, const Tensor& x, const Tensor& y) {
       const auto grid = meshgrid({in_shape(x, {2}), in_shape(y, {3})}, i.choice % 2 == 0 ? MeshIndexing::ij : MeshIndexing::xy);
       return grid[0] * grid[1];
     },
     2},
    // ---- positions: index.h, indexing.h, scatter.h, embedding.h, masks.h
    {"index_select", picked, 1, can_grow},
    {"gather", HOP_APPLY(gather(in_shape(x, {4, 3}), 0, m.positions(i, {2, 3}, 4)))},
    {"scatter_add", HOP_APPLY(scatter_add(in_shape(x, {4, 3}), 0, m.positions(i, {2, 3}, 4), in_shape(y, {3, 3}))), 2},
    {"index_add", HOP_APPLY(index_add(in_shape(x, {2, 4}), 1, m.positions(i, {3}, 4), in_shape(y, {2, 3}), 0.5)), 2},
    {"scatter", HOP_APPLY(scatter(in_shape(x, {4, 3}), 0, m.positions(i, {2, 3}, 4), in_shape(y, {2, 3}))), 2},
    {"scatter of a number", HOP_APPLY(scatter(in_shape(x, {4, 3}), 1, m.positions(i, {4, 1}, 3), 0.5))},
    {"index_copy", HOP_APPLY(index_copy(in_shape(x, {4, 3}), 0, m.positions(i, {2}, 4), in_shape(y, {2, 3}))), 2},
    {"index_fill", HOP_APPLY(index_fill(in_shape(x, {4, 3}), 1, m.positions(i, {2}, 3), in_shape(y, {}))), 2},
    {"embedding", HOP_APPLY(embedding(in_shape(x, {5, 3}), m.positions(i, {2, 2}, 5)))},
    {"embedding_bag", HOP_APPLY(embedding_bag(in_shape(x, {5, 3}), m.positions(i, {2, 3}, 5),
                                              {.mode = EmbeddingBagMode::sum, .per_sample_weights = in_shape(y, {2, 3})})),
     2},
    {"embedding_bag of offsets",
     HOP_APPLY(embedding_bag(in_shape(x, {5, 3}), m.positions(i, {5}, 5),
                             {.offsets = kernels::mul(kernels::arange(3, DType::i64), 2), .padding_idx = 1}))},
    {"embedding_bag of maxima",
     HOP_APPLY(embedding_bag(in_shape(x, {5, 3}), m.positions(i, {2, 3}, 5), {.mode = EmbeddingBagMode::max}))},
    {"index", HOP_APPLY(index(in_shape(x, {3, 4}), {Slice(1), m.positions(i, {3}, 4)}))},
    {"index of a view", HOP_APPLY(index(in_shape(x, {3, 4}), {Slice(None, None, 2), None, -1}))},
    {"index_put", HOP_APPLY(index_put(in_shape(x, {3, 4}), {m.positions(i, {2}, 3)}, in_shape(y, {2, 4}))), 2},
    {"index_put with sums",
     HOP_APPLY(index_put(in_shape(x, {3, 4}), {Slice(), m.positions(i, {5}, 4)}, in_shape(y, {5}), true)), 2},
    {"masked_fill", HOP_APPLY(masked_fill(x, kernels::gt(m.numbers(i, x.shape(), x), 0.3), 0.5))},
    {"masked_fill of a tensor",
     HOP_APPLY(masked_fill(x, kernels::gt(m.numbers(i, x.shape(), x), 0.3), in_shape(y, {}))), 2},
    {"masked_select",
     HOP_APPLY(masked_select(in_shape(x, {3, 4}), kernels::lt(kernels::arange(4, DType::i64), 1 + i.choice % 3))),
     1,
     fits_all,
     {.no_capture = true}},
    {"tril", HOP_APPLY(tril(in_shape(x, {2, 3, 4}), i.choice % 4 - 2))},
    {"triu", HOP_APPLY(triu(in_shape(x, {2, 3, 4}), i.choice % 4 - 2))},
    {"nan_to_num", HOP_APPLY(nan_to_num(x, 1))},
    // ---- reduce.h, summaries.h, sort.h, softmax.h
    {"sum", HOP_APPLY(sum(x, {some_dim(i, x)}, i.choice / 8 % 2 == 0) / 2), 1, has_dims},
    {"sum_to", HOP_APPLY(sum_to(in_shape(x, {2, 3, 4}), {3, 1}) / 4)},
    {"mean", HOP_APPLY(mean(x))},
    {"max", HOP_APPLY(max(x, {some_dim(i, x)}, i.choice / 8 % 2 == 0)), 1, has_dims},
    {"min", HOP_APPLY(min(x))},
    {"max_with_indices", HOP_APPLY(max_with_indices(x, some_dim(i, x)).values), 1, has_dims},
    {"min_with_indices", HOP_APPLY(min_with_indices(x, some_dim(i, x), true).values), 1, has_dims},
    {"max of a dimension", HOP_APPLY(max(x, some_dim(i, x)).values), 1, has_dims},
    {"min of a dimension", HOP_APPLY(min(x, some_dim(i, x)).values), 1, has_dims},
    {"var", HOP_APPLY(var(in_shape(x, {3, 4}), {i.choice % 2}, 0.5 * number(i, 0, 0, 2)))},
    {"norm", HOP_APPLY(norm(positive(x), 0.5 * number(i, 2, 2, 6), {some_dim(i, x)}) / 2), 1, has_dims},
    {"norm of all", HOP_APPLY(norm(in_shape(x, {3}) + 2, i.choice % 2 == 0 ? 2 : HUGE_VAL))},
    {"std", HOP_APPLY(hop::std(in_shape(x, {3, 4}) + kernels::arange(4, x.dtype()), {1}))},
    {"logsumexp", HOP_APPLY(logsumexp(x, {some_dim(i, x)}, true)), 1, has_dims},
    {"prod", HOP_APPLY(prod(in_shape(x, {2, 3}), i.choice % 2))},
    {"prod of all", HOP_APPLY(prod(in_shape(x, {4})))},
    {"cumsum", HOP_APPLY(cumsum(x, some_dim(i, x)) / 4), 1, has_dims},
    {"cumprod", HOP_APPLY(cumprod(in_shape(x, {3, 3}), i.choice % 2))},
    {"sort", HOP_APPLY(sort(x, some_dim(i, x), i.choice % 2 == 0).values * m.numbers(i, x.shape(), x)), 1, has_dims},
    {"topk", HOP_APPLY(topk(in_shape(x, {3, 4}), roll(i, 0, 1, 3), 1, i.choice % 2 == 0).values)},
    {"kthvalue", HOP_APPLY(kthvalue(in_shape(x, {3, 4}), roll(i, 0, 1, 3), i.choice % 2).values)},
    {"median", HOP_APPLY(median(x))},
    {"median of a dimension", HOP_APPLY(median(x, some_dim(i, x), true).values), 1, has_dims},
    {"softmax", HOP_APPLY(softmax(x, some_dim(i, x))), 1, has_dims},
    {"log_softmax", HOP_APPLY(log_softmax(x, some_dim(i, x)) / 4), 1, has_dims},
    // ---- products: matmul.h, products.h, einsum.h, attention.h, recurrent.h
    {"matmul of a matrix and its turn", HOP_APPLY(matmul(x, transpose(x, -2, -1)) / static_cast<double>(x.size(-1))), 1,
     is_matrix},
    {"matmul", HOP_APPLY(matmul(x, y) / static_cast<double>(x.size(-1))), 2, multiplies},
    {"matmul of batches", HOP_APPLY(matmul(in_shape(x, {2, 1, 3, 4}), in_shape(y, {2, 4, 2})) / 4), 2},
    {"matmul with a vector", HOP_APPLY(matmul(in_shape(x, {3, 4}), in_shape(y, {4})) / 4), 2},
    {"linear", HOP_APPLY(linear(x, sin(slice(x, 0, 0, 1)), reshape(mean(x), {1}))), 1, is_flat},
    {"linear of rows", HOP_APPLY(linear(in_shape(x, {2, 3, 4}), in_shape(y, {5, 4}), in_shape(x, {5})) / 4), 2},
    {"linear_relu", HOP_APPLY(linear_relu(in_shape(x, {3, 4}), in_shape(y, {5, 4}), in_shape(x, {5})) / 4), 2},
    {"mm", HOP_APPLY(mm(in_shape(x, {3, 5}), in_shape(y, {5, 2})) / 5), 2},
    {"bmm", HOP_APPLY(bmm(in_shape(x, {2, 3, 2}), in_shape(y, {2, 2, 3})) / 2), 2},
    {"mv", HOP_APPLY(mv(in_shape(x, {3, 4}), in_shape(y, {4})) / 4), 2},
    {"dot", HOP_APPLY(dot(in_shape(x, {6}), in_shape(y, {6})) / 6), 2},
    {"outer", HOP_APPLY(outer(in_shape(x, {3}), in_shape(y, {4}))), 2},
    {"addmm", HOP_APPLY(addmm(in_shape(x, {4}), in_shape(y, {3, 2}), in_shape(x, {2, 4}), 0.5, -0.5)), 2},
    {"baddbmm", HOP_APPLY(baddbmm(in_shape(x, {2, 3, 2}), in_shape(y, {2, 3, 2}), in_shape(x, {2, 2, 2}), 1, 0.5)), 2},
    {"einsum", HOP_APPLY(einsum("ij,kj->ik", {in_shape(x, {2, 3}), in_shape(y, {4, 3})}) / 3), 2},
    {"einsum of three", HOP_APPLY(einsum("bij,bjk,k->bi", {in_shape(x, {2, 2, 3}), in_shape(y, {2, 3, 2}), in_shape(x, {2})}) / 6),
     2},
    {"cdist", HOP_APPLY(cdist(in_shape(x, {3, 2}) + 3, in_shape(y, {2, 2}), number(i, 0, 1, 3))), 2},
    {"cosine_similarity", HOP_APPLY(cosine_similarity(in_shape(x, {2, 3}) + 2, in_shape(y, {2, 3}) - 2)), 2},
    {"pairwise_distance", HOP_APPLY(pairwise_distance(in_shape(x, {2, 3}) + 3, in_shape(y, {2, 3}))), 2},
    {"normalize", HOP_APPLY(normalize(in_shape(x, {2, 3}) + 2, number(i, 0, 1, 3)))},
    {"attention",
     HOP_APPLY(attention(in_shape(x, {1, 2, 3, 4}), in_shape(y, {1, 2, 5, 4}), in_shape(sin(y), {1, 2, 5, 3}), 0.5,
                         i.choice % 2 == 0)),
     2},
    {"attention with dropout",
     HOP_APPLY(attention(in_shape(x, {2, 1, 3, 2}), in_shape(y, {2, 1, 3, 2}), in_shape(x, {2, 1, 3, 2}), 0.7,
                         i.choice % 2 == 0, {.p = 0.25, .address = {.key = m.key(i)}})),
     2},
    {"lstm_sequence",
     [](const Machine&, const Instruction& i, const Tensor& x, const Tensor& y) {
       const LstmSequence s = lstm_sequence(in_shape(x, {3, 2, 8}), in_shape(y, {8, 2}), in_shape(x, {8}),
                                            in_shape(y, {2, 2}), in_shape(x, {2, 2}), i.choice % 2 == 0);
       return s.h + s.c_n;
     },
     2},
    {"gru_sequence",
     HOP_APPLY(gru_sequence(in_shape(x, {3, 2, 6}), in_shape(y, {6, 2}), in_shape(x, {6}), in_shape(y, {2, 2}),
                            i.choice % 2 == 0)),
     2},
    // ---- norm.h, group_norm.h, dropout.h
    {"layer_norm", HOP_APPLY(layer_norm(x, {x.size(-1)}, {}, {}, 0.1)), 1, has_dims},
    {"layer_norm with weights",
     HOP_APPLY(layer_norm(in_shape(x, {2, 3, 4}), {3, 4}, in_shape(y, {3, 4}), in_shape(x, {3, 4}), 0.1)), 2},
    {"batch_norm", HOP_APPLY(batch_norm(in_shape(x, {3, 2, 4}), in_shape(y, {2}), in_shape(x, {2}), 0.1).y), 2},
    {"batch_norm with a tail",
     HOP_APPLY(batch_norm(in_shape(x, {2, 3, 2, 2}), in_shape(y, {3}), in_shape(x, {3}), 0.1,
                          {.residual = in_shape(y, {2, 3, 2, 2}), .relu = i.choice % 2 == 0})
                   .y),
     2},
    {"batch_norm_eval", HOP_APPLY(batch_norm_eval(in_shape(x, {3, 2, 4}), m.numbers(i, {2}, x),
                                                  kernels::add(kernels::square(m.numbers(i, {2}, x)), 0.5),
                                                  in_shape(y, {2}), in_shape(x, {2}), 0.1)),
     2},
    {"group_norm", HOP_APPLY(group_norm(in_shape(x, {2, 4, 3}), 2, in_shape(y, {4}), in_shape(x, {4}), 0.1)), 2},
    {"dropout", HOP_APPLY(dropout(x, 0.25, {.key = m.key(i)}))},
    // ---- convolutions and windows
    {"conv1d", HOP_APPLY(conv1d(sequence(i, x), in_shape(y, {4, 2 / line(i).groups, 2}), in_shape(x, {4}), line(i)) / 2), 2},
    {"conv1d of the same size", HOP_APPLY(conv1d(sequence(i, x), in_shape(y, {3, 2, 3}), {}, kSame) / 3), 2},
    {"conv2d", HOP_APPLY(conv2d(image(i, x), in_shape(y, {4, 2 / plane(i).groups, 2, 3}), in_shape(x, {4}), plane(i)) / 3), 2},
    {"conv2d of the same size", HOP_APPLY(conv2d(image(i, x), in_shape(y, {6, 2, 3, 2}), {}, kSame) / 3), 2},
    {"conv3d", HOP_APPLY(conv3d(block(x), in_shape(y, {2, 2 / volume(i).groups, 2, 2, 2}), {}, volume(i)) / 4), 2},
    {"conv3d of the same size", HOP_APPLY(conv3d(block(x), in_shape(y, {1, 2, 1, 3, 2}), in_shape(x, {1}), kSame) / 4), 2},
    {"conv_transpose1d",
     HOP_APPLY(conv_transpose1d(sequence(i, x), in_shape(y, {2, 2, 3}), in_shape(x, {2 * roll(i, 3, 1, 2)}),
                                {.stride = roll(i, 0, 1, 2), .padding = roll(i, 1, 0, 1), .groups = roll(i, 3, 1, 2)}) /
               2),
     2},
    {"conv_transpose2d",
     HOP_APPLY(conv_transpose2d(image(i, x), in_shape(y, {2, 3, 2, 2}), in_shape(x, {3 * roll(i, 3, 1, 2)}),
                                {.stride = {2, 1}, .padding = {0, 1}, .output_padding = {roll(i, 4, 0, 1), 0},
                                 .groups = roll(i, 3, 1, 2)}) /
               2),
     2},
    {"conv_transpose3d",
     HOP_APPLY(conv_transpose3d(block(x), in_shape(y, {2, 1, 2, 2, 2}), {}, {.stride = {1, 1, 2}}) / 2), 2},
    {"unfold", HOP_APPLY(unfold(image(i, x), {.kernel = {2, 3}, .stride = {roll(i, 0, 1, 2), 1}, .padding = {1, 0}}))},
    {"fold", HOP_APPLY(fold(in_shape(x, {2, 4, 6}), {3, 4}, {.kernel = {2, 2}}) / 2)},
    {"pad", HOP_APPLY(pad(in_shape(x, {2, 3, 4}), {roll(i, 0, -1, 2), 1, 0, roll(i, 1, 0, 2)},
                          static_cast<PadMode>(roll(i, 2, 0, 3)), 0))},
    {"interpolate", HOP_APPLY(interpolate(image(i, x), {.size = {roll(i, 0, 2, 7), 5},
                                                        .mode = i.choice % 2 == 0 ? InterpolateMode::bilinear
                                                                                  : InterpolateMode::bicubic,
                                                        .align_corners = i.choice % 3 == 0}))},
    {"interpolate of rows",
     HOP_APPLY(interpolate(sequence(i, x), {.scale_factor = {0.5 * number(i, 0, 1, 4)},
                                            .mode = i.choice % 2 == 0 ? InterpolateMode::linear
                                                                      : InterpolateMode::nearest_exact}))},
    {"interpolate of volumes",
     HOP_APPLY(interpolate(block(x), {.size = {2, 5, 4},
                                      .mode = i.choice % 3 == 0   ? InterpolateMode::trilinear
                                              : i.choice % 3 == 1 ? InterpolateMode::area
                                                                  : InterpolateMode::nearest}))},
    // ---- pools
    {"max_pool1d", HOP_APPLY(max_pool1d(sequence(i, x), window(i)))},
    {"max_pool1d_with_indices", HOP_APPLY(max_pool1d_with_indices(sequence(i, x), window(i)).values)},
    {"max_pool2d", HOP_APPLY(max_pool2d(image(i, x), maxima(i)))},
    {"max_pool2d_with_indices", HOP_APPLY(max_pool2d_with_indices(image(i, x), maxima(i)).values)},
    {"max_pool3d", HOP_APPLY(max_pool3d(block(x), 2, roll(i, 0, 1, 2)))},
    {"max_pool3d_with_indices", HOP_APPLY(max_pool3d_with_indices(block(x), 2, roll(i, 0, 1, 2)).values)},
    {"avg_pool1d", HOP_APPLY(avg_pool1d(sequence(i, x), window(i), {.ceil_mode = i.choice % 2 == 0, .count_include_pad = i.choice % 3 == 0}))},
    {"avg_pool2d", HOP_APPLY(avg_pool2d(image(i, x), windows(i)))},
    {"avg_pool3d", HOP_APPLY(avg_pool3d(block(x), 2, roll(i, 0, 1, 2)))},
    {"lp_pool1d", HOP_APPLY(lp_pool1d(positive(sequence(i, x)), 1.5, 2))},
    {"lp_pool2d", HOP_APPLY(lp_pool2d(positive(image(i, x)), 2, 2, 1) / 2)},
    {"lp_pool3d", HOP_APPLY(lp_pool3d(positive(block(x)), 3, 2, 1) / 2)},
    {"adaptive_avg_pool", HOP_APPLY(adaptive_avg_pool(image(i, x), {roll(i, 0, 1, 4), 3}))},
    {"adaptive_max_pool", HOP_APPLY(adaptive_max_pool(image(i, x), {kKeepSize, roll(i, 0, 1, 4)}))},
    {"adaptive_max_pool_with_indices", HOP_APPLY(adaptive_max_pool_with_indices(sequence(i, x), {roll(i, 0, 1, 4)}).values)},
    {"max_unpool1d",
     [](const Machine&, const Instruction& i, const Tensor& x, const Tensor&) {
       const PooledMaxima maxima = max_pool1d_with_indices(sequence(i, x), 2);
       return max_unpool1d(maxima.values, maxima.indices, 2);
     }},
    {"max_unpool2d",
     [](const Machine&, const Instruction&, const Tensor& x, const Tensor&) {
       const PooledMaxima maxima = max_pool2d_with_indices(in_shape(x, {1, 2, 4, 6}), 2);
       return max_unpool2d(sin(maxima.values), maxima.indices, 2);
     }},
    {"max_unpool3d",
     [](const Machine&, const Instruction&, const Tensor& x, const Tensor&) {
       const PooledMaxima maxima = max_pool3d_with_indices(in_shape(x, {1, 1, 2, 4, 2}), 2);
       return max_unpool3d(maxima.values, maxima.indices, 2);
     }},
    {"fractional_max_pool2d",
     HOP_APPLY(fractional_max_pool2d(in_shape(x, {2, 2, 5, 6}), {2, 2}, {3, 4}, kernels::abs(m.numbers(i, {2, 2, 2}, x)))),
     1, fits_all, {.no_half = true}},
    {"fractional_max_pool2d_with_indices",
     HOP_APPLY(fractional_max_pool2d_with_indices(in_shape(x, {1, 2, 5, 6}), {2, 3}, {3, 2},
                                                  kernels::abs(m.numbers(i, {1, 2, 2}, x)))
                   .values),
     1, fits_all, {.no_half = true}},
    {"fractional_max_pool3d",
     HOP_APPLY(fractional_max_pool3d(in_shape(x, {1, 1, 4, 5, 4}), {2, 2, 2}, {2, 3, 2},
                                     kernels::abs(m.numbers(i, {1, 1, 3}, x)))),
     1, fits_all, {.no_half = true}},
    {"fractional_max_pool3d_with_indices",
     HOP_APPLY(fractional_max_pool3d_with_indices(in_shape(x, {1, 1, 4, 5, 4}), {2, 2, 2}, {2, 3, 2},
                                                  kernels::abs(m.numbers(i, {1, 1, 3}, x)))
                   .values),
     1, fits_all, {.no_half = true}},
    // ---- losses
    {"cross_entropy", HOP_APPLY(cross_entropy(in_shape(x, {3, 4}), m.positions(i, {3}, 4)))},
    {"cross_entropy with weights",
     HOP_APPLY(cross_entropy(in_shape(x, {3, 4}), m.positions(i, {3}, 4),
                             {.weight = kernels::add(m.numbers(i, {4}, x), 1.5), .label_smoothing = 0.2}))},
    {"cross_entropy of probabilities",
     HOP_APPLY(cross_entropy(in_shape(x, {3, 4}), softmax(in_shape(y, {3, 4})), {.reduction = Reduction::none})), 2},
    {"linear_cross_entropy",
     HOP_APPLY(linear_cross_entropy(in_shape(x, {3, 4}), in_shape(y, {5, 4}), m.positions(i, {3}, 5), in_shape(x, {5}))), 2},
    {"nll_loss", HOP_APPLY(nll_loss(log_softmax(in_shape(x, {3, 4})), m.positions(i, {3}, 4), {.ignore_index = 3, .reduction = Reduction::none}))},
    {"mse_loss", HOP_APPLY(mse_loss(x, like(y, x))), 2},
    {"l1_loss", HOP_APPLY(l1_loss(x, like(y, x), {.reduction = Reduction::none})), 2},
    {"smooth_l1_loss", HOP_APPLY(smooth_l1_loss(x, like(y, x), {.beta = 0.5})), 2},
    {"huber_loss", HOP_APPLY(huber_loss(x, like(y, x), {.reduction = Reduction::none, .delta = 0.4})), 2},
    {"poisson_nll_loss", HOP_APPLY(poisson_nll_loss(x, positive(like(y, x)), {.full = i.choice % 2 == 0})), 2},
    {"gaussian_nll_loss", HOP_APPLY(gaussian_nll_loss(x, like(y, x), positive(x), {.full = true})), 2},
    {"gaussian_nll_loss of a number", HOP_APPLY(gaussian_nll_loss(x, like(y, x), 0.7)), 2},
    {"binary_cross_entropy", HOP_APPLY(binary_cross_entropy(sigmoid(x), sigmoid(like(y, x)))), 2},
    {"binary_cross_entropy_with_logits",
     HOP_APPLY(binary_cross_entropy_with_logits(in_shape(x, {3, 4}), sigmoid(in_shape(y, {3, 4})),
                                                {.pos_weight = kernels::add(m.numbers(i, {4}, x), 1.5)})),
     2},
    {"kl_div", HOP_APPLY(kl_div(log_softmax(in_shape(x, {3, 4})), softmax(in_shape(y, {3, 4})))), 2},
    {"kl_div of logarithms",
     HOP_APPLY(kl_div(log_softmax(in_shape(x, {3, 4})), log_softmax(in_shape(y, {3, 4})), {.log_target = true})), 2},
    {"soft_margin_loss", HOP_APPLY(soft_margin_loss(x, signs(m, i, x.shape(), x), Reduction::none))},
    {"hinge_embedding_loss", HOP_APPLY(hinge_embedding_loss(x, signs(m, i, x.shape(), x), {.margin = 0.5}))},
    {"multi_margin_loss", HOP_APPLY(multi_margin_loss(in_shape(x, {3, 4}), m.positions(i, {3}, 4),
                                                      {.p = i.choice % 2 == 0 ? 1 : 2, .margin = 0.7}))},
    {"multilabel_margin_loss", HOP_APPLY(multilabel_margin_loss(in_shape(x, {3, 4}), m.positions(i, {3, 4}, 4, -1)))},
    {"multilabel_soft_margin_loss",
     HOP_APPLY(multilabel_soft_margin_loss(in_shape(x, {3, 4}), sigmoid(in_shape(y, {3, 4})))), 2},
    {"margin_ranking_loss",
     HOP_APPLY(margin_ranking_loss(x, like(y, x), signs(m, i, x.shape(), x), {.margin = 0.2, .reduction = Reduction::none})), 2},
    {"cosine_embedding_loss",
     HOP_APPLY(cosine_embedding_loss(in_shape(x, {3, 2}) + 2, in_shape(y, {3, 2}) - 0.5, signs(m, i, {3}, x))), 2},
    {"triplet_margin_loss",
     HOP_APPLY(triplet_margin_loss(in_shape(x, {3, 2}) + 3, in_shape(y, {3, 2}), in_shape(sin(y), {3, 2}) - 3,
                                   {.margin = 2, .swap = i.choice % 2 == 0})),
     2},
    {"triplet_margin_with_distance_loss",
     HOP_APPLY(triplet_margin_with_distance_loss(
         in_shape(x, {3, 2}), in_shape(y, {3, 2}), in_shape(sin(y), {3, 2}),
         {.distance_function = [](const Tensor& a, const Tensor& b) { return sum(square(a - b), {1}); }})),
     2},
    {"ctc_loss",
     HOP_APPLY(ctc_loss(log_softmax(in_shape(x, {4, 2, 3}), 2), m.positions(i, {2, 2}, 2, 1),
                        kernels::full({2}, 4, DType::i64), m.positions(i, {2}, 2, 1), {.reduction = Reduction::none, .zero_infinity = true})),
     1, fits_all, {.no_second_derivative = true, .no_capture = true}},
    // ---- what is no operation of its own
    {"mul by a written buffer", times_a_written_buffer, 1, has_dims},
    {"mul under a hook", hooked},
    {"checkpoint", checkpointed, 2},
};
#undef HOP_APPLY

}  // namespace

Tensor uniform(const Shape& shape, std::uint64_t key, DType dtype) {
  const Tensor t = Tensor::empty(shape, DType::f64);
  kernels::uniform_(t, -1, 1, {.key = key});
  return dtype == DType::f64 ? t : kernels::cast(t, dtype);
}

Tensor Machine::constant(const Instruction& i, const Tensor& x) const {
  if (how.base != nullptr) return how.base->at(i.id);
  const Tensor value = x.detach();
  if (how.keeps != nullptr) (*how.keeps)[i.id] = kernels::clone(value);
  return value;
}

Tensor Machine::numbers(const Instruction& i, const Shape& shape, const Tensor& x) const {
  return uniform(shape, key(i), x.dtype());
}

Tensor Machine::positions(const Instruction& i, const Shape& shape, std::int64_t n, std::int64_t first) const {
  const Tensor chances =
      kernels::mul(kernels::add(uniform(shape, key(i), DType::f64), 1), 0.5 * static_cast<double>(n));
  return kernels::cast(kernels::add(kernels::minimum(kernels::floor(chances), n - 1), first), DType::i64);
}

std::vector<Tensor> Machine::run(const std::vector<Instruction>& code, std::vector<Tensor> v) const {
  for (const Instruction& i : code) {
    const Tensor x = v[static_cast<std::size_t>(i.in[0])];
    const Tensor y = i.in.size() > 1 ? v[static_cast<std::size_t>(i.in[1])] : x;
    const Tensor result = row(i).apply(*this, i, x, y);
    v.push_back(how.error == 0
                    ? result
                    : result * (uniform(result.shape(), how.draw * 7919 + key(i), result.dtype()) * how.error + 1));
  }
  return v;
}

std::span<const Row> rows() { return kRows; }
const Row& row(const Instruction& i) { return kRows[i.op]; }
bool is_checkpoint(const Instruction& i) { return i.op == static_cast<int>(std::size(kRows)) - 1; }

}  // namespace hop::autograd
