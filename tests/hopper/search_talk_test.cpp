// The search in a run: what it hears and in which order, what becomes of its answers, and what a resumed run does.
// Judged by a search that writes down every call and answers from a script.
#include "hopper/search_talk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "base/error.h"
#include "tests/hopper/coordinator_driver.h"

namespace hop::hopper {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Answers by the number of the tick; the start is tick 0.
struct Script {
  std::map<std::uint32_t, std::vector<Proposal>> proposals{};
  std::map<std::uint32_t, std::vector<SearchOrder>> orders{};
  bool barrier = true;
  std::vector<std::string> heard{};
};

class Scripted final : public Search {
 public:
  explicit Scripted(Script& script) : script_(script) {}
  std::optional<Proposal> ask() override {
    const std::vector<Proposal>& all = script_.proposals[tick_];
    return next_ < all.size() ? std::optional(all[next_++]) : std::nullopt;
  }
  void asked(ModelId model, const Proposal& proposal) override {
    hear("asked " + std::to_string(model.value) + " " + proposal.config.to_text() + " " +
         std::to_string(proposal.epochs));
  }
  void tell(ModelId model, Epoch epoch, const EpochMetrics&) override {
    hear("told " + std::to_string(model.value) + " epoch " + to_string(epoch));
  }
  void withdrawn(ModelId model, Withdrawal why) override {
    hear("withdrawn " + std::to_string(model.value) + (why == Withdrawal::Diverged ? " diverged" : " quarantined"));
  }
  std::vector<SearchOrder> end_of_tick() override {
    ++tick_;
    next_ = 0;
    hear("tick " + std::to_string(tick_));
    return script_.orders[tick_];
  }
  bool barrier_at(Epoch) const override { return script_.barrier; }

 private:
  void hear(const std::string& what) { script_.heard.push_back(what); }

