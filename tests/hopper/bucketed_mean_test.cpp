// Gradients that a group exchanges in buckets while backward goes on, against those of one worker.
#include "hopper/detail/bucketed_mean.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "hopper/strategy/tree_mean.h"
#include "kernels/copy.h"
#include "tensor/random.h"
#include "tests/hopper/local_group.h"
#include "tests/hopper/replica_trainer.h"
#include "tests/hopper/two_members.h"

namespace hop::hopper {
namespace {

constexpr std::size_t kBlock = 16;  // elements: each parameter begins on 64 bytes

// Parameters of odd sizes with gaps between them.
struct Net {
  std::vector<int> leaves = std::vector<int>(7);  // their addresses are the ids
  std::vector<GradientPlace> places;
  std::size_t elements = 0;

  Net() {
    constexpr std::size_t kSizes[] = {100, 1, 17, 400, 16, 3, 90};
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      places.push_back({&leaves[i], elements});
      elements += (kSizes[i] + kBlock - 1) / kBlock * kBlock;
    }
  }
  Tensor block() const { return kernels::zeros({static_cast<std::int64_t>(elements)}); }
};

// What a replica has in a step; nothing for one without rows.
using Shares = std::vector<std::optional<double>>;
void draw(const Tensor& block, std::uint64_t step, std::size_t replica) {
  PhiloxStream random({.key = 1000 * step + replica});
  for (std::int64_t k = 0; k < block.numel(); ++k) {
    block.data<float>()[k] = (random.uniform() - 0.5F) * (random.uniform() < 0.5F ? 1e6F : 1e-3F);
  }
}
Shares shares_of(std::uint64_t step, std::uint32_t replicas) {
  PhiloxStream random({.key = 77 * step + replicas});
  Shares shares;
  for (std::uint32_t r = 0; r < replicas; ++r) {
    const double share = random.uniform();
    shares.push_back(r == step % replicas || random.uniform() < 0.6F ? std::optional(share) : std::nullopt);
  }
  return shares;
}
std::vector<float> values_of(const Tensor& t) { return {t.data<float>(), t.data<float>() + t.numel()}; }

std::vector<float> of_one_worker(const Net& net, std::uint64_t step, const Shares& shares) {
  const Tensor block = net.block();
  TreeMean mean({block});
  for (std::size_t r = 0; r < shares.size(); ++r) {
    if (!shares[r]) {
      mean.skip();
      continue;
    }
    draw(block, step, r);
    mean.add(*shares[r]);
  }
  mean.finish();
  return values_of(block);
}

TEST(BucketedMean, HasTheBitsOfOneWorkerWhateverTheBuckets) {
  const Net net;
  std::set<std::size_t> counts;
  for (const std::uint32_t replicas : {2U, 3U, 5U, 8U}) {
    for (std::uint32_t members = 2; members <= std::min(replicas, 4U); ++members) {
      for (const std::size_t bucket : {std::size_t{1}, std::size_t{600}, std::size_t{100'000}}) {
        run_group(replicas, members, [&](const Group& group) {
          const Tensor block = net.block(), buffer = kernels::zeros({3}, DType::f64);
          BucketedMean mean(block, net.places, {buffer}, group, bucket);
          for (std::uint64_t step = 0; step < 6; ++step) {
            const Shares shares = shares_of(step, replicas);
            const auto first = static_cast<std::size_t>(
                std::ranges::find_if(shares, [](const auto& share) { return share.has_value(); }) - shares.begin());
            mean.begin(shares);
            mean.expect();
            for (std::size_t r = 0; r < replicas; ++r) {
              if (!group.owns(r)) continue;
              if (!shares[r]) {
                mean.skip();
                continue;
              }
              if (r == first) buffer.data<double>()[2] = static_cast<double>(step + 10);
              draw(block, step, r);
              if (mean.is_at_last()) {  // in some steps not all gradients are told
                for (std::size_t i = net.leaves.size(); i-- > step;) mean.on_gradient(&net.leaves[i], false);
              }
              mean.add();
            }
            EXPECT_FALSE(mean.finish(false));
            EXPECT_EQ(values_of(block), of_one_worker(net, step, shares));
            EXPECT_EQ(buffer.data<double>()[2], static_cast<double>(step + 10));
          }
          if (group.wire->rank() == 0) counts.insert(mean.buckets());
        });
      }
    }
  }
  EXPECT_THAT(counts, ::testing::ElementsAre(1U, 2U, 7U));
}

// Everything but the last bucket arrives before anybody has called finish().
TEST(BucketedMean, ExchangesWhatIsCompleteWhileBackwardGoesOn) {
  const Net net;
  const Shares shares{0.25, 0.75};
  const std::vector<float> expected = of_one_worker(net, 0, shares);
  run_group(2, 2, [&](const Group& group) {
    const Tensor block = net.block();
    BucketedMean mean(block, net.places, {}, group, 600);
    mean.begin(shares);
    draw(block, 0, group.wire->rank());
    for (std::size_t i = net.leaves.size(); i-- > 1;) mean.on_gradient(&net.leaves[i], false);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (mean.exchanged() + 1 < mean.buckets() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_EQ(mean.exchanged() + 1, mean.buckets());
    const std::size_t begin = net.places.back().offset;
    EXPECT_TRUE(
        std::equal(expected.begin() + static_cast<std::ptrdiff_t>(begin), expected.end(), block.data<float>() + begin));
    mean.add();
    mean.finish(false);
    EXPECT_EQ(values_of(block), expected);
  });
}

TEST(BucketedMean, TellsEveryMemberOfALostLoss) {
  const Net net;
  run_group(3, 3, [&](const Group& group) {
    const Tensor block = net.block();
    BucketedMean mean(block, net.places, {}, group, 600);
    for (std::uint64_t step = 0; step < 3; ++step) {
      const bool is_lost = step == 1 && group.wire->rank() == 2;
      mean.begin({0.5, 0.25, 0.25});
      for (std::size_t i = net.leaves.size(); i-- > 3;) mean.on_gradient(&net.leaves[i], is_lost);
      mean.add();
      EXPECT_EQ(mean.finish(is_lost), step == 1);
    }
  });
}

// A member leaves in the middle of a step, as after an error in its own data. The others do not wait for it.
TEST(BucketedMean, AMemberThatBreaksAStepOffEndsTheGroup) {
  const Net net;
  EXPECT_THROW(run_group(2, 2,
                         [&](const Group& group) {
                           const Tensor block = net.block();
                           BucketedMean mean(block, net.places, {}, group, 1);
                           mean.begin({0.5, 0.5});
                           mean.on_gradient(&net.leaves.back(), false);
                           if (group.wire->rank() == 1) return;
                           mean.add();
                           mean.finish(false);
                         }),
               MemberLost);
}

// Two members with one replica each, over connections. A bucket has three pieces.
class BucketedPair : public TwoMembers {
 protected:
  static constexpr std::int64_t kElements = 300'000;  // of each of four parameters
  static inline const Shares kShares{0.25, 0.75};

  BucketedPair() {
    for (std::size_t i = 0; i < leaves_.size(); ++i) places_.push_back({&leaves_[i], i * std::size_t{kElements}});
    begin();
    connect();
  }
  static Tensor block() { return kernels::zeros({4 * kElements}); }
  // What backward leaves of a parameter.
  static void draw_one(const Tensor& block, std::size_t parameter, std::uint64_t step, std::size_t replica) {
    PhiloxStream random({.key = 100 * step + 10 * replica + parameter});
    float* const values = block.data<float>() + parameter * kElements;
    for (std::int64_t k = 0; k < kElements; ++k) values[k] = random.uniform() - 0.5F;
  }
  static std::vector<float> of_one_worker(std::uint64_t step) {
    const Tensor all = block();
    TreeMean mean({all});
    for (std::size_t replica = 0; replica < 2; ++replica) {
      for (std::size_t i = 0; i < 4; ++i) draw_one(all, i, step, replica);
      mean.add(*kShares[replica]);
    }
    mean.finish();
    return values_of(all);
  }
  BucketedMean mean_of(const Tensor& block, std::uint32_t rank) {
    return {block, places_, {}, {links_[rank].get(), {0, 1}}, 1 << 20};
  }

  std::vector<int> leaves_ = std::vector<int>(4);
  std::vector<GradientPlace> places_;
};

// Each mean lies in the place of its gradients before those of the first parameters are there.
TEST_F(BucketedPair, WritesMeansWhileBackwardGoesOn) {
  const auto member = [this](std::uint32_t rank) {
    const Tensor gradients = block();
    BucketedMean mean = mean_of(gradients, rank);
    EXPECT_EQ(mean.buckets(), 4U);
    for (std::uint64_t step = 0; step < 2; ++step) {
      const std::vector<float> expected = of_one_worker(step);
      mean.begin(kShares);
      mean.expect();
      for (std::size_t i = 4; i-- > 0;) {
        draw_one(gradients, i, step, rank);
        mean.on_gradient(&leaves_[i], false);
        if (i != 1) continue;
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (mean.exchanged() < 2 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
        constexpr std::ptrdiff_t kThere = 2 * kElements;  // the last two
        EXPECT_TRUE(std::equal(expected.begin() + kThere, expected.end(), gradients.data<float>() + kThere));
      }
      mean.add();
      EXPECT_FALSE(mean.finish(false));
      EXPECT_EQ(values_of(gradients), expected) << "step " << step;
    }
  };
  std::thread other([&] { member(1); });
  member(0);
  other.join();
}

// Both go on with their gradients at once. ThreadSanitizer sees whether somebody still reads or writes them.
TEST_F(BucketedPair, LeavesGradientsAloneWhereAMemberBreaksAStepOff) {
  std::thread other([this] {
    const Tensor gradients = block();
    {
      BucketedMean mean = mean_of(gradients, 1);
      mean.begin(kShares);
      mean.expect();
      for (std::size_t i = 4; i-- > 1;) mean.on_gradient(&leaves_[i], false);
    }
    kernels::fill_(gradients, 1.0);
  });
  const Tensor gradients = block();
  {
    BucketedMean mean = mean_of(gradients, 0);
    mean.begin(kShares);
    mean.expect();
    for (std::size_t i = 4; i-- > 0;) mean.on_gradient(&leaves_[i], false);
    mean.add();
    EXPECT_THROW(mean.finish(false), MemberLost);
    kernels::fill_(gradients, 1.0);
  }
  other.join();
}

class LargeGradients : public ReplicaTrainer {};

// The trainer of a member tells its gradients in each replay: all steps but the first one of each size of a batch begin
// to exchange before backward is over.
TEST_F(LargeGradients, OfAGroupHaveTheBitsOfOneTrainer) {
  for (const std::uint32_t members : {2U, 3U}) {
    SCOPED_TRACE(members);
    Experiment e = experiment("allreduce");
    e.model.layers = {"flatten", "linear 600", "batchnorm1d", "relu", "linear 500", "dropout 0.1", "relu", "linear 10"};
    const data::Dataset data = dataset(4);
    Trainer expected(e, ModelId(0), config(16), data);
    expected.initialize();
    for (std::uint32_t epoch = 0; epoch < 2; ++epoch) train(expected, data, epoch);
    run_group(4, members, [&](const Group& group) {
      Trainer trainer(e, ModelId(0), config(16), data);
      trainer.initialize();
      for (std::uint32_t epoch = 0; epoch < 2; ++epoch) {
        train_unit(
            trainer, Epoch(epoch), all_of(data), [&](PartitionId id) { return data.partition(id); }, {}, nullptr,
            group);
      }
      EXPECT_EQ(state_of(trainer), state_of(expected));
      EXPECT_GE(trainer.early_exchanges(), 6U) << "of twelve steps in two epochs";
    });
  }
}

}  // namespace
}  // namespace hop::hopper
