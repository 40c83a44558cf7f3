#include "bench/picture.h"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace hop::bench {
namespace {

constexpr double kRow = 18, kTop = 62, kNames = 290, kBars = 330, kWidth = 1000;
constexpr double kLeast = 0.25, kMost = 256;  // the ends of the scale

// Colours that keep their contrast on white and on black.
constexpr const char* kStyle = R"(<style>
text { font: 11px ui-monospace, monospace; fill: #24292f }
.title { font: bold 15px sans-serif } .small { font-size: 10px; fill: #6e7781 }
.reached { fill: #2da44e } .missed { fill: #d4a72c } .free { fill: #8c959f }
.axis { stroke: #afb8c1; stroke-width: 1 } .one { stroke: #57606a; stroke-width: 1.5 }
.quartiles { stroke: #24292f; stroke-width: 1.2 } .target { stroke: #cf222e; stroke-width: 2.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 } .axis { stroke: #3d444d } .one { stroke: #9198a1 }
  .quartiles { stroke: #e6edf3 } .target { stroke: #ff7b72 } rect.page { fill: #0d1117 }
}
</style>
)";

std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));
std::string format(const char* pattern, ...) {
  char text[512];
  va_list values;
  va_start(values, pattern);
  std::vsnprintf(text, sizeof text, pattern, values);
  va_end(values);
  return text;
}

double x_of(double ratio) {
  const double share = std::log(std::clamp(ratio, kLeast, kMost) / kLeast) / std::log(kMost / kLeast);
  return kNames + 10 + share * kBars;
}

std::string vertical(const char* kind, double x, double top, double bottom) {
  return format("<line class='%s' x1='%.1f' x2='%.1f' y1='%.1f' y2='%.1f'/>\n", kind, x, x, top, bottom);
}

std::string bar(const Row& row, double y) {
  const double start = x_of(1), end = x_of(row.ratio);
  const char* kind = !row.target ? "free" : row.ratio >= *row.target ? "reached" : "missed";
  std::string svg = format("<text x='%.0f' y='%.1f' text-anchor='end'>%s</text>\n", kNames, y + 11, row.name.c_str());
  svg += format("<rect class='%s' x='%.1f' y='%.1f' width='%.1f' height='10'/>\n", kind, std::min(start, end), y + 2,
                std::max(1.0, std::abs(end - start)));
  svg += format("<line class='quartiles' x1='%.1f' x2='%.1f' y1='%.1f' y2='%.1f'/>\n", x_of(row.low), x_of(row.high),
                y + 7, y + 7);
  if (row.target) svg += vertical("target", x_of(*row.target), y, y + 14);
  svg += format("<text x='%.0f' y='%.1f'>%.2f</text>\n", kNames + kBars + 22, y + 11, row.ratio);
  svg += format("<text class='small' x='%.0f' y='%.1f'>%.4g / %.4g %s, %s</text>\n", kNames + kBars + 74, y + 11,
                row.ours, row.peer, row.unit.c_str(), row.peer_name.c_str());
  return svg;
}

}  // namespace

std::string picture_of(const Report& report) {
  const double bottom = kTop + kRow * static_cast<double>(report.rows.size());
  std::string svg = format("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %.0f %.0f'>\n", kWidth, bottom + 12);
  svg += kStyle;
  svg += "<rect class='page' width='100%' height='100%' fill='#ffffff'/>\n";
  svg += "<text class='title' x='14' y='22'>Hopscotch against its peers: how many times as fast</text>\n";
  svg += format(
      "<text class='small' x='14' y='38'>%s, %s. Red: the figure to reach. Green: reached. Right: ours / peer."
      "</text>\n",
      report.date.c_str(), report.processor.c_str());
  for (const double ratio : {0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0}) {
    svg += vertical(ratio == 1 ? "one" : "axis", x_of(ratio), kTop - 4, bottom);
    svg +=
        format("<text class='small' x='%.1f' y='%.1f' text-anchor='middle'>%g</text>\n", x_of(ratio), kTop - 8, ratio);
  }
  double y = kTop;
  for (const Row& row : report.rows) {
    svg += bar(row, y);
    y += kRow;
  }
  return svg + "</svg>\n";
}

}  // namespace hop::bench
