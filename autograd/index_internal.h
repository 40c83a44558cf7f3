// Reading and writing at positions for operations that are composed of them: `op`, a literal, names the composed
// operation in errors and in the graph.
#pragma once

#include <cstdint>
#include <optional>

#include "autograd/view.h"
#include "kernels/elementwise.h"
#include "tensor/tensor.h"

namespace hop::autograd {

/// x with dimensions: a tensor of shape () counts as one of shape (1).
inline Tensor as_line(const Tensor& x) { return x.defined() && x.dim() == 0 ? reshape(x, {1}) : x; }
/// hop::gather(), of tensors with dimensions.
Tensor gather_for(const char* op, const Tensor& x, std::int64_t dim, const Tensor& index);
/// hop::index_select(), of tensors with dimensions.
Tensor index_select_for(const char* op, const Tensor& x, std::int64_t dim, const Tensor& index);
/// hop::scatter(), of tensors with dimensions.
Tensor scatter_for(const char* op, const Tensor& x, std::int64_t dim, const Tensor& index,
                   const kernels::Input& values);
/// hop::embedding(); the rows of a table of bf16 or f16 come as f32, and their gradients are added up in f32.
Tensor embedding_in_f32(const Tensor& weight, const Tensor& indices, std::optional<std::int64_t> padding_idx);
/// `padding_idx` of a table of so many words as 0..words-1 (ConfigError).
std::int64_t existing_word(const char* op, std::int64_t padding_idx, std::int64_t words);

}  // namespace hop::autograd
