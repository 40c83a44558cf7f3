// Long because it is one table of operations.
// Operations that compute bf16 and f16 as a whole in f32: values and gradients are those of the same operation on f32
// operands, rounded once, bit for bit. The f32 operations themselves have their golden values elsewhere.
#include <algorithm>
#include <cmath>
#include <functional>

#include "kernels/random.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

constexpr DType kHalves[] = {DType::bf16, DType::f16};

using Xs = const std::vector<Tensor>&;

struct Case {
  std::string name;
  std::vector<Shape> shapes;  ///< of the operands, which are all differentiated
  std::function<Tensor(Xs)> run;
  bool is_positive = false;  ///< operands in 0.2..0.8: probabilities
};

Tensor labels(std::initializer_list<std::int64_t> values) {
  return Tensor::from<std::int64_t>(values, {static_cast<std::int64_t>(values.size())});
}

std::vector<Case> norm_cases() {
  return {
      {"layer_norm", {{3, 7}, {7}, {7}}, [](Xs x) { return layer_norm(x[0], {7}, x[1], x[2]); }},
      {"layer_norm of two dimensions",
       {{2, 3, 5}, {3, 5}},
       [](Xs x) {
         return layer_norm(x[0], {3, 5}, x[1]);
       }},
      {"layer_norm without weight", {{3, 7}}, [](Xs x) { return layer_norm(x[0], {7}); }},
      {"batch_norm", {{2, 3, 5, 3}, {3}, {3}}, [](Xs x) { return batch_norm(x[0], x[1], x[2]).y; }},
      {"batch_norm of rows", {{5, 3}, {3}, {3}}, [](Xs x) { return batch_norm(x[0], x[1], x[2]).y; }},
      {"batch_norm with relu",
       {{5, 3}, {3}, {3}},
       [](Xs x) { return batch_norm(x[0], x[1], x[2], 1e-5, {.relu = true}).y; }},
      {"batch_norm with a tail",
       {{2, 3, 5, 3}, {3}, {3}, {2, 3, 5, 3}},
       [](Xs x) { return batch_norm(x[0], x[1], x[2], 1e-5, {.residual = x[3], .relu = true}).y; }},
      {"batch_norm with a residual",
       {{5, 3}, {3}, {3}, {5, 3}},
       [](Xs x) { return batch_norm(x[0], x[1], x[2], 1e-5, {.residual = x[3]}).y; }},
      {"batch_norm_eval",
       {{2, 3, 5, 3}, {3}, {3}},
       [](Xs x) { return batch_norm_eval(x[0], full({3}, 0.3), full({3}, 1.7), x[1], x[2]); }},
      {"group_norm", {{2, 6, 3, 1}, {6}, {6}}, [](Xs x) { return group_norm(x[0], 3, x[1], x[2]); }},
      {"instance_norm", {{2, 3, 5}}, [](Xs x) { return group_norm(x[0], 3); }},
  };
}

std::vector<Case> loss_cases() {
  const Tensor choice = labels({1, 0, 4, 2});
  return {
      {"cross_entropy", {{4, 5}}, [=](Xs x) { return cross_entropy(x[0], choice); }},
      {"cross_entropy with options",
       {{4, 5}},
       [=](Xs x) {
         const Tensor weight = Tensor::from<float>({0.5F, 1, 2, 0.25F, 3}, {5});
         return cross_entropy(x[0], choice, {.weight = weight, .ignore_index = 2, .label_smoothing = 0.1});
       }},
      {"cross_entropy of rows",
       {{4, 5}},
       [=](Xs x) { return cross_entropy(x[0], choice, {.reduction = Reduction::none}); }},
      {"cross_entropy of planes",
       {{1, 5, 4}},
       [=](Xs x) {
         return cross_entropy(x[0], reshape(choice, {1, 4}));
       }},
      {"cross_entropy of probabilities", {{4, 5}, {4, 5}}, [](Xs x) { return cross_entropy(x[0], x[1]); }, true},
      {"nll_loss", {{4, 5}}, [=](Xs x) { return nll_loss(x[0], choice); }},
      {"nll_loss sum", {{4, 5}}, [=](Xs x) { return nll_loss(x[0], choice, {.reduction = Reduction::sum}); }},
      {"binary_cross_entropy", {{3, 5}, {3, 5}}, [](Xs x) { return binary_cross_entropy(x[0], x[1]); }, true},
      {"binary_cross_entropy_with_logits",
       {{3, 5}, {3, 5}},
       [](Xs x) { return binary_cross_entropy_with_logits(x[0], x[1], {.pos_weight = full({5}, 3)}); }},
      {"hinge_embedding_loss",
       {{3, 5}},
       [](Xs x) {
         return hinge_embedding_loss(x[0], full({3, 5}, -1));
       }},
      {"multi_margin_loss", {{4, 5}}, [=](Xs x) { return multi_margin_loss(x[0], choice); }},
      {"multilabel_margin_loss",
       {{1, 5}},
       [](Xs x) {
         return multilabel_margin_loss(x[0], reshape(labels({3, 1, -1, 0, 2}), {1, 5}));
       }},
      {"triplet_margin_loss",
       {{3, 5}, {3, 5}, {3, 5}},
       [](Xs x) { return triplet_margin_loss(x[0], x[1], x[2], {.swap = true}); }},
      {"ctc_loss",
       {{4, 1, 3}},
       [](Xs x) {
         return ctc_loss(x[0], reshape(labels({1, 2}), {1, 2}), labels({4}), labels({2}));
       }},
  };
}

