#include "cli/comparison.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/words.h"

namespace hop::cli {
namespace {

// A number of a trial: everything that is written of it is made from this table.
struct Figure {
  const char* name;   ///< in JSON and CSV
  const char* title;  ///< for people
  const char* unit;
  double scale;  ///< from the number to the unit for people
  double (*of)(const Trial& trial);
};

template <class T>
double real(T number) {
  return static_cast<double>(number);
}

constexpr std::array kFigures = {
    Figure{"wall_seconds", "time", "s", 1, [](const Trial& t) { return t.wall_seconds; }},
    Figure{"seconds_to_score", "time to a common score", "s", 1,
           [](const Trial& t) { return t.seconds_to_score.value_or(NAN); }},
    Figure{"samples_per_second", "rows trained", "1/s", 1, [](const Trial& t) { return t.samples_per_second; }},
    Figure{"cpu_seconds", "processor time", "s", 1, [](const Trial& t) { return t.cpu_seconds; }},
    Figure{"idle_share", "idle workers", "%", 100, [](const Trial& t) { return t.idle_share; }},
    Figure{"hop_bytes", "states between workers", "MB", 1e-6, [](const Trial& t) { return real(t.hop_bytes); }},
    Figure{"gradient_bytes", "gradients", "MB", 1e-6, [](const Trial& t) { return real(t.gradient_bytes); }},
    Figure{"predicted_gradient_bytes", "gradients by formula", "MB", 1e-6,
           [](const Trial& t) { return real(t.predicted_gradient_bytes); }},
    Figure{"data_bytes", "rows on the wire", "MB", 1e-6, [](const Trial& t) { return real(t.data_bytes); }},
    Figure{"collect_bytes", "final states", "MB", 1e-6, [](const Trial& t) { return real(t.collect_bytes); }},
    Figure{"copy_bytes", "second places of states", "MB", 1e-6, [](const Trial& t) { return real(t.copy_bytes); }},
    Figure{"control_bytes", "messages", "MB", 1e-6, [](const Trial& t) { return real(t.control_bytes); }},
    Figure{"peak_rss_bytes", "memory of a worker", "MB", 1e-6, [](const Trial& t) { return real(t.peak_rss_bytes); }},
    Figure{"peak_pss_bytes", "PSS of a worker", "MB", 1e-6, [](const Trial& t) { return real(t.peak_pss_bytes); }},
    Figure{"read_bytes", "read from disks", "MB", 1e-6, [](const Trial& t) { return real(t.read_bytes); }},
    Figure{"data_bytes_per_worker", "rows on a worker", "MB", 1e-6,
           [](const Trial& t) { return real(t.data_bytes_per_worker); }},
    Figure{"data_bytes_stored", "rows on all workers", "MB", 1e-6,
           [](const Trial& t) { return real(t.data_bytes_stored); }},
    Figure{"hops", "hops", "", 1, [](const Trial& t) { return real(t.hops); }},
    Figure{"joules", "energy", "J", 1, [](const Trial& t) { return t.joules.value_or(NAN); }},
};

std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));
std::string format(const char* pattern, ...) {
  char text[512];
  va_list values;
  va_start(values, pattern);
  std::vsnprintf(text, sizeof text, pattern, values);
  va_end(values);
  return text;
}

std::string name_of(const Trial& trial) {
  const std::string passes =
      trial.passes_of_an_epoch == 1 ? "" : " (" + std::to_string(trial.passes_of_an_epoch) + " passes)";
  return trial.strategy + passes + ", " + std::to_string(trial.workers) + (trial.workers == 1 ? " worker" : " workers");
}

std::string shown(const Figure& figure, const Trial& trial) {
  const double number = figure.of(trial) * figure.scale;
  return std::isnan(number) ? "-" : format("%.4g", number);
}

std::string score_of(const Trial& trial) { return trial.best_score ? format("%.4g", *trial.best_score) : "-"; }

