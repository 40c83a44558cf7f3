// The rows of elementwise.def as types: rows::Exp, rows::LeakyRelu{.negative_slope = 0.2}, ... Each has
//   name, formula, dtypes, arity, id      "exp", "exp(x)", Dtypes::real, 1, its place in the table
//   its attributes                        as members, with their defaults
//   value(x) | value(a, b) | value(condition, a, b)                           for any T of the vocabulary
//   gradient(g, x, y) | gradient_a, gradient_b(g, a, b, y) | ..(g, condition, a, b, y)
// Comparisons and predicates have a value only.
#pragma once

#include "kernels/elementwise_probe.h"
#include "kernels/elementwise_vocabulary.h"

// Turns an attribute list, (beta, 1, threshold, 20), into members of a struct, parameters of a function, parameters of
// a function that was declared with its defaults, or names.
#define HOP_FIELDS(...) HOP_PICK_5TH(__VA_ARGS__ __VA_OPT__(, ) HOP_FIELDS2, , HOP_FIELDS1, , HOP_FIELDS0)(__VA_ARGS__)
#define HOP_PARAMETERS(...) \
  HOP_PICK_5TH(__VA_ARGS__ __VA_OPT__(, ) HOP_PARAMETERS2, , HOP_PARAMETERS1, , HOP_PARAMETERS0)(__VA_ARGS__)
#define HOP_DECLARED(...) \
  HOP_PICK_5TH(__VA_ARGS__ __VA_OPT__(, ) HOP_DECLARED2, , HOP_DECLARED1, , HOP_DECLARED0)(__VA_ARGS__)
#define HOP_NAMES(...) HOP_PICK_5TH(__VA_ARGS__ __VA_OPT__(, ) HOP_NAMES2, , HOP_NAMES1, , HOP_NAMES0)(__VA_ARGS__)
#define HOP_PICK_5TH(a, b, c, d, e, ...) e
#define HOP_FIELDS0(...)
#define HOP_FIELDS1(a, va) double a = va;
#define HOP_FIELDS2(a, va, b, vb) \
  double a = va;                  \
  double b = vb;
#define HOP_PARAMETERS0(...)
#define HOP_PARAMETERS1(a, va) , double a = va
#define HOP_PARAMETERS2(a, va, b, vb) , double a = va, double b = vb
#define HOP_DECLARED0(...)
#define HOP_DECLARED1(a, va) , double a
#define HOP_DECLARED2(a, va, b, vb) , double a, double b
#define HOP_NAMES0(...)
#define HOP_NAMES1(a, va) a
#define HOP_NAMES2(a, va, b, vb) a, b

