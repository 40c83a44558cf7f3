#include "hopper/simulate/run.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "base/clock.h"
#include "base/error.h"
#include "base/process_usage.h"
#include "base/words.h"
#include "hopper/build_model.h"
#include "hopper/coordinator.h"
#include "hopper/detail/restore.h"
#include "hopper/simulate/event_queue.h"
#include "hopper/simulate/gatherings.h"
#include "hopper/simulate/node.h"
#include "hopper/simulate/rng.h"

namespace hop::hopper::simulate {
namespace {

// Virtual time counts nanoseconds in 63 bits, 292 years: no wait is longer than a year, no run longer than a hundred.
constexpr double kLongestWait = 3.2e7;
constexpr Time kLongestRun = std::chrono::hours(100 * 365 * 24);

double check_seconds(const std::string& what, double seconds) {
  if (seconds >= 0 && seconds <= kLongestWait) return seconds;
  throw ConfigError("[simulate] " + what + ": expected 0 to " + shortest(kLongestWait) + " seconds, got " +
                    shortest(seconds));
}

void check(const RunOptions& options) {
  if (!(options.jitter >= 0 && options.jitter <= 1)) {
    throw ConfigError("[simulate] jitter: expected 0 to 1, got " + shortest(options.jitter));
  }
  check_seconds("transfer_seconds", options.transfer_seconds);
  check_seconds("sync_seconds", options.sync_seconds);
  if (!(options.bytes_per_second >= 0 && std::isfinite(options.bytes_per_second))) {
    throw ConfigError("[simulate] bytes_per_second: expected 0 or more, got " + shortest(options.bytes_per_second));
  }
}

Time to_time(double seconds) { return Time(static_cast<Time::rep>(seconds * 1e9)); }
double to_seconds(Time time) { return static_cast<double>(time.count()) * 1e-9; }

struct Cost {
  std::uint64_t calls = 0;
  double seconds = 0;
};

/// A policy with a clock beside it.
class TimedPolicy final : public Policy {
 public:
  TimedPolicy(std::unique_ptr<Policy> policy, Cost& cost) : policy_(std::move(policy)), cost_(cost) {}
  std::optional<Choice> next(const ScheduleView& view) const override {
    const Stopwatch watch;
    const std::optional<Choice> choice = policy_->next(view);
    cost_.seconds += watch.seconds();
    ++cost_.calls;
    return choice;
  }
  std::string_view name() const override { return policy_->name(); }

 private:
  std::unique_ptr<Policy> policy_;
  Cost& cost_;
};

/// A world without faults: the real coordinator, and the real machine of each worker.
class Cluster final : private World {
 public:
  Cluster(const Experiment& experiment, const RunOptions& options)
      : experiment_(experiment),
        passes_of_an_epoch_(passes_of_an_epoch(experiment)),
        options_(options),
        itinerary_(make_itinerary(experiment, experiment.data.partitions.value_or(4))),
        coordinator_(itinerary_, make_search(experiment),
                     std::make_unique<TimedPolicy>(make_policy(experiment.run.policy, itinerary_), in_policy_)),
        seconds_(experiment.run.workers) {
    World& world = *this;
    for (std::uint32_t w = 0; w < experiment.run.workers; ++w) nodes_.emplace_back(WorkerId(w), world);
  }

  RunReport run() {
    const Stopwatch watch;
    step(event::Started{});
    for (Node& node : nodes_) {
      node.start();
      node.connect();
    }
    while (!is_over() && !queue_.empty()) queue_.run_next();
    report_.hops = coordinator_.ledger().hops();
    for (const Model& model : coordinator_.ledger().models()) report_.hop_bytes += model.hops * state_bytes(model.id);
    const double capacity = report_.makespan_seconds * static_cast<double>(nodes_.size());
    report_.utilisation = capacity > 0 ? trained_seconds_ / capacity : 0;
    const double decisions = std::max(1.0, static_cast<double>(report_.decisions));
    report_.policy_microseconds = in_policy_.seconds * 1e6 / decisions;
    report_.microseconds_per_decision = in_coordinator_.seconds * 1e6 / decisions;
    report_.peak_rss_bytes = usage_of_process().peak_bytes;
    report_.wall_seconds = watch.seconds();
    return report_;
  }

