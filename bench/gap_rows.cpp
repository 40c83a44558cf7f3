// The gap between two units of a worker, from whole runs of the program: what hopping itself leaves empty (`gap_ms` of
// results.json; time in which no model was due at that worker is `idle_ms`). The peers are the figures to reach.
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "bench/suite.h"
#include "net/unix.h"

namespace hop::bench {
namespace {

// Two workers, four partitions, a state of 9.5 MB; units of some 100 ms, so that the next model can arrive meanwhile.
constexpr const char* kExperiment = R"(name = "gap"
seed = 1
[data]
source = "glyphs"
partitions = 4
[model]
family = "mlp"
[search]
epochs = 12
[search.space]
lr = [MODELS]
hidden = [1000]
batch_size = [128]
optimizer = ["adam"]
[run]
workers = 2
durable = DURABLE
)";

struct Gaps {
  double p50 = 0, p99 = 0, state_bytes = 0;  // milliseconds
};

void replace(std::string& text, const std::string& name, const std::string& value) {
  text.replace(text.find(name), name.size(), value);
}

Gaps run(Suite& suite, const std::filesystem::path& folder, const std::string& models, bool durable) {
  std::string experiment = kExperiment;
  replace(experiment, "MODELS", models);
  replace(experiment, "DURABLE", durable ? "true" : "false");
  std::filesystem::create_directories(folder);
  write_file(folder / "experiment.toml", experiment);
  const std::filesystem::path hop = suite.options().folder.parent_path() / "cli/hop";
  const std::string command = hop.string() + " run " + (folder / "experiment.toml").string() + " --run-dir " +
                              (folder / "run").string() + " > " + (folder / "out").string() + " 2>&1";
  if (std::system(command.c_str()) != 0) throw SideError("hop run has failed");
  const auto results = nlohmann::json::parse(std::ifstream(folder / "run/results.json"));
  std::filesystem::remove_all(folder);
  return {results["gap_ms"]["p50"], results["gap_ms"]["p99"], results["models"][0]["state_bytes"]};
}

struct Series {
  std::vector<double> p50, p99;
  double state_bytes = 0;
};

void add_row(Suite& suite, const std::string& name, const std::vector<double>& ours, const std::vector<double>& most,
             const std::string& peer, std::optional<double> target) {
  Row row = row_of_times(name, ours, most, peer, "ms", 1);
  row.target = target;
  suite.add(row);
}

// With one model per worker its bytes come when the worker is free already: their transfer counts, at the rate that the
// row hop/unix has found for plain sockets (without that row: for nothing).
double plain_bytes_per_second(const Suite& suite) {
  for (const Row& row : suite.report().rows) {
    if (row.name == "hop/unix") return row.peer * 1e9;
  }
  return INFINITY;
}

std::vector<double> same(double value, std::size_t count) { return std::vector<double>(count, value); }

}  // namespace

void add_gap_rows(Suite& suite) {
  if (!suite.wants("gap/two-models-per-worker") && !suite.wants("gap/one-model-per-worker")) return;
  struct Case {
    std::string name, models;
    bool durable;
  };
  const std::string four = "0.003, 0.001, 0.0003, 0.0001", two = "0.003, 0.001";
  const std::vector<Case> cases = {{"two-models-per-worker", four, false},
                                   {"two-models-per-worker/durable", four, true},
                                   {"one-model-per-worker", two, false},
                                   {"one-model-per-worker/durable", two, true}};
  const net::SocketDirectory directory;
  std::map<std::string, Series> gaps;
  const int rounds = suite.options().quick ? 1 : 5;
  for (int round = 0; round < rounds; ++round) {
    for (const Case& c : cases) {
      const Gaps g = run(suite, directory.path() / "gap", c.models, c.durable);
      gaps[c.name].p50.push_back(g.p50);
      gaps[c.name].p99.push_back(g.p99);
      gaps[c.name].state_bytes = g.state_bytes;
    }
  }
  const auto n = static_cast<std::size_t>(rounds);
  const double transfer_ms = gaps["one-model-per-worker"].state_bytes / plain_bytes_per_second(suite) * 1e3;
  add_row(suite, "gap/two-models-per-worker/p50", gaps["two-models-per-worker"].p50, same(1, n), "figure to reach", 1);
  add_row(suite, "gap/two-models-per-worker/p99", gaps["two-models-per-worker"].p99, same(1, n), "figure to reach", 1);
  add_row(suite, "gap/one-model-per-worker/p50", gaps["one-model-per-worker"].p50, same(1 + transfer_ms, n),
          "transfer + 1 ms", 1);
  add_row(suite, "gap/one-model-per-worker/p99", gaps["one-model-per-worker"].p99, same(1 + transfer_ms, n),
          "transfer + 1 ms", 1);
  for (const std::string models : {"two-models-per-worker", "one-model-per-worker"}) {
    add_row(suite, "gap/" + models + "/durable/p50", gaps[models + "/durable"].p50, gaps[models].p50, "durable = false",
            std::nullopt);
    add_row(suite, "gap/" + models + "/durable/p99", gaps[models + "/durable"].p99, gaps[models].p99, "durable = false",
            std::nullopt);
  }
}

}  // namespace hop::bench
