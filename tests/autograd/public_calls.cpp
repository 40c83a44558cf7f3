// Long because it is one table.
#include "tests/autograd/public_calls.h"

#include "autograd/checkpoint.h"
#include "kernels/conv.h"
#include "kernels/index.h"
#include "kernels/matmul.h"
#include "kernels/norm.h"
#include "kernels/pool.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "kernels/softmax.h"
#include "kernels/view.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

const Tensor kX = ones({2, 3}), kCondition = ones({2, 3}, {.dtype = DType::boolean}), kRow = ones({3}),
             kImage = ones({1, 1, 4, 4}), kSamples = zeros({1, 1, 2}), kFilter = ones({1, 1, 2, 2}),
             kVolume = ones({1, 1, 2, 2, 2}), kScalar = ones({}), kIndex = zeros({2}, {.dtype = DType::i64});

}  // namespace

std::vector<Call> elementwise_calls() {
  std::vector<Call> calls;
  const auto add = [&calls](std::string op, std::function<void(const Tensor&)> run) {
    if (op.starts_with("pow_scalar")) op.erase(3, 7);  // pow(x, 2) to its callers
    calls.push_back({std::move(op), std::move(run)});
  };
  using T = const Tensor&;
#define HOP_UNARY(name, ...)             \
  add(#name, [](T u) { hop::name(u); }); \
  add(#name, [](T u) { kernels::name(u); });
#define HOP_PREDICATE HOP_UNARY
#define HOP_BINARY(name, ...)                    \
  add(#name, [](T u) { hop::name(u, kX); });     \
  add(#name, [](T u) { hop::name(kX, u); });     \
  add(#name, [](T u) { hop::name(u, 2); });      \
  add(#name, [](T u) { kernels::name(u, kX); }); \
  add(#name, [](T u) { kernels::name(0.5, u); });
#define HOP_COMPARE HOP_BINARY
#define HOP_TERNARY(name, ...)                           \
  add(#name, [](T u) { hop::name(u, kX, kX); });         \
  add(#name, [](T u) { hop::name(kCondition, u, 1); });  \
  add(#name, [](T u) { hop::name(kCondition, kX, u); }); \
  add(#name, [](T u) { kernels::name(kCondition, 1, u); });
#include "kernels/elementwise.def"
#undef HOP_UNARY
#define HOP_UNARY(name, ...) add(#name " gradient", [](T u) { kernels::name##_grad(kX, u, u); });
#define HOP_BINARY(name, ...)                                              \
  add(#name " gradient", [](T u) { kernels::name##_grad_a(u, u, u, u); }); \
  add(#name " gradient", [](T u) { kernels::name##_grad_b(u, u, u, u); });
#include "kernels/elementwise.def"
  return calls;
}

std::vector<Call> structured_calls() {
  using U = const Tensor&;
  const Conv2dOptions conv;
  const Pool2dOptions pool;
  static constexpr std::int64_t kDims[] = {0};
  return {
      // copies
      {"clone", [](U u) { clone(u); }},
      {"to", [](U u) { to(u, DType::f64); }},
      {"cat",
       [](U u) {
         cat({u, kX});
       }},
      {"cat",
       [](U u) {
         cat({kX, u});
       }},
      {"stack",
       [](U u) {
         stack({u, kX});
       }},
      {"stack",
       [](U u) {
         stack({kX, u});
       }},
      {"zeros_like", [](U u) { zeros_like(u); }},
      {"empty_like", [](U u) { empty_like(u); }},
      {"is_contiguous", [](U u) { is_contiguous(u, MemoryFormat::channels_last); }},
      {"ones_like", [](U u) { ones_like(u); }},
      {"contiguous", [](U u) { contiguous(u); }},
      {"contiguous", [](U u) { kernels::contiguous(u); }},
      {"clone", [](U u) { kernels::clone(u); }},
      {"cast", [](U u) { kernels::cast(u, DType::f64); }},
      {"to", [](U u) { kernels::to_device(u, Device::cpu()); }},
      {"copy_", [](U u) { kernels::copy_(u, kX); }},
      {"copy_", [](U u) { kernels::copy_(kX, u); }},
      {"fill_", [](U u) { kernels::fill_(u, 1); }},
      {"cat", [](U u) { kernels::cat(std::vector{u}, 0); }},
      {"to", [](U u) { to(u, Device::cpu()); }},
      // parts, order, counts
      {"index", [](U u) { index(u, 0); }},
      {"index", [](U u) { index(kX, u); }},
      {"index_put", [](U u) { index_put(u, 0, 1); }},
      {"index_put", [](U u) { index_put(kX, 0, u); }},
      {"scatter", [](U u) { scatter(u, 0, kIndex, 1); }},
      {"scatter", [](U u) { scatter(kX, 0, u, 1); }},
      {"scatter", [](U u) { scatter(kRow, 0, kIndex, u); }},
      {"scatter_add", [](U u) { scatter_add(u, 0, kIndex, kRow); }},
      {"scatter_add", [](U u) { scatter_add(kRow, 0, u, kRow); }},
      {"scatter_add", [](U u) { scatter_add(kRow, 0, kIndex, u); }},
      {"index_add", [](U u) { index_add(u, 0, kIndex, kX); }},
      {"index_add", [](U u) { index_add(kX, 0, u, kX); }},
      {"index_add", [](U u) { index_add(kX, 0, kIndex, u); }},
      {"index_copy", [](U u) { index_copy(u, 0, kIndex, kX); }},
      {"index_copy", [](U u) { index_copy(kX, 0, u, kX); }},
      {"index_copy", [](U u) { index_copy(kX, 0, kIndex, u); }},
      {"index_fill", [](U u) { index_fill(u, 0, kIndex, 1); }},
      {"index_fill", [](U u) { index_fill(kX, 0, u, 1); }},
      {"sort", [](U u) { sort(u); }},
      {"sort", [](U u) { argsort(u); }},
      {"topk", [](U u) { topk(u, 1); }},
      {"kthvalue", [](U u) { kthvalue(u, 1); }},
      {"median", [](U u) { median(u); }},
      {"median", [](U u) { median(u, 0); }},
      {"bincount", [](U u) { bincount(u); }},
      {"histc", [](U u) { histc(u); }},
      {"unique", [](U u) { unique(u); }},
      {"multinomial", [](U u) { multinomial(u, 1, true, {}); }},
      {"conv1d", [](U u) { conv1d(u, kX); }},
      {"conv1d", [](U u) { conv1d(kX, u); }},
      {"conv1d", [](U u) { conv1d(u, kX, {}, kSame); }},
      {"conv2d", [](U u) { conv2d(u, kFilter, {}, kSame); }},
      {"conv_transpose1d", [](U u) { conv_transpose1d(u, kX); }},
      {"conv_transpose1d", [](U u) { conv_transpose1d(kX, u); }},
      {"conv3d", [](U u) { conv3d(u, kVolume, {}, kSame); }},
      {"conv3d", [](U u) { conv3d(u, kVolume); }},
      {"conv3d", [](U u) { conv3d(kVolume, u); }},
      {"conv_transpose3d", [](U u) { conv_transpose3d(u, kVolume); }},
      {"conv_transpose3d", [](U u) { conv_transpose3d(kVolume, u); }},
      {"max_pool1d_with_indices", [](U u) { max_pool1d_with_indices(u); }},
      {"max_pool3d_with_indices", [](U u) { max_pool3d_with_indices(u); }},
      {"max_unpool1d", [](U u) { max_unpool1d(u, kIndex); }},
      {"max_unpool1d", [](U u) { max_unpool1d(kX, u); }},
      {"max_unpool2d", [](U u) { max_unpool2d(u, kIndex); }},
      {"max_unpool3d", [](U u) { max_unpool3d(u, kIndex); }},
      {"fractional_max_pool2d",
       [](U u) {
         fractional_max_pool2d(u, {1, 1}, {1, 1}, kSamples);
       }},
      {"fractional_max_pool2d",
       [](U u) {
         fractional_max_pool2d(kImage, {1, 1}, {1, 1}, u);
       }},
      {"fractional_max_pool3d",
       [](U u) {
         fractional_max_pool3d(u, {1, 1, 1}, {1, 1, 1}, kX);
       }},
      {"fractional_max_pool2d_with_indices",
       [](U u) {
         fractional_max_pool2d_with_indices(u, {1, 1}, {1, 1}, kSamples);
       }},
      {"fractional_max_pool3d_with_indices",
       [](U u) {
         fractional_max_pool3d_with_indices(u, {1, 1, 1}, {1, 1, 1}, kX);
       }},
      {"adaptive_max_pool_with_indices", [](U u) { adaptive_max_pool_with_indices(u, {1}); }},
      {"max_pool2d", [](U u) { max_pool2d(u, 2); }},
      {"max_pool2d", [](U u) { max_pool2d_with_indices(u); }},
      {"max_pool1d", [](U u) { max_pool1d(u, 2); }},
      {"max_pool3d", [](U u) { max_pool3d(u, 2); }},
      {"avg_pool1d", [](U u) { avg_pool1d(u, 2); }},
      {"avg_pool3d", [](U u) { avg_pool3d(u, 2); }},
      {"adaptive_avg_pool", [](U u) { adaptive_avg_pool(u, {1}); }},
      {"adaptive_max_pool", [](U u) { adaptive_max_pool(u, {1}); }},
      {"unfold", [](U u) { unfold(u, {}); }},
      {"fold",
       [](U u) {
         fold(u, {2, 2}, {});
       }},
      {"conv_transpose2d", [](U u) { conv_transpose2d(u, kFilter); }},
      {"conv_transpose2d", [](U u) { conv_transpose2d(kImage, u); }},
      {"group_norm", [](U u) { group_norm(u, 1); }},
      {"attention", [](U u) { attention(u, kImage, kImage, 1); }},
      {"attention", [](U u) { attention(kImage, u, kImage, 1); }},
      {"attention", [](U u) { attention(kImage, kImage, u, 1); }},
      {"lstm_sequence",
       [](U u) {
         lstm_sequence(u, ones({4, 1}), {}, ones({1, 1}), ones({1, 1}));
       }},
      {"lstm_sequence",
       [](U u) {
         lstm_sequence(ones({1, 1, 4}), u, {}, ones({1, 1}), ones({1, 1}));
       }},
      {"lstm_sequence",
       [](U u) {
         lstm_sequence(ones({1, 1, 4}), ones({4, 1}), {}, u, ones({1, 1}));
       }},
      {"lstm_sequence",
       [](U u) {
         lstm_sequence(ones({1, 1, 4}), ones({4, 1}), {}, ones({1, 1}), u);
       }},
      {"gru_sequence",
       [](U u) {
         gru_sequence(u, ones({3, 1}), {}, ones({1, 1}));
       }},
      {"gru_sequence",
       [](U u) {
         gru_sequence(ones({1, 1, 3}), u, {}, ones({1, 1}));
       }},
      {"gru_sequence",
       [](U u) {
         gru_sequence(ones({1, 1, 3}), ones({3, 1}), {}, u);
       }},
      {"lp_pool1d", [](U u) { lp_pool1d(u, 2); }},
      {"lp_pool2d", [](U u) { lp_pool2d(u, 2); }},
      {"lp_pool3d", [](U u) { lp_pool3d(u, 2); }},
      {"linear_cross_entropy", [](U u) { linear_cross_entropy(u, kX, kIndex); }},
      {"triplet_margin_with_distance_loss", [](U u) { triplet_margin_with_distance_loss(kX, u, kX); }},
      {"interpolate", [](U u) { interpolate(u, {.size = {1}}); }},
      {"cumprod", [](U u) { cumprod(u, 0); }},
      {"logaddexp", [](U u) { logaddexp(u, kX); }},
      {"logaddexp", [](U u) { logaddexp(kX, u); }},
      {"clamp", [](U u) { clamp(u, kX, kX); }},
      {"sub_", [](U u) { sub_(u, kX); }},
      {"sub_", [](U u) { sub_(u, 1); }},
      {"div_", [](U u) { div_(u, kX); }},
      {"div_", [](U u) { div_(u, 1); }},
      // views
      {"reshape", [](U u) { reshape(u, {1}); }},
      {"flatten", [](U u) { flatten(u); }},
      {"transpose", [](U u) { transpose(u, 0, 1); }},
      {"permute", [](U u) { permute(u, {0}); }},
      {"slice", [](U u) { slice(u, 0, 0); }},
      {"select", [](U u) { select(u, 0, 0); }},
      {"squeeze", [](U u) { squeeze(u, 0); }},
      {"squeeze", [](U u) { squeeze(u); }},
      {"squeeze",
       [](U u) {
         squeeze(u, {0, 1});
       }},
      {"unsqueeze", [](U u) { unsqueeze(u, 0); }},
      {"expand", [](U u) { expand(u, {1}); }},
      {"reshape", [](U u) { kernels::try_reshape_view(u, {1}); }},
      {"permute", [](U u) { kernels::permute(u, kDims); }},
      {"transpose", [](U u) { kernels::transpose(u, 0, 1); }},
      {"slice", [](U u) { kernels::slice(u, 0, 0, 1); }},
      {"select", [](U u) { kernels::select(u, 0, 0); }},
      {"squeeze", [](U u) { kernels::squeeze(u, 0); }},
      {"unsqueeze", [](U u) { kernels::unsqueeze(u, 0); }},
      {"expand", [](U u) { kernels::expand(u, {1}); }},
      // reductions
      {"sum", [](U u) { sum(u); }},
      {"sum_to", [](U u) { sum_to(u, {1}); }},
      {"mean", [](U u) { mean(u); }},
      {"max", [](U u) { max(u); }},
      {"min", [](U u) { min(u); }},
      {"var", [](U u) { var(u); }},
      {"argmax", [](U u) { argmax(u); }},
      {"argmax", [](U u) { argmax(u, 0); }},
      {"sum", [](U u) { kernels::sum(u); }},
      {"sum", [](U u) { kernels::sum_into({}, u, {}); }},
      {"sum_to", [](U u) { kernels::sum_to(u, {1}); }},
      {"mean", [](U u) { kernels::mean(u); }},
      {"max", [](U u) { kernels::max(u); }},
      {"min", [](U u) { kernels::min(u); }},
      {"var", [](U u) { kernels::var(u); }},
      {"argmax", [](U u) { kernels::argmax(u, 0); }},
      // products, convolution, pooling
      {"matmul", [](U u) { matmul(u, kX); }},
      {"matmul", [](U u) { matmul(kX, u); }},
      {"linear", [](U u) { linear(u, kX); }},
      {"linear", [](U u) { linear(kX, u); }},
      {"linear", [](U u) { linear_relu(u, kX); }},
      {"linear", [](U u) { linear_relu(kX, u); }},
      {"matmul", [](U u) { kernels::matmul(u, kX); }},
      {"linear", [](U u) { kernels::linear(u, kX, {}); }},
      {"conv2d", [](U u) { conv2d(u, kFilter); }},
      {"conv2d", [](U u) { conv2d(kImage, u); }},
      {"conv2d", [=](U u) { kernels::conv2d(u, kFilter, {}, conv); }},
      {"conv2d input gradient", [=](U u) { kernels::conv2d_input_grad(u, kFilter, kImage.shape(), conv); }},
      {"conv2d input gradient", [=](U u) { kernels::conv2d_input_grad(kImage, u, kImage.shape(), conv); }},
      {"conv2d weight gradient", [=](U u) { kernels::conv2d_weight_grad(kImage, u, kFilter.shape(), conv); }},
      {"conv2d weight gradient", [=](U u) { kernels::conv2d_weight_grad(u, kImage, kFilter.shape(), conv); }},
      {"max_pool2d", [](U u) { max_pool2d(u); }},
      {"avg_pool2d", [](U u) { avg_pool2d(u); }},
      {"max_pool2d", [=](U u) { kernels::max_pool2d(u, pool); }},
      {"max_pool2d gradient", [](U u) { kernels::max_pool2d_grad(u, kIndex, kImage.shape()); }},
      {"max_pool2d gradient", [](U u) { kernels::max_pool2d_grad(kImage, u, kImage.shape()); }},
      {"max_pool2d gather", [](U u) { kernels::max_pool2d_gather(u, kIndex); }},
      {"max_pool2d gather", [](U u) { kernels::max_pool2d_gather(kImage, u); }},
      {"avg_pool2d", [=](U u) { kernels::avg_pool2d(u, pool); }},
      {"avg_pool2d gradient", [=](U u) { kernels::avg_pool2d_grad(u, kImage.shape(), pool); }},
      // normalisation, softmax, losses
      {"layer_norm", [](U u) { layer_norm(u, {3}); }},
      {"batch_norm", [](U u) { batch_norm(u); }},
      {"batch_norm_eval", [](U u) { batch_norm_eval(u, kRow, kRow); }},
      {"batch_norm_eval", [](U u) { batch_norm_eval(kX, u, kRow); }},
      {"batch_norm_eval", [](U u) { batch_norm_eval(kX, kRow, u); }},
      {"layer_norm", [](U u) { kernels::layer_norm(u, {}, {}, 1); }},
      {"layer_norm gradient", [](U u) { kernels::layer_norm_grad(kX, u, {}, kRow, kRow); }},
      {"layer_norm gradient", [](U u) { kernels::layer_norm_grad(kX, kX, {}, u, kRow); }},
      {"batch_norm", [](U u) { kernels::batch_norm(u, {}, {}, 1); }},
      {"batch_norm gradient", [](U u) { kernels::batch_norm_grad(u, kX, {}, kRow, kRow); }},
      {"batch_norm gradient", [](U u) { kernels::batch_norm_grad(kX, kX, {}, kRow, u); }},
      {"batch_norm", [](U u) { kernels::batch_norm_apply(kX, {}, {}, u, kRow); }},
      {"softmax", [](U u) { softmax(u); }},
      {"log_softmax", [](U u) { log_softmax(u, 0); }},
      {"softmax", [](U u) { kernels::softmax(u); }},
      {"softmax gradient", [](U u) { kernels::softmax_grad(u, kX); }},
      {"log_softmax", [](U u) { kernels::log_softmax(u); }},
      {"log_softmax gradient", [](U u) { kernels::log_softmax_grad(kX, u); }},
      {"cross_entropy", [](U u) { cross_entropy(u, kIndex); }},
      {"cross_entropy", [](U u) { cross_entropy(kX, u); }},
      {"cross_entropy", [](U u) { kernels::cross_entropy(kX, u); }},
      {"cross_entropy", [](U u) { kernels::cross_entropy_fused(u, kIndex); }},
      {"cross_entropy gradient", [](U u) { kernels::cross_entropy_grad(kScalar, u, kIndex); }},
      {"cross_entropy gradient", [](U u) { kernels::cross_entropy_grad(kScalar, kX, u); }},
      {"nll_loss", [](U u) { nll_loss(u, kIndex); }},
      {"nll_loss", [](U u) { nll_loss(kX, u); }},
      {"mse_loss", [](U u) { mse_loss(u, kX); }},
      {"mse_loss", [](U u) { mse_loss(kX, u); }},
      {"l1_loss", [](U u) { l1_loss(u, kX); }},
      {"l1_loss", [](U u) { l1_loss(kX, u); }},
      {"smooth_l1_loss", [](U u) { smooth_l1_loss(u, kX); }},
      {"smooth_l1_loss", [](U u) { smooth_l1_loss(kX, u); }},
      {"huber_loss", [](U u) { huber_loss(u, kX); }},
      {"huber_loss", [](U u) { huber_loss(kX, u); }},
      {"poisson_nll_loss", [](U u) { poisson_nll_loss(u, kX); }},
      {"poisson_nll_loss", [](U u) { poisson_nll_loss(kX, u); }},
      {"binary_cross_entropy", [](U u) { binary_cross_entropy(u, kX); }},
      {"binary_cross_entropy", [](U u) { binary_cross_entropy(kX, u); }},
      {"binary_cross_entropy_with_logits", [](U u) { binary_cross_entropy_with_logits(u, kX); }},
      {"binary_cross_entropy_with_logits", [](U u) { binary_cross_entropy_with_logits(kX, u); }},
      {"kl_div", [](U u) { kl_div(u, kX); }},
      {"kl_div", [](U u) { kl_div(kX, u); }},
      {"soft_margin_loss", [](U u) { soft_margin_loss(u, kX); }},
      {"soft_margin_loss", [](U u) { soft_margin_loss(kX, u); }},
      {"hinge_embedding_loss", [](U u) { hinge_embedding_loss(u, kX); }},
      {"hinge_embedding_loss", [](U u) { hinge_embedding_loss(kX, u); }},
      {"gaussian_nll_loss", [](U u) { gaussian_nll_loss(u, kX, kX); }},
      {"gaussian_nll_loss", [](U u) { gaussian_nll_loss(kX, u, kX); }},
      {"gaussian_nll_loss", [](U u) { gaussian_nll_loss(kX, kX, u); }},
      {"multi_margin_loss", [](U u) { multi_margin_loss(u, kIndex); }},
      {"multi_margin_loss", [](U u) { multi_margin_loss(kX, u); }},
      {"multilabel_margin_loss", [](U u) { multilabel_margin_loss(u, kIndex); }},
      {"multilabel_margin_loss", [](U u) { multilabel_margin_loss(kX, u); }},
      {"multilabel_soft_margin_loss", [](U u) { multilabel_soft_margin_loss(u, kX); }},
      {"multilabel_soft_margin_loss", [](U u) { multilabel_soft_margin_loss(kX, u); }},
      {"margin_ranking_loss", [](U u) { margin_ranking_loss(u, kX, kX); }},
      {"margin_ranking_loss", [](U u) { margin_ranking_loss(kX, u, kX); }},
      {"margin_ranking_loss", [](U u) { margin_ranking_loss(kX, kX, u); }},
      {"cosine_embedding_loss", [](U u) { cosine_embedding_loss(u, kX, kX); }},
      {"cosine_embedding_loss", [](U u) { cosine_embedding_loss(kX, u, kX); }},
      {"cosine_embedding_loss", [](U u) { cosine_embedding_loss(kX, kX, u); }},
      {"triplet_margin_loss", [](U u) { triplet_margin_loss(u, kX, kX); }},
      {"triplet_margin_loss", [](U u) { triplet_margin_loss(kX, u, kX); }},
      {"triplet_margin_loss", [](U u) { triplet_margin_loss(kX, kX, u); }},
      {"pairwise_distance", [](U u) { pairwise_distance(u, kX); }},
      {"pairwise_distance", [](U u) { pairwise_distance(kX, u); }},
      {"ctc_loss", [](U u) { ctc_loss(u, kIndex, kIndex, kIndex); }},
      {"ctc_loss", [](U u) { ctc_loss(kX, u, kIndex, kIndex); }},
      {"ctc_loss", [](U u) { ctc_loss(kX, kIndex, u, kIndex); }},
      {"ctc_loss", [](U u) { ctc_loss(kX, kIndex, kIndex, u); }},
      // composed of others
      {"split", [](U u) { split(u, 1); }},
      {"split",
       [](U u) {
         split(u, {1, 1});
       }},
      {"chunk", [](U u) { chunk(u, 2); }},
      {"unbind", [](U u) { unbind(u); }},
      {"flip", [](U u) { flip(u, {0}); }},
      {"roll", [](U u) { roll(u, {1}); }},
      {"repeat", [](U u) { repeat(u, {2}); }},
      {"tile", [](U u) { tile(u, {2}); }},
      {"repeat_interleave", [](U u) { repeat_interleave(u, 2); }},
      {"repeat_interleave", [](U u) { repeat_interleave(u, 2, 0); }},
      {"repeat_interleave", [](U u) { repeat_interleave(u, kIndex); }},
      {"repeat_interleave", [](U u) { repeat_interleave(kX, u, 0); }},
      {"where", [](U u) { where(u); }},
      {"max", [](U u) { max(u, 0); }},
      {"max", [](U u) { max_with_indices(u, 0); }},
      {"min", [](U u) { min_with_indices(u, 0); }},
      {"min", [](U u) { min(u, 0); }},
      {"add", [](U u) { add(u, kX, 2); }},
      {"add", [](U u) { add(kX, u, 2); }},
      {"sub", [](U u) { sub(u, kX, 2); }},
      {"sub", [](U u) { sub(kX, u, 2); }},
      {"gelu", [](U u) { gelu(u, GeluApproximate::none); }},
      {"gelu_tanh", [](U u) { gelu(u, GeluApproximate::tanh); }},
      {"to", [](U u) { to(u, Device::cpu(), DType::f64); }},
      {"unique", [](U u) { unique(u, 0); }},
      {"unique_consecutive", [](U u) { unique_consecutive(u); }},
      {"gaussian_nll_loss", [](U u) { gaussian_nll_loss(u, kX, 1.0); }},
      {"gaussian_nll_loss", [](U u) { gaussian_nll_loss(kX, u, 1.0); }},
      {"diagonal", [](U u) { diagonal(u); }},
      {"meshgrid",
       [](U u) {
         meshgrid({kRow, u});
       }},
      {"cat",
       [](U u) {
         concat({kX, u});
       }},
      {"pad",
       [](U u) {
         pad(u, {1, 1});
       }},
      {"pad",
       [](U u) {
         pad(u, {1, 1}, PadMode::reflect);
       }},
      {"masked_fill", [](U u) { masked_fill(u, kCondition, 0); }},
      {"masked_fill", [](U u) { masked_fill(kX, u, 0); }},
      {"masked_fill", [](U u) { masked_fill(kX, kCondition, u); }},
      {"masked_select", [](U u) { masked_select(u, kCondition); }},
      {"masked_select", [](U u) { masked_select(kX, u); }},
      {"nonzero", [](U u) { nonzero(u); }},
      {"tril", [](U u) { tril(u); }},
      {"triu", [](U u) { triu(u); }},
      {"isinf", [](U u) { isinf(u); }},
      {"nan_to_num", [](U u) { nan_to_num(u); }},
      {"any", [](U u) { any(u); }},
      {"all", [](U u) { all(u, {0}); }},
      {"one_hot", [](U u) { one_hot(u, 3); }},
      {"norm", [](U u) { norm(u); }},
      {"std", [](U u) { hop::std(u); }},
      {"logsumexp", [](U u) { logsumexp(u); }},
      {"argmin", [](U u) { argmin(u); }},
      {"argmin", [](U u) { argmin(u, 0); }},
      {"prod", [](U u) { prod(u); }},
      {"prod", [](U u) { prod(u, 0); }},
      {"cumsum", [](U u) { cumsum(u, 0); }},
      {"mm", [](U u) { mm(u, kX); }},
      {"mm", [](U u) { mm(kX, u); }},
      {"bmm", [](U u) { bmm(u, u); }},
      {"mv", [](U u) { mv(u, kRow); }},
      {"mv", [](U u) { mv(kX, u); }},
      {"dot", [](U u) { dot(u, kRow); }},
      {"dot", [](U u) { dot(kRow, u); }},
      {"outer", [](U u) { outer(u, kRow); }},
      {"outer", [](U u) { outer(kRow, u); }},
      {"addmm", [](U u) { addmm(u, kX, kX); }},
      {"addmm", [](U u) { addmm(kX, u, kX); }},
      {"addmm", [](U u) { addmm(kX, kX, u); }},
      {"baddbmm", [](U u) { baddbmm(u, kX, kX); }},
      {"baddbmm", [](U u) { baddbmm(kX, u, kX); }},
      {"cdist", [](U u) { cdist(u, kX); }},
      {"cdist", [](U u) { cdist(kX, u); }},
      {"cosine_similarity", [](U u) { cosine_similarity(u, kX); }},
      {"cosine_similarity", [](U u) { cosine_similarity(kX, u); }},
      {"normalize", [](U u) { normalize(u); }},
      {"einsum",
       [](U u) {
         einsum("ij,ij", {kX, u});
       }},
      {"full_like", [](U u) { full_like(u, 1); }},
      {"rand_like", [](U u) { rand_like(u, {}); }},
      {"randn_like", [](U u) { randn_like(u, {}); }},
      {"bernoulli", [](U u) { bernoulli(u, {}); }},
      {"hardtanh", [](U u) { hardtanh(u); }},
      {"relu6", [](U u) { relu6(u); }},
      {"hardsigmoid", [](U u) { hardsigmoid(u); }},
      {"hardswish", [](U u) { hardswish(u); }},
      {"mish", [](U u) { mish(u); }},
      {"selu", [](U u) { selu(u); }},
      {"prelu", [](U u) { prelu(u, kRow); }},
      {"prelu", [](U u) { prelu(kX, u); }},
      {"glu", [](U u) { glu(u); }},
      {"softsign", [](U u) { softsign(u); }},
      {"hardshrink", [](U u) { hardshrink(u); }},
      {"softshrink", [](U u) { softshrink(u); }},
      {"tanhshrink", [](U u) { tanhshrink(u); }},
      {"threshold", [](U u) { threshold(u, 1, 2); }},
      {"logit", [](U u) { logit(u); }},
      {"lerp", [](U u) { lerp(u, kX, 0.5); }},
      {"lerp", [](U u) { lerp(kX, u, 0.5); }},
      {"lerp", [](U u) { lerp(kX, kX, u); }},
      {"addcmul", [](U u) { addcmul(u, kX, kX); }},
      {"addcmul", [](U u) { addcmul(kX, kX, u); }},
      {"addcdiv", [](U u) { addcdiv(kX, u, kX); }},
      {"addcdiv", [](U u) { addcdiv(kX, kX, u); }},
      // indices
      {"gather", [](U u) { gather(u, 0, kIndex); }},
      {"gather", [](U u) { gather(kRow, 0, u); }},
      {"index_select", [](U u) { index_select(u, 0, kIndex); }},
      {"index_select", [](U u) { index_select(kX, 0, u); }},
      {"embedding", [](U u) { embedding(u, kIndex); }},
      {"embedding", [](U u) { embedding(kX, u); }},
      {"embedding_bag", [](U u) { embedding_bag(u, kIndex, {.offsets = kIndex}); }},
      {"embedding_bag", [](U u) { embedding_bag(kX, u, {.offsets = kIndex}); }},
      {"embedding_renorm_", [](U u) { embedding_renorm_(u, kIndex, 1); }},
      {"embedding_renorm_", [](U u) { embedding_renorm_(kX, u, 1); }},
      {"gather", [](U u) { kernels::gather(u, 0, kIndex); }},
      {"scatter_add", [](U u) { kernels::scatter_add({3}, 0, u, kRow); }},
      {"scatter_add", [](U u) { kernels::scatter_add({3}, 0, kIndex, u); }},
      {"index_select", [](U u) { kernels::index_select(u, 0, kIndex); }},
      {"index_add", [](U u) { kernels::index_add({3}, 0, u, kRow); }},
      {"index_add", [](U u) { kernels::index_add({3}, 0, kIndex, u); }},
      // in place and random
      {"copy_", [](U u) { copy_(u, kX); }},
      {"copy_", [](U u) { copy_(kX, u); }},
      {"fill_", [](U u) { fill_(u, 1); }},
      {"fill_", [](U u) { zero_(u); }},
      {"add_", [](U u) { add_(u, kX); }},
      {"add_", [](U u) { add_(kX, u); }},
      {"add_", [](U u) { add_(u, 1); }},
      {"mul_", [](U u) { mul_(u, kX); }},
      {"mul_", [](U u) { mul_(kX, u); }},
      {"mul_", [](U u) { mul_(u, 0.5); }},
      {"lerp_", [](U u) { lerp_(u, kX, 0.5); }},
      {"lerp_", [](U u) { lerp_(kX, u, 0.5); }},
      {"uniform_", [](U u) { kernels::uniform_(u, 0, 1, {}); }},
      {"normal_", [](U u) { kernels::normal_(u, 0, 1, {}); }},
      {"dropout", [](U u) { kernels::dropout(u, 0.5, {}); }},
      {"dropout", [](U u) { dropout(u, 0.5, {}); }},
      {"dropout", [](U u) { dropout(u, 0.5, {}, false); }},
      {"index_put_", [](U u) { index_put_(u, 0, 1); }},
      {"index_put", [](U u) { index_put_(kX, 0, u); }},
  };
}

}  // namespace hop::autograd
