#include "tests/autograd/elementwise_page.h"

#include <algorithm>
#include <regex>
#include <string_view>
#include <utility>
#include <vector>

namespace hop {
namespace {

/// A row of the table, as text.
struct Row {
  std::string name;
  std::string dtypes;      // real, number, any; none for truth values
  std::string operands;    // the parameters
  std::string attributes;  // "(beta, 1, threshold, 20)"
  std::string value;
  std::vector<std::string> gradients;  // of each operand
};

constexpr const char* kOne = "const Tensor& x";
constexpr const char* kTwo = "kernels::Input a, kernels::Input b";
constexpr const char* kThree = "kernels::Input condition, kernels::Input a, kernels::Input b";

const std::vector<Row> kRows = {
#define HOP_UNARY(name, Name, dtypes, attributes, value, gradient) \
  {#name, #dtypes, kOne, #attributes, #value, {#gradient}},
#define HOP_BINARY(name, Name, dtypes, value, gradient_a, gradient_b) \
  {#name, #dtypes, kTwo, "()", #value, {#gradient_a, #gradient_b}},
#define HOP_TERNARY(name, Name, dtypes, value, gradient_a, gradient_b) \
  {#name, #dtypes, kThree, "()", #value, {#gradient_a, #gradient_b}},
#define HOP_PREDICATE(name, Name, value) {#name, "", kOne, "()", #value, {}},
#define HOP_COMPARE(name, Name, value) {#name, "", kTwo, "()", #value, {}},
#include "kernels/elementwise.def"
};

/// A formula without the marks that its template needs: c<T>(0.5) is 0.5, zero_like(g) is 0.
std::string readable(std::string formula) {
  static const std::pair<std::regex, const char*> kMarks[] = {
      {std::regex("c<T>\\(([^()]*)\\)"), "$1"},
      {std::regex("zero_like\\(\\w\\)"), "0"},
      {std::regex("one_like\\(\\w\\)"), "1"},
      {std::regex("kTwoOverSqrtPi"), "2 / sqrt(pi)"},
      {std::regex("kSqrtHalf"), "sqrt(1/2)"},
      {std::regex("kTwoSqrtTwoOverPi"), "2 * sqrt(2 / pi)"},
      {std::regex("kOneOverSqrtTwoPi"), "1 / sqrt(2 pi)"},
      {std::regex("pow_scalar"), "pow"},
  };
  for (const auto& [mark, meaning] : kMarks) formula = std::regex_replace(formula, mark, meaning);
  return formula;
}

std::string documentation(const Row& row) {
  std::string text = "y = " + readable(row.value) + ".";
  if (row.gradients.size() == 1) text += " Gradient: " + readable(row.gradients[0]) + ".";
  if (row.gradients.size() == 2)
    text += " Gradients: of a: " + readable(row.gradients[0]) + "; of b: " + readable(row.gradients[1]) + ".";
  if (row.dtypes == "real") text += " Integers and bool become f32.";
  if (row.dtypes == "number") text += " Throws DtypeError for bool.";
  if (row.dtypes.empty()) text += " y is bool.";
  return text;
}

/// The parameters for "(beta, 1, threshold, 20)": ", double beta = 1, double threshold = 20".
std::string parameters(const std::string& attributes) {
  static const std::regex kAttribute("(\\w+), ([^,)]+)");
  std::string text;
  for (std::sregex_iterator a(attributes.begin(), attributes.end(), kAttribute); a != std::sregex_iterator(); ++a)
    text += ", double " + (*a)[1].str() + " = " + (*a)[2].str();
  return text;
}

/// The words of `text` in comment lines of at most 120 characters.
std::string comment(std::string_view text) {
  constexpr std::size_t kWidth = 120;
  std::string lines, line = "///";
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (line.size() + 1 + end > kWidth) lines += std::exchange(line, "///") + "\n";
    line += " " + std::string(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines + line + "\n";
}

}  // namespace

std::string elementwise_functions() {
  std::string page = R"(// The differentiable elementwise functions, declared one by one. Each is defined by its row of
// kernels/elementwise.def. This page is written from the rows, by the command
//
//   HOP_WRITE_PAGES=1 build/tests/autograd_test --gtest_filter='ElementwiseFunctions.*'
//
// Operands broadcast and promote as in kernels/elementwise.h. Comparisons lose no value, except that an integer beyond
// 2^53 is rounded to f64 if the other operand is floating. In a formula, g is the gradient of the loss with respect to
// y, and where(c, p, q) is p if c is true, else q. All functions throw ShapeError for operands that do not broadcast,
// DtypeError for dtypes that do not fit, and DeviceError for operands on two devices.
#pragma once

#include <cmath>

#include "kernels/elementwise.h"
#include "tensor/tensor.h"

namespace hop {

)";
  for (const Row& row : kRows) {
    page += comment(documentation(row));
    page += "Tensor " + row.name + "(" + row.operands + parameters(row.attributes) + ");\n";
  }
  return page + "\n}  // namespace hop\n";
}

}  // namespace hop
