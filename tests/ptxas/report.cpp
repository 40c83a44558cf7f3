#include "tests/ptxas/report.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>

namespace hop::ptxas {
namespace {

// "hop::kernels::cuda::add<float>(..)" -> "add<float>": namespaces and arguments say nothing here.
std::string readable(const std::string& mangled) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), &std::free);
  if (status != 0) return mangled;
  std::string name =
      std::regex_replace(text.get(), std::regex(R"((hop::|kernels::|cuda::|\(anonymous namespace\)::))"), "");
  if (name.starts_with("void ")) name.erase(0, 5);
  int depth = 0;  // of < >: the argument list starts at the first ( outside
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '<') ++depth;
    if (name[i] == '>') --depth;
    if (name[i] == '(' && depth == 0) return name.substr(0, i);
  }
  return name;
}

std::optional<int> number_before(const std::string& line, const std::string& words) {
  std::smatch match;
  if (!std::regex_search(line, match, std::regex("([0-9]+) " + words))) return std::nullopt;
  return std::stoi(match[1]);
}

}  // namespace

std::vector<Kernel> parse(std::string_view report) {
  static const std::regex kEntry(R"(Compiling entry function '(.*)' for '(.*)')");
  std::vector<Kernel> kernels;
  bool complete = true;
  std::istringstream lines{std::string(report)};
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_search(line, match, kEntry)) {
      if (!complete) break;
      kernels.push_back({readable(match[1]), match[2], 0, 0, 0, 0});
      complete = false;
    } else if (!complete && line.find("bytes stack frame") != std::string::npos) {
      kernels.back().stack_bytes = number_before(line, "bytes stack frame").value_or(0);
      kernels.back().spill_bytes =
          number_before(line, "bytes spill stores").value_or(0) + number_before(line, "bytes spill loads").value_or(0);
    } else if (!complete && line.find("Used ") != std::string::npos) {
      kernels.back().registers = number_before(line, "registers").value_or(0);
      kernels.back().shared_bytes = number_before(line, "bytes smem").value_or(0);
      complete = true;
    }
  }
  if (!complete) throw std::runtime_error("ptxas says nothing about the registers of " + kernels.back().name);
  return kernels;
}

std::vector<std::string> complaints(const std::vector<Kernel>& kernels, const std::vector<Allowance>& allowed) {
  std::vector<std::string> found;
  for (const Kernel& k : kernels) {
    const bool excused = std::any_of(allowed.begin(), allowed.end(), [&](const Allowance& a) {
      return k.name.find(a.name) != std::string::npos && k.stack_bytes <= a.stack_bytes;
    });
    if (k.spill_bytes > 0) {
      found.push_back(k.name + " for " + k.arch + " spills " + std::to_string(k.spill_bytes) + " bytes");
    } else if (k.stack_bytes > 0 && !excused) {
      found.push_back(k.name + " for " + k.arch + " has a stack frame of " + std::to_string(k.stack_bytes) + " bytes");
    }
  }
  return found;
}

std::string table(const std::vector<Kernel>& kernels) {
  std::map<std::string, std::map<std::string, std::string>> rows;
  std::set<std::string> archs;
  for (const Kernel& k : kernels) {
    rows[k.name][k.arch] = std::to_string(k.registers) + "/" + std::to_string(k.shared_bytes);
    archs.insert(k.arch);
  }
  std::ostringstream out;
  out << "registers/shared bytes";
  for (const auto& arch : archs) out << "  " << arch;
  out << '\n';
  for (const auto& [name, cells] : rows) {
    for (const auto& arch : archs) out << (cells.contains(arch) ? cells.at(arch) : "-") << '\t';
    out << name << '\n';
  }
  return out.str();
}

}  // namespace hop::ptxas
