// Names that a page of docs/ says, held against the tree.
#include <algorithm>
#include <regex>

#include "tests/architecture.h"

namespace hop::architecture {
namespace {

// "Suite.Name" of every test in a file. A long name stands on the line after its suite.
void add_tests(const SourceFile& file, std::set<std::string>& names) {
  static const std::regex kTest(R"(^(?:TYPED_)?TEST(?:_F|_P)?\((\w+),\s*(\w+)\))");
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    if (file.lines[i].find("TEST") == std::string::npos) continue;
    const std::string line = file.lines[i] + (i + 1 < file.lines.size() ? " " + file.lines[i + 1] : "");
    std::smatch match;
    if (std::regex_search(line, match, kTest)) names.insert(match[1].str() + "." + match[2].str());
  }
}

// `name` may end in "*" or "...": then any test that begins so will do.
bool is_there(const std::string& name, const std::set<std::string>& names) {
  const std::size_t end = std::min(name.find('*'), name.find("..."));
  if (end == std::string::npos) return names.contains(name);
  const auto first = names.lower_bound(name.substr(0, end));
  return first != names.end() && first->starts_with(name.substr(0, end));
}

}  // namespace

Violations tests_that_are_not_there(const SourceFile& page, const std::vector<SourceFile>& tree) {
  static const std::regex kName(R"(`([A-Z]\w+\.[\w*.]+|tests/[\w/]+\.cpp)`)");
  std::set<std::string> names;
  for (const SourceFile& file : tree) {
    if (!file.path.starts_with("tests/")) continue;
    names.insert(file.path);
    add_tests(file, names);
  }
  Violations found;
  for (std::size_t i = 0; i < page.lines.size(); ++i) {
    const std::string& line = page.lines[i];
    for (std::sregex_iterator name(line.begin(), line.end(), kName), end; name != end; ++name) {
      if (is_there((*name)[1], names)) continue;
      found.push_back(page.path + ":" + std::to_string(i + 1) + ": names the test " + (*name)[1].str() +
                      ", which is not there");
    }
  }
  return found;
}

}  // namespace hop::architecture
