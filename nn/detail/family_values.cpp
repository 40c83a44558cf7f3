#include "nn/detail/family_values.h"

#include <algorithm>

#include "base/error.h"
#include "base/words.h"

namespace hop::nn::detail {
namespace {

constexpr std::int64_t kMost =
    65'536;  // of a width or a number of layers: products of two fit into memory or fail there

std::string start(std::string_view family) { return "[" + std::string(family) + "] expected "; }

void check_outputs(std::string_view family, const FamilyRequest& request) {
  if (request.classes >= 1) return;
  throw ConfigError(start(family) + "at least one class, got " + std::to_string(request.classes));
}

std::int64_t checked(std::string_view family, std::string_view name, std::int64_t value) {
  if (value >= 1 && value <= kMost) return value;
  throw ConfigError(start(family) + std::string(name) + " from 1 to " + std::to_string(kMost) + ", got " +
                    std::to_string(value));
}

}  // namespace

void check_numbers(std::string_view family, const FamilyRequest& request) {
  check_outputs(family, request);
  if (request.words.empty()) return;
  throw ConfigError(start(family) + "rows of numbers, got " + std::to_string(request.words.size()) +
                    " categories as indices of words (categories = \"index\"): write layers = [\"embed 16\", \"linear "
                    "128\", \"relu\", \"linear $outputs\"]");
}

void check_image(std::string_view family, const FamilyRequest& request, std::int64_t least) {
  check_numbers(family, request);
  const Shape& sample = request.sample;
  if (sample.size() == 3 && sample[0] >= 1 && sample[1] >= least && sample[2] >= least) return;
  const std::string size = std::to_string(least);
  throw ConfigError(start(family) + "samples (C, H, W) of at least " + size + " x " + size + ", got " +
                    sample.to_string());
}

void check_text(std::string_view family, const FamilyRequest& request) {
  check_numbers(family, request);
  if (request.sample.size() == 1 && request.sample[0] >= 1) return;
  throw ConfigError(start(family) + "samples (T) of indices, as those of a text, got " + request.sample.to_string());
}

void check_words(std::string_view family, const FamilyRequest& request) {
  check_outputs(family, request);
  const auto categories = static_cast<std::int64_t>(request.words.size());
  if (categories >= 1 && request.sample.size() == 1 && request.sample[0] >= categories) return;
  throw ConfigError(start(family) +
                    "rows of a table with categories as indices of words (categories = \"index\"), got " +
                    std::to_string(categories) + " of them in samples " + request.sample.to_string());
}

std::vector<std::string> width_texts(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return c == ',' || c == '[' || c == ']'; }, ' ');
  std::vector<std::string> widths;
  for (std::size_t at = 0; (at = text.find_first_not_of(' ', at)) != std::string::npos;) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    widths.push_back(text.substr(at, end - at));
    at = end;
  }
  return widths;
}

std::vector<std::int64_t> widths_of(std::string_view family, const FamilyRequest& request, std::string_view name,
                                    std::string_view fallback) {
  std::vector<std::int64_t> widths;
  for (const std::string& text : width_texts(text_of(request.config, name, fallback))) {
    widths.push_back(checked(family, name, integer_of({{std::string(name), text}}, name, 0)));
  }
  return widths;
}

std::int64_t count_of(std::string_view family, const FamilyRequest& request, std::string_view name,
                      std::int64_t fallback) {
  return checked(family, name, integer_of(request.config, name, fallback));
}

}  // namespace hop::nn::detail
