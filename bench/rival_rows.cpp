// A grid of sixteen small models, trained by hop run and by real systems: two processes on two cores, the same net,
// rows, batches and epochs (rival_job.h). Every side is watched from outside (watched.h). docs/rivals.md reads the
// rows.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "bench/rival_job.h"
#include "bench/suite.h"
#include "bench/watched.h"
#include "net/unix.h"

namespace hop::bench {
namespace {

namespace fs = std::filesystem;

struct Rival {
  const char* name;   ///< of its script, peers/rivals/NAME.py
  const char* title;  ///< for people, before it says its own name
  bool has_script = true;
};

constexpr std::array kRivals = {
    Rival{"ddp", "PyTorch DistributedDataParallel"},
    Rival{"horovod_gloo", "Horovod"},
    Rival{"ray_tune", "Ray Tune"},
    Rival{"optuna_joblib", "Optuna + joblib"},
    Rival{"torch_distributor", "TorchDistributor on Spark"},
    Rival{"cerebro", "cerebro-dl", false},
};

// The figures to reach: half of the time, a third of the memory, and 0.2 s for a command that trains nearly nothing.
constexpr double kTimeTarget = 2, kMemoryTarget = 3, kStartSeconds = 0.2;
constexpr double kLimitSeconds = 3600;

constexpr std::array kRows = {"rivals/wall",  "rivals/cpu",  "rivals/memory",
                              "rivals/start", "rivals/sent", "rivals/accuracy"};

/// One side's rounds.
struct Measured {
  std::string system{};
  std::vector<Watched> grid{}, start{};
  double accuracy = 0;  ///< of the best model
};

std::vector<double> each(const std::vector<Watched>& rounds, const std::function<double(const Watched&)>& of) {
  std::vector<double> values;
  for (const Watched& round : rounds) values.push_back(of(round));
  return values;
}

class Sides {
 public:
  Sides(Suite& suite, const fs::path& folder, const RivalJob& job)
      : suite_(suite), folder_(folder), grid_(job), start_(job.smallest(folder / "few")) {}

  // Both jobs once. Throws SideError.
  void run_ours(Measured& ours) {
    ours.grid.push_back(run_hop(grid_, "grid"));
    const auto results = nlohmann::json::parse(std::ifstream(folder_ / "hop-grid/run/results.json"));
    for (const auto& model : results["models"]) {
      if (model["valid_accuracy"].is_number()) {
        ours.accuracy = std::max(ours.accuracy, model["valid_accuracy"].get<double>());
      }
    }
    ours.start.push_back(run_hop(start_, "start"));
    fs::remove_all(folder_ / "hop-grid");
    fs::remove_all(folder_ / "hop-start");
  }
  void run_peer(const Rival& rival, Measured& peer) {
    peer.grid.push_back(run_script(rival, grid_));
    const auto answer = nlohmann::json::parse(peer.grid.back().output, nullptr, /*allow_exceptions=*/false);
    if (!answer.is_object() || answer["accuracies"].size() != grid_.grid().size()) {
      throw SideError("expected a line of JSON with an accuracy for each model, got " + peer.grid.back().output);
    }
    peer.system = answer["system"];
    peer.accuracy = std::ranges::max(answer["accuracies"].get<std::vector<double>>());
    peer.start.push_back(run_script(rival, start_));
  }

 private:
  Watched run_hop(const RivalJob& job, const std::string& name) {
    const fs::path place = folder_ / ("hop-" + name);
    fs::create_directories(place);
    write_file(place / "experiment.toml", job.toml());
    return watch({suite_.options().folder.parent_path() / "cli/hop", "run", place / "experiment.toml", "--run-dir",
                  place / "run"},
                 place);
  }
  Watched run_script(const Rival& rival, const RivalJob& job) {
    const fs::path place = folder_ / "r";  // a short name: Ray's sockets lie below it
    fs::create_directories(place);
    write_file(place / "job.json", job.json());
    const fs::path script = suite_.options().folder / "rivals" / (std::string(rival.name) + ".py");
    const Watched seen = watch({suite_.python(), script, place / "job.json"}, place);
    fs::remove_all(place);
    return seen;
  }
  // Minutes pass until there are rows, so it says what it sees.
  Watched watch(const std::vector<std::string>& command, const fs::path& place) const {
    const Watched seen = watched(suite_.options().folder / "hop_bench", command, place, kLimitSeconds);
    std::fprintf(stderr, "rivals: %s: %.2f s, %.2f s of processor time, %.0f MB, %.2f MB sent\n",
                 fs::path(command[1] == "run" ? "hop" : command[1]).filename().c_str(), seen.seconds, seen.cpu_seconds,
                 static_cast<double>(seen.peak_bytes) * 1e-6, static_cast<double>(seen.sent_bytes.value_or(0)) * 1e-6);
    return seen;
  }

