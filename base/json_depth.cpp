#include <string>

#include "base/error.h"
#include "base/json_depth_internal.h"

namespace hop {

bool is_deep_json(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      if (c == '\\') ++at;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMostJsonDepth) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

void check_json_depth(std::string_view text) {
  if (!is_deep_json(text)) return;
  throw DataError("expected lists and objects at most " + std::to_string(kMostJsonDepth) + " deep in each other");
}

}  // namespace hop
