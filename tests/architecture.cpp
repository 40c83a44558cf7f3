#include "tests/architecture.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <string_view>

namespace hop::architecture {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongFile = 350;
constexpr std::size_t kReasonWithin = 15;

// The floors that a floor may include, besides itself. Two floors side by side (tensor and net, autograd and data) do
// not know each other.
const std::map<std::string, std::set<std::string>> kBelow = {
    {"base", {}},
    {"tensor", {"base"}},
    {"net", {"base"}},
    {"kernels", {"base", "tensor"}},
    {"autograd", {"base", "tensor", "kernels"}},
    {"data", {"base", "tensor", "kernels"}},
    {"nn", {"base", "tensor", "kernels", "autograd", "data"}},
    {"hopper", {"base", "tensor", "kernels", "autograd", "data", "nn", "net"}},
    {"cli", {"base", "tensor", "kernels", "autograd", "data", "nn", "net", "hopper"}},
    {"capi", {"base", "tensor", "kernels", "autograd", "data", "nn", "net", "hopper"}},
};

const std::set<std::string> kOurExtensions = {".h", ".cpp", ".cu", ".cuh", ".def", ".fbs", ".cmake", ".py"};
const std::set<std::string> kOurNames = {"CMakeLists.txt", "dev"};

struct Include {
  std::string path;
  bool quoted;
};

std::optional<Include> parse_include(const std::string& line) {
  static const std::regex kPattern(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  std::smatch match;
  if (line.find("include") == std::string::npos || !std::regex_search(line, match, kPattern)) return std::nullopt;
  return Include{match[2], match[1] == "\""};
}

// The folder that a path starts with; empty where it has none.
std::string first_folder(std::string_view path) {
  const auto slash = path.find('/');
  return slash == std::string_view::npos ? "" : std::string(path.substr(0, slash));
}

// `hopscotch/nn/module.h` is how a user spells `nn/module.h`.
std::string from_root(const std::string& path) {
  constexpr std::string_view kPackage = "hopscotch/";
  return path.starts_with(kPackage) ? path.substr(kPackage.size()) : path;
}

std::string violation(const SourceFile& file, std::size_t line_index, const std::string& what) {
  return file.path + ":" + std::to_string(line_index + 1) + ": " + what;
}

bool is_ours(const fs::path& path) {
  return kOurExtensions.contains(path.extension().string()) || kOurNames.contains(path.filename().string());
}

SourceFile read_file(const fs::path& root, const fs::path& path) {
  SourceFile file{fs::relative(path, root).generic_string(), {}};
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line);) file.lines.push_back(line);
  return file;
}

std::optional<std::string> wrong_in_public(const std::string& line, const std::set<std::string>& public_headers) {
  static const std::regex kStandardHeader("[a-z_0-9]+|sys/single_threaded.h");  // the latter is the C library's
  static const std::regex kForeignName(
      R"(\b((boost|asio|Eigen|dnnl|flatbuffers|toml|nlohmann|spdlog|fmt|CLI)\s*(::|\{)|(cuda|cublas|cudnn)[A-Z]\w*|(dnnl|XXH|EVP)_\w+))");
  if (const auto include = parse_include(line)) {
    const bool allowed =
        include->quoted ? public_headers.contains(include->path) : std::regex_match(include->path, kStandardHeader);
    if (!allowed) return "a public header includes " + include->path + ", which users do not have";
  }
  const std::string code = line.substr(0, line.find("//"));
  std::smatch match;
  if (std::regex_search(code, match, kForeignName)) return "a public header names " + match[0].str();
  return std::nullopt;
}

}  // namespace

std::vector<SourceFile> read_tree(const fs::path& root) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (entry.is_regular_file() && is_ours(entry.path())) paths.push_back(entry.path());
  }
  std::vector<std::string> folders = {"tests", "bench", "examples", "cmake", "python"};
  for (const auto& [floor, below] : kBelow) folders.push_back(floor);
  for (const auto& folder : folders) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (entry.is_regular_file() && is_ours(entry.path())) paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<SourceFile> tree;
  for (const auto& path : paths) tree.push_back(read_file(root, path));
  return tree;
}

Violations includes_from_above(const std::vector<SourceFile>& tree) {
  Violations found;
  for (const auto& file : tree) {
    const std::string floor = first_folder(file.path);
    const auto below = kBelow.find(floor);
    if (below == kBelow.end()) continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const auto include = parse_include(file.lines[i]);
      if (!include || (!include->quoted && !include->path.starts_with("hopscotch/"))) continue;
      const std::string target = first_folder(from_root(include->path));
      if (!kBelow.contains(target)) {
        found.push_back(violation(file, i, include->path + " is not written from the root, as \"floor/file.h\""));
      } else if (target != floor && !below->second.contains(target)) {
        found.push_back(violation(file, i, floor + " includes " + include->path + ", which is not below it"));
      }
    }
  }
  return found;
}

Violations private_things_in_public(const std::vector<SourceFile>& tree, const std::set<std::string>& public_headers) {
  Violations found;
  for (const auto& file : tree) {
    if (!public_headers.contains(file.path)) continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      if (const auto what = wrong_in_public(file.lines[i], public_headers)) found.push_back(violation(file, i, *what));
    }
    const bool once = std::find(file.lines.begin(), file.lines.end(), "#pragma once") != file.lines.end();
    if (!once && file.path.ends_with(".h")) found.push_back(violation(file, 0, "a header without #pragma once"));
  }
  return found;
}

Violations long_without_reason(const std::vector<SourceFile>& tree) {
  Violations found;
  for (const auto& file : tree) {
    if (file.lines.size() <= kLongFile) continue;
    const bool explained = std::any_of(file.lines.begin(), file.lines.begin() + kReasonWithin,
                                       [](const auto& line) { return line.find("Long because") != std::string::npos; });
    if (!explained) {
      found.push_back(violation(file, 0, std::to_string(file.lines.size()) + " lines and no \"Long because ...\""));
    }
  }
  return found;
}

}  // namespace hop::architecture
