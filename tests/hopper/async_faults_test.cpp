// An asynchronous parameter server and its members, of which one is killed at each of its calls.
#include <gtest/gtest.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/hopper/async_group.h"

namespace hop::hopper {
namespace {

struct Death {
  std::uint32_t rank = 0;
  int call = 0;             // 0: it lives
  bool is_awaited = false;  // the others have nothing left to do without it, and wait
};

// What a member sends, takes and listens to counts as its calls.
class MortalWire final : public LocalWire {
 public:
  MortalWire(LocalGroup& group, std::uint32_t rank, const Death& death, int& calls)
      : LocalWire(group, rank), death_(death), calls_(calls) {}
  void swap(const std::shared_ptr<GroupRound>& round) override {
    live();
    LocalWire::swap(round);
  }
  void listen(std::uint32_t from, std::size_t most) override {
    live();
    LocalWire::listen(from, most);
  }
  void send(std::uint32_t to, std::shared_ptr<const AlignedBuffer> buffer, std::size_t bytes) override {
    live();
    LocalWire::send(to, std::move(buffer), bytes);
  }
  void end(std::uint32_t to) override {
    live();
    LocalWire::end(to);
  }
  std::optional<GroupMail> receive(bool waits) override {
    std::optional<GroupMail> mail = LocalWire::receive(waits);
    if (mail) live();
    return mail;
  }

 private:
  void live() {
    ++calls_;
    if (rank() != death_.rank || calls_ != death_.call) return;
    if (death_.is_awaited) group().await_others();
    group().fail();
    throw MemberLost("[test] killed");
  }

  const Death death_;
  int& calls_;
};

// Three members with one replica each, of two batches. Their trainers stay from attempt to attempt, as a worker's do.
class AsyncFaults : public AsyncGroup {
 protected:
  static constexpr std::uint32_t kMembers = 3;

  AsyncFaults() : data_(dataset(kMembers)), experiment_(async()), config_(config(82)) {
    for (std::uint32_t rank = 0; rank < kMembers; ++rank) {
      trainers_.push_back(std::make_unique<Trainer>(experiment_, ModelId(0), config_, data_));
      trainers_.back()->initialize();
    }
    initial_ = state_of(*trainers_[0]);
  }

  // One epoch of the initial state. Returns the error of each member; empty: none.
  std::vector<std::string> train_until(const Death& death) {
    calls_.assign(kMembers, 0);
    LocalGroup group(kMembers);
    const auto member = [&](const Group& of) {
      Trainer& trainer = *trainers_[of.wire->rank()];
      put(trainer, initial_);
      const PartitionRows own = [&](PartitionId id) { return data_.partition(id); };
      const UnitMetrics metrics = train_unit(trainer, Epoch(0), all_of(data_), own, {}, nullptr, of);
      if (of.wire->rank() == 0) order_ = decode_arrivals(metrics.arrivals, kMembers);
    };
    const MakeWire make = [&](LocalGroup& of, std::uint32_t rank) {
      return std::make_unique<MortalWire>(of, rank, death, calls_[rank]);
    };
    std::vector<std::string> errors;
    for (const std::exception_ptr& error : run_members(group, kMembers, member, make)) {
      errors.push_back(error ? message_of(error) : "");
    }
    return errors;
  }
  static std::string message_of(const std::exception_ptr& error) {
    try {
      std::rethrow_exception(error);
    } catch (const MemberLost& lost) {
      return lost.what();
    } catch (const std::exception& other) {
      return std::string("another error: ") + other.what();
    }
  }
  void expect_a_whole_epoch() {
    EXPECT_EQ(train_until({}), std::vector<std::string>(kMembers));
    expect_all_batches(order_, std::vector<std::int64_t>(kMembers, 2));
    Trainer alone(experiment_, ModelId(0), config_, data_);
    alone.initialize();
    train_in(order_, alone, data_, 0);
    EXPECT_EQ(state_of(*trainers_[0]), state_of(alone));
  }

  const data::Dataset data_;
  const Experiment experiment_;
  const Config config_;
  std::vector<std::unique_ptr<Trainer>> trainers_;  // by rank
  std::vector<std::byte> initial_;
  std::vector<int> calls_;  // by rank: of the last epoch
  Arrival order_;
};

TEST_F(AsyncFaults, AMemberKilledAtAnyCallEndsTheUnitOfAllOthers) {
  expect_a_whole_epoch();
  const std::vector<int> calls = calls_;
  // The server listens to two members, takes four pushes and two ends, sends as many answers and ends. A member takes
  // two answers and the end. Two rounds follow.
  ASSERT_EQ(calls, (std::vector<int>{16, 9, 9}));
  for (std::uint32_t victim = 0; victim < kMembers; ++victim) {
    for (int call = 1; call <= calls[victim]; ++call) {
      for (const bool is_awaited : {false, true}) {
        SCOPED_TRACE("member " + std::to_string(victim) + " at call " + std::to_string(call) +
                     (is_awaited ? ", awaited" : ""));
        std::vector<std::string> expected(kMembers, "[test] a member is gone");
        expected[victim] = "[test] killed";
        EXPECT_EQ(train_until({victim, call, is_awaited}), expected);
      }
    }
  }
  expect_a_whole_epoch();
}

}  // namespace
}  // namespace hop::hopper
