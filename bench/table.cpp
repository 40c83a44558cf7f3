#include "bench/table.h"

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/rounds.h"

namespace hop::bench {
namespace {

using Json = nlohmann::ordered_json;

// The ratio is the median over the ratios of the rounds, because a disturbance slows down both sides of a round.
Row row_of(const std::string& name, const std::string& peer_name, const std::string& unit, double ours, double peer,
           const std::vector<double>& ratios) {
  return {.name = name,
          .ours = ours,
          .peer = peer,
          .peer_name = peer_name,
          .unit = unit,
          .ratio = median_of(ratios),
          .low = quantile_of(ratios, 0.25),
          .high = quantile_of(ratios, 0.75),
          .target = std::nullopt};
}

std::vector<double> divide(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> quotients;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) quotients.push_back(a[i] / b[i]);
  return quotients;
}

Json json_of(const Row& row) {
  return {{"name", row.name},
          {"ours", row.ours},
          {"peer", row.peer},
          {"peer_name", row.peer_name},
          {"unit", row.unit},
          {"ratio", row.ratio},
          {"target", row.target ? Json(*row.target) : Json(nullptr)},
          {"ratio_quartiles", {row.low, row.high}}};
}

Json json_of(const std::vector<Row>& rows) {
  Json array = Json::array();
  for (const Row& row : rows) array.push_back(json_of(row));
  return array;
}

}  // namespace

Row row_of_times(const std::string& name, const std::vector<double>& ours, const std::vector<double>& peer,
                 const std::string& peer_name, const std::string& unit, double factor) {
  return row_of(name, peer_name, unit, median_of(ours) * factor, median_of(peer) * factor, divide(peer, ours));
}

Row row_of_rates(const std::string& name, const std::vector<double>& ours, const std::vector<double>& peer,
                 const std::string& peer_name, const std::string& unit) {
  return row_of(name, peer_name, unit, median_of(ours), median_of(peer), divide(ours, peer));
}

std::string heading() {
  char text[160];
  std::snprintf(text, sizeof text, "%-40s %10s %10s %-9s %6s  %-12s %6s  %s", "", "ours", "peer", "", "ratio",
                "quartiles", "target", "peer");
  return text;
}

std::string line_of(const Row& row) {
  char target[24] = "";
  if (row.target) std::snprintf(target, sizeof target, "%.2f%s", *row.target, row.ratio >= *row.target ? "" : " !");
  char text[240];
  std::snprintf(text, sizeof text, "%-40s %10.4g %10.4g %-9s %6.2f  %5.2f-%-5.2f  %-7s %s", row.name.c_str(), row.ours,
                row.peer, row.unit.c_str(), row.ratio, row.low, row.high, target, row.peer_name.c_str());
  return text;
}

std::string rows_json(const Report& report) { return json_of(report.rows).dump(1) + "\n"; }

std::string report_json(const Report& report) {
  const Json json = {
      {"date", report.date}, {"processor", report.processor}, {"sides", report.sides}, {"rows", json_of(report.rows)}};
  return json.dump(1) + "\n";
}

void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) throw SideError("[bench] cannot write " + path.string());
}

}  // namespace hop::bench
