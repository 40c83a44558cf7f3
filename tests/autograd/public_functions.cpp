#include "tests/autograd/public_functions.h"

#include <fstream>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "tests/source_tree.h"

namespace hop::autograd {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream in(source_directory() / path);
  if (!in) throw std::runtime_error("cannot read " + path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> included_in(const std::string& path) {
  static const std::regex kInclude("#include \"(autograd/[a-z0-9_]+\\.h)\"");
  const std::string text = text_of(path);
  std::vector<std::string> headers;
  for (std::sregex_iterator at(text.begin(), text.end(), kInclude), end; at != end; ++at)
    headers.push_back((*at)[1].str());
  return headers;
}

/// Adds the functions that a header declares in namespace hop: declarations begin in the first column.
void add_declarations(const std::string& header, std::multimap<std::string, std::string>& found) {
  static const std::regex kFunction("^(?:inline |const )*(?:[A-Za-z_:]+)(?:<[A-Za-z:_ ]+>)?&? ([a-z][a-z0-9_]*)\\(.*");
  std::istringstream lines(text_of(header));
  bool is_inside = false;  // of namespace autograd, which is no public one
  std::string line;
  while (std::getline(lines, line)) {
    if (line == "namespace autograd {") is_inside = true;
    if (line == "}  // namespace autograd") is_inside = false;
    static const std::regex kTemplate("^requires\\(.*\\) (?=[A-Z])");
    line = std::regex_replace(line, kTemplate, "");
    std::smatch match;
    if (is_inside || line.starts_with("namespace ") || !std::regex_match(line, match, kFunction)) continue;
    const std::string name = match[1];
    std::string next;
    while (line.find(')') == std::string::npos && std::getline(lines, next)) line += next;
    found.emplace(name, line);
  }
}

/// Every call of a function of namespace hop: its name, and the text behind the parenthesis.
std::vector<std::pair<std::string, std::string_view>> calls_in(const std::string& text) {
  static const std::regex kCall("(?:^|[^:A-Za-z0-9_.]|hop::)([a-z][a-z0-9_]*)\\(");
  std::vector<std::pair<std::string, std::string_view>> calls;
  for (std::sregex_iterator at(text.begin(), text.end(), kCall), end; at != end; ++at)
    calls.emplace_back((*at)[1].str(), std::string_view(text).substr(at->position() + at->length()));
  return calls;
}

/// The arguments at whose beginning `text` is, without those of calls among them.
std::string own_arguments(std::string_view text) {
  std::string own;
  int depth = 1;
  for (const char c : text) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (depth == 0) break;
    own += depth == 1 ? c : ' ';
  }
  return own;
}

}  // namespace

std::multimap<std::string, std::string> public_declarations() {
  std::multimap<std::string, std::string> found;
  for (const std::string& header : included_in("autograd/ops.h")) add_declarations(header, found);
  for (const char* header : {"autograd/elementwise_functions.h", "autograd/loss_margin.h", "autograd/loss_numbers.h",
                             "autograd/loss_probability.h"})
    add_declarations(header, found);
  return found;
}

std::set<std::string> public_functions() {
  std::set<std::string> names;
  for (const auto& [name, declaration] : public_declarations()) names.insert(name);
  return names;
}

std::set<std::string> functions_called_in(const std::string& path) {
  const std::string text = text_of(path);
  std::set<std::string> names;
  for (const auto& [name, arguments] : calls_in(text)) names.insert(name);
  return names;
}

std::set<std::string> functions_called_with(const std::string& argument, const std::string& path) {
  const std::regex variable("\\b" + argument + "\\b");
  const std::string text = text_of(path);
  std::set<std::string> names;
  for (const auto& [name, arguments] : calls_in(text)) {
    if (std::regex_search(own_arguments(arguments), variable)) names.insert(name);
  }
  return names;
}

}  // namespace hop::autograd
