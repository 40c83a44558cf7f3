// Positions for attention.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace hop::nn {

struct RotaryOptions {
  double base = 10000;
  std::int64_t first = 0;   ///< the position of the first vector: the length of a cache of keys
  bool interleaved = true;  ///< pair i is elements 2 i and 2 i + 1; otherwise elements i and i + E / 2
};

namespace functional {

/// Rotary position embedding (Su et al., "RoFormer", 2021) of queries or keys: x (.., S, E) -> the same shape. Turns
/// pair i of the vector at position p by the angle p base^(-2 i / E), so that products of queries and keys depend on
/// distances alone. torchtune.modules.RotaryPositionalEmbeddings, which takes (N, S, heads, E); Hugging Face's Llama is
/// not interleaved. Angles are computed in f64. Differentiable. Throws ShapeError unless E is even, DtypeError,
/// ConfigError unless base > 0 and first >= 0.
Tensor rotary_embedding(const Tensor& x, const RotaryOptions& options = {});

}  // namespace functional
}  // namespace hop::nn
