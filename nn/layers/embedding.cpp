#include "nn/layers/embedding.h"

#include <string_view>
#include <utility>

#include "autograd/copy.h"
#include "autograd/elementwise.h"
#include "autograd/half_internal.h"
#include "autograd/index.h"
#include "autograd/index_internal.h"
#include "autograd/record.h"
#include "autograd/view.h"
#include "base/error.h"
#include "base/words.h"
#include "kernels/elementwise.h"
#include "kernels/expect_internal.h"
#include "kernels/index.h"
#include "kernels/view.h"
#include "nn/detail/layer.h"
#include "nn/init.h"

namespace hop::nn {

namespace {

constexpr std::int64_t kMostWords = (std::int64_t{1} << 24) - 1;  // an f32 holds every index up to 2^24

Tensor new_table(const char* op, std::int64_t num_embeddings, std::int64_t embedding_dim, DType dtype) {
  detail::check_positive(op, {{"num_embeddings", num_embeddings}, {"embedding_dim", embedding_dim}});
  return detail::fresh_weight({num_embeddings, embedding_dim}, dtype);
}

/// The options of Embedding or of EmbeddingBag, with a padding_idx that counts from 0.
template <class Options>
Options checked(const char* op, std::int64_t words, Options options) {
  if (options.padding_idx) options.padding_idx = autograd::existing_word(op, *options.padding_idx, words);
  if (options.max_norm && !(*options.max_norm > 0)) {
    throw ConfigError("[" + std::string(op) + "] expected a max_norm above 0, got " + shortest(*options.max_norm));
  }
  return options;
}

template <class Options>
void start(const Parameter& weight, const Options& options, const ParameterKeys& keys) {
  init::normal_(weight, keys["weight"]);
  if (const std::optional<std::int64_t> row = options.padding_idx)
    kernels::fill_(kernels::slice(weight, 0, *row, *row + 1), 0);
}

template <class Options>
void renorm(const Parameter& weight, const Tensor& indices, const Options& options) {
  if (options.max_norm) embedding_renorm_(weight, indices, *options.max_norm, options.norm_type);
}

template <class Options>
std::string text_of(const Options& options) {
  std::string text;
  if (options.padding_idx) text += ", padding_idx=" + std::to_string(*options.padding_idx);
  if (options.max_norm) text += ", max_norm=" + shortest(*options.max_norm);
  if (options.norm_type != 2) text += ", norm_type=" + shortest(options.norm_type);
  return text;
}

/// Of `words` words, how often each stands among indices (..): (.., 1) of `dtype`, f32 or f64. f16 holds no count
/// beyond 65,504.
Tensor frequencies(const Tensor& indices, std::int64_t words, DType dtype) {
  const Tensor index = reshape(indices, {indices.numel()});
  const Tensor ones = kernels::ones({index.numel()}, DType::f64, index.device());
  const Tensor of_words = kernels::index_add({words}, 0, index, ones, "embedding");
  Shape shape = indices.shape();
  shape.push_back(1);
  return reshape(kernels::cast(kernels::index_select(of_words, 0, index, "embedding"), dtype), shape);
}

/// y, whose gradient is divided by `divisor`, f32 or f64: in its precision, with one rounding to the dtype of y.
Tensor with_smaller_gradient(const Tensor& y, const Tensor& divisor) {
  if (!autograd::is_recorded(y)) return y;
  return autograd::record("embedding", y.detach(), {y},
                          [saved = autograd::save(divisor)](autograd::BackwardContext& c) {
                            c.set(0, autograd::rounded_like(autograd::in_f32(c.grad()) / c.value(saved), c.grad()));
                          });
}

std::string_view name_of(EmbeddingBagMode mode) {
  if (mode == EmbeddingBagMode::max) return "max";
  return mode == EmbeddingBagMode::sum ? "sum" : "mean";
}

// i64 of indices 0 .. count - 1 that are floats; -1, which no table has, of any other number. The comparisons come
// first, because NaN is no integer. 16 bits do not hold every index: 257 in bf16 is 256.
Tensor whole_indices(const char* op, const Tensor& indices, std::int64_t count) {
  kernels::expect_floating(op, indices);
  const Tensor is_low = kernels::lt(indices, static_cast<double>(count));
  const Tensor is_in_range = kernels::logical_and(kernels::ge(indices, 0), is_low);
  const Tensor index = kernels::cast(kernels::where(is_in_range, indices, 0), DType::i64);
  const Tensor is_whole = kernels::eq(kernels::cast(index, indices.dtype()), indices);
  return kernels::where(kernels::logical_and(is_in_range, is_whole), index, -1);
}

// The rows where the tables of categories begin, and where the last one ends.
Tensor first_rows(const std::vector<std::int64_t>& words) {
  if (words.empty()) throw ConfigError("[CategoryEmbedding] expected the words of at least one category, got none");
  const Tensor first = kernels::zeros({static_cast<std::int64_t>(words.size()) + 1}, DType::i64);
  std::int64_t* row = first.data<std::int64_t>();
  for (const std::int64_t count : words) {
    if (count < 0 || count > kMostWords) {
      throw ConfigError("[CategoryEmbedding] expected 0 to " + std::to_string(kMostWords) +
                        " words of a category, got " + std::to_string(count));
    }
    row[1] = row[0] + count + 1;
    ++row;
  }
  return first;
}

}  // namespace

Embedding::Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim, const EmbeddingOptions& options)
    : weight(register_parameter("weight", new_table("Embedding", num_embeddings, embedding_dim, options.dtype))),
      options_(checked("Embedding", num_embeddings, options)) {}

