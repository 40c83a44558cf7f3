// The table of ratios: what every benchmark adds rows to.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hop::bench {

/// One comparison. The contract with scripts is DESIGN.md, section 3.
struct Row {
  std::string name;              ///< "train/mlp/adam/32/eager"
  double ours = 0;               ///< median, in `unit`
  double peer = 0;               ///< median, in `unit`
  std::string peer_name;         ///< "LibTorch 1.13.1 eager"
  std::string unit;              ///< "ms", "ns", "GB/s", "samples/s"
  double ratio = 0;              ///< above 1 where we are better
  double low = 0, high = 0;      ///< the quartiles of the ratio over the rounds
  std::optional<double> target;  ///< of the ratio
};

/// A row from the seconds per repetition of every round; `factor` turns seconds into `unit` (less is better).
Row row_of_times(const std::string& name, const std::vector<double>& ours, const std::vector<double>& peer,
                 const std::string& peer_name, const std::string& unit, double factor);
/// A row from rates (more is better).
Row row_of_rates(const std::string& name, const std::vector<double>& ours, const std::vector<double>& peer,
                 const std::string& peer_name, const std::string& unit);

/// Lines for people; `heading()` is the first one.
std::string heading();
std::string line_of(const Row& row);

/// All rows, and the machine that they come from. A file in docs/ is an object with the rows under "rows"; any other
/// file is the bare array.
struct Report {
  std::string date, processor;
  std::vector<std::string> sides;  ///< "LibTorch 1.13.1"
  std::vector<Row> rows;
};
std::string rows_json(const Report& report);
std::string report_json(const Report& report);

/// Throws SideError when the file cannot be written.
void write_file(const std::filesystem::path& path, const std::string& text);

}  // namespace hop::bench
