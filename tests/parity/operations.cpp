// Shapes, new tensors, reductions and products.
#include <optional>

#include "autograd/ops.h"
#include "nn/functional.h"
#include "tests/parity/tables.h"

namespace hop::parity {
namespace {

using A = Arguments;

/// Nothing for torch.preserve_format and where there is none.
std::optional<MemoryFormat> memory_format(const A& a) {
  using Format = std::optional<MemoryFormat>;
  return a.choice<Format>("memory_format", std::nullopt,
                          {{"torch.preserve_format", std::nullopt},
                           {"torch.contiguous_format", MemoryFormat::contiguous},
                           {"torch.channels_last", MemoryFormat::channels_last}});
}

Rows shape_rows() {
  return {
      {"clone",
       [](const A& a) {
         const auto format = memory_format(a);
         return format ? clone(a["input"], *format) : clone(a["input"]);
       }},
      {"contiguous",
       [](const A& a) { return contiguous(a["input"], memory_format(a).value_or(MemoryFormat::contiguous)); }},
      {"cat", [](const A& a) { return cat(a.tensors("tensors"), a.integer("dim", 0)); }},
      {"stack", [](const A& a) { return stack(a.tensors("tensors"), a.integer("dim", 0)); }},
      {"split",
       [](const A& a) {
         const std::vector<std::int64_t> sizes = a.integers("split_size_or_sections");
         const std::int64_t dim = a.integer("dim", 0);
         return a.is_list("split_size_or_sections") ? split(a["input"], sizes, dim)
                                                    : split(a["input"], sizes.at(0), dim);
       }},
      {"chunk", [](const A& a) { return chunk(a["input"], a.integer("chunks", 0), a.integer("dim", 0)); }},
      {"unbind", [](const A& a) { return unbind(a["input"], a.integer("dim", 0)); }},
      {"flip", [](const A& a) { return flip(a["input"], a.dims("dims")); }},
      {"roll", [](const A& a) { return roll(a["input"], a.dims("shifts"), a.dims("dims")); }},
      {"repeat", [](const A& a) { return repeat(a["input"], a.dims("repeats")); }},
      {"tile", [](const A& a) { return tile(a["input"], a.dims("dims")); }},
      {"repeat_interleave",
       [](const A& a) {
         if (a.is_tensor("repeats")) {
           return a.has("dim") ? repeat_interleave(a["input"], a["repeats"], a.integer("dim", 0))
                               : repeat_interleave(a["input"], a["repeats"]);
         }
         const std::int64_t repeats = a.integer("repeats", 1);
         return a.has("dim") ? repeat_interleave(a["input"], repeats, a.integer("dim", 0))
                             : repeat_interleave(a["input"], repeats);
       }},
      {"diagonal",
       [](const A& a) {
         return diagonal(a["input"], a.integer("offset", 0), a.integer("dim1", 0), a.integer("dim2", 1));
       }},
      {"meshgrid",
       [](const A& a) {
         const std::map<std::string, MeshIndexing> orders = {{"ij", MeshIndexing::ij}, {"xy", MeshIndexing::xy}};
         return meshgrid(a.tensors("tensors"), a.choice("indexing", MeshIndexing::ij, orders));
       }},
      {"reshape", [](const A& a) { return reshape(a["input"], a.shape("shape")); }},
      {"flatten", [](const A& a) { return flatten(a["input"], a.integer("start_dim", 0), a.integer("end_dim", -1)); }},
      {"transpose", [](const A& a) { return transpose(a["input"], a.integer("dim0", 0), a.integer("dim1", 0)); }},
      {"permute", [](const A& a) { return permute(a["input"], a.dims("dims")); }},
      {"select", [](const A& a) { return select(a["input"], a.integer("dim", 0), a.integer("index", 0)); }},
      {"squeeze", [](const A& a) { return a.has("dim") ? squeeze(a["input"], a.dims("dim")) : squeeze(a["input"]); }},
      {"unsqueeze", [](const A& a) { return unsqueeze(a["input"], a.integer("dim", 0)); }},
      {"expand", [](const A& a) { return expand(a["input"], a.shape("size")); }},
      {"sum_to", [](const A& a) { return sum_to(a["input"], a.shape("size")); }},
      {"tril", [](const A& a) { return tril(a["input"], a.integer("diagonal", 0)); }},
      {"triu", [](const A& a) { return triu(a["input"], a.integer("diagonal", 0)); }},
      {"pad",
       [](const A& a) {
         const std::map<std::string, PadMode> modes = {{"constant", PadMode::constant},
                                                       {"reflect", PadMode::reflect},
                                                       {"replicate", PadMode::replicate},
                                                       {"circular", PadMode::circular}};
         return pad(a["input"], a.integers("pad"), a.choice("mode", PadMode::constant, modes), a.scalar("value", 0));
       }},
  };
}

Rows creation_rows() {
  const auto options = [](const A& a) { return TensorOptions{.dtype = a.dtype(DType::f32)}; };
  return {
      {"zeros", [options](const A& a) { return zeros(a.shape("size"), options(a)); }},
      {"ones", [options](const A& a) { return ones(a.shape("size"), options(a)); }},
      {"full", [options](const A& a) { return full(a.shape("size"), a.scalar("fill_value", 0), options(a)); }},
      {"zeros_like",
       [](const A& a) {
         const auto format = memory_format(a);
         return format ? zeros_like(a["input"], *format) : zeros_like(a["input"]);
       }},
      {"ones_like",
       [](const A& a) {
         const auto format = memory_format(a);
         return format ? ones_like(a["input"], *format) : ones_like(a["input"]);
       }},
      {"full_like",
       [](const A& a) { return full_like(a["input"], a.scalar("fill_value", 0), a.dtype(a["input"].dtype())); }},
      {"eye", [options](const A& a) { return eye(a.integer("n", 0), a.integer("m", -1), options(a)); }},
      {"linspace",
       [options](const A& a) {
         return linspace(a.number("start", 0), a.number("end", 0), a.integer("steps", 0), options(a));
       }},
      {"arange",
       [](const A& a) {
         const auto dtype = a.has("dtype") ? std::optional(a.dtype(DType::f32)) : std::nullopt;
         if (!a.has("end")) return arange(0, a.scalar("start", 0), 1, dtype);
         return arange(a.scalar("start", 0), a.scalar("end", 0), a.scalar("step", 1), dtype);
       }},
  };
}

// torch.var and torch.std count `unbiased` and `correction`.
double correction(const A& a) { return a.flag("unbiased", true) ? a.number("correction", 1) : 0; }

// The dtype of a sum, a product or a softmax.
std::optional<DType> given_dtype(const A& a) {
  return a.has("dtype") ? std::optional(a.dtype(DType::f32)) : std::nullopt;
}

std::vector<Tensor> both(const Sorted& y) { return {y.values, y.indices}; }

Rows reduction_rows() {
  return {
      {"sum",
       [](const A& a) {
         if (!a.has("dtype")) return sum(a["input"], a.dims("dim"), a.flag("keepdim", false));
         return sum(a["input"], a.dims("dim"), a.flag("keepdim", false), a.dtype(DType::f32));
       }},
      {"mean",
       [](const A& a) {
         if (!a.has("dtype")) return mean(a["input"], a.dims("dim"), a.flag("keepdim", false));
         return mean(a["input"], a.dims("dim"), a.flag("keepdim", false), a.dtype(DType::f32));
       }},
      {"max_dim", [](const A& a) { return both(max(a["input"], a.integer("dim", 0), a.flag("keepdim", false))); }},
      {"min_dim", [](const A& a) { return both(min(a["input"], a.integer("dim", 0), a.flag("keepdim", false))); }},
      {"max", [](const A& a) { return max(a["input"], a.dims("dim"), a.flag("keepdim", false)); }},
      {"min", [](const A& a) { return min(a["input"], a.dims("dim"), a.flag("keepdim", false)); }},
      {"any", [](const A& a) { return any(a["input"], a.dims("dim"), a.flag("keepdim", false)); }},
      {"all", [](const A& a) { return all(a["input"], a.dims("dim"), a.flag("keepdim", false)); }},
      {"logsumexp", [](const A& a) { return logsumexp(a["input"], a.dims("dim"), a.flag("keepdim", false)); }},
      {"var", [](const A& a) { return var(a["input"], a.dims("dim"), correction(a), a.flag("keepdim", false)); }},
      {"std", [](const A& a) { return hop::std(a["input"], a.dims("dim"), correction(a), a.flag("keepdim", false)); }},
      {"norm", [](const A& a) { return norm(a["input"], a.number("p", 2), a.dims("dim"), a.flag("keepdim", false)); }},
      {"argmax",
       [](const A& a) {
         if (!a.has("dim")) return argmax(a["input"]);
         return argmax(a["input"], a.integer("dim", 0), a.flag("keepdim", false));
       }},
      {"argmin",
       [](const A& a) {
         if (!a.has("dim")) return argmin(a["input"]);
         return argmin(a["input"], a.integer("dim", 0), a.flag("keepdim", false));
       }},
      {"prod",
       [](const A& a) {
         if (!a.has("dim")) return prod(a["input"], given_dtype(a));
         return prod(a["input"], a.integer("dim", 0), a.flag("keepdim", false), given_dtype(a));
       }},
      {"cumsum", [](const A& a) { return cumsum(a["input"], a.integer("dim", 0), given_dtype(a)); }},
      {"cumprod", [](const A& a) { return cumprod(a["input"], a.integer("dim", 0), given_dtype(a)); }},
      {"softmax", [](const A& a) { return softmax(a["input"], a.integer("dim", -1), given_dtype(a)); }},
      {"log_softmax", [](const A& a) { return log_softmax(a["input"], a.integer("dim", -1), given_dtype(a)); }},
  };
}

Rows product_rows() {
  return {
      {"matmul", [](const A& a) { return matmul(a["input"], a["other"]); }},
      {"linear", [](const A& a) { return linear(a["input"], a["weight"], a["bias"]); }},
      {"mm", [](const A& a) { return mm(a["input"], a["mat2"]); }},
      {"bmm", [](const A& a) { return bmm(a["input"], a["mat2"]); }},
      {"mv", [](const A& a) { return mv(a["input"], a["vec"]); }},
      {"dot", [](const A& a) { return dot(a["input"], a["tensor"]); }},
      {"outer", [](const A& a) { return outer(a["input"], a["vec2"]); }},
      {"addmm",
       [](const A& a) { return addmm(a["input"], a["mat1"], a["mat2"], a.number("beta", 1), a.number("alpha", 1)); }},
      {"baddbmm",
       [](const A& a) {
         return baddbmm(a["input"], a["batch1"], a["batch2"], a.number("beta", 1), a.number("alpha", 1));
       }},
      {"einsum", [](const A& a) { return einsum(a.word("equation", ""), a.tensors("operands")); }},
      {"cdist", [](const A& a) { return cdist(a["x1"], a["x2"], a.number("p", 2)); }},
      {"cosine_similarity",
       [](const A& a) { return cosine_similarity(a["x1"], a["x2"], a.integer("dim", 1), a.number("eps", 1e-8)); }},
      {"pairwise_distance",
       [](const A& a) {
         return pairwise_distance(a["x1"], a["x2"], a.number("p", 2), a.number("eps", 1e-6), a.flag("keepdim", false));
       }},
      {"normalize",
       [](const A& a) { return normalize(a["input"], a.number("p", 2), a.integer("dim", 1), a.number("eps", 1e-12)); }},
      {"scaled_dot_product_attention",
       [](const A& a) {
         return nn::functional::scaled_dot_product_attention(a["query"], a["key"], a["value"],
                                                             {.attn_mask = a["attn_mask"],
                                                              .is_causal = a.flag("is_causal", false),
                                                              .scale = a.number("scale"),
                                                              .enable_gqa = a.flag("enable_gqa", false),
                                                              .dropout = {}});
       }},
  };
}

}  // namespace

Rows operation_rows() {
  Rows all;
  for (const Rows& rows : {shape_rows(), creation_rows(), reduction_rows(), product_rows()}) {
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

}  // namespace hop::parity
