#include "hopper/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "base/error.h"
#include "hopper/results.h"
#include "hopper/search/grid.h"

namespace hop::hopper {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::unique_ptr<Search> grid(std::uint32_t models) {
  Choices index;
  for (std::uint32_t i = 0; i < models; ++i) index.emplace_back(std::int64_t{i});
  return std::make_unique<GridSearch>(Space{{"index", index}});
}

// Says what it is told, and stops whom it is asked to stop.
class Listener final : public Search {
 public:
  struct Told {
    std::uint32_t model, epoch;
    double loss;
    bool operator==(const Told&) const = default;
  };
  Listener(std::uint32_t models, std::vector<Told>& told, std::function<bool(std::uint32_t, std::uint32_t)> stop = {})
      : models_(models), told_(told), stop_(std::move(stop)) {}
  std::optional<Config> ask() override {
    if (next_ == models_) return std::nullopt;
    return Config{{"index", std::int64_t{next_++}}};
  }
  Decision tell(ModelId model, std::uint32_t epoch, const EpochMetrics& metrics) override {
    told_.push_back({model.value, epoch, metrics.train_loss});
    return stop_ && stop_(model.value, epoch) ? Decision::Stop : Decision::Continue;
  }
  bool stops_early() const override { return stop_ != nullptr; }

