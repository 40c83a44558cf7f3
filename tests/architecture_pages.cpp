// The rules for README.md and docs/: a page names only things that the tree has.
#include <algorithm>
#include <cctype>
#include <fstream>
#include <regex>

#include "tests/architecture.h"

namespace hop::architecture {
namespace {

namespace fs = std::filesystem;

struct Span {
  std::size_t line;  // from 1
  std::string text;
};

// The text of a page without its blocks of code; blocks leave empty lines.
std::string prose(const SourceFile& page) {
  std::string text;
  bool in_block = false;
  for (const std::string& line : page.lines) {
    const bool is_fence = line.starts_with("```");
    if (is_fence) in_block = !in_block;
    if (!in_block && !is_fence) text += line;
    text += '\n';
  }
  return text;
}

// The first groups of all matches, with their lines.
std::vector<Span> find_all(const std::string& text, const std::regex& pattern) {
  std::vector<Span> spans;
  for (std::sregex_iterator match(text.begin(), text.end(), pattern), end; match != end; ++match) {
    const auto lines = std::count(text.begin(), text.begin() + match->position(), '\n');
    spans.push_back({static_cast<std::size_t>(lines) + 1, (*match)[1]});
  }
  return spans;
}

// The text between backquotes.
std::vector<Span> code_spans(const SourceFile& page) {
  static const std::regex kCode("`([^`]+)`");
  return find_all(prose(page), kCode);
}

// "a.{h,cpp}" -> "a.h", "a.cpp"
std::vector<std::string> expand(const std::string& text) {
  const std::size_t begin = text.find('{'), end = text.find('}', begin);
  if (begin == std::string::npos || end == std::string::npos) return {text};
  std::vector<std::string> all;
  for (std::size_t from = begin + 1; from <= end;) {
    const std::size_t to = std::min(text.find(',', from), end);
    for (const std::string& one : expand(text.substr(0, begin) + text.substr(from, to - from) + text.substr(end + 1))) {
      all.push_back(one);
    }
    from = to + 1;
  }
  return all;
}

// `x.h`, `name_internal.h`: placeholders. The build makes FlatBuffers' headers.
bool stands_for_any(const std::string& text) {
  static const std::regex kAnyName(R"((.*/)?(x|name)[._].*|.*_generated\.h)");
  return std::regex_match(text, kAnyName);
}

// A source or a page, or a file of another kind in a folder. The build, runs and benchmarks make other folders.
bool names_a_file(const std::string& text) {
  static const std::regex kFile(R"([\w./*-]+\.(h|cpp|cu|def|fbs|md|svg)|(docs|examples|tests|bench)/[\w./*-]+\.\w+)");
  static const std::regex kFolder(R"((?!build|runs|gap)[\w./-]+/)");
  return (std::regex_match(text, kFile) || std::regex_match(text, kFolder)) && !stands_for_any(text);
}

// All ends of paths that begin at a folder or a file, and all folders with a "/" behind them.
std::set<std::string> ends_of(const std::set<std::string>& paths) {
  std::set<std::string> ends;
  for (const std::string& path : paths) {
    for (std::size_t from = 0; from != std::string::npos;) {
      for (std::size_t to = path.find('/', from); to != std::string::npos; to = path.find('/', to + 1)) {
        ends.insert(path.substr(from, to - from + 1));
      }
      ends.insert(path.substr(from));
      const std::size_t slash = path.find('/', from);
      from = slash == std::string::npos ? slash : slash + 1;
    }
  }
  return ends;
}

bool has(const std::set<std::string>& ends, const std::string& name) {
  if (name.find('*') == std::string::npos) return ends.contains(name);
  std::string pattern;
  for (const char c : name) pattern += c == '*' ? "[^/]*" : c == '.' ? "\\." : std::string(1, c);
  const std::regex glob(pattern);
  return std::ranges::any_of(ends, [&](const std::string& end) { return std::regex_match(end, glob); });
}

std::string violation(const SourceFile& page, const Span& span, const std::string& what) {
  return page.path + ":" + std::to_string(span.line) + ": " + what;
}

// The names of the text: letters, digits and "_", not beginning with a digit.
void add_words(const std::string& text, std::set<std::string>& words) {
  const auto is_part = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  for (auto from = std::ranges::find_if(text, is_part); from != text.end();) {
    const auto to = std::find_if_not(from, text.end(), is_part);
    if (std::isdigit(static_cast<unsigned char>(*from)) == 0) words.emplace(from, to);
    from = std::find_if(to, text.end(), is_part);
  }
}

}  // namespace

std::vector<SourceFile> read_pages(const fs::path& root) {
  std::vector<fs::path> paths = {root / "README.md"};
  for (const auto& entry : fs::directory_iterator(root / "docs")) {
    if (entry.path().extension() == ".md") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<SourceFile> pages;
  for (const fs::path& path : paths) {
    SourceFile page{fs::relative(path, root).generic_string(), {}};
    std::ifstream stream(path);
    for (std::string line; std::getline(stream, line);) page.lines.push_back(line);
    pages.push_back(std::move(page));
  }
  return pages;
}

std::set<std::string> read_paths(const fs::path& root) {
  std::set<std::string> paths;
  for (fs::recursive_directory_iterator entry(root), end; entry != end; ++entry) {
    const std::string name = entry->path().filename().string();
    const bool is_ours = !name.starts_with('.') && !name.starts_with("build") && name != "runs" && name != "shared";
    if (entry->is_directory()) {
      if (entry.depth() == 0 && !is_ours) entry.disable_recursion_pending();
    } else {
      paths.insert(fs::relative(entry->path(), root).generic_string());
    }
  }
  return paths;
}

Violations missing_files(const std::vector<SourceFile>& pages, const std::set<std::string>& paths) {
  static const std::regex kLink(R"(\]\(([^)#\s]+)(?:#[^)]*)?\))");
  const std::set<std::string> ends = ends_of(paths);
  Violations found;
  for (const SourceFile& page : pages) {
    for (const Span& span : code_spans(page)) {
      for (const std::string& name : expand(span.text)) {
        if (names_a_file(name) && !has(ends, name)) found.push_back(violation(page, span, "no file " + name));
      }
    }
    for (const Span& link : find_all(prose(page), kLink)) {
      if (link.text.starts_with("http")) continue;
      const std::string target = (fs::path(page.path).parent_path() / link.text).lexically_normal().generic_string();
      if (!paths.contains(target)) found.push_back(violation(page, link, "no file " + target + " to link to"));
    }
  }
  return found;
}

Violations unknown_names(const SourceFile& page, const std::vector<SourceFile>& tree) {
  std::set<std::string> known;
  for (const SourceFile& file : tree) {
    for (const std::string& line : file.lines) add_words(line, known);
    add_words(file.path, known);
  }
  Violations found;
  for (const Span& span : code_spans(page)) {
    if (stands_for_any(span.text)) continue;
    std::set<std::string> words;
    add_words(span.text, words);
    for (const std::string& word : words) {
      const bool is_whole = word != "x" && !word.ends_with("_x") && !word.starts_with('_');  // "find_x", "*_device.h"
      if (is_whole && !known.contains(word)) found.push_back(violation(page, span, "no source has " + word));
    }
  }
  return found;
}

}  // namespace hop::architecture