namespace HOP_ROWS_NAMESPACE {

/// How a row treats dtypes; see elementwise.def. `truth` gives bool.
enum class Dtypes { real, number, any, truth };

/// A row's functions; the gradient of a unary row counts as gradient_a.
enum class Part { value, gradient_a, gradient_b };

namespace ids {
enum : int {
#define HOP_UNARY(name, Name, ...) Name,
#define HOP_BINARY(name, Name, ...) Name,
#define HOP_TERNARY(name, Name, ...) Name,
#define HOP_PREDICATE(name, Name, ...) Name,
#define HOP_COMPARE(name, Name, ...) Name,
#include "kernels/elementwise.def"
  kCount
};
}  // namespace ids

inline constexpr int kRowCount = ids::kCount;

#define HOP_FACTS(name_, Name, dtypes_, arity_, value) \
  static constexpr const char* name = #name_;          \
  static constexpr const char* formula = #value;       \
  static constexpr Dtypes dtypes = Dtypes::dtypes_;    \
  static constexpr int arity = arity_;                 \
  static constexpr int id = ids::Name;
#define HOP_FUNCTION(name, expression, ...)        \
  template <class T>                               \
  HOP_INLINE constexpr T name(__VA_ARGS__) const { \
    return static_cast<T>(expression);             \
  }
#define HOP_CONDITION(expression, ...)                 \
  template <class T>                                   \
  HOP_INLINE constexpr auto value(__VA_ARGS__) const { \
    return expression;                                 \
  }
#define HOP_UNUSED [[maybe_unused]] const T&

#define HOP_UNARY(name, Name, dtypes, attributes, y_, gradient_)                    \
  struct Name {                                                                     \
    HOP_FACTS(name, Name, dtypes, 1, y_)                                            \
    static constexpr const char* gradient_formula = #gradient_;                     \
    HOP_FIELDS attributes HOP_FUNCTION(value, y_, const T& x)                       \
        HOP_FUNCTION(gradient, gradient_, HOP_UNUSED g, HOP_UNUSED x, HOP_UNUSED y) \
  };
#define HOP_BINARY(name, Name, dtypes, y_, gradient_a_, gradient_b_)                              \
  struct Name {                                                                                   \
    HOP_FACTS(name, Name, dtypes, 2, y_)                                                          \
    HOP_FUNCTION(value, y_, const T& a, const T& b)                                               \
    HOP_FUNCTION(gradient_a, gradient_a_, HOP_UNUSED g, HOP_UNUSED a, HOP_UNUSED b, HOP_UNUSED y) \
    HOP_FUNCTION(gradient_b, gradient_b_, HOP_UNUSED g, HOP_UNUSED a, HOP_UNUSED b, HOP_UNUSED y) \
  };
#define HOP_TERNARY(name, Name, dtypes, y_, gradient_a_, gradient_b_)                                     \
  struct Name {                                                                                           \
    HOP_FACTS(name, Name, dtypes, 3, y_)                                                                  \
    HOP_FUNCTION(value, y_, const T& condition, const T& a, const T& b)                                   \
    HOP_FUNCTION(gradient_a, gradient_a_, HOP_UNUSED g, HOP_UNUSED condition, HOP_UNUSED a, HOP_UNUSED b, \
                 HOP_UNUSED y)                                                                            \
    HOP_FUNCTION(gradient_b, gradient_b_, HOP_UNUSED g, HOP_UNUSED condition, HOP_UNUSED a, HOP_UNUSED b, \
                 HOP_UNUSED y)                                                                            \
  };
#define HOP_PREDICATE(name, Name, y_)   \
  struct Name {                         \
    HOP_FACTS(name, Name, truth, 1, y_) \
    HOP_CONDITION(y_, const T& x)       \
  };
#define HOP_COMPARE(name, Name, y_)           \
  struct Name {                               \
    HOP_FACTS(name, Name, truth, 2, y_)       \
    HOP_CONDITION(y_, const T& a, const T& b) \
  };
#include "kernels/elementwise.def"

/// f(rows::Exp{}); f(rows::Add{}); ... for every row, in the order of the table.
template <class F>
void for_each_row(F&& f) {
#define HOP_UNARY(name, Name, ...) f(Name{});
#define HOP_BINARY(name, Name, ...) f(Name{});
#define HOP_TERNARY(name, Name, ...) f(Name{});
#define HOP_PREDICATE(name, Name, ...) f(Name{});
#define HOP_COMPARE(name, Name, ...) f(Name{});
#include "kernels/elementwise.def"
}

/// The sources of the gradient of x (unary) or of a and b (binary, ternary).
template <class Row>
inline constexpr Probe probe = Row{}.gradient(Probe(Probe::kG), Probe(Probe::kX), Probe(Probe::kY));
template <class Row>
inline constexpr bool reads_x = probe<Row>.reads(Probe::kX);
template <class Row>
inline constexpr bool reads_y = probe<Row>.reads(Probe::kY);

namespace detail {
template <class Row>
constexpr Probe probe_gradient(bool of_a) {
  constexpr Probe g(Probe::kG), a(Probe::kA), b(Probe::kB), y(Probe::kY), condition(Probe::kCondition);
  if constexpr (Row::arity == 3) {
    return of_a ? Row{}.gradient_a(g, condition, a, b, y) : Row{}.gradient_b(g, condition, a, b, y);
  } else {
    return of_a ? Row{}.gradient_a(g, a, b, y) : Row{}.gradient_b(g, a, b, y);
  }
}
}  // namespace detail
template <class Row>
inline constexpr Probe probe_a = detail::probe_gradient<Row>(true);
template <class Row>
inline constexpr Probe probe_b = detail::probe_gradient<Row>(false);

}  // namespace HOP_ROWS_NAMESPACE

#undef HOP_FACTS
#undef HOP_FUNCTION
#undef HOP_CONDITION
#undef HOP_UNUSED
