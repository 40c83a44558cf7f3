// Reading and writing at positions, sorting and counting.
#include "autograd/ops.h"
#include "tests/parity/tables.h"

namespace hop::parity {
namespace {

using A = Arguments;

std::vector<Tensor> both(const Sorted& y) { return {y.values, y.indices}; }

std::optional<std::int64_t> given_dim(const A& a) {
  return a.has("dim") ? std::optional(a.integer("dim", 0)) : std::nullopt;
}

/// Those of the results that PyTorch was asked for.
std::vector<Tensor> wanted(const A& a, const Unique& y) {
  std::vector<Tensor> all = {y.values};
  if (a.flag("return_inverse", false)) all.push_back(y.inverse);
  if (a.flag("return_counts", false)) all.push_back(y.counts);
  return all;
}

Indices indices(const A& a) {
  std::vector<TensorIndex> list;
  for (const Tensor& positions : a.tensors("indices")) list.emplace_back(positions);
  return Indices(std::move(list));
}

}  // namespace

Rows position_rows() {
  return {
      {"gather", [](const A& a) { return gather(a["input"], a.integer("dim", 0), a["index"]); }},
      {"index_select", [](const A& a) { return index_select(a["input"], a.integer("dim", 0), a["index"]); }},
      {"embedding",
       [](const A& a) {
         if (const auto max_norm = a.number("max_norm"))
           embedding_renorm_(a["weight"].detach(), a["input"], *max_norm, a.number("norm_type", 2));
         return embedding(a["weight"], a["input"], a.optional_integer("padding_idx"));
       }},
      {"embedding_bag",
       [](const A& a) {
         if (const auto max_norm = a.number("max_norm"))
           embedding_renorm_(a["weight"].detach(), a["input"], *max_norm, a.number("norm_type", 2));
         return embedding_bag(
             a["weight"], a["input"],
             {.offsets = a["offsets"],
              .mode = a.choice(
                  "mode", EmbeddingBagMode::mean,
                  {{"mean", EmbeddingBagMode::mean}, {"sum", EmbeddingBagMode::sum}, {"max", EmbeddingBagMode::max}}),
              .per_sample_weights = a["per_sample_weights"],
              .include_last_offset = a.flag("include_last_offset", false),
              .padding_idx = a.optional_integer("padding_idx")});
       }},
      {"scatter", [](const A& a) { return scatter(a["input"], a.integer("dim", 0), a["index"], a.operand("src")); }},
      {"scatter_add", [](const A& a) { return scatter_add(a["input"], a.integer("dim", 0), a["index"], a["src"]); }},
      {"index_add",
       [](const A& a) {
         return index_add(a["input"], a.integer("dim", 0), a["index"], a["source"], a.number("alpha", 1));
       }},
      {"index_copy", [](const A& a) { return index_copy(a["input"], a.integer("dim", 0), a["index"], a["source"]); }},
      {"index_fill",
       [](const A& a) { return index_fill(a["input"], a.integer("dim", 0), a["index"], a.operand("value")); }},
      {"index_put",
       [](const A& a) { return index_put(a["input"], indices(a), a.operand("values"), a.flag("accumulate", false)); }},
      {"masked_select", [](const A& a) { return masked_select(a["input"], a["mask"]); }},
      {"nonzero",
       [](const A& a) -> std::vector<Tensor> {
         if (a.flag("as_tuple", false)) return where(a["input"]);
         return {nonzero(a["input"])};
       }},
      {"unique",
       [](const A& a) {
         a.flag("sorted", true);  // ours always is
         return wanted(a, unique(a["input"], given_dim(a)));
       }},
      {"unique_consecutive", [](const A& a) { return wanted(a, unique_consecutive(a["input"], given_dim(a))); }},
      {"one_hot", [](const A& a) { return one_hot(a["input"], a.integer("num_classes", -1)); }},

      {"sort",
       [](const A& a) {
         a.flag("stable", false);  // ours always is
         return both(sort(a["input"], a.integer("dim", -1), a.flag("descending", false)));
       }},
      {"argsort",
       [](const A& a) {
         a.flag("stable", false);
         return argsort(a["input"], a.integer("dim", -1), a.flag("descending", false));
       }},
      {"topk",
       [](const A& a) {
         return both(topk(a["input"], a.integer("k", 1), a.integer("dim", -1), a.flag("largest", true)));
       }},
      {"kthvalue",
       [](const A& a) {
         return both(kthvalue(a["input"], a.integer("k", 1), a.integer("dim", -1), a.flag("keepdim", false)));
       }},
      {"median",
       [](const A& a) -> std::vector<Tensor> {
         if (!a.has("dim")) return {median(a["input"])};
         return both(median(a["input"], a.integer("dim", 0), a.flag("keepdim", false)));
       }},
      {"bincount", [](const A& a) { return bincount(a["input"], a["weights"], a.integer("minlength", 0)); }},
      {"histc",
       [](const A& a) { return histc(a["input"], a.integer("bins", 100), a.number("min", 0), a.number("max", 0)); }},
  };
}

}  // namespace hop::parity
