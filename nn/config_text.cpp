#include "nn/config_text.h"

#include <charconv>
#include <vector>

#include "base/error.h"
#include "nn/detail/text.h"

namespace hop::nn {
namespace {

template <class T>
T parse(std::string_view name, const std::string& text, const char* what) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) {
    throw ConfigError("[config] " + std::string(name) + " expects " + what + ", got \"" + text + "\"");
  }
  return value;
}

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

double number_of(const ConfigText& config, std::string_view name, double fallback) {
  const auto found = config.find(name);
  return found == config.end() ? fallback : parse<double>(name, found->second, "a number");
}

std::int64_t integer_of(const ConfigText& config, std::string_view name, std::int64_t fallback) {
  const auto found = config.find(name);
  return found == config.end() ? fallback : parse<std::int64_t>(name, found->second, "a whole number");
}

bool flag_of(const ConfigText& config, std::string_view name, bool fallback) {
  const auto found = config.find(name);
  if (found == config.end()) return fallback;
  if (found->second == "true") return true;
  if (found->second == "false") return false;
  throw ConfigError("[config] " + std::string(name) + " expects true or false, got \"" + found->second + "\"");
}

std::string text_of(const ConfigText& config, std::string_view name, std::string_view fallback) {
  const auto found = config.find(name);
  return found == config.end() ? std::string(fallback) : found->second;
}

std::string substitute(std::string_view text, const ConfigText& values) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] != '$') {
      result += text[at++];
      continue;
    }
    ++at;
    if (at < text.size() && text[at] == '$') {
      result += text[at++];
      continue;
    }
    const bool braced = at < text.size() && text[at] == '{';
    std::size_t end = at += braced ? 1 : 0;
    while (end < text.size() && is_name_char(text[end])) ++end;
    const std::string_view name = text.substr(at, end - at);
    if (name.empty() || (braced && (end == text.size() || text[end] != '}'))) {
      throw ConfigError("[substitute] expected a name after $, got \"" + std::string(text) + "\"");
    }
    const auto found = values.find(name);
    if (found == values.end()) {
      std::vector<std::string_view> names;
      for (const auto& entry : values) names.push_back(entry.first);
      throw ConfigError("[substitute] expected a value for $" + std::string(name) + ", got none (\"" +
                        std::string(text) + "\")" + hint(name, names));
    }
    result += found->second;
    at = end + (braced ? 1 : 0);
  }
  return result;
}

}  // namespace hop::nn