std::vector<Case> composed_loss_cases() {
  const std::vector<Shape> pair = {{3, 5}, {3, 5}};
  return {
      {"mse_loss", pair, [](Xs x) { return mse_loss(x[0], x[1]); }},
      {"mse_loss with weights", pair,
       [](Xs x) {
         const Tensor weight = Tensor::from<float>({0.5F, 1, 2, 0.25F, 3}, {5});
         return mse_loss(x[0], x[1], {.weight = weight});
       }},
      {"l1_loss", pair, [](Xs x) { return l1_loss(x[0], x[1], {.reduction = Reduction::sum}); }},
      {"smooth_l1_loss", pair, [](Xs x) { return smooth_l1_loss(x[0], x[1], {.beta = 0.3}); }},
      {"huber_loss", pair, [](Xs x) { return huber_loss(x[0], x[1], {.reduction = Reduction::none, .delta = 0.7}); }},
      {"poisson_nll_loss", pair, [](Xs x) { return poisson_nll_loss(x[0], x[1], {.full = true}); }, true},
      {"gaussian_nll_loss",
       {{3, 5}, {3, 5}, {3, 1}},
       [](Xs x) { return gaussian_nll_loss(x[0], x[1], x[2], {.full = true}); },
       true},
      {"kl_div", pair, [](Xs x) { return kl_div(x[0], x[1], {.reduction = Reduction::batchmean}); }, true},
      {"soft_margin_loss", pair, [](Xs x) { return soft_margin_loss(x[0], x[1]); }},
      {"multilabel_soft_margin_loss", pair, [](Xs x) { return multilabel_soft_margin_loss(x[0], x[1]); }},
      {"margin_ranking_loss",
       {{3, 5}, {3, 5}, {3, 5}},
       [](Xs x) { return margin_ranking_loss(x[0], x[1], x[2], {.margin = 0.3}); }},
      {"cosine_embedding_loss", pair,
       [](Xs x) {
         return cosine_embedding_loss(x[0], x[1], labels({1, -1, 1}));
       }},
  };
}

