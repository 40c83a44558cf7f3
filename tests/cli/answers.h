// Answers of two programs for the same rows, side by side: CSV texts as `hop predict` writes them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "tests/cli/program.h"

namespace hop::testing {

/// The cells of a CSV text, without its header.
inline std::vector<std::vector<std::string>> cells(const std::string& text) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string>& row = rows.emplace_back();
    std::istringstream parts(line);
    for (std::string cell; std::getline(parts, cell, ',');) row.push_back(cell);
  }
  rows.erase(rows.begin());
  return rows;
}

/// The greatest difference of the numbers of two answers; infinite if their words differ, or one is no number.
inline double difference(const std::string& a, const std::string& b) {
  const auto left = cells(a), right = cells(b);
  if (left.size() != right.size()) return INFINITY;
  double greatest = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    for (std::size_t k = 0; k < left[i].size(); ++k) {
      char* end = nullptr;
      const double x = std::strtod(left[i][k].c_str(), &end), y = std::strtod(right[i].at(k).c_str(), nullptr);
      if (*end != '\0' && left[i][k] != right[i][k]) return INFINITY;
      if (*end != '\0') continue;
      if (std::isnan(x) || std::isnan(y)) return INFINITY;
      greatest = std::max(greatest, std::abs(x - y) / std::max(1.0, std::abs(x)));
    }
  }
  return greatest;
}

/// A Python that can import `modules`, "onnx, onnxruntime": the one that `variable` of the environment names, or
/// python3 of the PATH. Empty if there is none.
inline std::string python_with(const std::string& modules, const char* variable) {
  const char* given = std::getenv(variable);
  const std::string python = given != nullptr ? given : "python3";
  return shell(python + " -c 'import " + modules + "'", "/").code == 0 ? python : "";
}

}  // namespace hop::testing
