// Every row of kernels/elementwise.def, and the functions that are composed of the rows.
#include "autograd/elementwise.h"

#include <cmath>

#include "autograd/activations.h"
#include "autograd/masks.h"
#include "tests/parity/tables.h"

namespace hop::parity {

using A = Arguments;

namespace {

const std::map<std::string, GeluApproximate> kApproximations = {{"none", GeluApproximate::none},
                                                                {"tanh", GeluApproximate::tanh}};

// The rows of the table, which a new row joins by itself. Attributes have their defaults.
Rows table_rows() {
  Rows rows;
#define HOP_UNARY(name, Name, ...) \
  rows.emplace_back(#name, [](const A& a) { return autograd::unary(kernels::rows::Name{}, a["input"]); });
#define HOP_BINARY(name, Name, ...)                                      \
  rows.emplace_back(#name, [](const A& a) {                              \
    const kernels::Input x = a.operand("input"), y = a.operand("other"); \
    return autograd::binary(kernels::rows::Name{}, x, y);                \
  });
#define HOP_PREDICATE(name, Name, ...) \
  rows.emplace_back(#name, [](const A& a) { return kernels::evaluate(kernels::rows::Name{}, a["input"]); });
#define HOP_COMPARE(name, Name, ...)                                     \
  rows.emplace_back(#name, [](const A& a) {                              \
    const kernels::Input x = a.operand("input"), y = a.operand("other"); \
    return kernels::evaluate(kernels::rows::Name{}, x, y);               \
  });
#include "kernels/elementwise.def"
  return rows;
}

}  // namespace

Rows elementwise_rows() {
  const double inf = HUGE_VAL;
  Rows rows = table_rows();
  // Of one name, the last row counts: those with attributes.
  const Rows more = {
      {"add",
       [](const A& a) {
         if (a.has("alpha")) return hop::add(a["input"], a.operand("other"), a.scalar("alpha", 1));
         return hop::add(a.operand("input"), a.operand("other"));
       }},
      {"sub",
       [](const A& a) {
         if (a.has("alpha")) return hop::sub(a["input"], a.operand("other"), a.scalar("alpha", 1));
         return hop::sub(a.operand("input"), a.operand("other"));
       }},
      {"gelu",
       [](const A& a) { return gelu(a["input"], a.choice("approximate", GeluApproximate::none, kApproximations)); }},
      {"pow", [](const A& a) { return hop::pow(a.operand("input"), a.operand("exponent")); }},
      {"clamp",
       [inf](const A& a) {
         if (a.is_tensor("min") || a.is_tensor("max")) return clamp(a["input"], a["min"], a["max"]);
         return hop::clamp(a["input"], a.number("min", -inf), a.number("max", inf));
       }},
      {"logaddexp", [](const A& a) { return logaddexp(a["input"], a["other"]); }},
      {"hardshrink", [](const A& a) { return hardshrink(a["input"], a.number("lambd", 0.5)); }},
      {"softshrink", [](const A& a) { return softshrink(a["input"], a.number("lambd", 0.5)); }},
      {"tanhshrink", [](const A& a) { return tanhshrink(a["input"]); }},
      {"threshold", [](const A& a) { return threshold(a["input"], a.number("threshold", 0), a.number("value", 0)); }},
      {"leaky_relu", [](const A& a) { return hop::leaky_relu(a["input"], a.number("negative_slope", 0.01)); }},
      {"elu", [](const A& a) { return hop::elu(a["input"], a.number("alpha", 1)); }},
      {"softplus",
       [](const A& a) { return hop::softplus(a["input"], a.number("beta", 1), a.number("threshold", 20)); }},
      {"where", [](const A& a) { return hop::where(a.operand("condition"), a.operand("input"), a.operand("other")); }},

      {"hardtanh", [](const A& a) { return hardtanh(a["input"], a.number("min_val", -1), a.number("max_val", 1)); }},
      {"relu6", [](const A& a) { return relu6(a["input"]); }},
      {"hardsigmoid", [](const A& a) { return hardsigmoid(a["input"]); }},
      {"hardswish", [](const A& a) { return hardswish(a["input"]); }},
      {"mish", [](const A& a) { return mish(a["input"]); }},
      {"selu", [](const A& a) { return selu(a["input"]); }},
      {"prelu", [](const A& a) { return prelu(a["input"], a["weight"]); }},
      {"glu", [](const A& a) { return glu(a["input"], a.integer("dim", -1)); }},
      {"softsign", [](const A& a) { return softsign(a["input"]); }},
      {"logit", [](const A& a) { return logit(a["input"], a.number("eps")); }},
      {"lerp", [](const A& a) { return lerp(a["input"], a["end"], a.operand("weight")); }},
      {"addcmul", [](const A& a) { return addcmul(a["input"], a["tensor1"], a["tensor2"], a.scalar("value", 1)); }},
      {"addcdiv", [](const A& a) { return addcdiv(a["input"], a["tensor1"], a["tensor2"], a.scalar("value", 1)); }},
      {"masked_fill", [](const A& a) { return masked_fill(a["input"], a["mask"], a.operand("value")); }},
      {"isinf", [](const A& a) { return isinf(a["input"]); }},
      {"nan_to_num",
       [](const A& a) { return nan_to_num(a["input"], a.number("nan", 0), a.number("posinf"), a.number("neginf")); }},
  };
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

}  // namespace hop::parity