std::vector<Case> other_cases() {
  return {
      {"attention",
       {{2, 1, 3, 5}, {2, 1, 4, 5}, {2, 1, 4, 3}},
       [](Xs x) { return attention(x[0], x[1], x[2], 0.4, false); }},
      {"causal attention",
       {{1, 2, 3, 5}, {1, 2, 3, 5}, {1, 2, 3, 5}},
       [](Xs x) { return attention(x[0], x[1], x[2], 0.4, true); }},
      {"lstm_sequence",
       {{3, 2, 12}, {12, 3}, {12}, {2, 3}, {2, 3}},
       [](Xs x) { return lstm_sequence(x[0], x[1], x[2], x[3], x[4]).h; }},
      {"gru_sequence",
       {{3, 2, 9}, {9, 3}, {9}, {2, 3}},
       [](Xs x) { return gru_sequence(x[0], x[1], x[2], x[3], true); }},
      {"conv_transpose2d",
       {{2, 3, 4, 3}, {3, 2, 3, 2}, {2}},
       [](Xs x) {
         return conv_transpose2d(x[0], x[1], x[2], {.stride = {2, 1}});
       }},
      {"conv3d", {{1, 2, 3, 4, 3}, {3, 2, 2, 2, 3}, {3}}, [](Xs x) { return conv3d(x[0], x[1], x[2]); }},
      {"conv_transpose3d",
       {{1, 2, 3, 2, 3}, {2, 3, 2, 2, 1}, {3}},
       [](Xs x) { return conv_transpose3d(x[0], x[1], x[2]); }},
      {"fold",
       {{1, 8, 6}},
       [](Xs x) {
         return fold(x[0], {3, 4}, {.kernel = {2, 2}});
       }},
      {"max_pool1d", {{2, 3, 7}}, [](Xs x) { return max_pool1d(x[0], {.kernel = 3, .stride = 2}); }},
      {"avg_pool1d", {{2, 3, 7}}, [](Xs x) { return avg_pool1d(x[0], {.kernel = 3, .stride = 1}); }},
      {"max_pool3d", {{1, 2, 3, 4, 5}}, [](Xs x) { return max_pool3d_with_indices(x[0]).values; }},
      {"avg_pool3d", {{1, 2, 3, 4, 5}}, [](Xs x) { return avg_pool3d(x[0]); }},
      {"max_pool2d dilated",
       {{1, 2, 5, 7}},
       [](Xs x) {
         return max_pool2d(x[0], {.stride = {1, 1}, .dilation = {2, 3}});
       }},
      {"avg_pool2d ceil",
       {{1, 2, 5, 7}},
       [](Xs x) {
         return avg_pool2d(x[0], {.padding = {1, 1}, .ceil_mode = true, .count_include_pad = false});
       }},
      {"avg_pool3d divisor", {{2, 3, 4, 5}}, [](Xs x) { return avg_pool3d(x[0], {}, {.divisor_override = 3}); }},
      {"conv_transpose1d",
       {{2, 3, 4}, {3, 2, 3}, {2}},
       [](Xs x) { return conv_transpose1d(x[0], x[1], x[2], {.output_padding = 1, .dilation = 2}); }},
      {"lp_pool2d", {{1, 2, 5, 4}}, [](Xs x) { return lp_pool2d(x[0], 3); }, true},
      {"adaptive_avg_pool",
       {{1, 2, 5, 7}},
       [](Xs x) {
         return adaptive_avg_pool(x[0], {3, 2});
       }},
      {"adaptive_max_pool",
       {{1, 2, 5, 7}},
       [](Xs x) {
         return adaptive_max_pool(x[0], {3, 2});
       }},
      {"fractional_max_pool2d",
       {{1, 2, 5, 7}},
       [](Xs x) {
         return fractional_max_pool2d(x[0], {2, 2}, {2, 3}, full({1, 2, 2}, 0.375, x[0].dtype()));
       }},
      {"interpolate nearest",
       {{1, 2, 3, 5}},
       [](Xs x) {
         return interpolate(x[0], {.size = {5, 7}});
       }},
      {"interpolate bilinear",
       {{1, 2, 3, 5}},
       [](Xs x) {
         return interpolate(x[0], {.size = {5, 7}, .mode = InterpolateMode::bilinear});
       }},
      {"interpolate bicubic",
       {{1, 2, 3, 5}},
       [](Xs x) {
         return interpolate(x[0], {.size = {5, 4}, .mode = InterpolateMode::bicubic, .align_corners = true});
       }},
      {"hardswish", {{3, 5}}, [](Xs x) { return hardswish(x[0]); }},
      {"hardsigmoid", {{3, 5}}, [](Xs x) { return hardsigmoid(x[0]); }},
      {"relu6", {{3, 5}}, [](Xs x) { return relu6(x[0] * 4); }},
      {"mish", {{3, 5}}, [](Xs x) { return mish(x[0]); }},
      {"selu", {{3, 5}}, [](Xs x) { return selu(x[0]); }},
      {"softshrink", {{3, 5}}, [](Xs x) { return softshrink(x[0], 0.5); }},
      {"tanhshrink", {{3, 5}}, [](Xs x) { return tanhshrink(x[0]); }},
      {"prelu", {{3, 5}, {5}}, [](Xs x) { return prelu(x[0], x[1]); }},
      {"glu", {{3, 6}}, [](Xs x) { return glu(x[0]); }},
      {"softsign", {{3, 5}}, [](Xs x) { return softsign(x[0]); }},
      {"logit", {{3, 5}}, [](Xs x) { return logit(x[0], 0.25); }, true},
      {"lerp", {{3, 5}, {3, 5}, {3, 5}}, [](Xs x) { return lerp(x[0], x[1], x[2]); }},
      {"lerp by a number", {{3, 5}, {3, 5}}, [](Xs x) { return lerp(x[0], x[1], 0.7); }},
      {"norm", {{3, 5}}, [](Xs x) { return norm(x[0], 2, {1}); }},
      {"norm of every element", {{3, 5}}, [](Xs x) { return norm(x[0], 3); }, true},
      {"std", {{3, 5}}, [](Xs x) { return hop::std(x[0], {0}); }},
      {"normalize", {{3, 5}}, [](Xs x) { return normalize(x[0]); }},
      {"cosine_similarity", {{3, 5}, {3, 5}}, [](Xs x) { return cosine_similarity(x[0], x[1]); }},
      {"pairwise_distance", {{3, 5}, {3, 5}}, [](Xs x) { return pairwise_distance(x[0], x[1]); }},
      {"cdist", {{3, 5}, {4, 5}}, [](Xs x) { return cdist(x[0], x[1], 1.5); }},
      {"cdist of many rows", {{27, 3}, {4, 3}}, [](Xs x) { return cdist(x[0], x[1]); }},
      {"pad",
       {{1, 2, 3, 5}},
       [](Xs x) {
         return pad(x[0], {2, 1, 1, 2}, PadMode::reflect);
       }},
      {"logaddexp", {{3, 5}, {3, 5}}, [](Xs x) { return logaddexp(x[0], x[1]); }},
      {"addcmul", {{3, 5}, {3, 5}, {3, 5}}, [](Xs x) { return addcmul(x[0], x[1], x[2], 0.7); }},
      {"addcdiv", {{3, 5}, {3, 5}, {3, 5}}, [](Xs x) { return addcdiv(x[0], x[1], x[2], 0.7); }, true},
      {"logsumexp", {{3, 5}}, [](Xs x) { return logsumexp(x[0], {1}); }},
      {"var", {{3, 5}}, [](Xs x) { return var(x[0], {0}); }},
      {"prod", {{3, 5}}, [](Xs x) { return prod(x[0], 1); }},
      {"cumsum", {{3, 5}}, [](Xs x) { return cumsum(x[0], 1); }},
      {"cumprod", {{3, 5}}, [](Xs x) { return cumprod(x[0], 1); }},
      {"scatter_add",
       {{3, 5}, {2, 5}},
       [](Xs x) {
         return scatter_add(x[0], 0, reshape(labels({0, 1, 2, 0, 1, 0, 2, 2, 1, 1}), {2, 5}), x[1]);
       }},
      {"index_add",
       {{3, 5}, {4, 5}},
       [](Xs x) {
         return index_add(x[0], 0, labels({1, 0, 1, 2}), x[1], 0.7);
       }},
  };
}

