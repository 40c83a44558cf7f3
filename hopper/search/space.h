// A search space: per hyperparameter a list of values, or a range to sample from.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "hopper/config.h"

namespace hop::hopper {

enum class Scale : std::uint8_t { Linear, Log };
enum class NumberType : std::uint8_t { Float, Int };

/// Values between `min` and `max`: uniform, or uniform in the logarithm. Integer ranges include both ends.
struct Range {
  double min = 0;
  double max = 1;
  Scale scale = Scale::Linear;
  NumberType type = NumberType::Float;
};

using Choices = std::vector<Value>;
using Dimension = std::variant<Choices, Range>;

/// The hyperparameters in the order in which they were declared.
using Space = std::vector<std::pair<std::string, Dimension>>;

/// Takes values out of lists that stand there before: a grid would train equal configurations twice. 1 and 1.0 are
/// equal. Returns a line for each list that became shorter.
std::vector<std::string> drop_repeats(Space& space);

/// How many combinations the lists have; at most 2^63, which stands for more.
std::uint64_t combinations(const Space& space);

/// Throws ConfigError that names the hyperparameter: a name given twice, an empty list, min > max, a logarithmic range
/// that reaches 0, a bound that is not finite, an integer range with a fractional bound.
void check_space(const Space& space);

}  // namespace hop::hopper
