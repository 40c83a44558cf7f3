#include "hopper/search/space.h"

#include <cmath>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/words.h"

namespace hop::hopper {
namespace {

[[noreturn]] void fail(const std::string& name, const std::string& expected) {
  throw ConfigError("[search.space] expected " + expected + " (hyperparameter `" + name + "`)");
}

void check_range(const std::string& name, const Range& range) {
  const std::string bounds = "got min = " + shortest(range.min) + ", max = " + shortest(range.max);
  if (!std::isfinite(range.min) || !std::isfinite(range.max)) fail(name, "finite bounds, " + bounds);
  if (range.min > range.max) fail(name, "min <= max, " + bounds);
  if (range.scale == Scale::Log && range.min <= 0) fail(name, "min > 0 for a logarithmic range, " + bounds);
  const bool is_log = range.scale == Scale::Log;
  if (!std::isfinite(is_log ? range.max / range.min : range.max - range.min)) {
    fail(name, std::string(is_log ? "max / min" : "max - min") + " of at most 1.7e308, " + bounds);
  }
  if (range.type == NumberType::Float) return;
  if (range.min != std::floor(range.min) || range.max != std::floor(range.max)) fail(name, "whole bounds, " + bounds);
  constexpr double kExact = 9007199254740992.0;  // 2^53: beyond it not every integer is a double
  if (std::abs(range.min) > kExact || std::abs(range.max) > kExact) fail(name, "integers up to 2^53, " + bounds);
}

void check_value(const std::string& name, const Value& value) {
  const auto* number = std::get_if<double>(&value);
  if (number != nullptr && !std::isfinite(*number)) fail(name, "finite numbers, got " + shortest(*number));
  const auto* text = std::get_if<std::string>(&value);
  if (text != nullptr && !is_utf8(*text)) fail(name, "UTF-8, got \"" + printable(*text) + "\"");
}

// A list compares numbers by their size, whatever their type.
Value comparable(const Value& value) {
  const auto* whole = std::get_if<std::int64_t>(&value);
  constexpr std::int64_t kExact = std::int64_t{1} << 53;
  return whole != nullptr && *whole <= kExact && *whole >= -kExact ? Value(static_cast<double>(*whole)) : value;
}

}  // namespace

std::vector<std::string> drop_repeats(Space& space) {
  std::vector<std::string> lines;
  for (auto& [name, dimension] : space) {
    auto* choices = std::get_if<Choices>(&dimension);
    if (choices == nullptr) continue;
    std::set<Value> seen;
    std::optional<Value> repeated;
    std::erase_if(*choices, [&](const Value& value) {
      const bool is_repeat = !seen.insert(comparable(value)).second;
      if (is_repeat && !repeated) repeated = value;
      return is_repeat;
    });
    if (!repeated) continue;
    lines.push_back("[search.space] " + printable(name) + ": " + printable(to_text(*repeated)) +
                    " comes again in its list: equal configurations are trained once");
  }
  return lines;
}

std::uint64_t combinations(const Space& space) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 63;
  std::uint64_t product = 1;
  for (const auto& [name, dimension] : space) {
    const auto* choices = std::get_if<Choices>(&dimension);
    if (choices == nullptr) continue;
    if (product > kMost / choices->size()) return kMost;
    product *= choices->size();
  }
  return product;
}

void check_space(const Space& space) {
  std::set<std::string> names;
  for (const auto& [name, dimension] : space) {
    if (!is_utf8(name)) fail(printable(name), "a name in UTF-8");
    if (!names.insert(name).second) fail(name, "each name once, got it twice");
    if (const auto* range = std::get_if<Range>(&dimension)) {
      check_range(name, *range);
    } else if (std::get<Choices>(dimension).empty()) {
      fail(name, "at least one value, got an empty list");
    } else {
      for (const Value& value : std::get<Choices>(dimension)) check_value(name, value);
    }
  }
}

}  // namespace hop::hopper
