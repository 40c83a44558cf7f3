// Batch normalisation with the statistics of several replicas, against batch_norm() of all their rows together.
#include "autograd/replica_norm_internal.h"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels/capture.h"
#include "kernels/layout_internal.h"
#include "kernels/view.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

using Numbers = std::vector<std::vector<double>>;

// Replicas on threads of their own, which wait for each other.
class Table {
 public:
  explicit Table(std::size_t replicas) : said_(replicas) {}

  const Numbers& share(std::size_t replica, std::vector<double> own) {
    std::unique_lock lock(mutex_);
    said_[replica] = std::move(own);
    const std::uint64_t round = round_;
    if (++here_ == said_.size()) {
      all_ = said_;
      here_ = 0;
      ++round_;
      changed_.notify_all();
    }
    changed_.wait(lock, [&] { return round_ > round; });
    return all_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  Numbers said_, all_;
  std::size_t here_ = 0;
  std::uint64_t round_ = 0;
};

class Seat final : public kernels::ReplicaTalk {
 public:
  Seat(Table& table, std::size_t replica) : table_(table), replica_(replica) {}
  const Numbers& share(std::vector<double> own) override { return table_.share(replica_, std::move(own)); }

 private:
  Table& table_;
  const std::size_t replica_;
};

// Another replica with the same numbers, or none. Counts the meetings.
class Twins final : public kernels::ReplicaTalk {
 public:
  explicit Twins(std::size_t count) : count_(count) {}
  const Numbers& share(std::vector<double> own) override {
    ++meetings;
    return all_ = Numbers(count_, own);
  }
  int meetings = 0;

