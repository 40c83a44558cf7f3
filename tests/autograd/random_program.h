// Small programs of random operations: every differentiable one (random_program_rows.cpp), views, writes in place,
// hooks, checkpoints, detached parts. One seed is one program.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/autograd/support.h"

namespace hop::autograd {

/// v[n] = op(v[in[0]], v[in[1]]), where n counts up from the inputs.
struct Instruction {
  int op = 0;  // a row of the table in random_program_rows.cpp
  int id = 0;  // of its random numbers, unique in the program
  std::vector<int> in;
  std::int64_t choice = 0;        // which dimension, which size, ...: modulo what there is
  std::vector<Instruction> body;  // of a checkpoint: its inputs are v[0] and v[1]
};

/// What an operation cannot do.
struct Limits {
  bool no_second_derivative = false;
  bool no_capture = false;  ///< the host reads values
  bool no_half = false;     ///< f32 and f64 alone
};

struct Program {
  std::uint64_t seed = 0;
  std::vector<Shape> leaves;  // v[0], v[1], ..; then the argument, which requires no gradient
  std::vector<Instruction> code;
  std::vector<int> losses[2];  // the values that each is a function of

  int inputs() const { return static_cast<int>(leaves.size()) + 1; }
  /// "v4 = matmul(v0, v1)", a line each.
  std::string text() const;
  /// The instructions that `loss` depends on by way of gradients and that depend on leaf `leaf` (-1: on any).
  std::set<int> on_the_way(int loss, int leaf) const;
  bool has_checkpoint() const;
  /// How many operations have been written, those of checkpoints too.
  int size() const;
  /// What its operations together cannot do.
  Limits limits() const;
};

Program random_program(std::uint64_t seed);
/// Leaves of `dtype` whose values are those of f32, or are rounded to 16 bits.
std::vector<Tensor> make_leaves(const Program& program, DType dtype = DType::f64);
Tensor make_argument(std::uint64_t call, DType dtype = DType::f64);

/// How a program is run. The values of detached parts are kept in `base` by one run, and are constants of others; those
/// write formulas of the same value and gradient in place of hooks, so that differences of values tell the gradient.
struct Execution {
  std::map<int, Tensor>* keeps = nullptr;
  const std::map<int, Tensor>* base = nullptr;
  /// Multiplies every result by 1 + error u, where u in [-1, 1) is another one for each value and each `draw`: what
  /// roundings of that size may do.
  double error = 0;
  std::uint64_t draw = 0;
};

/// v of a run of the program.
std::vector<Tensor> run(const Program& program, const std::vector<Tensor>& leaves, const Tensor& argument,
                        const Execution& how = {});
/// A loss of that run.
Tensor loss_of(const Program& program, const std::vector<Tensor>& v, int loss);

}  // namespace hop::autograd
