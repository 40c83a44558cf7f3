// Long because every field of results.json is written here, and nowhere else.
#include "hopper/results.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/words.h"
#include "hopper/strategy/group_hopping.h"

namespace hop::hopper {
namespace {

using Json = nlohmann::ordered_json;

std::optional<double> finite(std::optional<double> value) {
  return value && std::isfinite(*value) ? value : std::nullopt;
}

Json json_of(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

// Counts from 1.
std::optional<std::uint32_t> best_epoch(std::span<const EpochMetrics> curve, const Objective& objective) {
  std::optional<std::uint32_t> best;
  double best_score = -INFINITY;
  for (std::size_t i = 0; i < curve.size(); ++i) {
    const std::optional<double> at = score(objective, curve[i]);
    if (!at || *at <= best_score) continue;
    best = static_cast<std::uint32_t>(i + 1);
    best_score = *at;
  }
  return best;
}

ModelResult summarize(const Model& model, const Objective& objective) {
  ModelResult result;
  result.id = model.id;
  result.config = model.config;
  result.status = to_string(model.status);
  result.reason = model.reason;
  result.parent = model.parent;
  if (model.status == Status::Running) result.status = "interrupted";
  if (model.status == Status::Diverged) {
    result.reason = "the loss was no finite number in epoch " + std::to_string(model.epochs.size() + 1);
  } else if (model.status == Status::Finished && !model.epochs.empty() && !measured(objective, model.epochs.back())) {
    result.reason = to_string(objective) + " is no finite number";
  }
  result.epochs = static_cast<std::uint32_t>(model.epochs.size());
  if (const EpochMetrics* at = model.ranked()) {
    result.train_loss = finite(at->train_loss);
    result.valid_loss = finite(at->valid_loss);
    result.valid_accuracy = finite(at->valid_accuracy);
    result.own = at->own;
  }
  if (model.best_epoch) result.kept_epoch = number_of(*model.best_epoch);
  if (model.best_file) result.kept_sha256 = model.best_file->sha256;
  result.curve = model.epochs;
  result.best_epoch = best_epoch(result.curve, objective);
  result.seconds = model.seconds;
  result.state_bytes = model.state_bytes;
  result.hops = model.hops;
  if (model.file) {
    result.state_sha256 = model.file->sha256;
  } else if (model.earlier_file) {
    result.earlier_epoch = model.earlier_epochs;
    result.earlier_sha256 = model.earlier_file->sha256;
  }
  result.visits = model.visits;
  result.inherited = model.inherited;
  return result;
}

// The nearest-rank percentile; 0 for no values.
double percentile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

Waits waits_of(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  return {seconds.size(), percentile(seconds, 0.50) * 1e3, percentile(seconds, 0.99) * 1e3};
}

// If a worker had the order before it was free, it was not idle: the unit was prefetched.
void add_waits(Results& results, std::span<const double> gaps, std::span<const double> idle) {
  std::vector<double> all, prefetched, late, idle_times;
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    if (gaps[i] < 0) continue;  // a worker's first unit
    all.push_back(gaps[i]);
    idle_times.push_back(idle[i]);
    (idle[i] == 0 ? prefetched : late).push_back(gaps[i]);
  }
  results.gap = waits_of(std::move(all));
  results.gap_prefetched = waits_of(std::move(prefetched));
  results.gap_late = waits_of(std::move(late));
  results.idle = waits_of(std::move(idle_times));
}

Json json_of(const Waits& waits) { return {{"units", waits.units}, {"p50", waits.p50_ms}, {"p99", waits.p99_ms}}; }

Json json_of_gaps(const Results& r) {
  Json json = json_of(r.gap);
  json["prefetched"] = json_of(r.gap_prefetched);
  json["late"] = json_of(r.gap_late);
  return json;
}

Json json_of(const Config& config) {
  Json json = Json::object();
  for (const auto& [name, value] : config.entries()) {
    std::visit([&, &key = name](const auto& v) { json[key] = v; }, value);
  }
  return json;
}

Json json_of_own(const std::vector<double>& own, const std::vector<std::string>& names) {
  Json json = Json::object();
  for (std::size_t i = 0; i < names.size() && i < own.size(); ++i) json[names[i]] = json_of(finite(own[i]));
  return json;
}

// A list per metric, with a value per epoch: what a plot wants.
Json json_of_curve(const ModelResult& m, const std::vector<std::string>& names) {
  Json json = {{"train_loss", Json::array()}, {"valid_loss", Json::array()}, {"valid_accuracy", Json::array()}};
  for (const std::string& name : names) json[name] = Json::array();
  for (const EpochMetrics& epoch : m.curve) {
    json["train_loss"].push_back(json_of(finite(epoch.train_loss)));
    json["valid_loss"].push_back(json_of(finite(epoch.valid_loss)));
    json["valid_accuracy"].push_back(json_of(finite(epoch.valid_accuracy)));
    const Json own = json_of_own(epoch.own, names);
    for (const std::string& name : names) json[name].push_back(own.contains(name) ? own[name] : Json(nullptr));
  }
  json["best_epoch"] = m.best_epoch ? Json(*m.best_epoch) : Json(nullptr);
  return json;
}

Json json_of(const ModelResult& m, const Results& results) {
  Json visits = Json::array();  // its own: those of its ancestors stand there
  for (const Visit& v : std::span(m.visits).subspan(m.inherited))
    visits.push_back({v.epoch.value, v.partition.value, v.worker.value});
  Json json = {{"id", m.id.value},
               {"config", json_of(m.config)},
               {"status", m.status},
               {"epochs", m.epochs},
               {"train_loss", json_of(m.train_loss)},
               {"valid_loss", json_of(m.valid_loss)},
               {"valid_accuracy", json_of(m.valid_accuracy)},
               {"seconds", m.seconds},
               {"hops", m.hops},
               {"state_bytes", m.state_bytes},
               {"state_sha256", m.state_sha256},
               {"visits", visits}};
  if (m.kept_epoch) json["kept"] = {{"epoch", *m.kept_epoch}, {"state_sha256", m.kept_sha256}};
  if (!results.own_metrics.empty()) json["metrics"] = json_of_own(m.own, results.own_metrics);
  json["curves"] = json_of_curve(m, results.own_metrics);
  if (m.parent) json["parent"] = {{"model", m.parent->model.value}, {"epoch", m.parent->epoch.value}};
  if (!m.reason.empty()) json["reason"] = m.reason;
  return json;
}

// One value per worker, or a single one if all are equal.
Json one_or_each(const std::vector<std::string>& texts) {
  const bool same = std::adjacent_find(texts.begin(), texts.end(), std::not_equal_to<>()) == texts.end();
  return same && !texts.empty() ? Json(texts.front()) : Json(texts);
}

Json json_of(const std::vector<ArithmeticChange>& changes) {
  Json json = Json::array();
  for (const ArithmeticChange& c : changes) {
    json.push_back({{"worker", c.worker.value}, {"before", c.before}, {"after", c.after}});
  }
  return json;
}

// Models that came through, diverged, or were set aside. A metric ranks only the first group.
int group_of(const ModelResult& m) { return m.status == "quarantined" ? 2 : m.status == "diverged" ? 1 : 0; }

EpochMetrics ranked_metrics(const ModelResult& m) {
  EpochMetrics metrics;
  metrics.train_loss = m.train_loss.value_or(INFINITY);
  metrics.valid_loss = m.valid_loss;
  metrics.valid_accuracy = m.valid_accuracy;
  metrics.own = m.own;
  return metrics;
}

std::string cell(const std::optional<double>& value, const char* format, double factor = 1) {
  if (!value) return "-";
  constexpr double kLong = 1e9;  // all digits of a larger number would say little, and not fit
  char text[32];
  std::snprintf(text, sizeof text, std::abs(*value) < kLong ? format : "%.5g", *value * factor);
  return text;
}

}  // namespace

const ModelResult& Results::model(ModelId id) const {
  if (id.index() >= models.size()) {
    throw ConfigError("[results] no model " + std::to_string(id.value) + "; the run has " +
                      std::to_string(models.size()));
  }
  return models[id.index()];
}

namespace {

double busiest_share(const Itinerary& itinerary) {
  std::ptrdiff_t passes = 0;
  for (const PartitionId first : itinerary.choices()) {
    const std::vector<std::uint32_t> owners = itinerary.owners(first);
    std::ptrdiff_t most = owners.empty() ? std::ssize(itinerary.passes(first)) : 0;
    for (const std::uint32_t rank : owners) most = std::max(most, std::ranges::count(owners, rank));
    passes += most;
  }
  return static_cast<double>(passes) / itinerary.partitions;
}

}  // namespace

Results summarize(const Ledger& ledger, const Objective& objective) {
  Results results;
  results.group = group_of(*ledger.itinerary().strategy);
  results.order = ledger.itinerary().order;
  results.workers = ledger.itinerary().workers;
  results.partitions = ledger.itinerary().partitions;
  results.epochs = ledger.itinerary().epochs;
  results.hops = ledger.hops();
  results.network.hop = ledger.received_bytes();
  results.network.gradient = ledger.exchange_bytes();
  results.network.data = ledger.data_bytes();
  results.data_wait_seconds = ledger.data_seconds();
  const Itinerary& itinerary = ledger.itinerary();
  results.units_per_epoch = itinerary.units_per_epoch();
  results.busiest_share = busiest_share(itinerary);
  results.shared_bytes = ledger.shared_bytes();
  results.statistics_bytes = ledger.statistics_bytes();
  results.predicted_gradient_bytes =
      itinerary.strategy->predicted_bytes(itinerary.spread(), results.shared_bytes) +
      itinerary.strategy->predicted_statistics_bytes(itinerary.spread(), results.statistics_bytes);
  results.peak_rss_bytes = ledger.peak_rss_bytes();
  results.arithmetic.assign(ledger.arithmetic().begin(), ledger.arithmetic().end());
  results.arithmetic_changes.assign(ledger.arithmetic_changes().begin(), ledger.arithmetic_changes().end());
  add_waits(results, ledger.gaps(), ledger.idle());
  for (const Model& model : ledger.models()) results.models.push_back(summarize(model, objective));
  results.best = ledger.best(objective);
  results.objective = objective;
  return results;
}

std::string to_json(const Results& r) {
  Json models = Json::array();
  for (const ModelResult& model : r.models) models.push_back(json_of(model, r));
  Json json = {{"name", r.name},
               {"seed", r.seed},
               {"strategy", r.strategy},
               {"order", r.order == Order::Fixed ? "fixed" : "free"},
               {"workers", r.workers},
               {"threads_per_worker", r.threads_per_worker},
               {"partitions", r.partitions},
               {"epochs", r.epochs},
               {"objective", to_string(r.objective)},
               {"device", r.device == "mixed" ? Json(r.devices) : Json(r.device)},
               {"arithmetic", one_or_each(r.arithmetic)},
               {"arithmetic_changes", json_of(r.arithmetic_changes)},
               {"isa", r.isa},
               {"versions", r.versions},
               {"wall_seconds", r.wall_seconds},
               {"hops", r.hops},
               {"network",
                {{"hop_bytes", r.network.hop},
                 {"collect_bytes", r.network.collect},
                 {"gradient_bytes", r.network.gradient},
                 {"data_bytes", r.network.data},
                 {"copy_bytes", r.network.copy},
                 {"relay_bytes", r.network.relay},
                 {"control_bytes", r.network.control}}},
               {"predicted", {{"gradient_bytes", r.predicted_gradient_bytes}}},
               {"memory", {{"data_bytes_per_worker", r.data_bytes_per_worker}, {"peak_rss_bytes", r.peak_rss_bytes}}},
               {"gap_ms", json_of_gaps(r)},
               {"idle_ms", json_of(r.idle)},
               {"data_wait_seconds", r.data_wait_seconds},
               {"models", models},
               {"best", r.best ? Json(r.best->value) : Json(nullptr)}};
  if (r.group != 1) json["group"] = r.group;
  if (r.passes_of_an_epoch != 1) json["passes_of_an_epoch"] = r.passes_of_an_epoch;
  if (!r.ages.empty())
    json["ages"] = std::vector<std::pair<std::uint64_t, std::uint64_t>>(r.ages.begin(), r.ages.end());
  if (!r.strategy_choice.empty()) json["strategy_choice"] = r.strategy_choice;
  if (!r.data_damage.empty()) json["data_damage"] = r.data_damage;
  return json.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

bool is_current(const std::filesystem::path& file, const Results& results) {
  std::ifstream stream(file, std::ios::binary);
  const Json there = Json::parse(stream, nullptr, /*allow_exceptions=*/false);
  if (!there.is_object()) return false;
  const Json now = Json::parse(to_json(results));
  for (const char* name : {"models", "data_damage"}) {
    const auto a = there.find(name), b = now.find(name);
    if ((a == there.end()) != (b == now.end()) || (b != now.end() && *a != *b)) return false;
  }
  return true;
}

std::vector<const ModelResult*> ranking(const Results& results) {
  std::vector<const ModelResult*> order;
  for (const ModelResult& model : results.models) order.push_back(&model);
  const auto rank_of = [&](const ModelResult& m) {
    return score(results.objective, ranked_metrics(m)).value_or(-INFINITY);
  };
  std::stable_sort(order.begin(), order.end(), [&](const ModelResult* a, const ModelResult* b) {
    if (group_of(*a) != group_of(*b)) return group_of(*a) < group_of(*b);
    return rank_of(*a) > rank_of(*b);
  });
  return order;
}

bool has_rank(const ModelResult& model) { return group_of(model) == 0; }

std::optional<double> objective_value(const ModelResult& model, const Objective& objective) {
  return measured(objective, ranked_metrics(model));
}

std::string leaderboard(const Results& results, std::size_t rows) {
  std::vector<const ModelResult*> order = ranking(results);
  if (rows != 0 && order.size() > rows) order.resize(rows);
  const bool has_accuracy = results.own_metrics.empty() || std::ranges::any_of(order, [](const ModelResult* model) {
                              return model->valid_accuracy.has_value();
                            });
  const auto accuracy = [&](const std::string& text) {
    if (!has_accuracy) return std::string();
    return std::string(text.size() < 9 ? 9 - text.size() : 0, ' ') + text + "  ";
  };
  std::string text =
      "rank  model  " + accuracy("valid acc") + "valid loss  train loss  epochs  status       configuration\n";
  for (std::size_t i = 0; i < order.size(); ++i) {
    const ModelResult& m = *order[i];
    char line[128];
    const std::string rank = has_rank(m) ? std::to_string(i + 1) : "-";
    std::snprintf(line, sizeof line, "%4s  %5u  %s%10s  %10s  %6u  %-11s  ", rank.c_str(), m.id.value,
                  accuracy(cell(m.valid_accuracy, "%.2f %%", 100)).c_str(), cell(m.valid_loss, "%.4f").c_str(),
                  cell(m.train_loss, "%.4f").c_str(), m.epochs, m.status.c_str());
    text += line;
    for (std::size_t k = 0; k < results.own_metrics.size() && k < m.own.size(); ++k) {
      text += results.own_metrics[k] + "=" + cell(m.own[k], "%.4f") + "  ";
    }
    if (m.kept_epoch) text += "best epoch " + std::to_string(*m.kept_epoch) + "  ";
    text += m.config.to_text();
    if (!m.reason.empty()) text += "  (" + printable(m.reason, 160) + ")";
    text += "\n";
  }
  return text;
}

}  // namespace hop::hopper