 private:
  bool is_over() const {
    return coordinator_.finished() || (options_.most_units != 0 && report_.units >= options_.most_units);
  }

  // ---- the coordinator: events that an action causes at once wait until all actions before them are performed

  void step(Event event) {
    events_.push_back(std::move(event));
    if (stepping_) return;
    stepping_ = true;
    while (!is_over() && !events_.empty()) {
      const Event next = std::move(events_.front());
      events_.pop_front();
      const Stopwatch watch;
      const std::vector<Action> actions = coordinator_.step(next, queue_.now());
      if (!std::holds_alternative<event::WorkerUp>(next)) in_coordinator_.seconds += watch.seconds();
      for (const Action& action : actions) std::visit([this](const auto& a) { perform(a); }, action);
    }
    stepping_ = false;
  }

  void perform(const action::Append& append) {
    appended_ = append.sequence;
    if (std::holds_alternative<record::Commit>(append.record)) commits_.push_back(append.sequence);
    sync();
  }
  void perform(const action::SendLease& sent) {
    report_.decisions += sent.lease.is_lead() ? 1 : 0;
    deliver(sent);
  }
  void perform(const action::CancelLease& cancel) { deliver(cancel); }
  void perform(const action::SourceGone& gone) { deliver(gone); }
  void perform(const action::Answer& answer) { deliver(answer); }
  void perform(const action::Release& release) { deliver(release); }
  void perform(const action::SendCopy& copy) { deliver(copy); }
  void perform(const action::SendCollect& collect) {
    queue_.after(transfer_time(collect.model), [this, collect] {
      step(event::Collected{collect.peer, collect.model, collect.file, 1, std::string(64, '0')});
    });
  }
  void perform(const action::SetTimer& timer) {
    queue_.after(timer.at - queue_.now(), [this] { step(event::Timer{}); });
  }
  void perform(const action::SendHome&) {}  // nobody leaves
  void perform(const action::Finish&) {}

  template <class Message>
  void deliver(const Message& message) {
    nodes_[message.peer.worker.index()].receive(message);
  }

  // Group commit: records that are appended before a sync begins are durable when it ends.
  void sync() {
    if (syncing_ || appended_ == durable_) return;
    syncing_ = true;
    queue_.after(to_time(options_.sync_seconds), [this, sequence = appended_] {
      syncing_ = false;
      durable_ = sequence;
      for (; !commits_.empty() && commits_.front() <= sequence; commits_.pop_front()) {
        report_.makespan_seconds = to_seconds(queue_.now());
      }
      step(event::Synced{sequence});
      sync();
    });
  }

  // ---- the workers

  Time now() const override { return queue_.now(); }
  void after(Time delay, std::function<void()> task) override { queue_.after(delay, std::move(task)); }
  std::vector<worker::Action> step(WorkerId, worker::Jobs& jobs, const worker::Event& event) override {
    return jobs.step(event, queue_.now());
  }
  void send(const Peer&, Event event) override { step(std::move(event)); }
  Time transfer_time(ModelId model) const override {
    const double bytes = options_.bytes_per_second > 0 ? state_bytes(model) / options_.bytes_per_second : 0;
    return to_time(check_seconds("state_bytes / bytes_per_second", options_.transfer_seconds + bytes));
  }
  Reading fetch(WorkerId, WorkerId source, ModelId model, Version version) override {
    return nodes_[source.index()].give(model, version);
  }
  void gather(WorkerId worker, const Lease& lease) override { gatherings_.gather(worker, lease); }
  void scatter(Attempt attempt) override { gatherings_.scatter(attempt); }
  Time unit_time(WorkerId worker, const Lease& lease) override {
    seconds_[worker.index()] = seconds_of(worker, lease);
    return to_time(seconds_[worker.index()] + exchange_of(lease).seconds);
  }

