#include <algorithm>

#include "tests/architecture.h"

namespace hop::architecture {
namespace {

// Without comments and the contents of strings.
std::string code_of(const std::string& line) {
  std::string code;
  bool is_text = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\' && is_text) {
      ++i;
    } else if (line[i] == '"' && (i == 0 || line[i - 1] != '\'')) {
      is_text = !is_text;
    } else if (!is_text) {
      if (line.compare(i, 2, "//") == 0) break;
      code += line[i];
    }
  }
  return code;
}

}  // namespace

Violations choices_in_awaits(const std::vector<SourceFile>& tree) {
  static const std::string kAwait = "co_await";
  Violations violations;
  for (const SourceFile& file : tree) {
    if (!file.path.ends_with(".cpp") && !file.path.ends_with(".h")) continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      std::string code = code_of(file.lines[i]);
      const std::size_t begin = code.find(kAwait);
      if (begin == std::string::npos) continue;
      code.erase(0, begin);
      for (std::size_t k = i + 1; code.find(';') == std::string::npos && k < file.lines.size(); ++k) {
        code += code_of(file.lines[k]);
      }
      code.resize(std::min(code.size(), code.find(';')));
      if (const std::size_t lambda = code.find("] {"); lambda != std::string::npos) code.resize(lambda);
      if (code.find('?') == std::string::npos) continue;
      violations.push_back(file.path + ":" + std::to_string(i + 1) +
                           ": a choice within co_await: give it a name before (g++ 12 destroys its temporaries twice)");
    }
  }
  return violations;
}

}  // namespace hop::architecture
