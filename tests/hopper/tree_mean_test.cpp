// Means over replicas, against plain loops that walk down the tree.
#include "hopper/strategy/tree_mean.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <vector>

#include "base/error.h"
#include "kernels/copy.h"
#include "tensor/random.h"

namespace hop::hopper {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

struct Leaf {
  double share;
  std::vector<float> values;
};
using Leaves = std::vector<std::optional<Leaf>>;

// The sum over leaves from `begin` to before `end`, rounded in T; none if no leaf has values.
template <class T>
std::optional<std::vector<T>> sum(const Leaves& leaves, std::size_t begin, std::size_t end) {
  if (end - begin == 1) {
    if (!leaves[begin]) return std::nullopt;
    std::vector<T> values;
    for (const float x : leaves[begin]->values)
      values.push_back(static_cast<T>(leaves[begin]->share) * static_cast<T>(x));
    return values;
  }
  std::size_t half = 1;
  while (2 * half < end - begin) half *= 2;
  auto left = sum<T>(leaves, begin, begin + half), right = sum<T>(leaves, begin + half, end);
  if (!left || !right) return left ? left : right;
  for (std::size_t i = 0; i < left->size(); ++i) (*left)[i] += (*right)[i];
  return left;
}

Tensor tensor_of(std::size_t size) { return kernels::zeros({static_cast<std::int64_t>(size)}); }
std::vector<float> values_of(const Tensor& t) {
  const Tensor flat = kernels::contiguous(t);
  return {flat.data<float>(), flat.data<float>() + flat.numel()};
}

void add(TreeMean& mean, const Tensor& place, const std::optional<Leaf>& leaf) {
  if (!leaf) return mean.skip();
  std::copy(leaf->values.begin(), leaf->values.end(), place.data<float>());
  mean.add(leaf->share);
}

// Shares that add up to about 1, values of many sizes.
Leaves draw(std::size_t replicas, std::size_t size, std::uint64_t key) {
  PhiloxStream random({.key = key});
  Leaves leaves;
  for (std::size_t r = 0; r < replicas; ++r) {
    Leaf leaf{(1.0 + static_cast<double>(random.below(100))) / (60.0 * static_cast<double>(replicas)), {}};
    for (std::size_t i = 0; i < size; ++i) {
      const auto digits = static_cast<float>(random.below(20001)) - 10000;
      leaf.values.push_back(std::ldexp(digits / 7, static_cast<int>(random.below(12)) - 6));
    }
    leaves.emplace_back(std::move(leaf));
  }
  return leaves;
}

template <class T>
void expect_sum_of_the_tree(const Leaves& leaves, std::size_t size, DType sums) {
  const Tensor place = tensor_of(size);
  TreeMean mean({place}, sums);
  for (const auto& leaf : leaves) add(mean, place, leaf);
  mean.finish();
  const auto expected = sum<T>(leaves, 0, leaves.size());
  ASSERT_TRUE(expected);
  for (std::size_t i = 0; i < size; ++i) {
    EXPECT_EQ(place.data<float>()[i], static_cast<float>((*expected)[i]))
        << i << " of " << leaves.size() << " replicas";
  }
}

TEST(TreeMean, IsTheSumOfAFixedTree) {
  for (std::size_t replicas = 1; replicas <= 17; ++replicas) {
    for (const std::size_t size : {0U, 1U, 7U, 33U}) {
      const Leaves leaves = draw(replicas, size, 100 * replicas + size);
      expect_sum_of_the_tree<float>(leaves, size, DType::f32);
      expect_sum_of_the_tree<double>(leaves, size, DType::f64);
    }
  }
}

// Another tree gives other bits; otherwise the test above would judge nothing.
TEST(TreeMean, IsNotTheSumFromLeftToRight) {
  const Leaves leaves = draw(8, 64, 5);
  const auto expected = sum<float>(leaves, 0, 8);
  std::vector<float> from_left(64, 0.0F);
  for (const auto& leaf : leaves) {
    for (std::size_t i = 0; i < 64; ++i) from_left[i] += static_cast<float>(leaf->share) * leaf->values[i];
  }
  EXPECT_NE(from_left, *expected);
}

TEST(TreeMean, LeavesOutReplicasWithoutValues) {
  for (std::size_t replicas = 2; replicas <= 9; ++replicas) {
    for (std::uint64_t present = 1; present < (std::uint64_t{1} << replicas); present += 3) {
      Leaves leaves = draw(replicas, 5, 7 * replicas + present);
      for (std::size_t r = 0; r < replicas; ++r) {
        if ((present >> r & 1U) == 0) leaves[r].reset();
      }
      SCOPED_TRACE(present);
      expect_sum_of_the_tree<float>(leaves, 5, DType::f32);
    }
  }
}

// A worker that has all leaves below a node may send their sum as one leaf of share 1.
TEST(TreeMean, TakesTheSumOfAWholeSubtreeForItsLeaves) {
  const Leaves leaves = draw(12, 9, 3);
  const Tensor place = tensor_of(9), alone = tensor_of(9);
  TreeMean all({place}), part({alone}), sums({place});
  for (const auto& leaf : leaves) add(all, place, leaf);
  all.finish();
  const std::vector<float> expected = values_of(place);
  for (std::size_t begin = 0; begin < 12; begin += 4) {
    for (std::size_t r = begin; r < begin + 4; ++r) add(part, alone, leaves[r]);
    part.finish();
    kernels::copy_(place, alone);
    sums.add(1);
  }
  sums.finish();
  EXPECT_EQ(values_of(place), expected);
}

TEST(TreeMean, OfOneReplicaIsItsValues) {
  for (const DType sums : {DType::f32, DType::f64}) {
    const Leaf leaf{1, {0.1F, -0.0F, 3e-42F, 3e38F, INFINITY}};
    const Tensor place = tensor_of(5);
    TreeMean mean({place}, sums);
    add(mean, place, leaf);
    mean.finish();
    EXPECT_EQ(values_of(place), leaf.values);
    EXPECT_TRUE(std::signbit(place.data<float>()[1]));
  }
}

TEST(TreeMean, OfEqualValuesIsTheValueWithSumsInDouble) {
  PhiloxStream random({.key = 9});
  for (std::size_t replicas = 1; replicas <= 20; ++replicas) {
    Leaf leaf{1.0 / static_cast<double>(replicas), {}};
    for (int i = 0; i < 50; ++i) leaf.values.push_back(static_cast<float>(random.below(1U << 30)) / 12345);
    const Tensor place = tensor_of(50);
    TreeMean mean({place}, DType::f64);
    for (std::size_t r = 0; r < replicas; ++r) add(mean, place, leaf);
    mean.finish();
    EXPECT_EQ(values_of(place), leaf.values) << replicas;
  }
}

TEST(TreeMean, BeginsAnewAfterTheEndAndWhenItIsTold) {
  const Tensor place = tensor_of(1);
  TreeMean mean({place});
  for (int round = 0; round < 3; ++round) {
    add(mean, place, Leaf{0.5, {100}});
    mean.begin();
    add(mean, place, Leaf{0.5, {2}});
    mean.skip();
    add(mean, place, Leaf{0.5, {6}});
    mean.finish();
    EXPECT_EQ(place.data<float>()[0], 4);
  }
  mean.skip();
  mean.finish();
  EXPECT_EQ(place.data<float>()[0], 4) << "no replica had values";
}

TEST(TreeMean, GivesItsSumsAndLeavesTheTensorsAlone) {
  const Tensor place = tensor_of(3);
  TreeMean mean({place}, DType::f64);
  EXPECT_TRUE(mean.take().empty());
  mean.skip();
  EXPECT_TRUE(mean.take().empty());
  kernels::fill_(place, 4);
  mean.add(0.75);
  mean.skip();
  kernels::fill_(place, 8);
  mean.add(0.25);
  kernels::fill_(place, 1);
  const std::vector<Tensor> sums = mean.take();
  ASSERT_EQ(sums.size(), 1U);
  EXPECT_EQ(sums[0].dtype(), DType::f64);
  EXPECT_EQ(sums[0].data<double>()[2], 5);
  EXPECT_EQ(place.data<float>()[2], 1);
  mean.add(1);
  mean.finish();
  EXPECT_EQ(place.data<float>()[2], 1) << "it begins anew";
}

TEST(TreeMean, TakesSeveralTensorsOfAnyShape) {
  const Tensor a = kernels::full({2, 3}, 3.0), b = kernels::full({}, 1.0, DType::f64), none = kernels::zeros({0, 4});
  TreeMean mean({a, b, none}, DType::f64);
  EXPECT_EQ(mean.bytes(), 128U) << "24 and 8 bytes on boundaries of 64";
  mean.add(0.25);
  kernels::fill_(a, 7.0);
  kernels::fill_(b, 5.0);
  mean.add(0.75);
  mean.finish();
  EXPECT_THAT(values_of(a), testing::Each(6.0F));
  EXPECT_EQ(b.item<double>(), 4.0);
}

TEST(TreeMean, IsOfFloatingValues) {
  EXPECT_THAT([] { TreeMean({kernels::zeros({2}, DType::i64)}); },
              ThrowsMessage<DtypeError>(HasSubstr("[tree_mean] expected floating values, got")));
  EXPECT_THAT([] { TreeMean({kernels::zeros({2})}, DType::i64); },
              ThrowsMessage<DtypeError>(HasSubstr("[tree_mean] expected sums in f32 or f64, got i64")));
}

}  // namespace
}  // namespace hop::hopper
