// Memory-bound operations against the bytes that they cannot avoid at the card's own copy rate. Problems are larger
// than the card's L2 cache.
#include "bench/gpu/rows.h"
#include "kernels/conv.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/index.h"
#include "kernels/norm.h"
#include "kernels/optimizer.h"
#include "kernels/pool.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "kernels/softmax.h"
#include "kernels/update_rules.h"

namespace hop::bench::gpu {
namespace {

namespace k = hop::kernels;

struct Entry {
  std::string name;
  double bytes;  // that must be read or written
  std::function<void()> work;
};

Tensor random(const Shape& shape, std::uint64_t key) {
  const Tensor x = Tensor::empty(shape, DType::f32, Device::cuda());
  k::uniform_(x, -1, 1, {.key = key, .step = 0, .draw = 0});
  return x;
}

/// x (rows, columns), four bytes a value.
std::vector<Entry> elementwise(const Tensor& x, const Tensor& g) {
  const auto n = static_cast<double>(x.numel());
  const Tensor flat = x.as_strided({x.numel()}, {1}, 0);
  const Tensor across = x.as_strided({x.size(1), x.size(0)}, {1, x.size(1)}, 0);
  return {{"relu", 8 * n, [=] { k::relu(x); }},
          {"exp", 8 * n, [=] { k::exp(x); }},
          {"gelu", 8 * n, [=] { k::gelu(x); }},
          {"add", 12 * n, [=] { k::add(x, g); }},
          {"add of a row", 8 * n, [=] { k::add(x, x.as_strided({x.size(1)}, {1}, 0)); }},
          {"relu gradient", 12 * n, [=] { k::relu_grad(g, {}, x); }},
          {"cast f32 to f64", 12 * n, [=] { k::cast(x, DType::f64); }},
          {"transpose", 8 * n, [=] { k::contiguous(across); }},
          {"uniform", 4 * n, [=] { k::uniform_(flat, 0, 1, {.key = 1, .step = 2, .draw = 3}); }},
          {"dropout", 8 * n, [=] { k::dropout(x, 0.1, {.key = 1, .step = 2, .draw = 3}); }}};
}

std::vector<Entry> rows(const Tensor& x, const Tensor& g) {
  static constexpr std::int64_t kRows[] = {0}, kColumns[] = {1};
  const auto n = static_cast<double>(x.numel());
  const Tensor labels = k::zeros({x.size(0)}, DType::i64, Device::cuda());
  const Tensor one = k::ones({}, DType::f32, Device::cuda());
  const Tensor weight = random({x.size(1)}, 3), bias = random({x.size(1)}, 4);
  const Tensor softmax = k::softmax(x);
  const k::CrossEntropyResult loss = k::cross_entropy(x, labels);
  const k::NormResult norm = k::layer_norm(x, weight, bias, 1e-5);
  const Tensor order = k::arange(x.size(0), DType::i64, Device::cuda());
  return {{"sum of all", 4 * n, [=] { k::sum(x); }},
          {"sum of rows", 4 * n, [=] { k::sum(x, kColumns); }},
          {"sum of columns", 4 * n, [=] { k::sum(x, kRows); }},
          {"argmax of rows", 4 * n, [=] { k::argmax(x, 1); }},
          {"softmax", 8 * n, [=] { k::softmax(x); }},
          {"softmax gradient", 12 * n, [=] { k::softmax_grad(g, softmax); }},
          {"cross-entropy", 8 * n, [=] { k::cross_entropy(x, labels); }},
          {"cross-entropy gradient", 8 * n, [=] { k::cross_entropy_grad(one, loss.log_probabilities, labels); }},
          {"cross-entropy and gradient", 8 * n, [=] { k::cross_entropy_fused(x, labels); }},
          {"layer norm", 8 * n, [=] { k::layer_norm(x, weight, bias, 1e-5); }},
          {"layer norm gradient", 12 * n, [=] { k::layer_norm_grad(g, x, weight, norm.mean, norm.rstd); }},
          {"rows by index", 8 * n, [=] { k::index_select(x, 0, order); }},
          {"sum of rows by index", 8 * n, [=] { k::index_add(x.shape(), 0, order, g); }}};
}

/// x (N, C, H, W). Batch norm cannot but read x twice, its gradient x and g twice.
std::vector<Entry> images(const Tensor& x, const Tensor& g) {
  const auto n = static_cast<double>(x.numel());
  const Tensor weight = random({x.size(1)}, 3), bias = random({x.size(1)}, 4);
  const k::NormResult norm = k::batch_norm(x, weight, bias, 1e-5);
  static const Pool2dOptions kPairs;  // 2x2
  const k::MaxPool2dResult pooled = k::max_pool2d(x, kPairs);
  constexpr std::int64_t kColours = 3, kFilters = 16;
  const Tensor pictures = random({8 * x.size(0), kColours, x.size(2), x.size(3)}, 5);
  const Tensor filters = random({kFilters, kColours, 3, 3}, 6), filter_bias = random({kFilters}, 7);
  const double picture_bytes = 4.0 * static_cast<double>(pictures.numel()) * (kColours + kFilters) / kColours;
  return {{"batch norm", 12 * n, [=] { k::batch_norm(x, weight, bias, 1e-5); }},
          {"batch norm gradient", 20 * n, [=] { k::batch_norm_grad(g, x, weight, norm.mean, norm.rstd); }},
          {"max pool 2x2", 4 * n + 12 * n / 4, [=] { k::max_pool2d(x, {}); }},
          {"max pool 2x2 gradient", 4 * n + 12 * n / 4,
           [=] { k::max_pool2d_grad(pooled.y, pooled.indices, x.shape(), &kPairs); }},
          {"average pool 2x2", 5 * n, [=] { k::avg_pool2d(x, {}); }},
          {"first layer 3x3, 3 to 16 channels", picture_bytes, [=] {
             k::conv2d(pictures, filters, filter_bias, {.padding = {1, 1}});
           }}};
}

/// Parameter, gradient and slots are read, all but the gradient written.
Entry update(const std::string& name, const k::UpdateRule& rule, const Tensor& like) {
  std::vector<Tensor> slots(k::slots_of(rule).size());
  for (Tensor& slot : slots) slot = k::zeros(like.shape(), DType::f32, Device::cuda());
  const Tensor parameter = random(like.shape(), 5), gradient = random(like.shape(), 6);
  k::UpdateState state;
  state.lr = k::full({}, 1e-3, DType::f64, Device::cuda());
  state.step = k::zeros({}, DType::i64, Device::cuda());
  return {name, (12.0 + 8.0 * static_cast<double>(slots.size())) * static_cast<double>(like.numel()), [=] {
            const k::UpdateSegment segment{parameter, gradient, slots};
            k::update(rule, std::span(&segment, 1), state);
          }};
}

}  // namespace

std::vector<Row> kernels(Size size) {
  const std::int64_t side = size == Size::full ? 8192 : 33;
  const Tensor x = random({side, side}, 1), g = random({side, side}, 2);
  const Tensor image =
      size == Size::full ? x.as_strided({64, 64, 128, 128}, {1 << 20, 1 << 14, 128, 1}, 0) : random({2, 3, 6, 8}, 1);
  const Tensor image_g = random(image.shape(), 2);
  std::vector<Row> measured;
  const auto measure = [&](const std::string& family, const std::function<std::vector<Entry>()>& entries) {
    try {
      for (const Entry& e : entries()) {
        const auto rows_of = guarded("kernels", e.name, [&] {
          const Timing t = time_on_device(e.work, size);
          return Row{"", "", t.seconds * 1e6, "us", t.spread * 1e6, e.bytes / copy_rate(size) * 1e6, ""};
        });
        measured.insert(measured.end(), rows_of.begin(), rows_of.end());
      }
    } catch (const std::exception& e) {
      measured.push_back({"kernels", family, 0, "error", 0, 0, e.what()});
    }
  };
  measure("elementwise", [&] { return elementwise(x, g); });
  measure("rows", [&] { return rows(x, g); });
  measure("images", [&] { return images(image, image_g); });
  measure("updates", [&] {
    return std::vector{update("SGD with momentum", k::rules::Sgd{.momentum = 0.9}, x),
                       update("Adam", k::rules::Adam{}, x)};
  });
  return measured;
}

}  // namespace hop::bench::gpu
