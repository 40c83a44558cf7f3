// The gap between two units of a worker, from whole runs of the program: what hopping itself leaves empty (`gap_ms` of
// results.json; time in which no model was due at that worker is `idle_ms`). A unit is prefetched when its worker had
// the order before it was free, late when it came after: then its state must be copied, or cross the network, first.
// The peers are the figures to reach.
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
order = "ORDER"
durable = DURABLE
)";

// Percentiles in milliseconds.
struct Waits {
  double p50 = 0, p99 = 0;
};

struct Gaps {
  Waits all, prefetched, late;
  double state_bytes = 0;
};

struct Case {
  std::string name, models, order;
  bool durable;
};

void replace(std::string& text, const std::string& name, const std::string& value) {
  text.replace(text.find(name), name.size(), value);
}

Waits waits_of(const nlohmann::json& json) { return {json["p50"], json["p99"]}; }

Gaps run(Suite& suite, const std::filesystem::path& folder, const Case& c) {
  std::string experiment = kExperiment;
  replace(experiment, "MODELS", c.models);
  replace(experiment, "ORDER", c.order);
  replace(experiment, "DURABLE", c.durable ? "true" : "false");
  std::filesystem::create_directories(folder);
  write_file(folder / "experiment.toml", experiment);
  const std::filesystem::path hop = suite.options().folder.parent_path() / "cli/hop";
  const std::string command = hop.string() + " run " + (folder / "experiment.toml").string() + " --run-dir " +
                              (folder / "run").string() + " > " + (folder / "out").string() + " 2>&1";
  if (std::system(command.c_str()) != 0) throw SideError("hop run has failed");
  const auto results = nlohmann::json::parse(std::ifstream(folder / "run/results.json"));
  std::filesystem::remove_all(folder);
  const auto& gap = results["gap_ms"];
  return {waits_of(gap), waits_of(gap["prefetched"]), waits_of(gap["late"]), results["models"][0]["state_bytes"]};
}

using Series = std::vector<Gaps>;  // by round

std::vector<double> each(const Series& series, Waits Gaps::*which, double Waits::*percentile) {
  std::vector<double> values;
  for (const Gaps& gaps : series) values.push_back(gaps.*which.*percentile);
  return values;
}

// With one model per worker, a state arrives while the worker waits for it, so the transfer counts: at the rate of
// plain sockets in the row hop/unix. Without that row the transfer counts as nothing.
double plain_bytes_per_second(const Suite& suite) {
  for (const Row& row : suite.report().rows) {
    if (row.name == "hop/unix") return row.peer * 1e9;
  }
  return INFINITY;
}

// Both percentiles of some units, against the figure that they are to reach.
void add_rows(Suite& suite, const std::string& name, const Series& series, Waits Gaps::*which, double most_ms,
              const std::string& peer) {
  const std::vector<double> most(series.size(), most_ms);
  for (const auto& [text, percentile] : {std::pair("/p50", &Waits::p50), std::pair("/p99", &Waits::p99)}) {
    Row row = row_of_times(name + text, each(series, which, percentile), most, peer, "ms", 1);
    row.target = 1;
    suite.add(row);
  }
}

// The price of durable = true.
void add_durable_rows(Suite& suite, const std::string& name, const Series& durable, const Series& not_durable) {
  for (const auto& [text, percentile] : {std::pair("/p50", &Waits::p50), std::pair("/p99", &Waits::p99)}) {
    suite.add(row_of_times(name + "/durable" + text, each(durable, &Gaps::all, percentile),
                           each(not_durable, &Gaps::all, percentile), "durable = false", "ms", 1));
  }
}

}  // namespace

void add_gap_rows(Suite& suite) {
  const std::string two = "gap/two-models-per-worker", one = "gap/one-model-per-worker";
  if (!suite.wants(two) && !suite.wants(one)) return;
  const std::string four_models = "0.003, 0.001, 0.0003, 0.0001", two_models = "0.003, 0.001";
  const std::vector<Case> cases = {{two, four_models, "fixed", false},
                                   {two + "/free-order", four_models, "free", false},
                                   {two + "/durable", four_models, "fixed", true},
                                   {one, two_models, "fixed", false},
                                   {one + "/durable", two_models, "fixed", true}};
  const net::SocketDirectory directory;
  std::map<std::string, Series> gaps;
  const int rounds = suite.options().quick ? 1 : 5;
  for (int round = 0; round < rounds; ++round) {
    for (const Case& c : cases) gaps[c.name].push_back(run(suite, directory.path() / "gap", c));
  }
  const double transfer_ms = gaps[one].front().state_bytes / plain_bytes_per_second(suite) * 1e3;
  const std::string figure = "figure to reach", with_transfer = "transfer + 1 ms";
  add_rows(suite, two + "/prefetched", gaps[two], &Gaps::prefetched, 1, figure);
  add_rows(suite, two + "/late", gaps[two], &Gaps::late, 1 + transfer_ms, with_transfer);
  add_rows(suite, two + "/free-order", gaps[two + "/free-order"], &Gaps::all, 1, figure);
  add_rows(suite, one, gaps[one], &Gaps::all, 1 + transfer_ms, with_transfer);
  add_durable_rows(suite, two, gaps[two + "/durable"], gaps[two]);
  add_durable_rows(suite, one, gaps[one + "/durable"], gaps[one]);
}

}  // namespace hop::bench
