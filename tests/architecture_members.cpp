// The rule that a struct which applications fill by name has an initialiser for each member. They fill none of a
// namespace detail.
#include <algorithm>
#include <regex>
#include <string_view>

#include "tests/architecture.h"

namespace hop::architecture {
namespace {

// A declaration in the third column of a struct, perhaps of several lines or with a body.
struct Statement {
  std::size_t line;
  std::string text;
};

std::string without_comment(const std::string& line) {
  std::string code = line.substr(0, line.find("//"));
  code.erase(code.find_last_not_of(' ') + 1);
  return code;
}

bool starts_at(const std::string& line, std::size_t column) { return line.find_first_not_of(' ') == column; }

// The statements between the line of `struct X {` and that of `};`.
std::vector<Statement> statements_of(const SourceFile& file, std::size_t begin) {
  std::vector<Statement> found;
  for (std::size_t i = begin + 1; i < file.lines.size() && !file.lines[i].starts_with("}"); ++i) {
    const std::string code = without_comment(file.lines[i]);
    if (code.empty()) continue;
    if (starts_at(code, 2) && !code.starts_with("  }")) {
      found.push_back({i, code.substr(2)});
    } else if (!found.empty() && !found.back().text.ends_with("{")) {  // goes on; the lines of a body are left out
      found.back().text += " " + code.substr(std::min(code.find_first_not_of(' '), code.size()));
    } else if (starts_at(code, 1)) {  // private:
      found.push_back({i, code.substr(1)});
    }
  }
  return found;
}

// A comma of its own is no end of a member.
std::string without_characters(const std::string& text) {
  static const std::regex kCharacter(R"('(\\.|[^'\\])')");
  return std::regex_replace(text, kCharacter, "0");
}

std::string without_template_arguments(std::string text) {
  static const std::regex kInnermost("<[^<>]*>");
  for (std::string shorter; (shorter = std::regex_replace(text, kInnermost, "")) != text;) text = shorter;
  return text;
}

bool is_aggregate(const std::string& name, const std::vector<Statement>& statements) {
  const std::regex not_one("^((constexpr |explicit |HOP_INLINE |inline )*" + name +
                           R"(\(|private:|protected:|virtual ))");
  return std::none_of(statements.begin(), statements.end(),
                      [&](const Statement& s) { return std::regex_search(s.text, not_one); });
}

bool lacks_initialiser(const std::string& statement) {
  static const std::regex kNoMember(
      "^(using|typedef|friend|static|template|enum|struct|class|union|static_assert|public:)");
  const std::string text = without_template_arguments(without_characters(statement));
  if (std::regex_search(text, kNoMember)) return false;
  const std::string declared = text.substr(0, text.find_first_of("={"));
  if (declared.find_first_of("(&") != std::string::npos || declared.starts_with("operator")) return false;
  std::size_t begin = 0;
  int depth = 0;
  const auto initialised = [&](std::size_t end) {
    return text.substr(begin, end - begin).find_first_of("={") != std::string::npos;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{' || text[i] == '(') ++depth;
    if (text[i] == '}' || text[i] == ')') --depth;
    if (depth != 0 || (text[i] != ',' && text[i] != ';')) continue;
    if (!initialised(i)) return true;
    begin = i + 1;
  }
  return false;
}

}  // namespace

Violations members_without_initialiser(const std::vector<SourceFile>& tree,
                                       const std::set<std::string>& public_headers) {
  static const std::regex kStruct(R"(^struct (\w+)( final)? \{$)");
  Violations found;
  for (const auto& file : tree) {
    if (!public_headers.contains(file.path)) continue;
    bool is_detail = false;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      std::smatch match;
      const std::string code = without_comment(file.lines[i]);
      if (code == "namespace detail {") is_detail = true;
      if (file.lines[i] == "}  // namespace detail") is_detail = false;
      if (is_detail || !std::regex_match(code, match, kStruct)) continue;
      const auto statements = statements_of(file, i);
      if (!is_aggregate(match[1], statements)) continue;
      for (const auto& [line, text] : statements) {
        if (!lacks_initialiser(text)) continue;
        found.push_back(file.path + ":" + std::to_string(line + 1) + ": " + text + " has no initialiser in " +
                        match[1].str() + "; write {} behind it");
      }
    }
  }
  return found;
}

}  // namespace hop::architecture
