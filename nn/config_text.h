// Configuration values as text, by name: the common form of experiment files, searches and messages. Strings are not
// quoted.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace hop::nn {

using ConfigText = std::map<std::string, std::string, std::less<>>;

// Typed access. Each function throws ConfigError with the key and the text if the text is not a value of the type.
double number_of(const ConfigText& config, std::string_view name, double fallback);
std::int64_t integer_of(const ConfigText& config, std::string_view name, std::int64_t fallback);
bool flag_of(const ConfigText& config, std::string_view name, bool fallback);
std::string text_of(const ConfigText& config, std::string_view name, std::string_view fallback);

/// `text` with each $name (letters, digits, _) or ${name} replaced by its value. Throws ConfigError with the nearest
/// name for an unknown one. "$$" is a dollar.
std::string substitute(std::string_view text, const ConfigText& values);

}  // namespace hop::nn
