#include "hopper/why.h"

#include <time.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/whole_number_internal.h"
#include "hopper/detail/run_directory.h"
#include "hopper/detail/status_file.h"
#include "hopper/run.h"

namespace hop::hopper {
namespace {

double monotonic_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

std::vector<Wait> waits_of(const nlohmann::json& list, double age) {
  std::vector<Wait> waits;
  for (const auto& entry : list) {
    waits.push_back({entry.at("who").get<std::string>(), entry.at("what").get<std::string>(),
                     entry.at("seconds").get<double>() + age});
  }
  return waits;
}

nlohmann::json list_of(const std::vector<Wait>& waits) {
  auto list = nlohmann::json::array();
  for (const Wait& wait : waits) list.push_back({{"who", wait.who}, {"what", wait.what}, {"seconds", wait.seconds}});
  return list;
}

}  // namespace

void write_status_file(const fs::path& run_directory, const RunStatus& status) {
  const nlohmann::json json = {{"process", status.process},
                               {"written", monotonic_seconds()},
                               {"strategy_choice", status.strategy_choice},
                               {"coordinator", list_of(status.coordinator)},
                               {"workers", list_of(status.workers)},
                               {"models", list_of(status.models)},
                               {"models_waiting", status.models_listed},
                               {"models_done", status.models_done}};
  const fs::path path = run_directory / kStatusFile, temporary = path.string() + ".new";
  {
    std::ofstream file(temporary, std::ios::binary);
    file << json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  std::error_code ignored;  // a full disk does no harm: no program depends on this file
  fs::rename(temporary, path, ignored);
}

void remove_status_file(const fs::path& run_directory) {
  std::error_code ignored;
  fs::remove(run_directory / kStatusFile, ignored);
}

RunStatus why(const fs::path& run_directory) {
  read_run_file(run_directory, "experiment.toml");  // throws if this is not a run directory
  std::ifstream file(run_directory / kStatusFile, std::ios::binary);
  const auto json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() && is_running(run_directory)) {  // it writes its status a second after it began
    throw ConfigError("[why] expected a run that tells its status, got " + run_directory.string() +
                      ", which begins or ends just now; ask again in a second");
  }
  if (!json.is_object()) {
    throw ConfigError("[why] expected a run that goes on, got " + run_directory.string() +
                      (inspect(run_directory).outcome == Outcome::Completed
                           ? ", which is finished: `hop report` shows it"
                           : ", which does not run at present; `hop resume` goes on with it, `hop report` says how far "
                             "it is"));
  }
  RunStatus status;
  try {
    status.process = whole_number<int>(json.at("process")).value();
    status.age = std::max(0.0, monotonic_seconds() - json.at("written").get<double>());
    status.is_live = is_running(run_directory);
    status.strategy_choice = json.value("strategy_choice", std::string());
    status.coordinator = waits_of(json.value("coordinator", nlohmann::json::array()), status.age);
    status.workers = waits_of(json.at("workers"), status.age);
    status.models = waits_of(json.at("models"), status.age);
    status.models_listed = whole_number<std::size_t>(json.at("models_waiting")).value();
    status.models_done = whole_number<std::size_t>(json.at("models_done")).value();
  } catch (const std::exception&) {  // thrown by the JSON library or by an empty optional
    throw ConfigError("[why] expected the status of a run, got other bytes (" + (run_directory / kStatusFile).string() +
                      ")");
  }
  if (!status.is_live) {
    throw ConfigError("[why] expected a run that goes on, got " + run_directory.string() + ", whose process " +
                      std::to_string(status.process) + " is gone; `hop resume` goes on with it");
  }
  return status;
}

}  // namespace hop::hopper
