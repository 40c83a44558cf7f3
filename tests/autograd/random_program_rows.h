// The operations that random programs (random_program.h) are made of: one row for each way to call one.
#pragma once

#include <span>
#include <string_view>

#include "tests/autograd/random_program.h"

namespace hop::autograd {

/// Runs instructions of one program.
struct Machine {
  const Program& program;
  Execution how;

  std::vector<Tensor> run(const std::vector<Instruction>& code, std::vector<Tensor> v) const;

  /// x as a constant.
  Tensor constant(const Instruction& i, const Tensor& x) const;
  /// Constants of the instruction's own: numbers in [-1, 1) of x's dtype, and positions in 0..n-1.
  Tensor numbers(const Instruction& i, const Shape& shape, const Tensor& x) const;
  Tensor positions(const Instruction& i, const Shape& shape, std::int64_t n, std::int64_t first = 0) const;
  std::uint64_t key(const Instruction& i) const { return program.seed * 1000 + static_cast<std::uint64_t>(i.id); }
};

/// Numbers in [-1, 1), rounded to `dtype`.
Tensor uniform(const Shape& shape, std::uint64_t key, DType dtype);

using Fits = bool (*)(const Tensor& x, const Tensor& y);
inline bool fits_all(const Tensor&, const Tensor&) { return true; }

struct Row {
  const char* name;  ///< the public function's; behind a space: how it is called
  Tensor (*apply)(const Machine&, const Instruction&, const Tensor& x, const Tensor& y);
  int operands = 1;
  Fits fits = fits_all;
  Limits limits = {};

  std::string_view function() const { return std::string_view(name).substr(0, std::string_view(name).find(' ')); }
};

std::span<const Row> rows();
const Row& row(const Instruction& i);
bool is_checkpoint(const Instruction& i);
inline constexpr std::uint32_t kRowsOfTheGraph = 3;  ///< the last ones: written buffers, hooks, checkpoints
inline constexpr int kTanh = 0;                      ///< the row that makes large values small

}  // namespace hop::autograd
