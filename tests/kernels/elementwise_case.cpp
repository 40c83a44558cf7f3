#include "tests/kernels/elementwise_case.h"

#include <cmath>
#include <cstring>
#include <map>
#include <numbers>
#include <stdexcept>

namespace hop::testing {
namespace {

namespace rows = kernels::rows;
using In = std::span<const double>;

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
double logistic(double x) { return x > 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }
double larger(double a, double b) { return std::isnan(a) || std::isnan(b) ? NAN : std::fmax(a, b); }
double smaller(double a, double b) { return std::isnan(a) || std::isnan(b) ? NAN : std::fmin(a, b); }

double with_sign_of(double b, double rest) { return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest; }
// a // b: an infinite a and NaN have no quotient, and a finite a lies between 0 and an infinite b.
double python_quotient(double a, double b) {
  if (b == 0) return a / b;
  if (!std::isfinite(a)) return NAN;
  if (std::isinf(b)) return a != 0 && (a < 0) != (b < 0) ? -1 : 0;
  return std::floor(a / b);
}

// The meaning of each operation, from its definition (PyTorch's documentation), not from the table.
const std::map<std::string, Reference>& references() {
  static const std::map<std::string, Reference> table = {
      {"neg", {[](In x, In) { return 0 - x[0]; }}},
      {"abs", {[](In x, In) { return std::fabs(x[0]); }}},
      {"sign", {[](In x, In) { return x[0] > 0   ? 1.0
                                      : x[0] < 0 ? -1.0
                                                 : 0.0; }}},
      {"square", {[](In x, In) { return std::pow(x[0], 2); }}},
      {"reciprocal", {[](In x, In) { return std::pow(x[0], -1); }}},
      {"sqrt", {[](In x, In) { return std::sqrt(x[0]); }, 0, 9}},
      {"rsqrt", {[](In x, In) { return 1 / std::sqrt(x[0]); }, 0.1, 9}},
      {"exp", {[](In x, In) { return std::exp(x[0]); }}},
      {"expm1", {[](In x, In) { return std::expm1(x[0]); }}},
      {"log", {[](In x, In) { return std::log(x[0]); }, 0.01, 9}},
      {"log1p", {[](In x, In) { return std::log1p(x[0]); }, -0.9, 9}},
      {"sin", {[](In x, In) { return std::sin(x[0]); }, -9, 9}},
      {"cos", {[](In x, In) { return std::cos(x[0]); }, -9, 9}},
      {"tan", {[](In x, In) { return std::tan(x[0]); }, -1.2, 1.2}},
      {"asin", {[](In x, In) { return std::asin(x[0]); }, -0.95, 0.95}},
      {"acos", {[](In x, In) { return std::acos(x[0]); }, -0.95, 0.95}},
      {"atan", {[](In x, In) { return std::atan(x[0]); }, -9, 9}},
      {"sinh", {[](In x, In) { return std::sinh(x[0]); }}},
      {"cosh", {[](In x, In) { return std::cosh(x[0]); }}},
      {"tanh", {[](In x, In) { return std::tanh(x[0]); }}},
      {"floor", {[](In x, In) { return std::floor(x[0]); }}},
      {"ceil", {[](In x, In) { return std::ceil(x[0]); }}},
      {"trunc", {[](In x, In) { return std::trunc(x[0]); }}},
      {"round", {[](In x, In) { return std::nearbyint(x[0]); }}},
      {"sigmoid", {[](In x, In) { return logistic(x[0]); }, -9, 9}},
      {"logsigmoid",
       {[](In x, In) { return x[0] < 0 ? x[0] - std::log1p(std::exp(x[0])) : -std::log1p(std::exp(-x[0])); }, -9, 9}},
      {"erf", {[](In x, In) { return std::erf(x[0]); }}},
      {"pow_scalar", {[](In x, In a) { return a[0] == 0.5 ? std::sqrt(x[0]) : std::pow(x[0], a[0]); }, 0.1, 3}},
      {"clamp", {[](In x, In a) { return smaller(larger(x[0], a[0]), a[1]); }}},
      {"relu", {[](In x, In) { return larger(x[0], 0); }}},
      {"leaky_relu", {[](In x, In a) { return x[0] > 0 ? x[0] : x[0] * a[0]; }}},
      {"elu", {[](In x, In a) { return x[0] > 0 ? x[0] : a[0] * std::expm1(x[0]); }}},
      {"silu", {[](In x, In) { return x[0] * logistic(x[0]); }}},
      {"gelu", {[](In x, In) { return x[0] * normal_cdf(x[0]); }, -5, 5, 4e-7, 3e-7}},
      {"gelu_tanh",
       {[](In x, In) {
          const double cube = 0.044715 * x[0] * x[0] * x[0];
          return x[0] * logistic(2 * std::sqrt(2 / std::numbers::pi) * (x[0] + cube));
        },
        -5, 5, 4e-7, 3e-7}},
      {"softplus",
       {[](In x, In a) { return a[0] * x[0] > a[1] ? x[0] : std::log1p(std::exp(a[0] * x[0])) / a[0]; }, -9, 30, 1e-6}},
      {"add", {[](In x, In) { return x[0] + x[1]; }}},
      {"sub", {[](In x, In) { return x[0] - x[1]; }}},
      {"mul", {[](In x, In) { return x[0] * x[1]; }}},
      {"div", {[](In x, In) { return x[0] / x[1]; }}},
      {"pow", {[](In x, In) { return std::pow(x[0], x[1]); }, 0.1, 3}},
      {"atan2", {[](In x, In) { return std::atan2(x[0], x[1]); }}},
      {"hypot", {[](In x, In) { return std::hypot(x[0], x[1]); }}},
      {"remainder", {[](In x, In) { return with_sign_of(x[1], std::fmod(x[0], x[1])); }}},
      {"fmod", {[](In x, In) { return std::fmod(x[0], x[1]); }}},
      {"floor_divide", {[](In x, In) { return python_quotient(x[0], x[1]); }}},
      {"maximum", {[](In x, In) { return larger(x[0], x[1]); }}},
      {"minimum", {[](In x, In) { return smaller(x[0], x[1]); }}},
      {"where", {[](In x, In) { return x[0] != 0 ? x[1] : x[2]; }}},
      {"isfinite", {[](In x, In) { return std::isfinite(x[0]) ? 1.0 : 0.0; }}},
      {"isnan", {[](In x, In) { return std::isnan(x[0]) ? 1.0 : 0.0; }}},
      {"logical_not", {[](In x, In) { return x[0] == 0 ? 1.0 : 0.0; }}},
      {"eq", {[](In x, In) { return x[0] == x[1] ? 1.0 : 0.0; }}},
      {"ne", {[](In x, In) { return x[0] == x[1] ? 0.0 : 1.0; }}},
      {"lt", {[](In x, In) { return std::isless(x[0], x[1]) ? 1.0 : 0.0; }}},
      {"le", {[](In x, In) { return std::islessequal(x[0], x[1]) ? 1.0 : 0.0; }}},
      {"gt", {[](In x, In) { return std::isgreater(x[0], x[1]) ? 1.0 : 0.0; }}},
      {"ge", {[](In x, In) { return std::isgreaterequal(x[0], x[1]) ? 1.0 : 0.0; }}},
      {"logical_and", {[](In x, In) { return x[0] != 0 && x[1] != 0 ? 1.0 : 0.0; }}},
      {"logical_or", {[](In x, In) { return x[0] != 0 || x[1] != 0 ? 1.0 : 0.0; }}},
  };
  return table;
}

template <class Row>
std::vector<double> attributes_of(const Row& row) {
  if constexpr (std::is_empty_v<Row>) return {};
  std::vector<double> list(sizeof(Row) / sizeof(double));
  if (!list.empty()) std::memcpy(list.data(), &row, list.size() * sizeof(double));
  return list;
}

template <class Row>
ElementwiseCase make_case(const Row& row) {
  const auto found = references().find(Row::name);
  if (found == references().end()) throw std::logic_error(std::string(Row::name) + " has no reference in this test");
  ElementwiseCase op{Row::name, Row::arity, Row::id, Row::dtypes, attributes_of(row), {}, found->second, {}, {}};
  op.row.resize(sizeof(Row));
  std::memcpy(op.row.data(), &row, sizeof(Row));
  op.evaluate = [row](std::span<const Tensor> x) {
    if constexpr (Row::arity == 1)
      return kernels::evaluate(row, x[0]);
    else if constexpr (Row::arity == 2)
      return kernels::evaluate(row, x[0], x[1]);
    else
      return kernels::evaluate(row, x[0], x[1], x[2]);
  };
  if constexpr (Row::dtypes != rows::Dtypes::truth) {
    op.gradient = [row](int i, const Tensor& g, std::span<const Tensor> x, const Tensor& y) {
      if constexpr (Row::arity == 1)
        return kernels::gradient(row, g, x[0], y);
      else if constexpr (Row::arity == 2) {
        return i == 0 ? kernels::gradient_a(row, g, x[0], x[1], y) : kernels::gradient_b(row, g, x[0], x[1], y);
      } else {
        return i == 1 ? kernels::gradient_a(row, g, x[0], x[1], x[2], y)
                      : kernels::gradient_b(row, g, x[0], x[1], x[2], y);
      }
    };
  }
  return op;
}

}  // namespace

const std::vector<ElementwiseCase>& elementwise_cases() {
  static const auto cases = [] {
    std::vector<ElementwiseCase> list;
    rows::for_each_row([&](const auto& row) { list.push_back(make_case(row)); });
    for (const double e : {-2.5, -1.0, 0.0, 0.5, 2.0, 2.75, 3.0}) list.push_back(make_case(rows::PowScalar{e}));
    list.push_back(make_case(rows::Clamp{-1, 2}));
    list.push_back(make_case(rows::LeakyRelu{0.3}));
    list.push_back(make_case(rows::Elu{0.7}));
    list.push_back(make_case(rows::Softplus{1.5, 12}));
    return list;
  }();
  return cases;
}

std::string case_name(const ElementwiseCase& op) {
  std::string name = op.name;
  for (const double a : op.attributes) {
    std::string text = std::isinf(a) ? "inf" : std::to_string(a).substr(0, 4);
    for (char& c : text) {
      if (c == '.') c = 'p';
      if (c == '-') c = 'm';
    }
    name += "_" + text;
  }
  return name;
}

}  // namespace hop::testing
