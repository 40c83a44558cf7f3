// Messages of a run about itself while it goes on, and stopping it from outside.
#include <boost/asio/post.hpp>
#include <fstream>

#include "base/words.h"
#include "hopper/detail/process_host.h"
#include "hopper/detail/run_loop.h"

namespace hop::hopper {
namespace {

constexpr std::size_t kLongestNotice = 8000;

std::string name_of(WorkerId worker) { return "worker " + std::to_string(worker.value); }

// Epochs count from 1 for people.
std::string name_of(const Lease& unit) {
  return "model " + std::to_string(unit.model.value) + "'s unit of epoch " + std::to_string(unit.epoch + 1) +
         " on partition " + std::to_string(unit.partition.value);
}

}  // namespace

void RunLoop::notice(const std::string& text) {
  const std::string line = printable(text, kLongestNotice);
  net::asio::post(disk_,
                  [line, log = options_.run_directory / "log"] { std::ofstream(log, std::ios::app) << line << '\n'; });
  if (options_.on_notice) options_.on_notice(line);
}

// Says how a worker's life ended (`how`). If the trouble began as something else (silence, a broken connection), says
// that, too.
void RunLoop::tell_loss(Node& node, const std::string& how) {
  std::string when = " before it was ready";
  if (node.was_ready)
    when = node.interrupted ? " in the middle of " + name_of(*node.interrupted) : " between two units";
  const std::string cause = node.last_error != how ? " (" + node.last_error + ")" : "";
  notice(name_of(node.peer.worker) + " was lost" + when + ": " + how + cause);
  if (node.epilogue.empty()) return;
  notice(std::exchange(node.epilogue, {}));
  node.interrupted.reset();
}

// Says what became of the unit of a lost worker. Only the worker that owns the partition can take the unit over, in its
// next life.
void RunLoop::tell_fate(WorkerId worker, ModelId model, std::uint32_t unit, const std::string& verb) {
  std::optional<Lease>& interrupted = nodes_[worker.index()].interrupted;
  if (!interrupted || interrupted->model != model || interrupted->unit != unit) return;
  const int process = process_of(worker);
  const std::string life = process != 0 ? " (process " + std::to_string(process) + ")" : "";
  notice(name_of(worker) + ", started again" + life + ", " + verb + " " + name_of(*interrupted));
  interrupted.reset();
}

// Says that a model is set aside: no worker takes its unit over. If a loss decided this, the loss is told first, once
// it is known how the worker's life ended.
void RunLoop::tell_quarantine(const record::Quarantine& quarantine) {
  const std::string line = "model " + std::to_string(quarantine.model.value) + " is set aside: " + quarantine.reason;
  bool is_told_later = false;
  for (Node& node : nodes_) {
    if (!node.interrupted || node.interrupted->model != quarantine.model) continue;
    if (node.state == WorkerProgress::State::Gone && !is_told_later) {
      node.epilogue = line;
      is_told_later = true;
    } else if (node.state != WorkerProgress::State::Gone) {
      node.interrupted.reset();
    }
  }
  if (!is_told_later) notice(line);
}

// Says that a model goes back. Its units keep their results; only time is lost.
void RunLoop::tell_rollback(const record::Rollback& rollback) {
  const Model& model = coordinator_.ledger().model(rollback.model);
  const std::uint32_t units = model.version - rollback.version;
  notice("model " + std::to_string(model.id.value) + ": " + rollback.reason + "; " + std::to_string(units) +
         (units == 1 ? " unit is" : " units are") + " trained again, from " +
         (rollback.worker ? "version " + std::to_string(rollback.version) + " on " + name_of(*rollback.worker)
                          : "its initial state"));
}

// Warns once per run: results.json has every worker's change.
void RunLoop::tell_change(const record::Arithmetic& now) {
  const std::string& before = coordinator_.ledger().arithmetic()[now.worker.index()];
  if (before.empty() || std::exchange(told_of_change_, true)) return;
  notice("warning: " + name_of(now.worker) + " computes with " + now.text + ", and before with " + before +
         ": bits may differ from those of a run that went through (arithmetic_changes in results.json)");
}

// The trouble may pass. If it does not, the state counts as lost, and that is told, too.
void RunLoop::tell_unreadable(ModelId model, const std::string& why) {
  notice("model " + std::to_string(model.value) + ": its state could not be read and is asked for again: " + why);
}

int RunLoop::process_of(WorkerId worker) const {
  const auto* processes = dynamic_cast<const ProcessHost*>(host_.get());
  return processes != nullptr ? static_cast<int>(processes->pid(worker)) : 0;
}

void RunLoop::schedule_progress() {
  if (!options_.on_progress) return;
  progress_timer_.expires_after(
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(options_.progress_interval));
  progress_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    if (changed_) report_progress();
    changed_ = false;
    schedule_progress();
  });
}

void RunLoop::report_progress() {
  if (options_.on_progress) options_.on_progress(progress());
}

RunProgress RunLoop::progress() const {
  const Ledger& ledger = coordinator_.ledger();
  RunProgress progress{ledger, {}, clock_.seconds(), 0, 0, -1, coordinator_.stopping()};
  for (const Node& node : nodes_) {
    WorkerProgress worker;
    worker.state = node.state;
    worker.model = node.last.model;
    worker.lives = node.peer.incarnation.value;
    if (node.state == WorkerProgress::State::Busy) {
      worker.epoch = ledger.plan().epoch(node.last.unit);
      worker.fraction =
          node.last.rows == 0 ? 0 : static_cast<double>(node.last.rows_done) / static_cast<double>(node.last.rows);
      worker.partition = node.last.partition;
    }
    worker.process = process_of(node.peer.worker);
    progress.workers.push_back(worker);
  }
  for (const Model& model : ledger.models()) {
    progress.units_done += model.version;
    progress.units_total += model.status == Status::Running ? ledger.plan().units() : model.version;
  }
  const double done_here = static_cast<double>(progress.units_done) - started_units_;
  if (done_here > 0) {
    progress.eta_seconds =
        progress.seconds / done_here * static_cast<double>(progress.units_total - progress.units_done);
  }
  return progress;
}

void RunControl::stop() {
  const std::scoped_lock lock(mutex_);
  stopped_ = true;
  if (handler_) handler_(false);
}

bool RunControl::abort() {
  const std::scoped_lock lock(mutex_);
  aborted_ = true;
  if (handler_) handler_(true);
  return handler_ != nullptr;
}

void RunControl::attach(std::function<void(bool)> handler) {
  const std::scoped_lock lock(mutex_);
  handler_ = std::move(handler);
  if (handler_ && aborted_)
    handler_(true);
  else if (handler_ && stopped_)
    handler_(false);
}

}  // namespace hop::hopper
