#include "hopper/detail/toml_text.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "base/error.h"
#include "base/words.h"

namespace hop::hopper {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

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
                      std::string(error.description()));
  }
}

}  // namespace hop::hopper