  double state_bytes(ModelId model) const {
    return options_.state_bytes ? options_.state_bytes(model, coordinator_.ledger().model(model).config) : 0;
  }

  double seconds_of(WorkerId worker, const Lease& lease) const {
    const ModelId model = lease.identity();
    const Config& config = coordinator_.ledger().model(model).config;
    const double seconds =
        check_seconds("pass_seconds", options_.pass_seconds ? options_.pass_seconds(model, config) : 1);
    const std::vector<PartitionId> all = itinerary_.passes(lease.partition);
    const auto passes = static_cast<double>(
        std::ranges::count_if(all, [&](PartitionId id) { return !lease.has_group() || itinerary_.holds(worker, id); }));
    Rng rng(hash64(experiment_.seed, "unit", {lease.model.value, lease.unit.value}));
    return passes * passes_of_an_epoch_ * seconds * (1 - options_.jitter + 2 * options_.jitter * rng.uniform());
  }

  UnitExchange exchange_of(const Lease& lease) const {
    if (!lease.has_group() || !options_.exchange) return {};
    const ModelId model = lease.identity();
    const UnitExchange exchange = options_.exchange(model, coordinator_.ledger().model(model).config, lease.partition);
    check_seconds("exchange", exchange.seconds);
    return exchange;
  }

  std::pair<UnitMetrics, Digest> train(WorkerId worker, const Lease& lease, const Digest&) override {
    if (queue_.now() > kLongestRun)
      throw ConfigError("[simulate] expected a run of at most 100 years, got a longer one");
    double seconds = seconds_[worker.index()];
    ++report_.units;
    trained_seconds_ += seconds;
    for (std::size_t rank = 1; rank < lease.members.size(); ++rank) {  // the lead reports for its group
      const double of_member = seconds_[lease.members[rank].index()];
      trained_seconds_ += of_member;
      seconds = std::max(seconds, of_member);
    }
    const UnitExchange exchange = exchange_of(lease);
    report_.exchange_bytes += exchange.bytes;
    return {metrics_of(lease, seconds + exchange.seconds), Digest{lease.identity().value, number_of(lease.unit)}};
  }

  UnitMetrics metrics_of(const Lease& lease, double seconds) const {
    UnitMetrics metrics;
    metrics.rows = 1;
    metrics.seconds = seconds;
    EpochMetrics epoch;
    epoch.train_loss = 1.0 / number_of(lease.epoch);
    if (options_.metrics) {
      const ModelId model = lease.identity();
      epoch = options_.metrics(model, coordinator_.ledger().model(model).config, lease.epoch);
    }
    metrics.train_loss = epoch.train_loss;
    if (!lease.validate) return metrics;
    metrics.valid_loss = epoch.valid_loss.value_or(epoch.train_loss);
    metrics.valid_accuracy = epoch.valid_accuracy;
    metrics.own = epoch.own;
    return metrics;
  }

  const Experiment& experiment_;
  const std::uint32_t passes_of_an_epoch_;
  const RunOptions& options_;
  Cost in_policy_, in_coordinator_;
  const Itinerary itinerary_;
  Coordinator coordinator_;
  std::deque<Node> nodes_;
  std::vector<double> seconds_;  // of the unit in training, by worker
  EventQueue queue_;
  Gatherings gatherings_{
      *this, [this](WorkerId worker, Attempt attempt, GroupEnd end) { nodes_[worker.index()].hear_end(attempt, end); }};
  std::deque<Event> events_;
  bool stepping_ = false;
  std::uint64_t appended_ = 0, durable_ = 0;
  std::deque<std::uint64_t> commits_;  // appended, not yet durable
  bool syncing_ = false;
  double trained_seconds_ = 0;
  RunReport report_;
};

}  // namespace

RunReport run(const Experiment& experiment, const RunOptions& options) {
  check(options);
  return Cluster(experiment, options).run();
}

}  // namespace hop::hopper::simulate
