// Describes the work of each worker and the wait of each model in words. The words follow from the state; only the time
// since the words last changed is stored. All functions run on the loop's thread.
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <map>

#include "hopper/detail/run_loop.h"
#include "hopper/detail/status_file.h"

namespace hop::hopper {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kStatusInterval = std::chrono::seconds(1);
constexpr auto kWorthALine = std::chrono::seconds(2);

std::string name_of(WorkerId worker) { return "worker " + std::to_string(worker.value); }

std::string seconds(Clock::duration time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}

}  // namespace

std::string RunLoop::doing(const Node& node) const {
  if (node.lives.is_gone()) {
    const std::string why = node.lives.last_error().empty() ? "" : " (" + node.lives.last_error() + ")";
    const int process = process_of(node.peer.worker);
    const std::string of = process != 0 ? ": process " + std::to_string(process) : std::string();
    return node.lives.is_alive() ? "ends" + of + why : "is about to be started again" + why;
  }
  if (!node.connection) return "starts; it has not said hello";
  if (node.lives.state() == WorkerProgress::State::Starting) {
    const std::string what = node.last.doing.empty() ? "its first word" : node.last.doing;
    return node.held.empty() ? "starts: " + what : "starts: it lists the states that it holds";
  }
  if (!node.last.doing.empty()) return node.last.doing;
  if (early_.contains(node.peer.worker)) return "waits for the other workers: the run begins when all places are taken";
  if (has_something_to_do(node)) return "takes up a unit";
  return "waits for work: no model needs its partitions now";
}

std::string RunLoop::standing(const Node& node, Clock::time_point now) const {
  if (!node.connection || !has_something_to_do(node)) return {};
  std::string text;
  if (node.lives.state() == WorkerProgress::State::Busy) {
    text = ", " + std::to_string(node.last.rows_done) + " of " + std::to_string(node.last.rows) +
           " rows of partition " + std::to_string(node.last.partition.value);
  }
  const auto still = node.lives.stands_still_for(now);
  if (still < kWorthALine) return text;
  return text + "; nothing has moved for " + seconds(still) + ", at " + seconds(patience_.longest()) +
         " it is started anew";
}

// Describes the wait of a model that is neither finished nor set aside. `leases` says who holds which lease.
std::string RunLoop::waits_for(const Model& model, const std::map<ModelId, LeaseAt>& leases) const {
  if (const auto collected = collecting_.find(model.id); collected != collecting_.end()) {
    const bool is_best = collected->second.file == StateFile::Best;
    return std::string(is_best ? "its best state so far" : "its final state") + " is on its way from " +
           name_of(collected->second.peer.worker);
  }
  if (const auto lease = leases.find(model.id); lease != leases.end()) {
    const Node& node = nodes_[lease->second.worker.index()];
    const bool trains = node.last.busy && node.last.model == model.id;
    if (trains) return "trains on " + name_of(node.peer.worker);
    if (lease->second.place > 0) return "is next on " + name_of(node.peer.worker);
    return "is about to train on " + name_of(node.peer.worker) + ", which " + doing(node) + turn_of(node);
  }
  if (model.holder && nodes_[model.holder->index()].lives.is_gone()) {
    return "waits for " + name_of(*model.holder) + ", which has its state and " + doing(nodes_[model.holder->index()]);
  }
  if (coordinator_.stopping()) return "waits for the next resume: the run stops";
  if (const std::string missing = missing_member(model); !missing.empty()) return "waits until " + missing;
  std::string owners;
  for (const PartitionId unit : model.candidates) {
    const auto only = coordinator_.ledger().itinerary().only_worker(unit);
    const std::string owner = only ? name_of(*only) : "any worker";
    if (owners.find(owner) == std::string::npos) owners += (owners.empty() ? "" : " or ") + owner;
    if (owners.size() > 60) break;
  }
  if (model.status == Status::Paused) return "is paused by the search";
  if (coordinator_.waits_for_search(model)) return "waits for the others of its epoch, and for the search";
  return owners.empty() || coordinator_.ledger().owed_file(model) ? "waits for a state of it to be collected"
                                                                  : "waits for a place on " + owners;
}

// The first worker without which the group of the model's next unit cannot begin, and what it needs to do; empty if
// there is none.
std::string RunLoop::missing_member(const Model& model) const {
  if (model.candidates.empty()) return {};
  for (const WorkerId member : coordinator_.ledger().itinerary().members(model.candidates.front())) {
    const WorkerState& w = coordinator_.workers()[member.index()];
    if (!w.takes_leases()) return name_of(member) + " of its group is here";
    if (!w.leases.empty()) return name_of(member) + " of its group is free";
  }
  return {};
}

RunStatus RunLoop::status(Clock::time_point now) {
  RunStatus status;
  status.process = static_cast<int>(::getpid());
  const auto since = [&](const std::string& who, const std::string& what) {
    auto& [words, begin] = waits_[who];
    if (words != what) {
      words = what;
      begin = now;
    }
    return std::chrono::duration<double>(now - begin).count();
  };
  status.strategy_choice = experiment_.run.strategy_choice;
  if (const auto disk = disk_.present(now); disk && disk->lasts >= kWorthALine) {
    status.coordinator.push_back({"its disk", disk->what, std::chrono::duration<double>(disk->lasts).count()});
  }
  std::map<ModelId, LeaseAt> leases;
  for (const Node& node : nodes_) {
    const std::string who = name_of(node.peer.worker), what = doing(node);
    status.workers.push_back({who, what + turn_of(node) + standing(node, now), since(who, what)});
    const auto& held = coordinator_.workers()[node.peer.worker.index()].leases;
    for (std::size_t i = 0; i < held.size(); ++i) {
      if (held[i].is_lead()) leases[held[i].model] = {node.peer.worker, i};
    }
  }
  for (const Model& model : coordinator_.ledger().models()) {
    const bool is_over = model.file.has_value() || model.status == Status::Quarantined;
    if (is_over) {
      ++status.models_done;
      continue;
    }
    if (++status.models_listed > kListedModels) continue;
    const std::string who = "model " + std::to_string(model.id.value), what = waits_for(model, leases);
    status.models.push_back({who, what, since(who, what)});
  }
  return status;
}

void RunLoop::write_status() {
  const auto now = Clock::now();
  if (writes_status_ || now - status_written_ < kStatusInterval) return;
  status_written_ = now;
  writes_status_ = true;
  status_disk_.post("writes the status", [this, current = status(now)] {
    write_status_file(options_.run_directory, current);
    net::asio::post(io_, [this] { writes_status_ = false; });
  });
}

}  // namespace hop::hopper
