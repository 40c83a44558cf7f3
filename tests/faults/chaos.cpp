#include "tests/faults/chaos.h"

#include <signal.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <optional>
#include <random>

#include "base/error.h"
#include "hopper/journal.h"

namespace hop::testing {

namespace fs = std::filesystem;

namespace {

constexpr int kMaxFaults = 3;  // in one round
constexpr std::chrono::seconds kPatience(180);

class Round {
 public:
  Round(const Arena& arena, const Trial& trial, std::uint64_t seed)
      : arena_(arena), trial_(trial), directory_(trial.run_directory()), random_(seed) {}

  ChaosReport run() {
    std::vector<std::size_t> moments(1 + draw(kMaxFaults));  // in units that are done
    for (std::size_t& moment : moments) moment = draw(arena_.units());
    std::sort(moments.begin(), moments.end());
    start();
    for (const std::size_t moment : moments) {
      await(moment);
      if (program_->running()) disturb(moment);
      while (report_.wrong.empty() && !program_->running() && !is_over()) start();
      if (!report_.wrong.empty()) return report_;
    }
    do {
      if (!eventually([&] { return !program_->running(); }, kPatience)) return fail("the run does not end");
    } while (report_.wrong.empty() && !is_over() && (start(), true));
    if (report_.wrong.empty()) report_.wrong = trial_.verdict();
    if (report_.wrong.empty() && !eventually([&] { return !anybody_left(); })) return fail("a worker outlives its run");
    return report_;
  }

 private:
  struct Kind {
    const char* name;
    void (Round::*inflict)();
  };
  static const std::array<Kind, 15> kKinds;

  std::size_t draw(std::size_t below) { return random_() % below; }
  template <class T>
  const T& one_of(const std::vector<T>& all) {
    return all[draw(all.size())];
  }

  ChaosReport fail(const std::string& why) {
    report_.wrong = why;
    return report_;
  }

  void start() {
    program_ = std::make_unique<Program>(arena_.program(), trial_.words_to_go_on(), trial_.folder());
    was_ended_ = false;
  }

  // Waits until so many units are done, or the program has ended.
  void await(std::size_t units) {
    const bool came =
        eventually([&] { return !program_->running() || commits(directory_).size() >= units; }, kPatience);
    if (!came) fail("no unit is done any more");
  }

  // Whether a program that ended has finished the run. A program that nobody killed has no other way to end.
  bool is_over() {
    const Finished finished = program_->wait();
    if (finished.code == 0) return true;
    if (!was_ended_) {
      fail("ended with code " + std::to_string(finished.code) + ": " + finished.err.substr(0, 2000));
      return true;
    }
    return false;
  }

  void disturb(std::size_t moment) {
    const Kind& kind = kKinds[draw(kKinds.size())];
    report_.faults.push_back(std::string(kind.name) + " at unit " + std::to_string(moment));
    ++report_.kinds[kind.name];
    (this->*kind.inflict)();
  }

  std::optional<pid_t> worker() {
    const std::vector<pid_t> workers = program_->children();
    if (workers.empty()) return std::nullopt;
    return one_of(workers);
  }

  // ---- while the run goes on

  void kill_worker() {
    if (const auto pid = worker()) ::kill(*pid, SIGKILL);
  }
  void kill_all_workers() {
    for (const pid_t pid : program_->children()) ::kill(pid, SIGKILL);
  }
  void stop_worker() {
    if (const auto pid = worker()) ::kill(*pid, SIGSTOP);  // its coordinator has to find out
  }
  void stop_worker_for_a_while() {
    const auto pid = worker();
    if (!pid) return;
    ::kill(*pid, SIGSTOP);
    wait_for_a_unit();
    ::kill(*pid, SIGCONT);
  }
  void stop_coordinator_for_a_while() {
    program_->signal(SIGSTOP);
    wait_for_a_unit();
    program_->signal(SIGCONT);
  }
  void lose_states_under_a_worker() {
    const auto pid = worker();
    if (!pid) return;
    for (const fs::path& file : states_in(directory_ / "nodes")) {
      std::error_code gone;
      if (draw(2) == 0) fs::remove(file, gone);
    }
    ::kill(*pid, SIGKILL);
  }

  // Until somebody did a unit more, or half a second or so has passed: nobody may be able to.
  void wait_for_a_unit() {
    const std::size_t before = commits(directory_).size();
    eventually([&] { return commits(directory_).size() > before; }, std::chrono::seconds(draw(2)));
  }

