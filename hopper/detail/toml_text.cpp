#include "hopper/detail/toml_text.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <string>

#include "base/error.h"
#include "base/words.h"

namespace hop::hopper {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kMostQuoted = 200;  // bytes of a value that a message repeats

// The first place behind the string that begins at `at`. A string of one line ends with the line at the latest: the
// parser says what is wrong with it.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const std::string three(3, quote);
  const bool is_long = text.substr(at, three.size()) == three;
  const std::string_view end = is_long ? std::string_view(three) : text.substr(at, 1);
  for (at += end.size(); at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text.substr(at, end.size()) == end) {
      return at + end.size();
    } else if (!is_long && text[at] == '\n') {
      return at;
    }
  }
  return text.size();
}

// The first byte that is no ASCII outside strings and comments; the size of the text if there is none.
std::size_t first_foreign(std::string_view text) {
  std::size_t at = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      at = end_of_string(text, at);
    } else if (c == '#') {
      at = std::min(text.find('\n', at), text.size());
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      return at;
    } else {
      ++at;
    }
  }
  return text.size();
}

std::string line_around(std::string_view text, std::size_t place) {
  constexpr std::size_t kMost = 60;
  const std::size_t begin = text.rfind('\n', place) + 1;  // npos + 1 is 0
  const std::string_view line = text.substr(begin, text.find_first_of("\r\n", begin) - begin);
  return printable(line, kMost);
}

bool is_toml(const std::string& text) {
  try {
    static_cast<void>(toml::parse(text));
    return true;
  } catch (const toml::parse_error&) {
    return false;
  }
}

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

// Numbers that TOML does not read, such as 1.e-3, are no text.
bool begins_as_number(std::string_view word) {
  return std::string_view("0123456789+-.").find(word.front()) != std::string_view::npos;
}

// The words of a value in quotes: [adam, sgd] is ["adam", "sgd"]. Numbers and truth values stay as they are.
std::string with_quotes(std::string_view value) {
  constexpr std::string_view kBetween = "[], \t";
  std::string quoted;
  for (std::size_t at = 0; at < value.size();) {
    const std::size_t end = std::min(value.find_first_of(kBetween, at), value.size());
    if (const std::string word(value.substr(at, end - at)); !word.empty()) {
      quoted += begins_as_number(word) || is_toml("x = " + word) ? word : '"' + word + '"';
    }
    if (end < value.size()) quoted += value[end];
    at = end + 1;
  }
  return quoted;
}

// `; text stands in quotes: name = "demo"` for the line that the parser could not read, if quotes make it TOML.
std::string quotes_for(std::string_view text, std::size_t number) {
  for (; number > 1 && !text.empty(); --number) text.remove_prefix(std::min(text.find('\n') + 1, text.size()));
  std::string_view line = text.substr(0, text.find_first_of("\r\n#"));
  const std::size_t equals = line.find('=');
  const std::size_t begin = line.find_first_not_of(" \t", equals == std::string_view::npos ? equals : equals + 1);
  if (equals == std::string_view::npos || begin == std::string_view::npos) return "";
  line = line.substr(0, line.find_last_not_of(" \t") + 1);
  const std::string_view value = line.substr(begin);
  const bool has_letters = std::ranges::any_of(value, [](unsigned char c) { return std::isalpha(c) != 0; });
  if (!has_letters || value.size() > kMostQuoted || value.find_first_of("\"'{}\\") != std::string_view::npos) return "";
  const bool is_list = value.starts_with('[');
  if (const std::string lower = in_lower_case(value); lower == "true" || lower == "false")
    return "; TOML writes " + lower;
  if (begins_as_number(value) || first_foreign(line) < line.size()) return "";
  const std::string right =
      std::string(line.substr(0, begin)) + (is_list ? with_quotes(value) : '"' + std::string(value) + '"');
  return is_toml(right) ? "; text stands in quotes: " + right.substr(right.find_first_not_of(" \t")) : "";
}

}  // namespace

toml::table parse_toml(std::string_view text, std::string_view origin) {
  // The library does not know what to do with such letters: with some of them, its behaviour is undefined.
  if (const std::size_t place = first_foreign(text); place < text.size()) {
    const auto lines = std::ranges::count(text.substr(0, place), '\n');
    throw ConfigError(
        std::string(origin) + ":" + std::to_string(lines + 1) +
        ": expected a name or a text with other letters than ASCII in quotes, such as \"gr\xC3\xB6\xC3\x9F"
        "e\" = 1, got " +
        line_around(text, place));
  }
  try {
    return toml::parse(text, origin);
  } catch (const toml::parse_error& error) {
    throw ConfigError(std::string(origin) + ":" + std::to_string(error.source().begin.line) + ": " +
                      std::string(error.description()) + quotes_for(text, error.source().begin.line));
  }
}

}  // namespace hop::hopper
