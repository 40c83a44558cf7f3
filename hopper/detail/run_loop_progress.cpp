// The messages of a run about itself while it goes on, and the ways to stop it from outside. All functions run on the
// loop's thread, except those of RunControl: any thread may call these.
#include <algorithm>
#include <boost/asio/post.hpp>
#include <fstream>

#include "base/words.h"
#include "hopper/detail/process_host.h"
#include "hopper/detail/run_loop.h"

namespace hop::hopper {
namespace {

constexpr std::size_t kLongestNotice = 8000;

}  // namespace

void RunLoop::notice(const std::string& text) {
  const std::string line = printable(text, kLongestNotice);
  log(line);
  if (options_.on_notice) options_.on_notice(line);
}

void RunLoop::log(const std::string& line) {
  const std::filesystem::path file = options_.run_directory / "log";
  disk_.post("writes " + file.string(), [line, file] { std::ofstream(file, std::ios::app) << line << '\n'; });
}

void RunLoop::tell_of_disk() {
  std::string line = disk_.news();
  if (line.empty() && !disk_.present()) line = status_disk_.news();
  if (!line.empty()) notice(line);
}

// Writes to the log only: a search may give many orders at once, and the results have the reasons.
void RunLoop::log_order(const record::Ordered& order) {
  static constexpr const char* kWords[] = {
      " stops: ", " pauses: ", " trains on: ", " trains another number of epochs: "};
  log(printable(
      "model " + std::to_string(order.model.value) + kWords[static_cast<std::size_t>(order.kind)] + order.reason,
      kLongestNotice));
}

void RunLoop::notices(const Narrator::Lines& lines) {
  for (const std::string& line : lines) notice(line);
}

void RunLoop::narrate(const Action& action) {
  const std::optional<WorkerId> subject = Narrator::subject(action);
  notices(narrator_.tell(action, coordinator_.ledger(), subject ? process_of(*subject) : 0));
}

int RunLoop::process_of(WorkerId worker) const {
  const auto* processes = dynamic_cast<const ProcessHost*>(host_.get());
  return processes != nullptr ? static_cast<int>(processes->pid(worker)) : 0;
}

std::string RunLoop::name_with_process(WorkerId worker) const {
  const int process = process_of(worker);
  return "worker " + std::to_string(worker.value) +
         (process != 0 ? " (process " + std::to_string(process) + ")" : std::string());
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

// A clone's first units are its ancestors'.
std::uint32_t RunLoop::units_done(const Model& model) {
  return model.version.value - std::min(model.version.value, model.inherited);
}

RunProgress RunLoop::progress() const {
  const Ledger& ledger = coordinator_.ledger();
  RunProgress progress{ledger, {}, clock_.seconds(), 0, 0, -1, coordinator_.stopping()};
  for (const Node& node : nodes_) {
    WorkerProgress worker;
    worker.state = node.lives.state();
    worker.model = node.last.model;
    worker.lives = node.peer.incarnation.value;
    if (node.lives.state() == WorkerProgress::State::Busy) {
      worker.epoch = ledger.itinerary().epoch(node.last.unit);
      worker.fraction =
          node.last.rows == 0 ? 0 : static_cast<double>(node.last.rows_done) / static_cast<double>(node.last.rows);
      worker.partition = node.last.partition;
    }
    worker.process = process_of(node.peer.worker);
    progress.workers.push_back(worker);
  }
  for (const Model& model : ledger.models()) {
    progress.units_done += units_done(model);
    progress.units_total += units_done(model) + ledger.units_left(model);
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

bool RunControl::wait_for_end(std::chrono::duration<double> patience) {
  std::unique_lock lock(mutex_);
  return ended_.wait_for(lock, patience, [this] { return handler_ == nullptr; });
}

std::string RunControl::last_wait() {
  const std::scoped_lock lock(mutex_);
  return last_wait_ ? last_wait_() : std::string();
}

void RunControl::attach(std::function<void(bool)> handler, std::function<std::string()> last_wait) {
  const std::scoped_lock lock(mutex_);
  handler_ = std::move(handler);
  last_wait_ = std::move(last_wait);
  if (!handler_) ended_.notify_all();
  if (handler_ && aborted_)
    handler_(true);
  else if (handler_ && stopped_)
    handler_(false);
}

}  // namespace hop::hopper