const char* bits_of(const Comparison& comparison, const Trial& trial) {
  return same_bits(comparison.trials.front(), trial) ? "the same" : "other ones";
}

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : printable(text, 500)) {
    safe += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : std::string(1, c);
  }
  return safe;
}

// ---- the page

constexpr std::array kColours = {"#0969da", "#bc4c00", "#1a7f37", "#8250df", "#bf3989", "#57606a"};
const char* colour(std::size_t i) { return kColours[i % kColours.size()]; }

constexpr const char* kHead = R"(<!doctype html>
<html lang="en"><meta charset="utf-8"><title>hop compare</title><style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #1f2328 }
h1 { font-size: 1.4em } h2 { font-size: 1.05em; margin: 1.6em 0 .4em } p { margin: .3em 0 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums } td, th { padding: .25em .8em; text-align: right }
th { border-bottom: 1px solid #afb8c1; font-weight: 600 } td:first-child, th:first-child { text-align: left }
tr:nth-child(even) td { background: #f6f8fa } svg { width: 100%; height: auto } svg text { font: 12px system-ui, sans-serif }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(24em, 1fr)); gap: .4em 2em }
@media print { body { margin: 0; max-width: none } h2 { break-after: avoid } svg { break-inside: avoid } }
</style>
)";

// Bars of one figure, a row for each trial.
std::string bars(const Comparison& comparison, const Figure& figure) {
  constexpr double kRow = 22, kStart = 185, kLongest = 170;
  double most = 0;
  for (const Trial& trial : comparison.trials) most = std::max(most, figure.of(trial));
  const std::size_t n = comparison.trials.size();
  std::string svg = format("<svg viewBox='0 0 435 %.0f' role='img' aria-label='%s'>\n", kRow * real(n), figure.title);
  for (std::size_t i = 0; i < n; ++i) {
    const Trial& trial = comparison.trials[i];
    const double y = kRow * real(i), length = most > 0 ? kLongest * figure.of(trial) / most : 0;
    svg += format("<text x='%.0f' y='%.1f' text-anchor='end'>%s</text>", kStart - 6, y + 15,
                  escaped(name_of(trial)).c_str());
    svg += format("<rect x='%.0f' y='%.1f' width='%.1f' height='15' fill='%s'/>", kStart, y + 3, std::max(length, 1.0),
                  colour(i));
    svg += format("<text x='%.1f' y='%.1f'>%s %s</text>\n", kStart + length + 6, y + 15, shown(figure, trial).c_str(),
                  figure.unit);
  }
  return svg + "</svg>\n";
}

// A staircase for each trial: scores from somewhere to an end, over time or over passes.
struct Staircase {
  std::vector<Moment> steps;
  double end = 0;
};

Staircase over_time(const Trial& trial) { return {trial.moments, trial.wall_seconds}; }

Staircase over_passes(const Trial& trial) {
  const double passes = trial.passes_of_an_epoch;
  Staircase stairs{{}, real(trial.epochs.size()) * passes};
  for (std::size_t i = 0; i < trial.epochs.size(); ++i) stairs.steps.push_back({real(i + 1) * passes, trial.epochs[i]});
  return stairs;
}

std::string lines(const Comparison& comparison, Staircase (*of)(const Trial&), const char* unit) {
  constexpr double kLeft = 60, kRight = 780, kTop = 10, kBottom = 260;
  std::vector<Staircase> all;
  for (const Trial& trial : comparison.trials) all.push_back(of(trial));
  double last = 0, low = INFINITY, high = -INFINITY;
  for (const Staircase& stairs : all) {
    last = std::max(last, stairs.end);
    for (const Moment& step : stairs.steps) low = std::min(low, step.score), high = std::max(high, step.score);
  }
  if (!(low <= high) || last <= 0) return {};
  if (low == high) low -= 0.5, high += 0.5;
  const auto x = [&](double seconds) { return kLeft + (kRight - kLeft) * seconds / last; };
  const auto y = [&](double score) { return kBottom - (kBottom - kTop) * (score - low) / (high - low); };
  std::string svg = "<svg viewBox='0 0 800 300' role='img' aria-label='score over time'>\n";
  for (int i = 0; i <= 4; ++i) {
    const double score = low + (high - low) * i / 4, seconds = last * i / 4;
    svg +=
        format("<line x1='%.0f' x2='%.0f' y1='%.1f' y2='%.1f' stroke='#d0d7de'/>", kLeft, kRight, y(score), y(score));
    svg += format("<text x='%.0f' y='%.1f' text-anchor='end'>%.4g</text>", kLeft - 6, y(score) + 4, score);
    svg +=
        format("<text x='%.1f' y='%.0f' text-anchor='middle'>%.3g%s</text>\n", x(seconds), kBottom + 20, seconds, unit);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::vector<Moment>& steps = all[i].steps;
    if (steps.empty()) continue;
    std::string points = format("%.1f,%.1f", x(steps[0].seconds), y(steps[0].score));
    for (std::size_t m = 1; m < steps.size(); ++m) {
      points += format(" %.1f,%.1f %.1f,%.1f", x(steps[m].seconds), y(steps[m - 1].score), x(steps[m].seconds),
                       y(steps[m].score));
    }
    points += format(" %.1f,%.1f", x(all[i].end), y(steps.back().score));
    svg += format("<polyline fill='none' stroke-width='2' stroke='%s' points='", colour(i)) + points + "'/>\n";
  }
  return svg + "</svg>\n";
}

// "3.1, 4.8"
std::string idle_of(const Trial& trial) {
  std::string text;
  for (const double share : trial.idle_by_worker) text += (text.empty() ? "" : ", ") + format("%.3g", 100 * share);
  return text;
}

std::string table_of(const Comparison& comparison) {
  std::string html = "<table><tr><th></th>";
  for (const Trial& trial : comparison.trials) html += "<th>" + escaped(name_of(trial)) + "</th>";
  html += "</tr>\n";
  for (const Figure& figure : kFigures) {
    html += std::string("<tr><td>") + figure.title + (*figure.unit != '\0' ? std::string(", ") + figure.unit : "") +
            "</td>";
    for (const Trial& trial : comparison.trials) html += "<td>" + shown(figure, trial) + "</td>";
    html += "</tr>\n";
  }
  html += "<tr><td>best " + escaped(comparison.objective) + "</td>";
  for (const Trial& trial : comparison.trials) html += "<td>" + score_of(trial) + "</td>";
  html += "</tr>\n<tr><td>idle, each worker, %</td>";
  for (const Trial& trial : comparison.trials) html += "<td>" + idle_of(trial) + "</td>";
  html += "</tr>\n<tr><td>bits of the models</td>";
  for (const Trial& trial : comparison.trials) html += std::string("<td>") + bits_of(comparison, trial) + "</td>";
  return html + "</tr></table>\n";
}

}  // namespace