std::vector<Case> cases() {
  std::vector<Case> all = norm_cases();
  for (auto* more : {loss_cases, composed_loss_cases, other_cases}) {
    for (Case& c : more()) all.push_back(std::move(c));
  }
  return all;
}

enum class View { none, transposed, sliced };

/// The leaf for an operand of `shape` that is read through a view.
Shape leaf_shape(const Shape& shape, View view) {
  Shape base = shape;
  if (shape.empty() || view == View::none) return base;
  if (view == View::sliced) base.back() = 2 * shape.back() + 1;
  if (view == View::transposed) std::swap(*base.begin(), base.back());
  return base;
}

Tensor viewed(const Tensor& leaf, const Shape& shape, View view) {
  if (shape.empty() || view == View::none) return leaf;
  return view == View::sliced ? slice(leaf, -1, 1, 2 * shape.back() + 1, 2) : transpose(leaf, 0, -1);
}

/// The result for operands of `dtype`, and the gradients of their leaves.
struct Run {
  Tensor y;
  std::vector<Tensor> gradients;
};

/// `bases` hold values that 16 bits hold; `slopes`, where it is defined, those of y's gradient.
Run run(const Case& c, View view, const std::vector<Tensor>& bases, DType dtype, const Tensor& slopes) {
  std::vector<Tensor> leaves, operands;
  for (std::size_t i = 0; i < bases.size(); ++i) {
    leaves.push_back(kernels::clone(to(bases[i], dtype)).set_requires_grad());
    operands.push_back(viewed(leaves.back(), c.shapes[i], view));
  }
  Run result{c.run(operands), {}};
  result.gradients = grad({result.y}, leaves, {.grad_outputs = {to(slopes, dtype)}});
  return result;
}

