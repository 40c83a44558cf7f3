#include "cli/network_option.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <map>

#include "base/error.h"
#include "base/words.h"

namespace hop::cli {
namespace {

// A number and its unit.
double quantity(const std::string& text, const std::map<std::string, double, std::less<>>& units,
                std::string_view where) {
  double number = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto unit = units.find(std::string_view(end, static_cast<std::size_t>(text.data() + text.size() - end)));
  if (wrong == std::errc() && number >= 0 && std::isfinite(number) && unit != units.end()) return number * unit->second;
  throw ConfigError(std::string(where) + ": expected a rate and a latency such as 10Gbit,0.1ms, got " +
                    printable(text));
}

}  // namespace

hopper::simulate::Link parse_network(const std::string& text, std::string_view where) {
  const std::size_t comma = std::min(text.find(','), text.size());
  hopper::simulate::Link network;
  network.bytes_per_second =
      quantity(text.substr(0, comma), {{"Kbit", 125.0}, {"Mbit", 125e3}, {"Gbit", 125e6}}, where);
  if (network.bytes_per_second == 0) {
    throw ConfigError(std::string(where) + ": expected a rate above 0, got " + text);
  }
  if (comma < text.size()) {
    network.latency_seconds = quantity(text.substr(comma + 1), {{"us", 1e-6}, {"ms", 1e-3}, {"s", 1.0}}, where);
  }
  return network;
}

}  // namespace hop::cli
