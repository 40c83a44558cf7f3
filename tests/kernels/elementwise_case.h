// One elementwise operation under test: the row's functions with their types erased, and a reference written without
// the row.
#pragma once

#include <functional>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "kernels/elementwise.h"

namespace hop::testing {

/// The meaning of an operation, in double precision, and the operands on which it is tried.
struct Reference {
  std::function<double(std::span<const double> operands, std::span<const double> attributes)> value;
  double low = -3, high = 3;  ///< operands are drawn from here
  double relative = 4e-7;     ///< the error that a float may have, relative to the value ..
  double absolute = 0;        ///< .. and beside it (where the row's formula cancels, as PyTorch's does)
};

/// A row with attributes.
struct ElementwiseCase {
  std::string name;
  int arity;
  int id;
  kernels::rows::Dtypes dtypes;
  std::vector<double> attributes;
  std::vector<char> row;  ///< its bytes, for the loops
  Reference reference;
  std::function<Tensor(std::span<const Tensor>)> evaluate;
  /// The gradient with respect to operand i (of a ternary row: 1 or 2), from g, the operands and y. Empty for
  /// questions.
  std::function<Tensor(int i, const Tensor& g, std::span<const Tensor> operands, const Tensor& y)> gradient;
  bool is_question() const { return dtypes == kernels::rows::Dtypes::truth; }
  /// The operands that have gradients.
  int first_differentiable() const { return arity == 3 ? 1 : 0; }
};

/// Every row of the table, those with attributes several times. Throws for a row without a reference.
const std::vector<ElementwiseCase>& elementwise_cases();
std::string case_name(const ElementwiseCase& op);
inline void PrintTo(const ElementwiseCase& op, std::ostream* out) { *out << case_name(op); }

}  // namespace hop::testing