  Suite& suite_;
  fs::path folder_;
  RivalJob grid_, start_;
};

void add_rows(Suite& suite, const Measured& ours, const Measured& peer) {
  const auto add = [&](Row row, std::optional<double> target) {
    if (!suite.wants(row.name)) return;
    row.target = target;
    suite.add(std::move(row));
  };
  const auto times = [&](const std::string& name, const auto& rounds, const auto& of, const std::string& unit,
                         double factor) {
    return row_of_times("rivals/" + name, each(ours.*rounds, of), each(peer.*rounds, of), peer.system, unit, factor);
  };
  const auto seconds = [](const Watched& w) { return w.seconds; };
  add(times("wall", &Measured::grid, seconds, "s", 1), kTimeTarget);
  add(times(
          "cpu", &Measured::grid, [](const Watched& w) { return w.cpu_seconds; }, "s", 1),
      std::nullopt);
  add(times(
          "memory", &Measured::grid, [](const Watched& w) { return static_cast<double>(w.peak_bytes); }, "MB", 1e-6),
      kMemoryTarget);
  Row start = times("start", &Measured::start, seconds, "s", 1);
  const double target = start.peer / kStartSeconds;
  add(std::move(start), target);
  const auto sent = [](const Watched& w) { return static_cast<double>(w.sent_bytes.value_or(0)); };
  if (ours.grid.front().sent_bytes && peer.grid.front().sent_bytes) {
    add(times("sent", &Measured::grid, sent, "MB", 1e-6), std::nullopt);
  }
  add(row_of_rates("rivals/accuracy", {ours.accuracy}, {peer.accuracy}, peer.system, "of 1"), std::nullopt);
}

// Where the test data lie: as the tests find them.
fs::path rows_of(const Suite& suite) {
  const char* data = std::getenv("HOP_TEST_DATA");
  const fs::path root = suite.options().folder.parent_path().parent_path();
  return (data != nullptr ? fs::path(data) : root / "../shared/data") / "mnist";
}

// Why peers/rivals/install could not install it; empty if it could.
std::string reason_of(const Suite& suite, const Rival& rival) {
  std::ifstream file(suite.options().folder.parent_path() / "rivals" / (std::string(rival.name) + ".why"));
  std::string reason;
  std::getline(file, reason);
  if (reason.empty() && !rival.has_script) return "it was not tried; ./dev bench tries";
  return reason;
}

}  // namespace

void add_rival_rows(Suite& suite) {
  if (std::ranges::none_of(kRows, [&](const char* name) { return suite.wants(name); })) return;
  const fs::path rows = rows_of(suite);
  if (!exists(rows))
    return suite.skip("rivals", "expected MNIST's files in " + rows.string() + "; HOP_TEST_DATA moves it");
  const net::SocketDirectory directory;
  Sides sides(suite, directory.path(), {.rows = rows});
  Measured ours;
  std::map<std::string, Measured> peers;
  std::vector<Rival> present;
  for (const Rival& rival : kRivals) {
    const std::string reason = reason_of(suite, rival);
    reason.empty() ? present.push_back(rival) : suite.skip(rival.title, reason);
  }
  const int rounds = suite.options().quick ? 1 : std::min(suite.options().rounds.rounds, 3);
  for (int round = 0; round < rounds; ++round) {
    sides.run_ours(ours);
    std::erase_if(present, [&](const Rival& rival) {
      try {
        sides.run_peer(rival, peers[rival.name]);
        return false;
      } catch (const SideError& error) {
        suite.skip(rival.title, error.what());
        return true;
      }
    });
  }
  for (const Rival& rival : present) add_rows(suite, ours, peers[rival.name]);
}

}  // namespace hop::bench