Tensor Embedding::forward(const Tensor& indices) {
  kernels::expect_defined("embedding", indices);
  const Tensor index = is_floating(indices.dtype()) ? whole_indices("embedding", indices, weight.size(0)) : indices;
  renorm(weight, index, options_);
  const Tensor vectors = embedding(weight, index, options_.padding_idx);
  if (!options_.scale_grad_by_freq) return vectors;
  return with_smaller_gradient(vectors, frequencies(index, weight.size(0), widened(vectors.dtype())));
}

void Embedding::reset_parameters(const ParameterKeys& keys) { start(weight, options_, keys); }

std::string Embedding::extra_repr() const {
  return std::to_string(weight.size(0)) + ", " + std::to_string(weight.size(1)) + text_of(options_) +
         (options_.scale_grad_by_freq ? ", scale_grad_by_freq=True" : "");
}

EmbeddingBag::EmbeddingBag(std::int64_t num_embeddings, std::int64_t embedding_dim, const EmbeddingBagOptions& options)
    : weight(register_parameter("weight", new_table("EmbeddingBag", num_embeddings, embedding_dim, options.dtype))),
      options_(checked("EmbeddingBag", num_embeddings, options)) {}

Tensor EmbeddingBag::forward(const Tensor& indices, const Tensor& offsets, const Tensor& per_sample_weights) {
  kernels::expect_defined("EmbeddingBag", indices);
  if (!offsets.defined() && indices.dim() != 2) {
    throw ShapeError("[EmbeddingBag] expected (N, L), or (M) and offsets, got " + indices.shape().to_string() +
                     " without offsets");
  }
  const Tensor index = is_floating(indices.dtype()) ? whole_indices("EmbeddingBag", indices, weight.size(0)) : indices;
  renorm(weight, index, options_);
  return embedding_bag(weight, index,
                       {.offsets = offsets,
                        .mode = options_.mode,
                        .per_sample_weights = per_sample_weights,
                        .include_last_offset = options_.include_last_offset,
                        .padding_idx = options_.padding_idx});
}

void EmbeddingBag::reset_parameters(const ParameterKeys& keys) { start(weight, options_, keys); }

std::string EmbeddingBag::extra_repr() const {
  return std::to_string(weight.size(0)) + ", " + std::to_string(weight.size(1)) + text_of(options_) + ", mode='" +
         std::string(name_of(options_.mode)) + "'";
}

CategoryEmbedding::CategoryEmbedding(std::vector<std::int64_t> words, std::int64_t embedding_dim,
                                     EmbeddingOptions options)
    : CategoryEmbedding(first_rows(words), words, embedding_dim, options) {}  // the order of arguments is not ours

CategoryEmbedding::CategoryEmbedding(const Tensor& first_rows, std::vector<std::int64_t> words,
                                     std::int64_t embedding_dim, EmbeddingOptions options)
    : weight(register_parameter("weight", new_table("CategoryEmbedding", first_rows.data<std::int64_t>()[words.size()],
                                                    embedding_dim, options.dtype))),
      first(register_buffer("first", first_rows)),
      words_(std::move(words)) {}

Tensor CategoryEmbedding::forward(const Tensor& x) {
  kernels::expect_defined("CategoryEmbedding", x);
  if (is_half(x.dtype())) kernels::expect_floating("CategoryEmbedding", x);  // 16 bits do not hold every index
  const auto columns = static_cast<std::int64_t>(words_.size());
  if (x.dim() != 2 || x.size(1) < columns) {
    throw ShapeError("[CategoryEmbedding] expected (N, F + C) with C = " + std::to_string(columns) + ", got " +
                     x.shape().to_string());
  }
  const std::int64_t numbers = x.size(1) - columns, width = columns * weight.size(1);
  const Tensor vectors = embedding(weight, rows_of(kernels::slice(x, 1, numbers, x.size(1))));
  return cat({slice(x, 1, 0, numbers), reshape(vectors, {x.size(0), width})}, 1);
}

// From indices (N, C) to rows of `weight`. An index that its category does not have becomes -1, which no table has: it
// would be a word of another category otherwise. The comparison comes first, because NaN is no integer.
Tensor CategoryEmbedding::rows_of(const Tensor& indices) const {
  const std::int64_t columns = indices.size(1);
  const Tensor begin = kernels::slice(first, 0, 0, columns);
  const Tensor sizes = kernels::sub(kernels::slice(first, 0, 1, columns + 1), begin);
  const Tensor is_low = kernels::lt(indices, kernels::cast(sizes, indices.dtype()));
  const Tensor is_valid = kernels::logical_and(kernels::ge(indices, 0), is_low);
  const Tensor index = kernels::cast(kernels::where(is_valid, indices, 0), DType::i64);
  return kernels::where(is_valid, kernels::add(index, begin), -1);
}

void CategoryEmbedding::reset_parameters(const ParameterKeys& keys) {
  init::normal_(weight, keys["weight"]);
  std::int64_t row = 0;
  for (const std::int64_t count : words_) {
    kernels::fill_(kernels::slice(weight, 0, row, row + 1), 0);
    row += count + 1;
  }
}

std::string CategoryEmbedding::extra_repr() const {
  std::string text;
  for (const std::int64_t count : words_) text += (text.empty() ? "[" : ", ") + std::to_string(count);
  return text + "], " + std::to_string(weight.size(1));
}

}  // namespace hop::nn
