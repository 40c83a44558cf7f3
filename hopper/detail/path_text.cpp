#include "hopper/detail/path_text.h"

#include <charconv>

#include "base/words.h"

namespace hop::hopper {
namespace {

constexpr std::string_view kScheme = "file://";

bool stands_for_itself(char c) { return c > ' ' && c < 0x7f && c != '%' && c != '"' && c != '\\'; }

}  // namespace

std::string text_of_path(const std::string& path) {
  if (is_utf8(path) && !path.starts_with(kScheme)) return path;
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string text(kScheme);
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (stands_for_itself(c)) {
      text += c;
    } else {
      text += {'%', kHex[byte >> 4U], kHex[byte & 15U]};
    }
  }
  return text;
}

std::string path_of(std::string_view text) {
  if (!text.starts_with(kScheme)) return std::string(text);
  text.remove_prefix(kScheme.size());
  std::string path;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const std::string_view digits = text[i] == '%' ? text.substr(i + 1, 2) : std::string_view();
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    const bool is_byte = digits.size() == 2 && error == std::errc{} && end == digits.data() + digits.size();
    path += is_byte ? static_cast<char>(byte) : text[i];
    if (is_byte) i += 2;
  }
  return path;
}

}  // namespace hop::hopper
