// Small files of a run directory: `status`, which `hop why` reads, and results.json.
#include "base/error.h"
#include "hopper/detail/run_directory.h"
#include "hopper/detail/status_file.h"
#include "hopper/results.h"
#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

using namespace hopper;

// A run that goes on: somebody holds its lock.
const std::filesystem::path& live_run() {
  static const std::filesystem::path directory = file("live/experiment.toml", {}).parent_path();
  static const RunLock lock(directory);
  return directory;
}

void run_status(ByteView input) {
  file(live_run() / kStatusFile, input);
  const RunStatus status = why(live_run());
  require(status.is_live && status.age >= 0, "a run that goes on is told as it is");
}

std::vector<std::string> status_seeds() {
  RunStatus status;
  status.process = 77;
  status.workers = {{"worker 0", "trains model 3, unit 2", 0.5}};
  status.models = {{"model 1", "waits for worker 1 (silent for 2.5 s)", 3}};
  status.models_listed = 4;
  write_status_file(live_run(), status);
  std::vector<std::string> seeds{read(live_run() / kStatusFile)};
  remove_status_file(live_run());
  return seeds;
}

void run_results(ByteView input) {
  const std::filesystem::path path = file("results/results.json", input);
  (void)read_devices(path.parent_path(), 2);
  (void)is_current(path, Results{});
}

std::vector<std::string> results_seeds() {
  Results results;
  results.name = "toy";
  ModelResult model;
  model.status = "finished";
  model.config = Config{{"lr", 0.1}, {"optimizer", std::string("adam")}};
  model.visits = {{Epoch{0}, PartitionId{1}, WorkerId{1}, Attempt{3}, {1, 2}}};
  results.models.push_back(model);
  const std::string one = to_json(results);
  results.device = "mixed";
  results.devices = {"cpu", "cuda:0"};
  return {one, to_json(results)};
}

}  // namespace

constinit const Target kStatus{"status", run_status, status_seeds};
constinit const Target kResults{"results", run_results, results_seeds};

}  // namespace hop::fuzz
