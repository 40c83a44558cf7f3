#include "nn/models/dlrm.h"

#include <cmath>

#include "autograd/ops.h"
#include "base/error.h"
#include "nn/detail/layer.h"
#include "nn/layers/activation.h"
#include "nn/layers/container.h"

namespace hop::nn::models {
namespace {

// Linear layers of these widths with relu between them. As the authors', a weight starts as normal with the variance 2
// / (in + out).
Sequential network(const std::vector<std::int64_t>& widths, bool ends_with_relu, DType dtype) {
  Sequential layers;
  for (std::size_t i = 1; i < widths.size(); ++i) {
    const std::int64_t in = widths[i - 1], out = widths[i];
    detail::check_positive("dlrm", {{"a width", in}, {"a width", out}});
    layers.push_back(NormalLinear(in, out, std::sqrt(2.0 / static_cast<double>(in + out)), {.dtype = dtype}));
    if (ends_with_relu || i + 1 < widths.size()) layers.push_back(ReLU());
  }
  return layers;
}

Sequential bottom(const DLRMOptions& o) {
  if (o.numbers == 0) return {};
  std::vector<std::int64_t> widths = {o.numbers};
  widths.insert(widths.end(), o.bottom.begin(), o.bottom.end());
  widths.push_back(o.embedding);
  return network(widths, true, o.dtype);
}

Sequential top(const DLRMOptions& o) {
  const auto vectors = static_cast<std::int64_t>(o.words.size()) + (o.numbers > 0 ? 1 : 0);
  std::vector<std::int64_t> widths = {vectors * (vectors - 1) / 2 + (o.numbers > 0 ? o.embedding : 0)};
  if (widths[0] == 0) {
    throw ConfigError("[dlrm] expected numbers or a second category, because one vector has no products");
  }
  widths.insert(widths.end(), o.top.begin(), o.top.end());
  widths.push_back(o.outputs);
  return network(widths, false, o.dtype);
}

}  // namespace

DLRM::DLRM(const DLRMOptions& o) : bot_l(bottom(o)), top_l(top(o)), numbers_(o.numbers) {
  if (o.words.empty() || o.numbers < 0) {
    throw ConfigError("[dlrm] expected categories as indices of words, got " + std::to_string(o.words.size()) +
                      " categories and " + std::to_string(o.numbers) + " numbers");
  }
  ModuleList tables = register_module("emb_l", ModuleList());
  for (const std::int64_t words : o.words) {
    emb_l.emplace_back(words, o.embedding, EmbeddingOptions{.dtype = o.dtype});
    tables.push_back(emb_l.back());
  }
  register_module("bot_l", bot_l);
  register_module("top_l", top_l);
}

Tensor DLRM::forward(const Tensor& x) {
  const auto categories = static_cast<std::int64_t>(emb_l.size());
  if (x.dim() != 2 || x.size(1) != numbers_ + categories) {
    throw ShapeError("[dlrm] expected (N, " + std::to_string(numbers_ + categories) + "), got " +
                     x.shape().to_string());
  }
  std::vector<Tensor> vectors;
  if (numbers_ > 0) vectors.push_back(bot_l(slice(x, 1, 0, numbers_)));
  for (std::int64_t i = 0; i < categories; ++i) {
    vectors.push_back(emb_l[static_cast<std::size_t>(i)](select(x, 1, numbers_ + i)));
  }
  const Tensor all = stack(vectors, 1), products = matmul(all, transpose(all, 1, 2));
  // Each pair once: row i has the products with the vectors before it.
  std::vector<Tensor> parts;
  if (numbers_ > 0) parts.push_back(vectors[0]);
  for (std::int64_t i = 1; i < all.size(1); ++i) parts.push_back(slice(select(products, 1, i), 1, 0, i));
  return top_l(cat(parts, 1));
}

}  // namespace hop::nn::models