void expect_one_rounding(const Case& c, View view, DType dtype) {
  std::vector<Tensor> bases;
  for (std::size_t i = 0; i < c.shapes.size(); ++i) {
    const Range range = c.is_positive ? Range{0.2, 0.8, false} : Range{};
    bases.push_back(to(random_tensor(leaf_shape(c.shapes[i], view), i + 1, Layout::contiguous, range), dtype));
  }
  std::vector<Tensor> operands;
  for (std::size_t i = 0; i < bases.size(); ++i) operands.push_back(viewed(bases[i], c.shapes[i], view));
  const Tensor slopes = to(random_tensor(c.run(operands).shape(), 9), dtype);
  const Run half = run(c, view, bases, dtype, slopes), wide = run(c, view, bases, DType::f32, slopes);
  EXPECT_EQ(half.y.dtype(), dtype);
  EXPECT_TRUE(same_bits(half.y.detach(), to(wide.y.detach(), dtype)));
  for (std::size_t i = 0; i < bases.size(); ++i) {
    EXPECT_TRUE(same_bits(half.gradients[i], to(wide.gradients[i], dtype))) << "gradient " << i;
  }
}

TEST(HalfValue, AndItsGradientsAreRoundedOnceInEveryLayout) {
  for (const Case& c : cases()) {
    for (const DType dtype : kHalves) {
      for (const View view : {View::none, View::transposed, View::sliced}) {
        SCOPED_TRACE(c.name + " " + std::string(name(dtype)) + " view " + std::to_string(static_cast<int>(view)));
        expect_one_rounding(c, view, dtype);
      }
    }
  }
}

TEST(HalfNorm, TakesParametersOfF32AndKeepsItsStatisticsInF32) {
  for (const DType dtype : kHalves) {
    const Tensor x = to(random_tensor({4, 3}, 1), dtype).set_requires_grad();
    const Tensor weight = to(random_tensor({3}, 2), DType::f32).set_requires_grad();
    const Tensor bias = to(random_tensor({3}, 3), DType::f32).set_requires_grad();
    const Tensor wide = to(x.detach(), DType::f32).set_requires_grad(), slopes = to(random_tensor({4, 3}, 4), dtype);
    const BatchNormResult got = batch_norm(x, weight, bias), right = batch_norm(wide, weight, bias);
    EXPECT_EQ(got.y.dtype(), dtype);
    EXPECT_TRUE(same_bits(got.y.detach(), to(right.y.detach(), dtype)));
    EXPECT_TRUE(same_bits(got.mean, right.mean));
    EXPECT_TRUE(same_bits(got.var, right.var));
    const std::vector<Tensor> grads = grad({got.y}, {x, weight, bias}, {.grad_outputs = {slopes}});
    const std::vector<Tensor> wides = grad({right.y}, {wide, weight, bias}, {.grad_outputs = {to(slopes, DType::f32)}});
    EXPECT_TRUE(same_bits(grads[0], to(wides[0], dtype)));
    EXPECT_TRUE(same_bits(grads[1], wides[1]));
    EXPECT_TRUE(same_bits(grads[2], wides[2]));
    EXPECT_EQ(layer_norm(x, {3}, weight, bias).dtype(), dtype);
    EXPECT_EQ(batch_norm_eval(x, got.mean, got.var, weight, bias).dtype(), dtype);
    EXPECT_TRUE(throws<DtypeError>([&] { layer_norm(x, {3}, weight, to(bias.detach(), dtype)); },
                                   "[layer_norm] expected weight and bias of one dtype"));
  }
}