  Script& script_;
  std::uint32_t tick_ = 0;
  std::size_t next_ = 0;
};

Proposal lr(double value, std::optional<Parent> parent = {}, std::uint32_t epochs = 0) {
  return {{{"lr", value}}, parent, epochs};
}

const Itinerary kItinerary{1, 1, 3, Order::Fixed};

class SearchTalkTest : public testing::Test {
 protected:
  Drive begin(Itinerary itinerary = kItinerary) {
    Drive run(itinerary, maker(), {}, {.queue_depth = 8});
    for (std::uint32_t w = 0; w < itinerary.workers; ++w) run.up(w);
    return run;
  }
  Drive::MakeSearch maker() {
    return [this] { return std::make_unique<Scripted>(script_); };
  }
  // Why the search's answer is refused.
  std::string refusal_of(const std::function<void()>& f) {
    try {
      f();
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  }

  Script script_{.proposals = {{0, {lr(0.5), lr(0.25)}}}};
};

TEST_F(SearchTalkTest, TellsByTickAndIdWhateverTheOrderOfArrival) {
  script_.barrier = false;
  Drive run = begin();
  for (const std::uint32_t model : {1U, 1U}) run.train(model);
  EXPECT_THAT(script_.heard, ElementsAre("asked 0 lr=0.5 3", "asked 1 lr=0.25 3"));
  run.train(0);
  run.train(0, kInfinity);
  run.sync();
  run.train(1);
  EXPECT_THAT(script_.heard,
              ElementsAre("asked 0 lr=0.5 3", "asked 1 lr=0.25 3", "told 0 epoch 0", "told 1 epoch 0", "tick 1",
                          "withdrawn 0 diverged", "told 1 epoch 1", "tick 2", "told 1 epoch 2", "tick 3"));
}

TEST_F(SearchTalkTest, LetsANewcomerBeginInTheNextTickAndHoldNobodyBack) {
  script_.proposals[1] = {lr(0.125, {}, 2)};
  Drive run = begin();
  run.train(0);
  run.train(1);
  run.sync();
  EXPECT_EQ(run.model(2).born, 2U);
  for (const std::uint32_t model : {0U, 1U, 2U}) run.train(model);
  run.sync();
  EXPECT_THAT(script_.heard, testing::Contains("told 2 epoch 0"));
  for (const std::uint32_t model : {0U, 1U, 2U}) run.train(model);
  EXPECT_EQ(run.model(2).status, Status::Finished) << "after the two epochs of its proposal";
}

TEST_F(SearchTalkTest, HoldsModelsAtABarrierUntilTheOrdersAreDurable) {
  script_.orders[1] = {SearchOrder::stop(ModelId{0}, "rank 2 of 2")};
  Drive run = begin();
  run.train(1);
  EXPECT_FALSE(run.leased(1)) << "the other one is not there yet";
  run.train(0);
  EXPECT_THAT(run.appended<record::Ordered>(), ElementsAre(script_.orders[1][0]));
  EXPECT_THAT(run.appended<record::Ticked>(), ElementsAre(record::Ticked{1, 1}));
  EXPECT_FALSE(run.leased(1)) << "the decision is not durable";
  run.sync();
  EXPECT_TRUE(run.leased(1));
  EXPECT_EQ(run.model(0).status, Status::Stopped);
  EXPECT_THAT(run.all<action::SendCollect>(), SizeIs(1));
}

TEST_F(SearchTalkTest, AResumedRunObeysTheJournalAndTheSearchHearsTheSameAgain) {
  script_.orders[1] = {SearchOrder::stop(ModelId{0}, "rank 2 of 2")};
  script_.proposals[1] = {lr(0.125)};
  Drive run = begin();
  run.train(1);
  run.train(0);
  run.sync();
  const std::vector<std::string> heard = std::exchange(script_.heard, {});
  script_.orders[1] = {SearchOrder::stop(ModelId{1}, "another library has another opinion")};
  script_.proposals[1] = {lr(0.126), lr(0.3)};
  run.crash();
  EXPECT_EQ(script_.heard, heard) << "with the proposals of the journal";
  EXPECT_EQ(run.model(0).status, Status::Stopped);
  EXPECT_EQ(run.model(1).status, Status::Running);
  EXPECT_EQ(run.coordinator().ledger().models().size(), 3U);
  EXPECT_EQ(run.model(2).config.number("lr"), 0.125);
}

TEST_F(SearchTalkTest, DecidesAnewWhenACrashCutADecisionOff) {
  script_.orders[1] = {SearchOrder::stop(ModelId{0}, "rank 2 of 2")};
  Drive run = begin();
  run.train(1);
  run.step(run.result_of(0));
  const std::size_t before = run.journal().size();
  run.step(event::Synced{before});
  std::vector<Record> journal = run.journal();
  ASSERT_EQ(journal.size(), before + 2);
  journal.pop_back();  // the order is on the disk, but not the end of the decision
  Drive again(kItinerary, maker(), journal);
  EXPECT_EQ(again.model(0).status, Status::Stopped);
  EXPECT_EQ(again.journal().size(), before + 3 + 1) << "the order, the end of the tick, and a block of attempts";
}

// Its unit came after a decision that the journal has lost. Once it counted, the new decision could not be about it.
TEST_F(SearchTalkTest, AdoptsNoStateFromBehindABarrier) {
  script_.orders[1] = {SearchOrder::set_epochs(ModelId{1}, 2, "shorter")};
  Drive run = begin();
  std::vector<HeldState> held = {run.held_of(0), run.held_of(1)};
  run.train(1);
  const auto sound = static_cast<std::ptrdiff_t>(run.journal().size());
  run.train(0);
  run.sync();
  held.push_back(run.held_of(1));
  Drive again(kItinerary, maker(), {run.journal().begin(), run.journal().begin() + sound}, {.queue_depth = 8});
  again.up(0, 1, held);
  EXPECT_THAT(again.appended<record::Commit>(), SizeIs(1)) << "that of model 0";
  ASSERT_THAT(again.all<action::Release>(), SizeIs(1));
  EXPECT_EQ(again.all<action::Release>()[0].version, Version{2});
  again.sync();
  again.sync();
  EXPECT_EQ(again.model(1).goal, 2U);
  EXPECT_EQ(again.model(1).version, Version{1});
}

TEST_F(SearchTalkTest, WithoutTheSearchARunGoesOnUntilItHasTheWord) {
  Drive run = begin();
  const HeldState held = run.held_of(1);
  run.train(1);
  const Drive::MakeSearch nobody = [] { return nullptr; };
  Drive alone(kItinerary, nobody, run.journal());
  alone.up(0, 1, {held});
  EXPECT_FALSE(alone.leased(1)) << "it stands at the end of an epoch";
  alone.train(0);
  ASSERT_THAT(alone.all<action::Finish>(), SizeIs(1));
  EXPECT_EQ(alone.all<action::Finish>()[0].outcome, Outcome::Interrupted);
}

struct EndlessSearch final : Search {
  std::optional<Proposal> ask() override { return Proposal{}; }
};

TEST_F(SearchTalkTest, EndsASearchThatNeverEndsItsAsking) {
  Drive run = begin();
  const Drive::MakeSearch endless = [] { return std::make_unique<EndlessSearch>(); };
  EXPECT_THAT(refusal_of([&] { Drive(kItinerary, endless, run.journal()); }),
              HasSubstr("[search] expected at most 1048576 models, got another proposal"));
}

// A record takes 1 MiB.
TEST_F(SearchTalkTest, ShortensAReasonThatNoRecordWouldTake) {
  script_.orders[1] = {SearchOrder::stop(ModelId{0}, "rank 2\n" + std::string(std::size_t{3} << 20U, 'x'))};
  Drive run = begin();
  run.train(0);
  run.train(1);
  ASSERT_THAT(run.appended<record::Ordered>(), SizeIs(1));
  const std::string reason = run.appended<record::Ordered>()[0].reason;
  EXPECT_THAT(reason, AllOf(testing::StartsWith("rank 2\\nxxx"), HasSubstr(" bytes more)")));
  EXPECT_LT(reason.size(), 2100U);
  run.sync();
  EXPECT_EQ(run.model(0).reason, reason);
}

TEST_F(SearchTalkTest, RefusesAnswersThatNoRunCanFollow) {
  const auto answer = [&](std::vector<SearchOrder> orders, std::vector<Proposal> proposals = {}) {
    script_.orders[1] = std::move(orders);
    script_.proposals[1] = std::move(proposals);
    Drive run = begin();
    run.train(0);
    return refusal_of([&] { run.train(1); });
  };
  const ModelId zero{0};
  EXPECT_EQ(answer({}), "no error");
  EXPECT_THAT(answer({SearchOrder::stop(ModelId{7}, "")}), HasSubstr("orders about its models"));
  EXPECT_THAT(answer({SearchOrder::resume(zero, "")}), AllOf(HasSubstr("paused"), HasSubstr("is running")));
  EXPECT_THAT(answer({SearchOrder::set_epochs(zero, 4, "")}), HasSubstr("expected 1 to 3 epochs, got 4 (model 0)"));
  EXPECT_THAT(answer({SearchOrder::stop(zero, ""), SearchOrder::pause(zero, "")}), HasSubstr("one order in a tick"));
  EXPECT_THAT(answer({}, {lr(1, {}, 4)}), HasSubstr("at most 3 epochs, got 4 (model 2)"));
  EXPECT_THAT(answer({}, {lr(1, Parent{ModelId{2}, Epoch{0}})}), HasSubstr("a parent that the search knows"));
  EXPECT_THAT(answer({}, {lr(1, Parent{zero, Epoch{1}})}), HasSubstr("an epoch of its parent that is over"));
  EXPECT_THAT(answer({}, {lr(1, Parent{zero, Epoch{0}}, 1)}), HasSubstr("a clone with an epoch left"));
  EXPECT_THAT(answer({}, {lr(std::numeric_limits<double>::quiet_NaN())}),
              HasSubstr("finite numbers, got lr = nan (model 2)"));
  EXPECT_THAT(answer({}, {{.config = {{"name", std::string("\xe9")}}}}), HasSubstr("text in UTF-8, got name = \\xe9"));
  EXPECT_THAT(answer({}, {{.config = {{"nam\xe9", 1.0}}}}), HasSubstr("names in UTF-8, got nam\\xe9 (model 2)"));
  EXPECT_THAT(answer({}, {{.config = {{"name", std::string(300'000, 'x')}}}}),
              HasSubstr("configurations of at most 262144 bytes, got one of 300012 (model 2)"));
  script_.barrier = false;
  EXPECT_THAT(answer({SearchOrder::stop(zero, "")}), HasSubstr("barrier_at(0) is false"));
  script_.proposals[0].clear();
  EXPECT_THAT(refusal_of([&] { begin(); }), HasSubstr("at least one configuration"));
}

// ---- clones

TEST_F(SearchTalkTest, KeepsTheStateOfAParentUntilTheFirstCommitOfItsClone) {
  const Itinerary kTwo{2, 2, 3, Order::Fixed};
  script_.proposals = {{0, {lr(0.5)}}, {1, {lr(0.25, Parent{ModelId{0}, Epoch{0}})}}};
  Drive run = begin(kTwo);
  run.train(0);
  run.train(0);  // ends the epoch on worker 1
  run.sync();
  const Lease lease = run.lease(1);
  EXPECT_EQ(lease.unit, Unit{2});
  EXPECT_EQ(lease.epoch, Epoch{1});
  EXPECT_EQ(lease.stored_as, ModelId{0});
  EXPECT_EQ(lease.trained_as, std::nullopt);
  EXPECT_EQ(lease.parent, (Digest{2, 1}));
  const Attempt end_of_epoch = run.model(0).newest_attempt();
  run.train(0);  // the parent goes on, and its older state would go
  EXPECT_THAT(run.all<action::Release>(), IsEmpty()) << "the clone begins with it";
  run.train(1);
  ASSERT_THAT(run.all<action::Release>(), SizeIs(1));
  const action::Release release = run.all<action::Release>()[0];
  EXPECT_EQ(release.model, ModelId{0});
  EXPECT_EQ(release.version, Version{2});
  EXPECT_EQ(release.attempt, end_of_epoch);
}

TEST_F(SearchTalkTest, ChecksTheClonesOfADecisionAndNoneThatIsPutAside) {
  const CheckClone check = [](const record::Asked& clone, std::span<const Config* const> ancestors) {
    if (clone.config.number("lr") > ancestors.front()->number("lr")) throw ConfigError("too fast a clone");
  };
  const auto clone = [](double rate) { return lr(rate, Parent{ModelId{0}, Epoch{0}}); };
  script_ = {.proposals = {{0, {lr(0.5)}}, {1, {clone(0.25)}}}};
  Drive run(kItinerary, maker(), {}, {.queue_depth = 8, .check_clone = check});
  run.up(0);
  run.train(0);
  run.sync();
  script_.proposals[1] = {clone(0.75)};  // another library computes otherwise
  EXPECT_EQ(refusal_of([&] { run.crash(); }), "no error");
  EXPECT_EQ(run.model(1).config.number("lr"), 0.25);
  Drive anew(kItinerary, maker(), {}, {.queue_depth = 8, .check_clone = check});
  anew.up(0);
  EXPECT_EQ(refusal_of([&] { anew.train(0); }), "too fast a clone");
}

TEST_F(SearchTalkTest, ACloneWhoseParentsStateIsLostRepeatsTheUnitsOfItsAncestors) {
  const Itinerary kTwo{2, 1, 3, Order::Fixed};
  script_.proposals = {{0, {lr(0.5)}}, {1, {lr(0.25, Parent{ModelId{0}, Epoch{0}})}}};
  Drive run = begin(kTwo);
  run.train(0);
  run.train(0);
  run.sync();
  run.fail(1, Failure::StateLost, "gone");
  run.sync();
  const Lease lease = run.lease(1);
  EXPECT_EQ(lease.unit, Unit{0});
  EXPECT_EQ(lease.trained_as, ModelId{0}) << "with its random numbers and its configuration";
  EXPECT_EQ(lease.partition, PartitionId{0});
  event::Result result = run.result_of(1);
  result.digest = run.model(0).visits[0].digest;
  run.step(result);
  run.sync();
  EXPECT_EQ(run.model(1).version, Version{1});
}

}  // namespace
}  // namespace hop::hopper
