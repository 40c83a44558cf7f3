// The values of a spec's attributes: parsing, checking, canonical text.
#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include "base/words.h"
#include "nn/detail/convolution.h"
#include "nn/detail/spec_table.h"
#include "nn/detail/text.h"

namespace hop::nn::detail {
namespace {

constexpr std::string_view kSameText = "same";
constexpr std::string_view kNone = "none";

template <class T>
std::optional<T> parse(std::string_view text) {
  T value{};
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size()) return {};
  return value;
}

// "3" or "3x5"
std::optional<Size2d> parse_size(std::string_view text) {
  const std::size_t cross = text.find('x');
  const auto height = parse<std::int64_t>(text.substr(0, cross));
  const auto width = cross == std::string_view::npos ? height : parse<std::int64_t>(text.substr(cross + 1));
  if (!height || !width) return {};
  return Size2d(*height, *width);
}

// "0.5,0.25"
std::optional<std::vector<double>> parse_numbers(std::string_view text) {
  std::vector<double> values;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    const auto value = parse<double>(text.substr(0, comma));
    if (!value) return {};
    values.push_back(*value);
    more = comma != std::string_view::npos;
    if (more) text.remove_prefix(comma + 1);
  }
  return values;
}

bool in_range(const Attribute& attribute, double value) { return value >= attribute.min && value < attribute.below; }

}  // namespace

std::int64_t Arguments::integer(std::size_t i) const { return parse<std::int64_t>(values_.at(i)).value(); }

double Arguments::number(std::size_t i) const { return parse<double>(values_.at(i)).value(); }

std::optional<std::int64_t> Arguments::optional_integer(std::size_t i) const {
  return values_.at(i) == kNone ? std::nullopt : std::optional(integer(i));
}

std::optional<double> Arguments::optional_number(std::size_t i) const {
  return values_.at(i) == kNone ? std::nullopt : std::optional(number(i));
}

std::vector<double> Arguments::numbers(std::size_t i) const { return parse_numbers(values_.at(i)).value(); }

Size2d Arguments::size(std::size_t i) const { return parse_size(values_.at(i)).value(); }

Padding2d Arguments::padding(std::size_t i) const {
  return values_.at(i) == kSameText ? Padding2d(kSame) : Padding2d(size(i));
}

PadMode Arguments::padding_mode(std::size_t i) const {
  const auto* found = std::ranges::find(kPaddingModes, values_.at(i));
  return static_cast<PadMode>(found - std::begin(kPaddingModes));
}

std::string canonical_value(const Attribute& attribute, std::string_view text) {
  if (attribute.optional && text == kNone) return std::string(text);
  switch (attribute.type) {
    case AttributeType::integer: {
      const auto value = parse<std::int64_t>(text);
      return value && in_range(attribute, static_cast<double>(*value)) ? std::to_string(*value) : "";
    }
    case AttributeType::number: {
      const auto value = parse<double>(text);
      return value && in_range(attribute, *value) ? shortest(*value) : "";
    }
    case AttributeType::numbers: {
      std::string canonical;
      for (const double value : parse_numbers(text).value_or(std::vector<double>())) {
        if (!in_range(attribute, value)) return "";
        canonical += (canonical.empty() ? "" : ",") + shortest(value);
      }
      return canonical;
    }
    case AttributeType::padding:
      if (text == kSameText) return std::string(text);
      [[fallthrough]];
    case AttributeType::size: {
      const auto value = parse_size(text);
      if (!value || !in_range(attribute, static_cast<double>(value->height)) ||
          !in_range(attribute, static_cast<double>(value->width))) {
        return "";
      }
      const std::string height = std::to_string(value->height);
      return value->height == value->width ? height : height + "x" + std::to_string(value->width);
    }
    case AttributeType::word:
      return std::ranges::find(attribute.words, text) != attribute.words.end() ? std::string(text) : "";
    case AttributeType::flag:
      break;
  }
  return text == "true" || text == "false" ? std::string(text) : "";
}

std::string expectation(const Attribute& attribute) {
  if (attribute.type == AttributeType::flag) return "true or false";
  if (attribute.type == AttributeType::word) return "one of " + list_of(attribute.words);
  const char* what = attribute.type == AttributeType::integer   ? "a whole number"
                     : attribute.type == AttributeType::size    ? "a size (N or HxW)"
                     : attribute.type == AttributeType::padding ? "\"same\", or a size (N or HxW)"
                     : attribute.type == AttributeType::numbers ? "numbers with commas between them, each"
                                                                : "a number";
  return (attribute.optional ? "none, or " : "") + std::string(what) + " of at least " + shortest(attribute.min) +
         " and below " + shortest(attribute.below);
}

}  // namespace hop::nn::detail
