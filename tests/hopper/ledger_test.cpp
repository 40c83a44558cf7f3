// Long because it has every record that the ledger takes, and what it refuses of each.
#include "hopper/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <utility>

#include "base/error.h"
#include "hopper/results.h"
#include "hopper/strategy/data_parallel.h"

namespace hop::hopper {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

record::Commit next_commit(const Ledger& ledger, std::uint32_t id, double loss = 1) {
  const Model& model = ledger.model(ModelId{id});
  record::Commit c;
  c.model = model.id;
  c.unit = model.next_unit();
  c.partition = model.candidates.at(0);
  c.worker = *ledger.itinerary().only_worker(c.partition);
  c.attempt = Attempt{1 + id * 100 + model.version.value};
  c.parent = model.digest;
  c.digest = {number_of(model.next_unit()), id + 1};
  c.metrics.train_loss = loss;
  c.metrics.rows = 10;
  c.metrics.seconds = 2;
  return c;
}

void commit(Ledger& ledger, std::uint32_t id, double loss = 1) { ledger.apply(next_commit(ledger, id, loss)); }

record::Asked asked(const Ledger& ledger, std::uint32_t id) {
  return {.model = ModelId{id}, .config = {{"index", std::int64_t{id}}}, .epochs = ledger.itinerary().epochs};
}

// A ledger with attempts and models.
Ledger begun(Itinerary itinerary, std::uint32_t models) {
  Ledger ledger(itinerary);
  ledger.apply(record::Reserve{Attempt{1000}});
  for (std::uint32_t id = 0; id < models; ++id) ledger.apply(asked(ledger, id));
  ledger.apply(record::Ticked{0, models});
  return ledger;
}

void tick(Ledger& ledger, const std::vector<Record>& decisions = {}) {
  for (const Record& record : decisions) ledger.apply(record);
  ledger.apply(record::Ticked{ledger.tick(), static_cast<std::uint32_t>(decisions.size())});
}

TEST(Ledger, HasTheModelsThatADecisionIncludes) {
  Ledger ledger({4, 2, 1, Order::Fixed});
  for (std::uint32_t id = 0; id < 3; ++id) ledger.apply(asked(ledger, id));
  EXPECT_THAT(ledger.models(), IsEmpty()) << "nothing counts before the decision is whole";
  ledger.apply(record::Ticked{0, 3});
  ASSERT_EQ(ledger.models().size(), 3U);
  EXPECT_EQ(ledger.model(ModelId{2}).config.integer("index"), 2);
  EXPECT_EQ(ledger.model(ModelId{2}).born, 1U);
  EXPECT_THROW(ledger.model(ModelId{3}), IndexError);
}

TEST(Ledger, PassesOverADecisionThatACrashCutOff) {
  Ledger ledger({4, 2, 1, Order::Fixed});
  for (const std::uint32_t id : {0U, 1U, 0U, 1U, 2U}) ledger.apply(asked(ledger, id));
  ledger.apply(record::Ticked{0, 3});
  EXPECT_EQ(ledger.models().size(), 3U);
}

TEST(Ledger, RefusesAPlanThatCannotBe) { EXPECT_THROW(Ledger({2, 3, 1, Order::Fixed}), ConfigError); }

// Before there were groups, any worker trained an epoch of allreduce or averaging alone.
TEST(Ledger, TakesEpochsOfOneWorkerFromRunsBeforeThereWereGroups) {
  for (const auto& strategy : {allreduce(), averaging()}) {
    Ledger ledger = begun({4, 2, 2, Order::Fixed, strategy}, 1);
    commit(ledger, 0);
    record::Commit c = next_commit(ledger, 0);
    c.worker = WorkerId(1);
    ledger.apply(c);
    EXPECT_EQ(ledger.model(ModelId{0}).holder, WorkerId(1));
    EXPECT_EQ(ledger.model(ModelId{0}).status, Status::Finished);
  }

  Ledger of_hopping = begun({4, 2, 2, Order::Fixed}, 1);
  record::Commit c = next_commit(of_hopping, 0);
  c.worker = WorkerId(1 - c.worker.value);
  EXPECT_THROW(of_hopping.apply(c), JournalError);
}

TEST(Ledger, FollowsAModelThroughItsUnits) {
  Ledger ledger = begun({4, 2, 2, Order::Fixed}, 1);
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
  EXPECT_EQ(model.version, Version{2});
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
  EXPECT_EQ(ledger.sequence(), 6U);
}

// A unit that is trained again has the order of its gradients.
TEST(Ledger, KeepsTheOrderOfGradientsAndRefusesOneOfOtherReplicas) {
  Ledger ledger = begun({4, 2, 2, Order::Fixed, async_parameter_server()}, 1);
  record::Commit c = next_commit(ledger, 0);
  c.metrics.arrivals = {0, 3, 4};
  EXPECT_THAT([&] { ledger.apply(c); },
              ThrowsMessage<JournalError>(HasSubstr("expected an order of the gradients of the unit")));
  c.metrics.arrivals = {0, 3, 0x80};
  EXPECT_THROW(ledger.apply(c), JournalError);
  c.metrics.arrivals = {0, 3, 1, 2, 0};
  ledger.apply(c);
  commit(ledger, 0);
  EXPECT_EQ(ledger.model(ModelId{0}).visits[0].arrivals, c.metrics.arrivals);
  EXPECT_THAT(ledger.model(ModelId{0}).visits[1].arrivals, IsEmpty());
  EXPECT_EQ(summarize(ledger, Objective::ValidAccuracy).models[0].visits[0].arrivals, c.metrics.arrivals);
}

TEST(Results, TellGapsOfPrefetchedUnitsFromThoseOfUnitsThatWereOrderedLate) {
  Ledger ledger = begun({4, 1, 2, Order::Fixed}, 1);
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
  Ledger ledger = begun({2, 1, 2, Order::Fixed}, 1);
  record::Commit c = next_commit(ledger, 0, 3);
  c.metrics.shared_bytes = 100;
  ledger.apply(c);
  c = next_commit(ledger, 0, 1);
  c.metrics.shared_bytes = 10;
  c.metrics.statistics_bytes = 7;
  c.metrics.statistics_rounds = 3;
  c.metrics.valid_accuracy = 0.5;
  ledger.apply(c);
  const Model& model = ledger.model(ModelId{0});
  ASSERT_EQ(model.epochs.size(), 1U);
  EXPECT_EQ(model.epochs[0].shared_bytes, 110U);
  EXPECT_EQ(model.epochs[0].statistics_bytes, 7U);
  EXPECT_EQ(model.epochs[0].statistics_rounds, 3U);
  EXPECT_EQ(model.epochs[0].train_loss, 2);
  EXPECT_EQ(model.epochs[0].rows, 20U);
  EXPECT_EQ(model.epochs[0].valid_accuracy, 0.5);
  EXPECT_EQ(model.partial, EpochMetrics{});
}

TEST(Ledger, SumsUpAnEpochByTheWeightsOfItsRows) {
  Ledger ledger = begun({4, 1, 2, Order::Fixed}, 1);
  const std::pair<double, double> units[] = {{0, 0}, {3, 2}, {0, 0}, {1, 6}};  // loss, weight
  for (const auto& [loss, weight] : units) {
    record::Commit c = next_commit(ledger, 0, loss);
    c.metrics.weight = weight;
    ledger.apply(c);
  }
  const EpochMetrics& epoch = ledger.model(ModelId{0}).epochs.at(0);
  EXPECT_EQ(epoch.train_loss, (3 * 2 + 1 * 6) / 8.0);
  EXPECT_EQ(epoch.weight, 8);
  EXPECT_EQ(epoch.rows, 40U);
}

TEST(Ledger, EndsAModelAfterItsLastUnitAndARunWhenAllAreCollected) {
  Ledger ledger = begun({2, 1, 1, Order::Fixed}, 1);
  commit(ledger, 0);
  EXPECT_FALSE(ledger.owed_file(ledger.model(ModelId{0})));
  commit(ledger, 0);
  const Model& model = ledger.model(ModelId{0});
  EXPECT_EQ(model.status, Status::Finished);
  EXPECT_THAT(model.candidates, IsEmpty());
  EXPECT_EQ(ledger.owed_file(model), StateFile::Last);
  EXPECT_FALSE(ledger.complete());
  ledger.apply(record::Collected{model.id, 12, "abc"});
  EXPECT_EQ(ledger.model(ModelId{0}).file->bytes, 12U);
  EXPECT_FALSE(ledger.complete()) << "the search has the word";
  tick(ledger);
  EXPECT_TRUE(ledger.complete());
}

TEST(Ledger, TrainsAModelAgainWhoseFileIsLost) {
  Ledger ledger = begun({2, 1, 1, Order::Fixed}, 1);
  const record::Commit first = next_commit(ledger, 0);
  ledger.apply(first);
  commit(ledger, 0);
  const ModelId id{0};
  ledger.apply(record::Collected{id, 12, "abc"});
  EXPECT_THAT(*ledger.refusal(record::Rollback{id, Version{1}, WorkerId{0}, first.attempt, "gone"}),
              HasSubstr("version 0"));
  ledger.apply(record::Rollback{id, Version{0}, std::nullopt, {}, "gone"});
  EXPECT_FALSE(ledger.complete());
  EXPECT_FALSE(ledger.owed_file(ledger.model(id)));
  EXPECT_TRUE(ledger.may_train(ledger.model(id)));
  EXPECT_EQ(ledger.units_left(ledger.model(id)), 2U);
}

TEST(Ledger, GoesOnFromTheCopyOfAStateAndTrainsNothingAgain) {
  Ledger ledger = begun({2, 2, 1, Order::Fixed}, 1);
  const ModelId id{0};
  EXPECT_THAT(*ledger.refusal(record::Moved{id, Version{0}, WorkerId{1}, {}, "gone"}), HasSubstr("which was trained"));
  const record::Commit first = next_commit(ledger, 0);
  ledger.apply(first);
  EXPECT_THAT(*ledger.refusal(record::Moved{id, Version{2}, WorkerId{1}, {}, "gone"}), HasSubstr("version 1"));
  EXPECT_THAT(*ledger.refusal(record::Moved{id, Version{1}, WorkerId{2}, {}, "gone"}), HasSubstr("one of 2 workers"));
  EXPECT_THAT(*ledger.refusal(record::Moved{id, Version{1}, WorkerId{1}, ledger.reserved(), "gone"}),
              HasSubstr("a reserved attempt"));
  const Attempt copy{0};
  ledger.apply(record::Moved{id, Version{1}, WorkerId{1}, copy, "gone"});
  const Model& model = ledger.model(id);
  EXPECT_EQ(model.holder, WorkerId{1});
  EXPECT_EQ(model.version, Version{1});
  EXPECT_EQ(model.digest, first.digest);
  EXPECT_EQ(model.newest_attempt(), copy);
  EXPECT_FALSE(model.is_behind());
  commit(ledger, 0);
  EXPECT_EQ(ledger.retrained(), 0U);
  EXPECT_TRUE(ledger.refusal(record::Moved{id, Version{1}, WorkerId{1}, copy, "gone"})) << "it is not the newest";
}

// ---- keep_best: one partition, so that each unit is an epoch, ranked by the training loss

constexpr ModelId kFirst{0};

Ledger keeping_best(std::uint32_t epochs) {
  return begun({.partitions = 1, .workers = 1, .epochs = epochs, .keep_best = Objective::TrainLoss}, 1);
}

TEST(LedgerThatKeepsTheBest, WantsEachBetterStateBeforeTheModelTrainsOn) {
  Ledger ledger = keeping_best(4);
  const Model& model = ledger.model(kFirst);
  commit(ledger, 0, 2);
  EXPECT_EQ(ledger.owed_file(model), StateFile::Best);
  EXPECT_FALSE(ledger.may_train(model));
  EXPECT_THAT(*ledger.refusal(next_commit(ledger, 0)), HasSubstr("no more units"));
  ledger.apply(record::Collected{kFirst, 12, "first"});
  EXPECT_FALSE(ledger.owed_file(model));
  EXPECT_TRUE(ledger.may_train(model));
  EXPECT_FALSE(model.file);
  commit(ledger, 0, 3);  // worse
  EXPECT_FALSE(ledger.owed_file(model));
  EXPECT_EQ(model.best_file->sha256, "first");
  commit(ledger, 0, 2);  // no better
  EXPECT_EQ(model.best_epoch, Epoch{0});
  commit(ledger, 0, 1);
  EXPECT_EQ(model.best_epoch, Epoch{3});
  EXPECT_EQ(ledger.owed_file(model), StateFile::Best) << "the best state first";
  ledger.apply(record::Collected{kFirst, 12, "fourth"});
  EXPECT_EQ(ledger.owed_file(model), StateFile::Last);
  ledger.apply(record::Collected{kFirst, 12, "fourth"});
  EXPECT_EQ(model.best_file->sha256, "fourth");
  EXPECT_EQ(model.file->sha256, "fourth");
}

TEST(LedgerThatKeepsTheBest, RanksByThatEpoch) {
  Ledger ledger = keeping_best(3);
  commit(ledger, 0, 2);
  ledger.apply(record::Collected{kFirst, 12, "first"});
  commit(ledger, 0, 5);
  EXPECT_EQ(ledger.model(kFirst).ranked()->train_loss, 2);
  EXPECT_EQ(begun({.partitions = 1, .workers = 1}, 1).model(kFirst).ranked(), nullptr);
  Ledger last = begun({.partitions = 1, .workers = 1, .epochs = 3}, 1);
  for (const double loss : {2, 5}) commit(last, 0, loss);
  EXPECT_EQ(last.model(kFirst).ranked()->train_loss, 5);
}

// A rollback to the initial state is what a lost file asks for, so the model collects its best state anew when it comes
// by. A rollback to a later version leaves the file as it is.
TEST(LedgerThatKeepsTheBest, CollectsItAgainWhereTheModelBeginsAgain) {
  Ledger ledger = keeping_best(4);
  const Model& model = ledger.model(kFirst);
  const record::Commit first = next_commit(ledger, 0, 1);
  ledger.apply(first);
  ledger.apply(record::Collected{kFirst, 12, "first"});
  const record::Commit second = next_commit(ledger, 0, 2);
  ledger.apply(second);
  ledger.apply(record::Rollback{kFirst, Version{1}, WorkerId{0}, first.attempt, "gone"});
  EXPECT_FALSE(ledger.owed_file(model));
  ledger.apply(second);
  ledger.apply(record::Rollback{kFirst, Version{0}, std::nullopt, {}, "gone"});
  EXPECT_FALSE(model.best_file);
  ledger.apply(first);
  EXPECT_EQ(ledger.owed_file(model), StateFile::Best);
  ledger.apply(record::Collected{kFirst, 12, "first"});
  EXPECT_TRUE(ledger.may_train(model));
}

TEST(LedgerThatKeepsTheBest, WantsNothingOfAModelThatIsSetAside) {
  Ledger ledger = keeping_best(2);
  commit(ledger, 0, 2);
  ledger.apply(record::Quarantine{kFirst, "bad"});
  EXPECT_FALSE(ledger.owed_file(ledger.model(kFirst)));
  ledger.apply(record::Retry{kFirst});
  EXPECT_EQ(ledger.owed_file(ledger.model(kFirst)), StateFile::Best);
}

TEST(Ledger, RemembersInFreeOrderWhatAnEpochStillOwes) {
  Ledger ledger = begun({3, 1, 2, Order::Free}, 1);
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
  Ledger ledger = begun({4, 2, 1, Order::Fixed}, 2);
  commit(ledger, 0);
  const auto refuses = [&](std::function<void(record::Commit&)> change, const std::string& message) {
    record::Commit c = next_commit(ledger, 0);
    change(c);
    EXPECT_THAT([&] { ledger.apply(c); }, ThrowsMessage<JournalError>(HasSubstr(message)));
  };
  refuses([](auto& c) { c.unit = Unit{0}; }, "expected unit 1, got unit 0");
  refuses([](auto& c) { c.unit = Unit{2}; }, "expected unit 1, got unit 2");
  refuses([](auto& c) { c.parent = {9, 9}; }, "parent");
  refuses([](auto& c) { c.partition = PartitionId{3}; }, "a visit that is due");
  refuses([](auto& c) { c.worker = WorkerId{1}; }, "a visit that is due");
  refuses([](auto& c) { c.attempt = Attempt{1000}; }, "a reserved attempt");
  refuses([](auto& c) { c.model = ModelId{2}; }, "2 models");
  EXPECT_THROW(ledger.apply(record::Reserve{Attempt{1000}}), JournalError);
  EXPECT_THROW(ledger.apply(record::Collected{ModelId{0}, 1, ""}), JournalError);
  EXPECT_EQ(ledger.sequence(), 5U);  // nothing of all this was counted
}

TEST(Ledger, TellsWhoseArithmeticChanged) {
  Ledger ledger = begun({2, 2, 2, Order::Fixed}, 1);
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
  Ledger ledger = begun({2, 1, 2, Order::Fixed}, 2);
  commit(ledger, 0, kInfinity);
  const Model& model = ledger.model(ModelId{0});
  EXPECT_EQ(model.status, Status::Diverged);
  EXPECT_EQ(model.version, Version{1});
  EXPECT_THAT(model.epochs, IsEmpty());
  EXPECT_EQ(ledger.owed_file(model), StateFile::Last);
  EXPECT_TRUE(ledger.may_train(ledger.model(ModelId{1})));
  EXPECT_THROW(commit(ledger, 0), std::exception);
}

TEST(Ledger, EndsAQuarantinedModelWithoutItsState) {
  Ledger ledger = begun({2, 1, 1, Order::Fixed}, 1);
  ledger.apply(record::Quarantine{ModelId{0}, "out of memory"});
  EXPECT_EQ(ledger.model(ModelId{0}).reason, "out of memory");
  EXPECT_FALSE(ledger.owed_file(ledger.model(ModelId{0})));
  tick(ledger);
  EXPECT_TRUE(ledger.complete());
  EXPECT_THROW(ledger.apply(record::Quarantine{ModelId{0}, "again"}), JournalError);
}

// ---- ticks

TEST(Ledger, EndsATickWhenEveryModelHasDoneItsEpoch) {
  Ledger ledger = begun({1, 1, 3, Order::Fixed}, 3);
  commit(ledger, 2);
  commit(ledger, 2);  // ahead of the others
  EXPECT_FALSE(ledger.tick_is_over());
  commit(ledger, 0);
  ledger.apply(record::Quarantine{ModelId{1}, ""});
  EXPECT_TRUE(ledger.tick_is_over());
  EXPECT_EQ(ledger.news(ledger.model(ModelId{0})), News::Epoch);
  EXPECT_EQ(ledger.news(ledger.model(ModelId{1})), News::Withdrawn);
  EXPECT_EQ(ledger.news(ledger.model(ModelId{2})), News::Epoch);
  tick(ledger);
  EXPECT_EQ(ledger.news(ledger.model(ModelId{1})), News::None) << "told once";
  EXPECT_EQ(ledger.news(ledger.model(ModelId{2})), News::Epoch) << "its second epoch";
  EXPECT_FALSE(ledger.tick_is_over()) << "model 0";
  EXPECT_THAT(*ledger.refusal(record::Ticked{2, 0}), HasSubstr("models to end the tick"));
  EXPECT_THAT(*ledger.refusal(record::Ticked{1, 0}), HasSubstr("expected tick 2"));
}

TEST(Ledger, LetsAModelComeBackInTheTickInProgress) {
  Ledger ledger = begun({1, 1, 3, Order::Fixed}, 2);
  commit(ledger, 0);
  ledger.apply(record::Quarantine{ModelId{1}, ""});
  tick(ledger);
  commit(ledger, 0);
  ledger.apply(record::Retry{ModelId{1}});
  EXPECT_FALSE(ledger.tick_is_over()) << "model 1 owes its first epoch";
  EXPECT_EQ(ledger.model(ModelId{1}).born, 2U);
  commit(ledger, 1);
  EXPECT_TRUE(ledger.tick_is_over());
  EXPECT_EQ(ledger.news(ledger.model(ModelId{1})), News::Epoch);
}

TEST(Ledger, ObeysOrdersAtTheEndOfATick) {
  Ledger ledger = begun({1, 1, 4, Order::Fixed}, 4);
  for (std::uint32_t id = 0; id < 4; ++id) commit(ledger, id);
  tick(ledger, {SearchOrder::stop(ModelId{0}, "worst"), SearchOrder::pause(ModelId{1}, "later"),
                SearchOrder::set_epochs(ModelId{2}, 2, "short")});
  EXPECT_EQ(ledger.model(ModelId{0}).status, Status::Stopped);
  EXPECT_EQ(ledger.model(ModelId{0}).reason, "worst");
  EXPECT_EQ(ledger.owed_file(ledger.model(ModelId{0})), StateFile::Last);
  EXPECT_EQ(ledger.model(ModelId{1}).status, Status::Paused);
  EXPECT_FALSE(ledger.owed_file(ledger.model(ModelId{1})));
  EXPECT_FALSE(ledger.may_train(ledger.model(ModelId{1})));
  commit(ledger, 2);
  EXPECT_EQ(ledger.model(ModelId{2}).status, Status::Finished);
  commit(ledger, 3);
  EXPECT_TRUE(ledger.tick_is_over()) << "nobody waits for a paused model";
  EXPECT_EQ(ledger.news(ledger.model(ModelId{1})), News::None);
  tick(ledger, {SearchOrder::resume(ModelId{1}, "now")});
  EXPECT_EQ(ledger.model(ModelId{1}).born, 2U) << "its epoch 1 belongs to tick 3";
  EXPECT_FALSE(ledger.tick_is_over());
  commit(ledger, 1);
  commit(ledger, 3);
  EXPECT_EQ(ledger.news(ledger.model(ModelId{1})), News::Epoch);
}

TEST(Ledger, StopsPausedModelsWhenNobodyIsLeft) {
  Ledger ledger = begun({1, 1, 2, Order::Fixed}, 1);
  commit(ledger, 0);
  tick(ledger, {SearchOrder::pause(ModelId{0}, "")});
  EXPECT_EQ(ledger.model(ModelId{0}).status, Status::Stopped);
  EXPECT_EQ(ledger.owed_file(ledger.model(ModelId{0})), StateFile::Last);
}

TEST(Ledger, RefusesOrdersThatContradictIt) {
  Ledger ledger = begun({2, 1, 2, Order::Fixed}, 2);
  for (int unit = 0; unit < 3; ++unit) commit(ledger, 0);
  for (int unit = 0; unit < 2; ++unit) commit(ledger, 1);
  const auto refuses = [&](const std::vector<Record>& decisions, const std::string& message) {
    Ledger copy = ledger;
    for (const Record& record : decisions) copy.apply(record);
    const auto why = copy.refusal(record::Ticked{1, static_cast<std::uint32_t>(decisions.size())});
    ASSERT_TRUE(why) << message;
    EXPECT_THAT(*why, HasSubstr(message));
  };
  refuses({SearchOrder::stop(ModelId{0}, "")}, "a model that the order is for");  // it has trained on
  refuses({SearchOrder::resume(ModelId{1}, "")}, "a model that the order is for");
  refuses({SearchOrder::set_epochs(ModelId{1}, 3, "")}, "1 to 2 epochs");
  refuses({SearchOrder::stop(ModelId{1}, ""), SearchOrder::stop(ModelId{1}, "")}, "one order in a tick");
  refuses({SearchOrder::stop(ModelId{2}, "")}, "2 models");
  refuses({asked(ledger, 3)}, "expected model 2");
  record::Asked clone = asked(ledger, 2);
  clone.parent = Parent{ModelId{0}, Epoch{1}};
  refuses({clone}, "an epoch that its parent has ended");
  clone.parent = Parent{ModelId{1}, Epoch{0}};
  clone.epochs = 1;
  refuses({clone}, "one of its own");
}

// ---- clones

TEST(Ledger, LetsACloneGoOnFromItsParent) {
  Ledger ledger = begun({2, 1, 3, Order::Fixed}, 1);
  commit(ledger, 0, 0.5);
  record::Commit last = next_commit(ledger, 0, 0.5);
  last.metrics.state_bytes = 4096;
  ledger.apply(last);
  record::Asked clone = asked(ledger, 1);
  clone.parent = Parent{ModelId{0}, Epoch{0}};
  clone.place = record::Place{WorkerId{0}, ledger.model(ModelId{0}).newest_attempt()};
  tick(ledger, {clone});
  const Model& model = ledger.model(ModelId{1});
  EXPECT_EQ(model.born, 1U) << "its epoch 1 belongs to tick 2, as its parent's does";
  EXPECT_EQ(model.version, Version{2});
  EXPECT_EQ(model.digest, ledger.model(ModelId{0}).digest);
  EXPECT_EQ(model.stored_as, ModelId{0});
  EXPECT_EQ(model.state_bytes, 4096U) << "a copy of its state has so many";
  EXPECT_EQ(model.epochs, ledger.model(ModelId{0}).epochs);
  EXPECT_EQ(model.seconds, 0) << "what its parent took counts there";
  EXPECT_EQ(ledger.units_left(model), 4U);
  EXPECT_EQ(ledger.ancestor(model, Unit{1}), ModelId{0});
  EXPECT_EQ(ledger.ancestor(model, Unit{2}), ModelId{1});
  EXPECT_EQ(model.candidates, std::vector<PartitionId>{PartitionId{1}}) << "it goes its own way";
  commit(ledger, 1);
  EXPECT_EQ(ledger.model(ModelId{1}).stored_as, std::nullopt);
  EXPECT_EQ(ledger.model(ModelId{1}).own_units(), 1U);
}

TEST(Ledger, LetsACloneRepeatItsAncestorsWhoseStateIsGone) {
  Ledger ledger = begun({2, 1, 3, Order::Fixed}, 1);
  for (int unit = 0; unit < 2; ++unit) commit(ledger, 0);
  record::Asked clone = asked(ledger, 1);
  clone.parent = Parent{ModelId{0}, Epoch{0}};
  tick(ledger, {clone});
  EXPECT_TRUE(ledger.model(ModelId{1}).is_behind());
  EXPECT_EQ(ledger.units_left(ledger.model(ModelId{1})), 6U);
  record::Commit again = next_commit(ledger, 1);
  EXPECT_EQ(again.partition, PartitionId{0}) << "where its parent went";
  EXPECT_THAT([&] { ledger.apply(again); }, ThrowsMessage<JournalError>(HasSubstr("again")));
  again.digest = ledger.model(ModelId{0}).visits[0].digest;
  ledger.apply(again);
  EXPECT_EQ(ledger.retrained(), 1U);
}

TEST(Ledger, FindsTheBestModelByItsLastEpoch) {
  Ledger ledger = begun({1, 1, 2, Order::Fixed}, 4);
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
  Ledger ledger({3, 2, 2, Order::Free});
  std::vector<Record> records{record::Reserve{Attempt{1000}}, asked(ledger, 0), asked(ledger, 1), record::Ticked{0, 2}};
  for (const Record& record : records) ledger.apply(record);
  for (int i = 0; i < 5; ++i) {
    records.emplace_back(next_commit(ledger, static_cast<std::uint32_t>(i % 2)));
    ledger.apply(records.back());
  }
  Ledger again({3, 2, 2, Order::Free});
  for (const Record& record : records) again.apply(record);
  EXPECT_TRUE(std::equal(ledger.models().begin(), ledger.models().end(), again.models().begin()));
  EXPECT_EQ(ledger.reserved(), again.reserved());
}

}  // namespace
}  // namespace hop::hopper
