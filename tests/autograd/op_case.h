// One operation under test, and the one judgement that all operations face: its gradient and the gradient's gradient
// against central differences in f64, in every layout of its operands and of the gradient that comes in, and f32
// against f64.
#pragma once

#include <ostream>

#include "tests/autograd/support.h"

namespace hop::autograd {

struct Argument {
  Shape shape;
  Range range = {};
};

struct OpCase {
  std::string name;
  std::vector<Argument> arguments;
  std::function<Tensor(const std::vector<Tensor>&)> op;
  bool twice = true;  ///< differentiable twice
};

inline void PrintTo(const OpCase& op, std::ostream* out) { *out << op.name; }

/// Runs every check and reports what fails as test failures that name the case and the layout.
void judge(const OpCase& op);

}  // namespace hop::autograd