/// The gradients of sum(y^3) with respect to x and weight, and that of the second one's sum with respect to x.
std::vector<Tensor> derivatives(const std::function<Tensor(const Tensor&, const Tensor&)>& norm_of, const Tensor& x,
                                const Tensor& weight) {
  for (const Tensor* leaf : {&x, &weight}) leaf->set_requires_grad();
  const Tensor y = norm_of(x, weight);
  std::vector<Tensor> all = grad({sum(y * y * y)}, {x, weight}, {.create_graph = true});
  all.push_back(grad({sum(all[1])}, {x})[0]);
  return all;
}

TEST(HalfNorm, HasASecondDerivativeInItsDtype) {
  const std::vector<std::function<Tensor(const Tensor&, const Tensor&)>> norms = {
      [](const Tensor& x, const Tensor& w) { return layer_norm(x, {6}, w); },
      [](const Tensor& x, const Tensor& w) { return batch_norm(x, w).y; },
      [](const Tensor& x, const Tensor& w) { return group_norm(x, 2, w); }};
  for (const auto& norm_of : norms) {
    for (const DType dtype : kHalves) {
      const Tensor x = to(random_tensor({4, 6}, 1), dtype), weight = to(random_tensor({6}, 2), dtype);
      const std::vector<Tensor> got = derivatives(norm_of, kernels::clone(x), kernels::clone(weight));
      const std::vector<Tensor> right = derivatives(norm_of, to(x, DType::f64), to(weight, DType::f64));
      for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_EQ(got[i].dtype(), dtype);
        if (dtype == DType::bf16) continue;  // too coarse for a bound that says something
        EXPECT_LT(distance(to(got[i].detach(), DType::f64), right[i].detach()), 0.3);
      }
    }
  }
}

TEST(HalfOverflow, IsInfiniteWhereOnlyTheResultIsBeyondF16) {
  const Tensor large = full({3}, 60000, DType::f16);
  EXPECT_EQ(values(norm(large)), std::vector<double>{HUGE_VAL});
  EXPECT_TRUE(std::isfinite(values(norm(to(large, DType::f32)))[0]));
  EXPECT_EQ(values(hop::std(large)), std::vector<double>{0});  // squares of 60000 are infinite in f16, not in f32
  const Tensor rows = to(Tensor::from<float>({0, 0, 3, 0, 0, 3}, {2, 3}), DType::f16);
  const std::vector<double> y = values(layer_norm(rows, {3}, large));
  EXPECT_TRUE(std::isinf(*std::max_element(y.begin(), y.end())));
  const Tensor logits = to(Tensor::from<float>({0, 60000, 0, 60000}, {2, 2}), DType::f16);
  EXPECT_EQ(values(cross_entropy(logits, labels({0, 0}), {.reduction = Reduction::sum})),
            std::vector<double>{HUGE_VAL});
  EXPECT_EQ(values(cross_entropy(logits, labels({0, 0}))), std::vector<double>{60000});
}

TEST(HalfValue, OfNothingIsThatOfF32) {
  for (const DType dtype : kHalves) {
    EXPECT_EQ(layer_norm(zeros({0, 3}, dtype), {3}).shape(), (Shape{0, 3}));
    EXPECT_EQ(group_norm(zeros({0, 4, 3}, dtype), 2).dtype(), dtype);
    EXPECT_THROW(batch_norm(zeros({0, 3}, dtype)), ShapeError);
    const Tensor none = cross_entropy(zeros({0, 3}, dtype), Tensor::empty({0}, DType::i64));
    EXPECT_EQ(none.dtype(), dtype);
    EXPECT_TRUE(std::isnan(values(none)[0]));
    EXPECT_EQ(
        values(attention(zeros({1, 1, 2, 3}, dtype), zeros({1, 1, 0, 3}, dtype), zeros({1, 1, 0, 1}, dtype), 1, false)),
        (std::vector<double>{0, 0}));
    EXPECT_EQ(mish(zeros({0}, dtype)).dtype(), dtype);
    EXPECT_EQ(values(norm(zeros({0}, dtype))), std::vector<double>{0});
  }
}