void time_to_common_score(Comparison& comparison) {
  const double sign = comparison.higher_is_better ? 1 : -1;
  double common = INFINITY;  // all scores times the sign: more is better
  for (const Trial& trial : comparison.trials) {
    if (trial.best_score) common = std::min(common, sign * *trial.best_score);
  }
  for (Trial& trial : comparison.trials) {
    trial.seconds_to_score.reset();
    const auto reached = [&](const Moment& moment) { return sign * moment.score >= common; };
    const auto first = std::ranges::find_if(trial.moments, reached);
    if (trial.best_score && first != trial.moments.end()) trial.seconds_to_score = first->seconds;
  }
}

bool same_bits(const Trial& a, const Trial& b) { return a.hashes == b.hashes; }

std::string to_json(const Comparison& comparison) {
  nlohmann::ordered_json trials = nlohmann::ordered_json::array();
  for (const Trial& trial : comparison.trials) {
    nlohmann::ordered_json row = {{"strategy", trial.strategy}, {"workers", trial.workers}};
    for (const Figure& figure : kFigures) {
      const double number = figure.of(trial);
      row[figure.name] = std::isnan(number) ? nlohmann::ordered_json() : nlohmann::ordered_json(number);
    }
    row["best_score"] = trial.best_score ? nlohmann::ordered_json(*trial.best_score) : nlohmann::ordered_json();
    nlohmann::ordered_json moments = nlohmann::ordered_json::array();
    for (const Moment& moment : trial.moments) moments.push_back({moment.seconds, moment.score});
    row["score_over_time"] = moments;
    row["score_over_epochs"] = trial.epochs;
    row["passes_of_an_epoch"] = trial.passes_of_an_epoch;
    row["idle_by_worker"] = trial.idle_by_worker;
    row["state_sha256"] = trial.hashes;
    trials.push_back(row);
  }
  return nlohmann::ordered_json{{"experiment", comparison.experiment},
                                {"objective", comparison.objective},
                                {"higher_is_better", comparison.higher_is_better},
                                {"arithmetic", comparison.arithmetic},
                                {"trials", trials}}
      .dump(2);
}

