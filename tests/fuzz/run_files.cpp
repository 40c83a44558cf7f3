// Small files of a run directory: `status`, which `hop why` reads, and results.json; and those that say which worker a
// node or a part of a data set belongs to.
#include "base/error.h"
#include "hopper/detail/node_place.h"
#include "hopper/detail/run_directory.h"
#include "hopper/detail/status_file.h"
#include "hopper/hand_out.h"
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

// The first byte says which of the two it is.
void run_places(ByteView input) {
  if (input.empty()) return;
  const bool is_of_data = input[0] == std::byte{'d'};
  const std::filesystem::path folder =
      file(is_of_data ? "places/worker" : "places/place", input.subspan(1)).parent_path();
  if (is_of_data) {
    require(handed_out_for(folder).has_value(), "a part that was handed out has a worker");
    return;
  }
  const std::optional<NodePlace> place = read_node_place(folder);
  require(place.has_value(), "a node with a place has one");
  write_node_place(folder, *place);
  const std::optional<NodePlace> again = read_node_place(folder);
  require(again && again->run == place->run && again->worker == place->worker,
          "a place is the same after another trip");
}

std::vector<std::string> places_seeds() { return {"d1\n", "nrun toy-1\nworker 3\n"}; }

}  // namespace

constinit const Target kStatus{"status", run_status, status_seeds};
constinit const Target kResults{"results", run_results, results_seeds};
constinit const Target kPlaces{"places", run_places, places_seeds};

}  // namespace hop::fuzz