TEST(HalfMixed, PromotesOrKeepsTheDtypeOfItsFirstOperand) {
  const Tensor a = full({2, 3}, 0.5, DType::bf16), b = full({2, 3}, 0.25), c = full({2, 3}, 0.25, DType::f16);
  EXPECT_EQ(cosine_similarity(a, b).dtype(), DType::f32);
  EXPECT_EQ(pairwise_distance(a, c).dtype(), DType::f32);
  EXPECT_EQ(lerp(a, a, 0.3).dtype(), DType::bf16);
  EXPECT_EQ(mse_loss(a, b).dtype(), DType::f32);
  EXPECT_EQ(addcmul(a, a, full(Shape{}, 2)).dtype(), DType::bf16) << "a tensor of shape () is the weaker one";
  EXPECT_EQ(binary_cross_entropy(a, b).dtype(), DType::bf16);
  EXPECT_TRUE(throws<DtypeError>(
      [&] {
        conv3d(full({1, 1, 1, 1, 1}, 1, DType::bf16), full({1, 1, 1, 1, 1}, 1));
      },
      "[conv3d] expected operands of one dtype"));
  EXPECT_TRUE(throws<DtypeError>([&] { cdist(a, to(b, DType::f64)); }, "[cdist] expected operands of one dtype"));
}

TEST(HalfInPlace, LerpRoundsOnce) {
  for (const DType dtype : kHalves) {
    for (const double weight : {0.1, 0.7, 1.0}) {
      const Tensor y = to(random_tensor({3, 5}, 1), dtype), end = to(random_tensor({3, 5}, 2), dtype);
      const Tensor wide = kernels::clone(to(y, DType::f32));
      lerp_(wide, to(end, DType::f32), weight);
      lerp_(y, end, weight);
      EXPECT_TRUE(same_bits(y, to(wide, dtype))) << weight;
    }
  }
}

TEST(HalfInPlace, AddOfAScaledTensorRoundsOnce) {
  for (const DType dtype : kHalves) {
    const Tensor x = to(random_tensor({30, 50}, 2), dtype), wide_x = to(x, DType::f32);
    for (const bool adds : {true, false}) {
      const auto add = [adds](const Tensor& y, const Tensor& other, double alpha) {
        adds ? add_(y, other, alpha) : sub_(y, other, alpha);
      };
      const Tensor y = to(random_tensor({30, 50}, 1), dtype), wide = kernels::clone(to(y, DType::f32));
      const Tensor twice = kernels::clone(y);
      add(y, x, 0.7);
      add(wide, wide_x, 0.7);
      add(twice, x * 0.7, 1);
      EXPECT_TRUE(same_bits(y, to(wide, dtype)));
      EXPECT_FALSE(same_bits(y, twice));
    }
    const Tensor count = zeros({30, 50}, {.dtype = DType::i64});
    EXPECT_TRUE(throws<DtypeError>([&] { add_(count, x, 2); }, "[add_] expected an operand that leaves the result"));
  }
}

TEST(HalfRandom, RoundsTheNumbersOfF32AndStaysBelowItsEnd) {
  const RandomAddress address{.key = 3};
  for (const DType dtype : kHalves) {
    const Tensor uniform = rand({10000}, address, {.dtype = dtype}), wide = rand({10000}, address);
    const Tensor nearest = to(wide, dtype);
    EXPECT_EQ(uniform.dtype(), dtype);
    EXPECT_EQ(values(uniform), values(where(eq(nearest, 1), 0.0, nearest)));
    EXPECT_TRUE(dtype == DType::f16 || values(to(any(eq(nearest, 1)), DType::f64))[0] == 1) << "none rounds up to 1";
    EXPECT_TRUE(same_bits(randn({5, 3}, address, {.dtype = dtype}), to(randn({5, 3}, address), dtype)));
    EXPECT_EQ(rand_like(zeros({0, 3}, dtype), address).dtype(), dtype);
    EXPECT_TRUE(throws<ConfigError>([&] { kernels::uniform_(zeros({2}, DType::f16), 0, 1e6, address); },
                                    "a distance that f16 holds"));
  }
}

TEST(HalfCounts, AreThoseOfTheWidenedValues) {
  const Tensor x = to(random_tensor({50}, 1), DType::bf16), p = full({200}, 0.5, DType::f16);
  EXPECT_EQ(values(histc(x, 5)), values(histc(to(x, DType::f32), 5)));
  EXPECT_EQ(values(bernoulli(p, {.key = 3})), values(bernoulli(to(p, DType::f32), {.key = 3})));
  EXPECT_EQ(values(multinomial(p, 5, false, {.key = 3})), values(multinomial(to(p, DType::f32), 5, false, {.key = 3})));
}

}  // namespace
}  // namespace hop::autograd