 private:
  std::uint32_t models_, next_ = 0;
  std::vector<Told>& told_;
  std::function<bool(std::uint32_t, std::uint32_t)> stop_;
};

record::Commit next_commit(const Ledger& ledger, std::uint32_t id, double loss = 1) {
  const Model& model = ledger.model(ModelId{id});
  record::Commit c;
  c.model = model.id;
  c.unit = model.version;
  c.partition = model.candidates.at(0);
  c.worker = ledger.plan().owner(c.partition);
  c.attempt = Attempt{1 + id * 100 + model.version};
  c.parent = model.digest;
  c.digest = {model.version + 1, id + 1};
  c.metrics.train_loss = loss;
  c.metrics.rows = 10;
  c.metrics.seconds = 2;
  if (model.version == 0) c.config = model.config.to_text();
  return c;
}

void commit(Ledger& ledger, std::uint32_t id, double loss = 1) { ledger.apply(next_commit(ledger, id, loss)); }

Ledger reserved(Plan plan, std::unique_ptr<Search> search) {
  Ledger ledger(plan, std::move(search));
  ledger.apply(record::Reserve{Attempt{1000}});
  return ledger;
}

TEST(Ledger, AsksForAllModelsAtTheStart) {
  const Ledger ledger({4, 2, 1, Order::Fixed}, grid(3));
  ASSERT_EQ(ledger.models().size(), 3U);
  EXPECT_EQ(ledger.model(ModelId{2}).config.integer("index"), 2);
  EXPECT_THROW(ledger.model(ModelId{3}), IndexError);
}

TEST(Ledger, RefusesAPlanThatCannotBeOrASearchWithoutModels) {
  std::vector<Listener::Told> told;
  EXPECT_THROW(Ledger({2, 3, 1, Order::Fixed}, grid(1)), ConfigError);
  EXPECT_THROW(Ledger({2, 2, 1, Order::Fixed}, std::make_unique<Listener>(0, told)), ConfigError);
}

TEST(Ledger, FollowsAModelThroughItsUnits) {
  Ledger ledger = reserved({4, 2, 2, Order::Fixed}, grid(1));
  commit(ledger, 0, 4);
  record::Commit c = next_commit(ledger, 0, 2);
  c.metrics.rows = 30;
  c.metrics.received_bytes = 7;
  c.metrics.peak_rss_bytes = 99;
  c.metrics.state_bytes = 55;
  c.metrics.gap_seconds = 0.25;
  c.metrics.idle_seconds = 0.75;
  ledger.apply(c);
  const Model& model = ledger.model(ModelId{0});
  EXPECT_EQ(model.version, 2U);
  EXPECT_EQ(model.digest, c.digest);
  EXPECT_EQ(model.holder, WorkerId{0});
  EXPECT_EQ(model.candidates, std::vector<PartitionId>{PartitionId{2}});
  EXPECT_EQ(model.partial.train_loss, 2.5);  // the mean over rows
  EXPECT_EQ(model.seconds, 4);
  EXPECT_EQ(model.state_bytes, 55U);
  EXPECT_EQ(model.hops, 0U);
  commit(ledger, 0);  // on the other worker
  EXPECT_EQ(ledger.model(ModelId{0}).hops, 1U);
  EXPECT_EQ(ledger.received_bytes(), 7U);
  EXPECT_EQ(ledger.peak_rss_bytes(), 99U);
  EXPECT_THAT(ledger.gaps(), ElementsAre(0, 0.25, 0));
  EXPECT_THAT(ledger.idle(), ElementsAre(0, 0.75, 0));
  EXPECT_EQ(ledger.sequence(), 4U);
}

TEST(Results, TellGapsOfPrefetchedUnitsFromThoseOfUnitsThatWereOrderedLate) {
  Ledger ledger = reserved({4, 1, 2, Order::Fixed}, grid(1));
  const std::vector<std::pair<double, double>> gaps_and_idle = {{-1, -1},   {0.001, 0},   {0.003, 0},
                                                                {0.002, 0}, {0.050, 0.5}, {0.070, 1e-9}};
  for (const auto& [gap, idle] : gaps_and_idle) {
    record::Commit c = next_commit(ledger, 0, 1);
    c.metrics.gap_seconds = gap;
    c.metrics.idle_seconds = idle;
    ledger.apply(c);
  }
  const Results results = summarize(ledger, Objective::ValidAccuracy);
  EXPECT_EQ(results.gap.units, 5U) << "a worker's first unit has no gap";
  EXPECT_DOUBLE_EQ(results.gap.p50_ms, 3);
  EXPECT_DOUBLE_EQ(results.gap.p99_ms, 70);
  EXPECT_EQ(results.gap_prefetched.units, 3U);
  EXPECT_DOUBLE_EQ(results.gap_prefetched.p50_ms, 2);
  EXPECT_DOUBLE_EQ(results.gap_prefetched.p99_ms, 3);
  EXPECT_EQ(results.gap_late.units, 2U);
  EXPECT_DOUBLE_EQ(results.gap_late.p50_ms, 50);
  EXPECT_DOUBLE_EQ(results.idle.p99_ms, 500);
}

TEST(Ledger, SumsUpAnEpochAndTakesItsValidationFromTheLastUnit) {
  Ledger ledger = reserved({2, 1, 2, Order::Fixed}, grid(1));
  commit(ledger, 0, 3);
  record::Commit c = next_commit(ledger, 0, 1);
  c.metrics.valid_accuracy = 0.5;
  ledger.apply(c);
  const Model& model = ledger.model(ModelId{0});
  ASSERT_EQ(model.epochs.size(), 1U);
  EXPECT_EQ(model.epochs[0].train_loss, 2);
  EXPECT_EQ(model.epochs[0].rows, 20U);
  EXPECT_EQ(model.epochs[0].valid_accuracy, 0.5);
  EXPECT_EQ(model.partial, EpochMetrics{});
}

TEST(Ledger, EndsAModelAfterItsLastUnitAndARunWhenAllAreCollected) {
  Ledger ledger = reserved({2, 1, 1, Order::Fixed}, grid(1));
  commit(ledger, 0);
  EXPECT_FALSE(ledger.owes_collection(ledger.model(ModelId{0})));
  commit(ledger, 0);
  const Model& model = ledger.model(ModelId{0});
  EXPECT_EQ(model.status, Status::Finished);
  EXPECT_THAT(model.candidates, IsEmpty());
  EXPECT_TRUE(ledger.owes_collection(model));
  EXPECT_FALSE(ledger.complete());
  ledger.apply(record::Collected{model.id, 12, "abc"});
  EXPECT_EQ(ledger.model(ModelId{0}).file->bytes, 12U);
  EXPECT_TRUE(ledger.complete());
}

TEST(Ledger, TrainsAModelAgainWhoseFileIsLost) {
  Ledger ledger = reserved({2, 1, 1, Order::Fixed}, grid(1));
  const record::Commit first = next_commit(ledger, 0);
  ledger.apply(first);
  commit(ledger, 0);
  const ModelId id{0};
  ledger.apply(record::Collected{id, 12, "abc"});
  EXPECT_THAT(*ledger.refusal(record::Rollback{id, 1, WorkerId{0}, first.attempt, "gone"}), HasSubstr("version 0"));
  ledger.apply(record::Rollback{id, 0, std::nullopt, {}, "gone"});
  EXPECT_FALSE(ledger.complete());
  EXPECT_FALSE(ledger.owes_collection(ledger.model(id)));
  EXPECT_TRUE(ledger.may_train(ledger.model(id)));
  EXPECT_EQ(ledger.units_left(ledger.model(id)), 2U);
}

TEST(Ledger, RemembersInFreeOrderWhatAnEpochStillOwes) {
  Ledger ledger = reserved({3, 1, 2, Order::Free}, grid(1));
  const auto visit = [&](std::uint32_t partition) {
    record::Commit c = next_commit(ledger, 0);
    c.partition = PartitionId{partition};
    ledger.apply(c);
  };
  visit(1);
  EXPECT_EQ(ledger.model(ModelId{0}).candidates, (std::vector<PartitionId>{PartitionId{0}, PartitionId{2}}));
  EXPECT_THROW(visit(1), JournalError);
  visit(2);
  visit(0);
  EXPECT_EQ(ledger.model(ModelId{0}).candidates.size(), 3U);  // the next epoch
}

TEST(Ledger, RefusesRecordsThatContradictIt) {
  Ledger ledger = reserved({4, 2, 1, Order::Fixed}, grid(2));
  commit(ledger, 0);
  const auto refuses = [&](std::function<void(record::Commit&)> change, const std::string& message) {
    record::Commit c = next_commit(ledger, 0);
    change(c);
    EXPECT_THAT([&] { ledger.apply(c); }, ThrowsMessage<JournalError>(HasSubstr(message)));
  };
  refuses([](auto& c) { c.unit = 0; }, "expected unit 1, got unit 0");
  refuses([](auto& c) { c.unit = 2; }, "expected unit 1, got unit 2");
  refuses([](auto& c) { c.parent = {9, 9}; }, "parent");
  refuses([](auto& c) { c.partition = PartitionId{3}; }, "a visit that is due");
  refuses([](auto& c) { c.worker = WorkerId{1}; }, "a visit that is due");
  refuses([](auto& c) { c.attempt = Attempt{1000}; }, "a reserved attempt");
  refuses([](auto& c) { c.model = ModelId{2}; }, "2 models");
  record::Commit other = next_commit(ledger, 1);
  other.config = "index=7";
  EXPECT_THAT([&] { ledger.apply(other); }, ThrowsMessage<JournalError>(HasSubstr("configuration `index=1`")));
  EXPECT_THROW(ledger.apply(record::Reserve{Attempt{1000}}), JournalError);
  EXPECT_THROW(ledger.apply(record::Collected{ModelId{0}, 1, ""}), JournalError);
  EXPECT_EQ(ledger.sequence(), 2U);  // nothing of all this was counted
}

TEST(Ledger, TellsWhoseArithmeticChanged) {
  Ledger ledger = reserved({2, 2, 2, Order::Fixed}, grid(1));
  EXPECT_THAT(ledger.arithmetic(), ElementsAre("", ""));
  for (const std::uint32_t w : {0U, 1U, 1U}) ledger.apply(record::Arithmetic{WorkerId{w}, "v4"});
  EXPECT_THAT(ledger.arithmetic(), ElementsAre("v4", "v4"));
  EXPECT_THAT(ledger.arithmetic_changes(), IsEmpty()) << "a first word is no change, nor is the same word again";
  ledger.apply(record::Arithmetic{WorkerId{1}, "v3"});
  ledger.apply(record::Arithmetic{WorkerId{1}, "v4"});
  EXPECT_THAT(ledger.arithmetic(), ElementsAre("v4", "v4"));
  EXPECT_THAT(ledger.arithmetic_changes(),
              ElementsAre(ArithmeticChange{WorkerId{1}, "v4", "v3"}, ArithmeticChange{WorkerId{1}, "v3", "v4"}))
      << "units in between have other bits";
  EXPECT_THROW(ledger.apply(record::Arithmetic{WorkerId{2}, "v4"}), JournalError);
}

TEST(Ledger, EndsAModelWhoseLossIsNotFiniteAndNoOther) {
  Ledger ledger = reserved({2, 1, 2, Order::Fixed}, grid(2));
  commit(ledger, 0, kInfinity);
  const Model& model = ledger.model(ModelId{0});
  EXPECT_EQ(model.status, Status::Diverged);
  EXPECT_EQ(model.version, 1U);
  EXPECT_THAT(model.epochs, IsEmpty());
  EXPECT_TRUE(ledger.owes_collection(model));
  EXPECT_TRUE(ledger.may_train(ledger.model(ModelId{1})));
  EXPECT_THROW(commit(ledger, 0), std::exception);
}

TEST(Ledger, EndsAQuarantinedModelWithoutItsState) {
  Ledger ledger = reserved({2, 1, 1, Order::Fixed}, grid(1));
  ledger.apply(record::Quarantine{ModelId{0}, "out of memory"});
  EXPECT_EQ(ledger.model(ModelId{0}).reason, "out of memory");
  EXPECT_FALSE(ledger.owes_collection(ledger.model(ModelId{0})));
  EXPECT_TRUE(ledger.complete());
  EXPECT_THROW(ledger.apply(record::Quarantine{ModelId{0}, "again"}), JournalError);
}

TEST(Ledger, TellsTheSearchByEpochAndModelInFixedOrder) {
  std::vector<Listener::Told> told;
  Ledger ledger = reserved({1, 1, 2, Order::Fixed}, std::make_unique<Listener>(3, told));
  commit(ledger, 2, 20);
  commit(ledger, 2, 21);
  EXPECT_THAT(told, IsEmpty());  // models 0 and 1 come first
  commit(ledger, 0, 0.5);
  EXPECT_THAT(told, ElementsAre(Listener::Told{0, 0, 0.5}));
  ledger.apply(record::Quarantine{ModelId{1}, ""});
  EXPECT_THAT(told, ElementsAre(Listener::Told{0, 0, 0.5}, Listener::Told{1, 0, kInfinity}, Listener::Told{2, 0, 20}));
  commit(ledger, 0, 0.25);
  ASSERT_EQ(told.size(), 5U);
  EXPECT_EQ(told[3], (Listener::Told{0, 1, 0.25}));
  EXPECT_EQ(told[4], (Listener::Told{2, 1, 21}));
}

TEST(Ledger, TellsTheSearchAsThingsArriveInFreeOrder) {
  std::vector<Listener::Told> told;
  Ledger ledger = reserved({1, 1, 2, Order::Free}, std::make_unique<Listener>(2, told));
  commit(ledger, 1, 10);
  commit(ledger, 1, 11);
  commit(ledger, 0, kInfinity);
  EXPECT_THAT(told, ElementsAre(Listener::Told{1, 0, 10}, Listener::Told{1, 1, 11}, Listener::Told{0, 0, kInfinity}));
}

TEST(Ledger, StopsAModelWhenTheSearchSaysSo) {
  std::vector<Listener::Told> told;
  const auto stop = [](std::uint32_t model, std::uint32_t epoch) { return model == 1 && epoch == 0; };
  Ledger ledger = reserved({1, 1, 3, Order::Fixed}, std::make_unique<Listener>(2, told, stop));
  commit(ledger, 1);
  EXPECT_FALSE(ledger.may_train(ledger.model(ModelId{1})));  // its decision waits for model 0
  EXPECT_TRUE(ledger.may_train(ledger.model(ModelId{0})));
  commit(ledger, 0);
  EXPECT_EQ(ledger.model(ModelId{1}).status, Status::Stopped);
  EXPECT_TRUE(ledger.owes_collection(ledger.model(ModelId{1})));
  EXPECT_TRUE(ledger.may_train(ledger.model(ModelId{0})));
}

TEST(Ledger, FindsTheBestModelByItsLastEpoch) {
  Ledger ledger = reserved({1, 1, 2, Order::Fixed}, grid(4));
  EXPECT_EQ(ledger.best(Objective::TrainLoss), std::nullopt);
  commit(ledger, 0, 0.1);
  commit(ledger, 0, 0.9);
  commit(ledger, 1, 0.5);
  commit(ledger, 2, 0.5);
  commit(ledger, 3, kInfinity);
  EXPECT_EQ(ledger.best(Objective::TrainLoss), ModelId{1});
  EXPECT_EQ(ledger.best(Objective::ValidAccuracy), std::nullopt);
}

TEST(Ledger, IsTheSameAfterAReplay) {
  std::vector<Record> records{record::Reserve{Attempt{1000}}};
  Ledger ledger({3, 2, 2, Order::Free}, grid(2));
  ledger.apply(records[0]);
  for (int i = 0; i < 5; ++i) {
    records.emplace_back(next_commit(ledger, static_cast<std::uint32_t>(i % 2)));
    ledger.apply(records.back());
  }
  Ledger again({3, 2, 2, Order::Free}, grid(2));
  for (const Record& record : records) again.apply(record);
  EXPECT_TRUE(std::equal(ledger.models().begin(), ledger.models().end(), again.models().begin()));
  EXPECT_EQ(ledger.reserved(), again.reserved());
}

}  // namespace
}  // namespace hop::hopper