 private:
  std::size_t count_;
  Numbers all_;
};

// y, the statistics, and the gradients of sum(y^2 a) with respect to x, weight and bias.
struct Outcome {
  Tensor y, mean, var, dx, dweight, dbias;
};

Outcome outcome(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& a,
                const std::function<ReplicaBatchNorm()>& normalise) {
  const ReplicaBatchNorm norm = normalise();
  std::vector<Tensor> leaves = {x};
  if (weight.defined()) leaves.insert(leaves.end(), {weight, bias});
  std::vector<Tensor> grads = grad({sum(norm.y * norm.y * a)}, leaves);
  grads.resize(3);
  return {norm.y, norm.mean, norm.var, grads[0], grads[1], grads[2]};
}

Tensor leaf_like(const Tensor& x) { return kernels::clone(x).set_requires_grad(); }

// Parts of 3, 1 and 2 rows.
TEST(ReplicaBatchNorm, IsBatchNormOfTheRowsOfAllReplicas) {
  for (const bool with_images : {false, true}) {
    for (const bool last : {false, true}) {
      for (const bool is_affine : {true, false}) {
        SCOPED_TRACE(std::string(with_images ? "images" : "vectors") + (last ? " last" : ""));
        const auto shape_of = [&](std::int64_t rows) { return with_images ? Shape{rows, 4, 3, 5} : Shape{rows, 4}; };
        const Tensor x = random_tensor(shape_of(6), 1), a = random_tensor(shape_of(6), 2);
        const Tensor weight = is_affine ? random_tensor({4}, 3) : Tensor();
        const Tensor bias = is_affine ? random_tensor({4}, 4) : Tensor();
        const auto own_leaf = [](const Tensor& t) { return t.defined() ? leaf_like(t) : t; };
        const Tensor all_x = leaf_like(x), all_weight = own_leaf(weight), all_bias = own_leaf(bias);
        const Outcome together = outcome(all_x, all_weight, all_bias, a, [&] {
          BatchNormResult r = batch_norm(all_x, all_weight, all_bias);
          const double n = static_cast<double>(x.numel()) / 4;
          return ReplicaBatchNorm{r.y, r.mean, r.var * (n / (n - 1))};
        });

        constexpr std::int64_t kBegins[] = {0, 3, 4, 6};
        Table table(3);
        std::vector<Outcome> parts(3);
        std::vector<std::thread> threads;
        for (std::size_t r = 0; r < 3; ++r) {
          threads.emplace_back([&, r] {
            const auto rows_of = [&](const Tensor& t) { return kernels::slice(t, 0, kBegins[r], kBegins[r + 1]); };
            Tensor own_x = leaf_like(rows_of(x));
            if (last && with_images)
              own_x = kernels::in_layout(kernels::Layout::channels_last, own_x.detach()).detach().set_requires_grad();
            const Tensor own_weight = own_leaf(weight), own_bias = own_leaf(bias);
            const auto seat = std::make_shared<Seat>(table, r);
            parts[r] = outcome(own_x, own_weight, own_bias, rows_of(a),
                               [&] { return hop::replica_batch_norm(seat, own_x, own_weight, own_bias, 1e-5); });
          });
        }
        for (std::thread& thread : threads) thread.join();

        for (std::size_t r = 0; r < 3; ++r) {
          const auto rows_of = [&](const Tensor& t) { return kernels::slice(t, 0, kBegins[r], kBegins[r + 1]); };
          EXPECT_LT(distance(parts[r].y, rows_of(together.y)), 1e-12) << r;
          EXPECT_LT(distance(parts[r].dx, rows_of(together.dx)), 1e-11) << r;
          EXPECT_LT(distance(parts[r].mean, together.mean), 1e-12);
          EXPECT_LT(distance(parts[r].var, together.var), 1e-12);
          EXPECT_TRUE(same_bits(parts[r].mean, parts[0].mean));
          EXPECT_TRUE(same_bits(parts[r].var, parts[0].var));
        }
        if (!is_affine) continue;
        EXPECT_LT(distance(parts[0].dweight + parts[1].dweight + parts[2].dweight, together.dweight), 1e-11);
        EXPECT_LT(distance(parts[0].dbias + parts[1].dbias + parts[2].dbias, together.dbias), 1e-11);
      }
    }
  }
}

TEST(ReplicaBatchNorm, TakesASequenceForAnImageAndAWeightWithoutABias) {
  const Tensor x = random_tensor({4, 3, 5}, 1), weight = random_tensor({3}, 2), zeros = kernels::zeros({3}, DType::f64);
  const auto twins = std::make_shared<Twins>(2);
  const ReplicaBatchNorm image = hop::replica_batch_norm(twins, reshape(x, {4, 3, 5, 1}), weight, zeros, 1e-5);
  const ReplicaBatchNorm line = hop::replica_batch_norm(twins, x, weight, {}, 1e-5);
  EXPECT_EQ(line.y.shape(), x.shape());
  EXPECT_TRUE(same_bits(line.y, reshape(image.y, x.shape())));
  EXPECT_TRUE(same_bits(line.var, image.var));
}

// A replay meets the others again, with the numbers of then.
TEST(ReplicaBatchNorm, IsReplayedWithTheBitsOfAnEagerCall) {
  const Tensor weight = kernels::cast(random_tensor({3}, 5), DType::f32).set_requires_grad();
  const Tensor bias = kernels::cast(random_tensor({3}, 6), DType::f32).set_requires_grad();
  const Tensor factor = kernels::cast(random_tensor({3}, 7), DType::f32).set_requires_grad();
  const auto twins = std::make_shared<Twins>(2);
  const auto step = [&](std::span<const Tensor> in) {
    const Tensor x = in[0] * factor;
    const ReplicaBatchNorm norm = hop::replica_batch_norm(twins, x, weight, bias, 1e-5);
    std::vector<Tensor> results = grad({sum(norm.y * norm.y * norm.y)}, {factor, weight, bias});
    results.insert(results.end(), {norm.y.detach(), norm.mean, norm.var});
    return results;
  };
  CapturedFunction captured(step, {.warm_up = 0});
  for (std::uint64_t seed = 10; seed < 13; ++seed) {
    const Tensor x = kernels::cast(random_tensor({5, 3}, seed), DType::f32);
    const std::vector<Tensor> eager = step(std::vector{x}), replayed = captured({x});
    for (std::size_t i = 0; i < eager.size(); ++i) EXPECT_TRUE(same_bits(replayed[i], eager[i])) << i;
  }
}

// Without a gradient of x the replicas have nothing to tell each other on the way back.
TEST(ReplicaBatchNorm, MeetsOnTheWayBackOnlyWhereAGradientGoesOn) {
  const auto twins = std::make_shared<Twins>(2);
  const Tensor weight = random_leaf({3}, 1), bias = random_leaf({3}, 2);
  const Tensor x = random_tensor({4, 3}, 3);
  grad({sum(hop::replica_batch_norm(twins, x, weight, bias, 1e-5).y)}, {weight});
  EXPECT_EQ(twins->meetings, 1);
  const Tensor leaf_x = leaf_like(x);
  grad({sum(hop::replica_batch_norm(twins, leaf_x, weight, bias, 1e-5).y)}, {leaf_x});
  EXPECT_EQ(twins->meetings, 3);
}

TEST(ReplicaBatchNorm, NeedsTwoValuesPerChannelInAllAndNoSecondDerivative) {
  const auto alone = std::make_shared<Twins>(1), twins = std::make_shared<Twins>(2);
  const Tensor x = random_leaf({1, 3}, 1);
  EXPECT_TRUE(throws<ShapeError>([&] { hop::replica_batch_norm(alone, x, {}, {}, 1e-5); },
                                 "expected more than one value per channel in the replicas of a step together"));
  const ReplicaBatchNorm norm = hop::replica_batch_norm(twins, x, {}, {}, 1e-5);
  EXPECT_LT(distance(norm.var, kernels::zeros({3}, DType::f64)), 1e-12);
  EXPECT_TRUE(throws<AutogradError>([&] { grad({sum(norm.y)}, {x}, {.create_graph = true}); },
                                    "expected create_graph = false with the statistics of all replicas"));
}

TEST(ReplicaBatchNorm, RoundsBf16Once) {
  const auto twins = std::make_shared<Twins>(2);
  const Tensor x = kernels::cast(random_tensor({4, 3}, 7), DType::bf16);
  const ReplicaBatchNorm norm = hop::replica_batch_norm(twins, x, {}, {}, 1e-5);
  EXPECT_EQ(norm.y.dtype(), DType::bf16);
  EXPECT_EQ(norm.mean.dtype(), DType::f32);
  const Tensor wide = hop::replica_batch_norm(twins, kernels::cast(x, DType::f32), {}, {}, 1e-5).y;
  EXPECT_TRUE(same_bits(norm.y, kernels::cast(wide, DType::bf16)));
}

}  // namespace
}  // namespace hop::autograd