std::string to_csv(const Comparison& comparison) {
  std::string text = "strategy,workers";
  for (const Figure& figure : kFigures) text += std::string(",") + figure.name;
  text += ",best_score,same_bits_as_first\n";
  for (const Trial& trial : comparison.trials) {
    text += trial.strategy + "," + std::to_string(trial.workers);
    for (const Figure& figure : kFigures) {
      const double number = figure.of(trial);
      text += "," + (std::isnan(number) ? std::string() : shortest(number));
    }
    text += "," + (trial.best_score ? shortest(*trial.best_score) : "") +
            (same_bits(comparison.trials.front(), trial) ? ",true" : ",false") + "\n";
  }
  return text;
}

std::string to_page(const Comparison& comparison) {
  std::string html = kHead;
  html += "<h1>" + escaped(comparison.experiment) + ": strategies side by side</h1>\n<p>" +
          escaped(comparison.arithmetic) + ". One run each, one after the other, with the same rows and models.</p>\n";
  html += "<h2>Best " + escaped(comparison.objective) + " over time</h2>\n" + lines(comparison, over_time, " s");
  html += "<h2>Best " + escaped(comparison.objective) + " over passes over the rows</h2>\n" +
          lines(comparison, over_passes, "");
  html += "<h2>What each cost</h2>\n<div class='figures'>\n";
  for (const Figure& figure : kFigures) {
    double most = 0;
    for (const Trial& trial : comparison.trials) most = std::max(most, figure.of(trial));
    if (most > 0) html += std::string("<div><p>") + figure.title + "</p>\n" + bars(comparison, figure) + "</div>\n";
  }
  return html + "</div>\n<h2>The numbers</h2>\n" + table_of(comparison) + "</html>\n";
}

std::string to_text(const Comparison& comparison) {
  std::size_t longest = 0;
  for (const Trial& trial : comparison.trials) longest = std::max(longest, name_of(trial).size());
  const int width = static_cast<int>(longest) + 2;
  const auto row = [&](const std::string& title, const auto& cell_of) {
    std::string text = format("%-26s", title.c_str());
    for (const Trial& trial : comparison.trials) text += format("%*s", width, std::string(cell_of(trial)).c_str());
    return text + "\n";
  };
  std::string text = row("", name_of);
  for (const Figure& figure : kFigures) {
    const std::string title = std::string(figure.title) + (*figure.unit != '\0' ? std::string(", ") + figure.unit : "");
    text += row(title, [&](const Trial& trial) { return shown(figure, trial); });
  }
  text += row(("best " + comparison.objective).substr(0, 25), score_of);
  text += row("bits of the models", [&](const Trial& trial) { return bits_of(comparison, trial); });
  return text;
}

}  // namespace hop::cli
