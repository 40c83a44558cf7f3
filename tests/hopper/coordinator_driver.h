// A coordinator, its journal and the answers of its workers, for tests that go step by step.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

#include "hopper/coordinator.h"
#include "hopper/schedule/fixed.h"
#include "hopper/schedule/greedy.h"
#include "hopper/search/grid.h"

namespace hop::hopper {

inline Peer peer(std::uint32_t worker, std::uint32_t life = 1) { return {WorkerId{worker}, Incarnation{life}}; }

inline std::unique_ptr<Search> grid(std::uint32_t models) {
  Choices index;
  for (std::uint32_t i = 0; i < models; ++i) index.emplace_back(std::int64_t{i});
  return std::make_unique<GridSearch>(Space{{"index", index}});
}

inline std::unique_ptr<Policy> policy(Order order) {
  if (order == Order::Fixed) return std::make_unique<FixedPolicy>();
  return std::make_unique<GreedyPolicy>();
}

// A coordinator and its journal; `synced` says when records become durable.
class Drive {
 public:
  using MakeSearch = std::function<std::unique_ptr<Search>()>;

  explicit Drive(Itinerary itinerary, std::uint32_t models = 1, std::vector<Record> records = {},
                 CoordinatorOptions options = {})
      : Drive(
            itinerary, [models] { return grid(models); }, std::move(records), options) {}
  Drive(Itinerary itinerary, MakeSearch search, std::vector<Record> records = {}, CoordinatorOptions options = {})
      : itinerary_(itinerary),
        search_(std::move(search)),
        options_(options),
        durable_(std::move(records)),
        synced_(durable_.size()) {
    begin();
  }

  /// One event; the actions that follow stand in `actions` until the next one.
  void step(const Event& event) {
    actions = coordinator_->step(event, now);
    coordinator_->check_invariants();
    for (const Action& action : actions) {
      if (const auto* append = std::get_if<action::Append>(&action)) {
        durable_.push_back(append->record);
        EXPECT_EQ(append->sequence, durable_.size());
      }
    }
  }
  void sync() {
    synced_ = durable_.size();
    step(event::Synced{synced_});
  }
  void up(std::uint32_t worker, std::uint32_t life = 1, std::vector<HeldState> held = {}) {
    step(event::WorkerUp{peer(worker, life), std::move(held)});
  }
  void down(std::uint32_t worker, std::uint32_t life = 1) { step(event::WorkerDown{peer(worker, life)}); }

  /// The lease that the model has; fails if there is none.
  Lease lease(std::uint32_t model) const {
    for (const WorkerState& worker : coordinator_->workers()) {
      for (const Lease& lease : worker.leases) {
        if (lease.model == ModelId{model}) return lease;
      }
    }
    ADD_FAILURE() << "no lease of model " << model;
    return {};
  }
  bool leased(std::uint32_t model) const {
    for (const WorkerState& worker : coordinator_->workers()) {
      for (const Lease& lease : worker.leases) {
        if (lease.model == ModelId{model}) return true;
      }
    }
    return false;
  }
  Peer holder(std::uint32_t model) const {
    for (const WorkerState& worker : coordinator_->workers()) {
      for (const Lease& lease : worker.leases) {
        if (lease.model == ModelId{model}) return {worker.id, worker.incarnation};
      }
    }
    return {};
  }

  /// The result that the holder of its lease would send.
  event::Result result_of(std::uint32_t model, double loss = 1) const {
    const Lease l = lease(model);
    UnitMetrics metrics;
    metrics.train_loss = loss;
    metrics.seconds = 1;
    return {holder(model), l.model, l.unit, l.attempt, Digest{number_of(l.unit), model + 1}, metrics};
  }
  /// The state that the holder would find on its disk after the unit.
  HeldState held_of(std::uint32_t model) const {
    const Lease l = lease(model);
    const event::Result r = result_of(model);
    return {l.model, after(l.unit), l.partition, l.attempt, l.parent, r.digest, r.metrics};
  }
  void train(std::uint32_t model, double loss = 1) {
    step(result_of(model, loss));
    sync();
  }
  void fail(std::uint32_t model, Failure failure, const std::string& text = "") {
    const Lease l = lease(model);
    step(event::UnitFailed{holder(model), l.model, l.unit, l.attempt, failure, text});
  }

  /// The coordinator dies, and what was not synced dies with it.
  void crash(const event::Started& started = {}) {
    durable_.resize(synced_);
    begin(started);
  }

  template <class A>
  std::vector<A> all() const {
    std::vector<A> found;
    for (const Action& action : actions) {
      if (const A* a = std::get_if<A>(&action)) found.push_back(*a);
    }
    return found;
  }
  template <class R>
  std::vector<R> appended() const {
    std::vector<R> found;
    for (const action::Append& append : all<action::Append>()) {
      if (const R* r = std::get_if<R>(&append.record)) found.push_back(*r);
    }
    return found;
  }
  const Model& model(std::uint32_t id) const { return coordinator_->ledger().model(ModelId{id}); }
  const Coordinator& coordinator() const { return *coordinator_; }
  const std::vector<Record>& journal() const { return durable_; }

  std::vector<Action> actions;
  Time now{};

 private:
  void begin(const event::Started& started = {}) {
    coordinator_ = std::make_unique<Coordinator>(itinerary_, search_(), policy(itinerary_.order), durable_, options_);
    step(started);
    if (durable_.size() > synced_) sync();
  }

  Itinerary itinerary_;
  MakeSearch search_;
  CoordinatorOptions options_;
  std::vector<Record> durable_;
  std::size_t synced_;
  std::unique_ptr<Coordinator> coordinator_;
};

inline const Itinerary kOneWorker{2, 1, 2, Order::Fixed};
inline const Itinerary kTwoWorkers{2, 2, 2, Order::Fixed};

}  // namespace hop::hopper
