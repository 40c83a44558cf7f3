// In which order an asynchronous parameter server applies the gradients of members that are slow or quick. Nothing
// depends on time: a member goes on when the others have come to a certain point.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "tests/hopper/async_group.h"

namespace hop::hopper {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

// Three members with one replica each, of seven batches.
class AsyncOrder : public AsyncGroup {
 protected:
  static constexpr std::uint32_t kMembers = 3;
  static constexpr int kBatches = 7;
};

// Member 1 pushes its first gradient when all others have nothing left to do without it.
class SlowMember final : public LocalWire {
 public:
  using LocalWire::LocalWire;
  void send(std::uint32_t to, std::shared_ptr<const AlignedBuffer> buffer, std::size_t bytes) override {
    if (rank() == 1 && !std::exchange(has_sent_, true)) group().await_others();
    LocalWire::send(to, std::move(buffer), bytes);
  }

 private:
  bool has_sent_ = false;
};

TEST_F(AsyncOrder, ASlowMemberKeepsNobodyWaiting) {
  const Left left = expect_one_trainer_to_repeat(async(), config(16), kMembers, kMembers, make_wire<SlowMember>);
  expect_all_batches(left.order, std::vector<std::int64_t>(kMembers, kBatches));
  EXPECT_EQ(std::ranges::find(left.order, 1U) - left.order.begin(), 2 * kBatches)
      << "all batches of the server and of member 2 come first";
}

TEST_F(AsyncOrder, ASlowMemberKeepsTheOthersWaitingAtTheBoundAndNoEarlier) {
  for (const std::uint32_t bound : {0U, 1U, 3U}) {
    SCOPED_TRACE(bound);
    const Left left = expect_one_trainer_to_repeat(async(bound), config(16), kMembers, kMembers, make_wire<SlowMember>);
    expect_all_batches(left.order, std::vector<std::int64_t>(kMembers, kBatches));
    EXPECT_EQ(std::ranges::find(left.order, 1U) - left.order.begin(), 2 * (std::int64_t{bound} + 1));
  }
}

// Before the server chooses, each other member has pushed, as if it computed in no time.
class QuickMembers final : public LocalWire {
 public:
  using LocalWire::LocalWire;
  void send(std::uint32_t to, std::shared_ptr<const AlignedBuffer> buffer, std::size_t bytes) override {
    ++answers_[to];
    LocalWire::send(to, std::move(buffer), bytes);
  }
  std::optional<GroupMail> receive(bool waits) override {
    std::optional<GroupMail> mail = LocalWire::receive(waits || is_push_on_its_way());
    if (mail && mail->buffer) ++pushes_[mail->from];
    return mail;
  }

 private:
  bool is_push_on_its_way() {
    for (std::uint32_t member = 1; rank() == 0 && member < members(); ++member) {
      if (pushes_[member] == answers_[member] && pushes_[member] < 7) return true;
    }
    return false;
  }
  std::map<std::uint32_t, int> pushes_, answers_;  // of the server, by member
};

// The server's own batches have a turn for each turn of the others.
TEST_F(AsyncOrder, QuickMembersDoNotKeepTheServerFromItsBatches) {
  const Left left = expect_one_trainer_to_repeat(async(), config(16), kMembers, kMembers, make_wire<QuickMembers>);
  expect_all_batches(left.order, std::vector<std::int64_t>(kMembers, kBatches));
  for (std::size_t i = 0; i < left.order.size(); ++i) {
    EXPECT_EQ(left.order[i] == 0, i % kMembers == 0) << "gradient " << i << " of replica " << left.order[i];
  }
}

// The member computes replicas 2 and 3. The second batch of replica 2 is hopeless, so it computes no second one of
// replica 3, for which the order asks.
TEST_F(AsyncOrder, RefusesAnOrderWhoseMemberLosesALossBefore) {
  const data::Dataset data = dataset(4);
  const Experiment e = async({}, false);
  const Config far = config(16, "sgd", 1e9);
  Trainer alone(e, ModelId(0), far, data);
  alone.initialize();
  EXPECT_THAT(
      [&] {
        train_together(e, far, data, 2, 0, state_of(alone), {0, 2, 3, 3});
      },
      ThrowsMessage<StateError>(HasSubstr("[train] expected the gradients that the journal has in its order")));
}

}  // namespace
}  // namespace hop::hopper
