// How an average takes in new values, a struct each, in the form of the optimizers' rules (kernels/update_rules.h): p
// is an element of the average and g the value that it takes in. There are no slots. Step::number counts the values,
// and the first one is copied.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <variant>

#include "kernels/update_rules.h"

namespace hop::kernels {
namespace rules {

/// a <- decay a + (1 - decay) g, computed as hop::lerp() does: the bits are those of lerp(a, g, 1 - decay).
struct ExponentialAverage {
  double decay = 0;  ///< in 0..1

  static constexpr std::array<std::string_view, 0> slots = {};
  template <class T>
  struct Constants {
    T factor{};
    bool is_first = false;
    bool starts_at_average = false;  // a + factor (g - a), otherwise g - factor (g - a): lerp's branches
  };
  template <class T>
  HOP_INLINE Constants<T> constants(const Step& step) const {
    const double weight = 1 - decay;
    const bool starts_at_average = weight < 0.5;
    return {.factor = static_cast<T>(starts_at_average ? weight : 1 - weight),
            .is_first = step.number == 1,
            .starts_at_average = starts_at_average};
  }
  template <class T, class V>
  static HOP_INLINE void update(const Constants<T>& c, V& p, const V& g) {
    const V part = c.factor * (g - p);
    p = c.is_first ? g : c.starts_at_average ? p + part : g - part;
  }
};

/// The mean of all values so far: a <- a + (g - a) / n for the n-th.
struct EqualAverage {
  static constexpr std::array<std::string_view, 0> slots = {};
  template <class T>
  struct Constants {
    T number{};
    bool is_first = false;
  };
  template <class T>
  HOP_INLINE Constants<T> constants(const Step& step) const {
    return {.number = static_cast<T>(step.number), .is_first = step.number == 1};
  }
  template <class T, class V>
  static HOP_INLINE void update(const Constants<T>& c, V& p, const V& g) {
    p = c.is_first ? g : p + (g - p) / c.number;
  }
};

}  // namespace rules

/// One of them, with its settings.
struct AverageRule : std::variant<rules::ExponentialAverage, rules::EqualAverage> {
  using variant::variant;
};

}  // namespace hop::kernels
