#include "cli/event_lines.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/version.h"

namespace hop::cli {
namespace {

using Json = nlohmann::ordered_json;
using State = hopper::WorkerProgress::State;

constexpr int kVersion = 1;  // of the events: a change that an older reader cannot bear makes it 2

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

// JSON has no NaN and no infinity.
Json number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json id(const std::optional<ModelId>& model) { return model ? Json(model->value) : Json(nullptr); }

std::string whole_path(const std::filesystem::path& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

std::string began(const hopper::Model& model) {
  Json json = {{"event", "model"},
               {"model", model.id.value},
               {"config", Json::parse(model.config.to_json())},
               {"epochs", model.goal}};
  if (model.parent) json["parent"] = {{"model", model.parent->model.value}, {"epoch", number_of(model.parent->epoch)}};
  return line_of(json);
}

std::string ended(const hopper::Model& model) {
  return line_of({{"event", "model_done"},
                  {"model", model.id.value},
                  {"status", hopper::to_string(model.status)},
                  {"epochs", model.epochs.size()},
                  {"reason", model.reason}});
}

bool has_ended(hopper::Status status) { return status != hopper::Status::Running && status != hopper::Status::Paused; }

Json worker(const hopper::WorkerProgress& progress) {
  constexpr const char* kStates[] = {"starting", "idle", "busy", "gone"};
  Json json = {{"state", kStates[static_cast<std::size_t>(progress.state)]}};
  if (progress.state == State::Busy) {
    json["model"] = progress.model.value;
    json["epoch"] = number_of(progress.epoch);
    json["partition"] = progress.partition.value;
    json["fraction"] = progress.fraction;
  }
  if (progress.lives > 1) json["restarts"] = progress.lives - 1;
  return json;
}

}  // namespace

std::string EventLines::started(const std::filesystem::path& run_directory) const {
  return line_of({{"event", "started"},
                  {"version", kVersion},
                  {"hopscotch", hop::kVersion},
                  {"run_directory", whole_path(run_directory)},
                  {"objective", hopper::to_string(objective_)},
                  {"maximise", hopper::is_maximised(objective_)},
                  {"metrics", own_metrics_}});
}

std::string EventLines::notice(const std::string& text) { return line_of({{"event", "notice"}, {"text", text}}); }

std::string EventLines::epoch(const hopper::Model& model, std::size_t index) const {
  const hopper::EpochMetrics& metrics = model.epochs[index];
  Json own = Json::object();
  for (std::size_t i = 0; i < own_metrics_.size(); ++i) {
    own[own_metrics_[i]] = i < metrics.own.size() ? number(metrics.own[i]) : Json(nullptr);
  }
  return line_of({{"event", "epoch"},
                  {"model", model.id.value},
                  {"epoch", index + 1},
                  {"train_loss", number(metrics.train_loss)},
                  {"valid_loss", number(metrics.valid_loss)},
                  {"valid_accuracy", number(metrics.valid_accuracy)},
                  {"metrics", own},
                  {"rows", metrics.rows},
                  {"seconds", metrics.seconds}});
}

EventLines::Lines EventLines::news(const hopper::Ledger& ledger) {
  Lines lines;
  for (const hopper::Model& model : ledger.models()) {
    if (model.id.index() >= told_.size()) {
      told_.emplace_back();
      lines.push_back(began(model));
    }
    Told& told = told_[model.id.index()];
    while (told.epochs < model.epochs.size()) lines.push_back(epoch(model, told.epochs++));
    if (std::exchange(told.status, model.status) == model.status || !has_ended(model.status)) continue;
    lines.push_back(ended(model));
  }
  return lines;
}

std::string EventLines::progress(const hopper::RunProgress& progress) const {
  Json workers = Json::array();
  for (const hopper::WorkerProgress& each : progress.workers) workers.push_back(worker(each));
  return line_of({{"event", "progress"},
                  {"units_done", progress.units_done},
                  {"units_total", progress.units_total},
                  {"seconds", progress.seconds},
                  {"seconds_left", progress.eta_seconds < 0 ? Json() : number(progress.eta_seconds)},
                  {"hop_bytes", progress.ledger.received_bytes()},
                  {"best", id(progress.ledger.best(objective_))},
                  {"stopping", progress.stopping},
                  {"workers", workers}});
}

std::string EventLines::done(const hopper::Results& results, const std::filesystem::path& run_directory, int code) {
  const bool is_complete = results.outcome == hopper::Outcome::Completed;
  return line_of({{"event", "done"},
                  {"outcome", is_complete ? "completed" : "interrupted"},
                  {"exit_code", code},
                  {"run_directory", whole_path(run_directory)},
                  {"best", id(results.best)},
                  {"seconds", results.wall_seconds}});
}

std::string EventLines::failed(const ErrorReport& report, const std::filesystem::path& run_directory,
                               bool is_resumable) {
  return line_of({{"event", "failed"},
                  {"kind", report.kind},
                  {"text", report.text},
                  {"exit_code", report.code},
                  {"run_directory", whole_path(run_directory)},
                  {"resumable", is_resumable}});
}

}  // namespace hop::cli
