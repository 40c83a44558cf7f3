#include "nn/optim/lr_factors.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/words.h"
#include "nn/optim/lbfgs.h"

namespace hop::optim {
namespace {

struct Part {
  std::string name{};
  double factor = 1;
  bool has_parameters = false;
};

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' '; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

Part part_of(std::string_view entry, std::string_view text) {
  const std::size_t equals = entry.find('=');
  const std::string_view name = trimmed(entry.substr(0, equals));
  const std::string_view number = equals == std::string_view::npos ? "" : trimmed(entry.substr(equals + 1));
  double factor = 0;
  const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), factor);
  const bool is_number = error == std::errc() && stop == number.data() + number.size();
  if (!name.empty() && is_number && std::isfinite(factor) && factor >= 0) return {std::string(name), factor};
  throw ConfigError(
      "[lr_factors] expected parts of the model with factors of at least 0 and commas between, as in "
      "\"backbone=0.1, head=2\", got \"" +
      printable(std::string(text)) + "\"");
}

std::vector<Part> parts_of(std::string_view text) {
  std::vector<Part> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const Part part = part_of(text.substr(begin, end - begin), text);
    if (std::ranges::find(parts, part.name, &Part::name) != parts.end())
      throw ConfigError("[lr_factors] expected one factor of each part, got two of \"" + printable(part.name) + "\"");
    parts.push_back(part);
    begin = end + 1;
  }
  return parts;
}

bool has(const Part& part, std::string_view parameter) {
  return parameter.starts_with(part.name) &&
         (parameter.size() == part.name.size() || parameter[part.name.size()] == '.');
}

}  // namespace

void scale_parts(Optimizer& optimizer, std::string_view text) {
  if (dynamic_cast<const LBFGS*>(&optimizer) != nullptr) {
    throw ConfigError(
        "[lr_factors] expected an optimizer with a learning rate for each parameter, got LBFGS, which moves all of "
        "them by one step; leave the factors out, or write another optimizer, such as AdamW");
  }
  std::vector<Part> parts = parts_of(text);
  std::vector<std::string_view> names;
  for (const ParameterSegment& segment : optimizer.segments()) {
    names.emplace_back(std::string_view(segment.name).substr(0, segment.name.find('.')));
    for (Part& part : parts) part.has_parameters = part.has_parameters || has(part, segment.name);
  }
  for (const Part& part : parts) {
    if (!part.has_parameters) {
      names.erase(std::ranges::unique(names).begin(), names.end());
      throw ConfigError("[lr_factors] expected a part of the model with parameters, got \"" + printable(part.name) +
                        "\"" + hint(part.name, names));
    }
  }
  for (ParameterSegment& segment : optimizer.segments()) {
    const Part* smallest = nullptr;  // the longest name
    for (const Part& part : parts) {
      if (has(part, segment.name) && (smallest == nullptr || part.name.size() > smallest->name.size()))
        smallest = &part;
    }
    if (smallest != nullptr) segment.lr_scale *= smallest->factor;
  }
}

}  // namespace hop::optim