  // ---- the end of one life

  void kill_coordinator() {
    const std::vector<pid_t> workers = program_->children();
    program_->signal(SIGKILL);
    was_ended_ = true;
    program_->wait();
    for (const pid_t pid : workers) {
      if (!eventually([&] { return is_gone(pid); })) fail("a worker outlives its coordinator");
    }
  }
  void kill_both() {
    kill_worker();
    kill_coordinator();
  }
  void interrupt() {
    program_->signal(SIGINT);
    was_ended_ = true;
    if (!eventually([&] { return !program_->running(); }, kPatience)) fail("Ctrl-C does not end the run");
  }

  // ---- between two lives

  void lose_one_in(const char* folder) {
    kill_coordinator();
    const std::vector<fs::path> files = states_in(directory_ / folder);
    if (!files.empty()) fs::remove(one_of(files));
  }
  void damage_one_in(const char* folder) {
    kill_coordinator();
    const std::vector<fs::path> files = states_in(directory_ / folder);
    if (!files.empty()) flip_a_bit(one_of(files), 0);
  }
  void lose_a_state() { lose_one_in("nodes"); }
  void lose_a_node() {
    kill_coordinator();
    std::error_code missing;
    std::vector<fs::path> nodes;
    for (const auto& node : fs::directory_iterator(directory_ / "nodes", missing)) nodes.push_back(node.path());
    std::sort(nodes.begin(), nodes.end());
    if (!nodes.empty()) fs::remove_all(one_of(nodes));
  }
  void damage_a_state() { damage_one_in("nodes"); }
  void lose_a_model_file() { lose_one_in("models"); }
  void damage_a_model_file() { damage_one_in("models"); }
  void damage_the_last_record() {
    kill_coordinator();
    const fs::path journal = directory_ / "journal";
    const std::uint64_t begin = begin_of_last_record(journal);
    if (begin == 0) return;
    if (draw(2) == 0) {
      flip_a_bit(journal, begin);
    } else {
      fs::resize_file(journal, begin + draw(fs::file_size(journal) - begin));
    }
  }

  static std::uint64_t begin_of_last_record(const fs::path& journal) {
    try {
      const hopper::JournalContents contents = hopper::read_journal(journal);
      return contents.offsets.empty() ? 0 : contents.offsets.back();
    } catch (const Error&) {  // the run had not begun
      return 0;
    }
  }

  // Somewhere behind byte `begin`.
  void flip_a_bit(const fs::path& path, std::uint64_t begin) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    const auto at = static_cast<std::streamoff>(begin + draw(fs::file_size(path) - begin));
    file.seekg(at);
    const int byte = file.get() ^ (1 << draw(8));
    file.seekp(at);
    file.put(static_cast<char>(byte));
  }

  // Workers have the run directory among their arguments.
  bool anybody_left() const {
    std::error_code vanished;
    for (const auto& process : fs::directory_iterator("/proc", vanished)) {
      if (read(process.path() / "cmdline").find((directory_ / "nodes").string()) != std::string::npos) return true;
    }
    return false;
  }

  const Arena& arena_;
  const Trial& trial_;
  const fs::path directory_;
  std::mt19937_64 random_;
  std::unique_ptr<Program> program_;
  bool was_ended_ = false;  // by a fault
  ChaosReport report_;
};

const std::array<Round::Kind, 15> Round::kKinds = {{
    {"kill a worker", &Round::kill_worker},
    {"kill all workers", &Round::kill_all_workers},
    {"stop a worker", &Round::stop_worker},
    {"stop and continue a worker", &Round::stop_worker_for_a_while},
    {"stop and continue the coordinator", &Round::stop_coordinator_for_a_while},
    {"lose states under a worker", &Round::lose_states_under_a_worker},
    {"kill the coordinator", &Round::kill_coordinator},
    {"kill both", &Round::kill_both},
    {"Ctrl-C", &Round::interrupt},
    {"lose a state", &Round::lose_a_state},
    {"lose a node", &Round::lose_a_node},
    {"damage a state", &Round::damage_a_state},
    {"lose a model file", &Round::lose_a_model_file},
    {"damage a model file", &Round::damage_a_model_file},
    {"damage the last record", &Round::damage_the_last_record},
}};

}  // namespace

ChaosReport chaos_round(const Arena& arena, const Trial& trial, std::uint64_t seed) {
  return Round(arena, trial, seed).run();
}

}  // namespace hop::testing
