// A captured step does what the eager one does, and nothing else.
#include "kernels/capture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "kernels/conv.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/index.h"
#include "kernels/matmul.h"
#include "kernels/norm.h"
#include "kernels/pool.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "kernels/softmax.h"
#include "kernels/view.h"
#include "tensor/allocator.h"
#include "tensor/autograd_slot.h"
#include "tests/kernels/layouts.h"

namespace hop {
namespace {

using testing::error_of;
using testing::random_tensor;
using testing::values;

Tensor row(std::initializer_list<float> v) { return Tensor::from<float>(v, {static_cast<std::int64_t>(v.size())}); }

TEST(Capture, RunsTheWorkOnceAndReplaysItOnTheSameAddresses) {
  const Tensor x = row({1, 2, 3});
  Tensor y;
  const Recording recording = capture([&] { y = kernels::mul(kernels::add(x, 1), x); });
  EXPECT_EQ(recording.size(), 2U);
  EXPECT_THAT(values<float>(y), ::testing::ElementsAre(2, 6, 12));
  kernels::copy_(x, row({3, 4, 5}));
  recording.replay();
  EXPECT_THAT(values<float>(y), ::testing::ElementsAre(12, 20, 30));
}

// One of each kind of operation, on layouts that make them copy first.
std::vector<Tensor> everything(const Tensor& x, const Tensor& labels, const Tensor& weight, const std::int64_t* step) {
  using namespace kernels;
  std::vector<Tensor> results;
  const Tensor t = transpose(x, 0, 1);
  results.push_back(add(t, full({1}, 0.5)));
  results.push_back(where(gt(x, 0), x, 0.25));
  results.push_back(matmul(x, t));
  results.push_back(matmul(cast(x, DType::f64), cast(t, DType::f64)));
  results.push_back(matmul(x, select(x, 0, 0)));
  constexpr std::int64_t kFirst[] = {0};
  results.push_back(sum(t, kFirst));
  results.push_back(var(x));
  results.push_back(argmax(t, 1));
  results.push_back(softmax(x));
  const CrossEntropyResult ce = cross_entropy(x, labels);
  results.push_back(ce.loss);
  results.push_back(cross_entropy_grad(ce.loss, ce.log_probabilities, labels));
  results.push_back(layer_norm(t, {}, {}, 1e-5).y);
  const Tensor image = x.as_strided({4, 2, 9, 8}, {144, 72, 8, 1}, 0);
  const MaxPool2dResult pooled = max_pool2d(image, {.kernel = {2, 2}, .stride = {}, .padding = {}});
  results.push_back(max_pool2d_grad(pooled.y, pooled.indices, image.shape()));
  results.push_back(batch_norm(image, {}, {}, 1e-5).y);
  results.push_back(conv2d(image, weight, {}, {}));
  results.push_back(index_select(x, 0, labels));
  results.push_back(
      scatter_add(x.shape(), 1, labels.as_strided({labels.numel(), 1}, {1, 1}, 0), ones({labels.numel(), 1})));
  results.push_back(dropout(x, 0.5, {.key = 3, .step = 0, .draw = 1, .key_at = nullptr, .step_at = step}));
  const Tensor parts[] = {x, x};
  results.push_back(cat(parts, 1));
  return results;
}

TEST(Capture, GivesTheBitsOfEagerOperationsForEveryKindOfOperation) {
  const Tensor x = random_tensor({24, 24}, DType::f32, 1), labels = Tensor::empty({24}, DType::i64);
  for (std::int64_t i = 0; i < 24; ++i) labels.data<std::int64_t>()[i] = i * 5 % 24;
  std::int64_t step = 0;
  std::vector<Tensor> captured;
  const Tensor weights = random_tensor({3, 2, 3, 3}, DType::f32, 7);
  const auto work = [&] { return everything(x, labels, weights, &step); };
  const Recording recording = capture([&] { captured = work(); });
  for (step = 1; step <= 3; ++step) {
    kernels::copy_(x, random_tensor({24, 24}, DType::f32, static_cast<std::uint64_t>(10 + step)));
    recording.replay();
    const std::vector<Tensor> eager = work();
    ASSERT_EQ(captured.size(), eager.size());
    for (std::size_t i = 0; i < eager.size(); ++i) {
      ASSERT_EQ(values<double>(captured[i]), values<double>(eager[i])) << "result " << i << ", step " << step;
    }
  }
}

TEST(Capture, AllocatesNothingInAReplay) {
  const Tensor x = random_tensor({64, 64}, DType::f32, 1);
  const Recording recording =
      capture([&] { kernels::softmax(kernels::matmul(kernels::transpose(x, 0, 1), kernels::exp(x))); });
  const std::size_t active = memory::active();
  memory::reset_peak();
  const std::uint64_t system = memory::system_allocations();
  for (int i = 0; i < 10; ++i) recording.replay();
  EXPECT_EQ(memory::active(), active);
  EXPECT_EQ(memory::peak(), active);
  EXPECT_EQ(memory::system_allocations(), system);
}

TEST(Capture, UsesMemoryAgainWithinTheStepAndKeepsItForTheRecording) {
  const Tensor x = random_tensor({1000}, DType::f32, 1);
  const auto pool = std::make_shared<MemoryPool>(Device::cpu());
  Tensor y;
  Recording recording = capture(
      [&] {
        y = kernels::exp(x);
        for (int i = 0; i < 20; ++i) y = kernels::sin(y);  // two buffers, one after the other
      },
      Device::cpu(), pool);
  EXPECT_EQ(pool->bytes(), 2 * 4032U);
  const std::vector<float> before = values<float>(y);
  std::vector<Tensor> others;
  for (int i = 0; i < 20; ++i) others.push_back(kernels::full({1000}, 7));  // may not get the recording's memory
  recording.replay();
  EXPECT_EQ(values<float>(y), before);
  for (const Tensor& other : others) EXPECT_EQ(values<float>(other), std::vector<float>(1000, 7));
}

TEST(Capture, RefusesAPoolOfAnotherDevice) {
  const auto pool = std::make_shared<MemoryPool>(Device::cuda());
  EXPECT_EQ(error_of<DeviceError>([&] { capture([] {}, Device::cpu(), pool); }),
            "[capture] expected a pool on cpu, got one on cuda:0");
}

// Judged by holds(), which asks for the thread's grad mode; a replay itself keeps the recorded one.
TEST(Capture, HoldsOnlyInTheGradModeInWhichItWasRecorded) {
  const Tensor x = row({1});
  Tensor y;
  const Recording recording = capture([&] { y = kernels::add(x, 1); });
  EXPECT_TRUE(recording.holds());
  autograd::grad_enabled = false;
  EXPECT_FALSE(recording.holds());
  EXPECT_FALSE(recording.try_replay());
  kernels::copy_(x, kernels::full({1}, 5));
  EXPECT_NO_THROW(recording.replay());
  autograd::grad_enabled = true;
  EXPECT_TRUE(recording.holds());
  EXPECT_THAT(values<float>(y), ::testing::ElementsAre(6));
}

TEST(Capture, LetsAResultOutliveTheRecording) {
  const std::size_t active = memory::active();
  {
    Tensor y;
    {
      const Tensor x = row({1, 2});
      const Recording recording = capture([&] { y = kernels::add(x, 1); });
      recording.replay();
    }
    EXPECT_THAT(values<float>(y), ::testing::ElementsAre(2, 3));
  }
  EXPECT_EQ(memory::active(), active);
}

TEST(Capture, RefusesToReadOrMakeValuesOnTheHost) {
  const Tensor x = row({1});
  EXPECT_EQ(error_of<StateError>([&] { capture([&] { kernels::add(x, 1).item<float>(); }); }),
            "[item] values cannot go to or from the host while a step is captured");
  EXPECT_THROW(capture([&] { row({1}); }), StateError);
  EXPECT_THROW(capture([&] { capture([] {}); }), StateError);
  EXPECT_FALSE(is_capturing());
  EXPECT_FLOAT_EQ(kernels::add(x, 1).item<float>(), 2);  // and all is as before
  EXPECT_THROW(Recording().replay(), StateError);
}

TEST(Capture, ThrowsFromAReplayWhatTheOperationThrows) {
  const Tensor x = random_tensor({2, 3}, DType::f32, 1), labels = Tensor::from<std::int64_t>({0, 2}, {2});
  const Recording recording = capture([&] { kernels::cross_entropy(x, labels); });
  labels.data<std::int64_t>()[1] = 3;
  EXPECT_EQ(error_of<IndexError>([&] { recording.replay(); }),
            "[cross_entropy] expected labels in 0..2, got 3 in row 1");
  labels.data<std::int64_t>()[1] = 1;
  EXPECT_NO_THROW(recording.replay());
}

TEST(CapturedFunction, RecordsOncePerShapeAndCopiesItsArguments) {
  int calls = 0;
  CapturedFunction square([&](std::span<const Tensor> in) {
    ++calls;
    return std::vector{kernels::mul(in[0], in[0])};
  });
  for (int i = 1; i <= 4; ++i) {
    const auto v = static_cast<float>(i);
    EXPECT_THAT(values<float>(square({row({v, 2})})[0]), ::testing::ElementsAre(v * v, 4));
    EXPECT_THAT(values<float>(square({row({v})})[0]), ::testing::ElementsAre(v * v));
  }
  EXPECT_EQ(calls, 4);  // each shape: once to warm up, once to record
  EXPECT_EQ(square.combinations(), 2U);
  square.reset();
  EXPECT_EQ(square.combinations(), 0U);
}

TEST(CapturedFunction, KeepsTheResultsOfOneShapeWhileAnotherRuns) {
  CapturedFunction f([](std::span<const Tensor> in) {
    const Tensor sum = kernels::add(in[0], 1);
    return std::vector{kernels::mul(sum, 2)};
  });
  const std::vector<Tensor>& three = f({row({1, 2, 3})});
  for (int i = 0; i < 3; ++i) {
    f({row({1, 2, 3})});
    const std::vector<Tensor>& two = f({row({5, 6})});
    for (std::size_t n = 4; i == 0 && n < 40; ++n) f({kernels::full({static_cast<std::int64_t>(n)}, 1)});
    EXPECT_THAT(values<float>(three[0]), ::testing::ElementsAre(4, 6, 8));
    f({row({1, 2, 3})});
    EXPECT_THAT(values<float>(two[0]), ::testing::ElementsAre(12, 14));
  }
}

// The buffer of an argument is filled before the next argument is read.
TEST(CapturedFunction, TakesBackTheArgumentsThatItReturnedInAnotherOrder) {
  CapturedFunction fibonacci([](std::span<const Tensor> in) { return std::vector{kernels::add(in[0], in[1]), in[0]}; });
  std::vector<Tensor> state = {row({1}), row({0})};
  for (const float expected : {1.0F, 2.0F, 3.0F, 5.0F, 8.0F, 13.0F, 21.0F}) {
    state = fibonacci(state);
    EXPECT_THAT(values<float>(state[0]), ::testing::ElementsAre(expected));
  }
  CapturedFunction swap([](std::span<const Tensor> in) { return std::vector{in[1], in[0]}; });
  state = {row({1}), row({2})};
  for (int i = 0; i < 6; ++i) {
    state = swap(state);
    EXPECT_THAT(values<float>(state[0]), ::testing::ElementsAre(i % 2 == 0 ? 2 : 1));
    EXPECT_THAT(values<float>(state[1]), ::testing::ElementsAre(i % 2 == 0 ? 1 : 2));
  }
}

// The results go with their combination, which makes room for the next one.
TEST(CapturedFunction, TakesItsOwnResultsWhereOneCombinationIsKept) {
  CapturedFunction twice(
      [](std::span<const Tensor> in) {
        const Tensor parts[] = {in[0], in[0]};
        return std::vector{kernels::cat(parts, 0)};
      },
      {.max_combinations = 1});
  const std::vector<Tensor>* result = &twice({row({1})});
  for (int i = 0; i < 4; ++i) result = &twice(*result);
  EXPECT_EQ(values<float>((*result)[0]), std::vector<float>(32, 1));
}

TEST(CapturedFunction, HasBuffersOfItsOwnInACopy) {
  CapturedFunction f([](std::span<const Tensor> in) { return std::vector{kernels::mul(in[0], 2)}; });
  for (int i = 0; i < 3; ++i) f({row({1})});
  CapturedFunction copy = f;
  const Tensor of_f = f({row({1})})[0], of_copy = copy({row({5})})[0];
  EXPECT_THAT(values<float>(of_f), ::testing::ElementsAre(2));
  EXPECT_THAT(values<float>(of_copy), ::testing::ElementsAre(10));
}

// So a graph that saved the tensor notices the write (autograd/node.h).
TEST(Capture, ChangesTheVersionsOfWhatAReplayWrites) {
  const Tensor read = row({1, 2}), written = row({0, 0});
  const Recording recording = capture([&] {
    kernels::copy_(written, kernels::add(read, 1));
    kernels::fill_(kernels::slice(written, 0, 0, 1), 7);
  });
  const std::uint32_t before = written.version(), untouched = read.version();
  recording.replay();
  EXPECT_NE(written.version(), before);
  EXPECT_EQ(read.version(), untouched);
}

// The bytes of a model's state go on to other models, and come back in another storage.
TEST(Capture, HoldsNoBytesThatItWrites) {
  const auto bytes = std::make_shared<std::vector<float>>(2);
  const auto borrow = [&] { return Storage::borrow(bytes->data(), 2 * sizeof(float), bytes, Device::cpu()); };
  const Tensor state = Tensor::view(borrow(), DType::f32, {2}, {1}), elsewhere = row({0, 0});
  const Recording recording = capture([&] {
    kernels::fill_(state, 3);
    kernels::fill_(kernels::slice(state, 0, 0, 1), 7);
  });
  state.rebind(elsewhere.storage(), 0, DType::f32);
  EXPECT_EQ(bytes.use_count(), 1);
  EXPECT_FALSE(recording.holds());

  state.rebind(borrow(), 0, DType::f32);
  ASSERT_TRUE(recording.holds());
  const std::uint32_t before = state.version();
  recording.replay();
  EXPECT_NE(state.version(), before);
}

TEST(CapturedFunction, ChangesTheVersionsOfResultsThatItWritesOver) {
  const Tensor constant = row({3});
  CapturedFunction f([&](std::span<const Tensor> in) { return std::vector{kernels::mul(in[0], 2), constant}; });
  for (int i = 0; i < 3; ++i) f({row({1})});
  const Tensor result = f({row({1})})[0];
  const std::uint32_t before = result.version(), untouched = constant.version();
  f({row({100})});
  EXPECT_NE(result.version(), before);
  EXPECT_EQ(constant.version(), untouched);
}

TEST(CapturedFunction, RefusesArgumentsThatRequireAGradient) {
  CapturedFunction f([](std::span<const Tensor> in) { return std::vector{in[0]}; });
  EXPECT_THROW(f({row({1}).set_requires_grad()}), AutogradError);
}

TEST(CapturedFunction, KeepsTheCombinationsThatWereUsedLast) {
  int calls = 0;
  CapturedFunction f(
      [&](std::span<const Tensor> in) {
        ++calls;
        return std::vector{kernels::mul(kernels::relu(in[0]), 2)};
      },
      {.max_combinations = 3});
  const auto call = [&](std::int64_t n) { return f({kernels::ones({n, 1000}, DType::f32)})[0].numel(); };
  for (int i = 0; i < 3; ++i) call(1);
  EXPECT_EQ(calls, 2);
  const Tensor kept = f({kernels::ones({1, 1000}, DType::f32)})[0];
  const std::size_t active = memory::active();
  for (std::int64_t n = 2; n < 400; ++n) {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(call(2 + n % 40), (2 + n % 40) * 1000);
    EXPECT_LE(f.combinations(), 3U);
    if (n % 2 == 0) call(1);  // used all the time: stays
  }
  EXPECT_EQ(calls, 2 + 2 * 398);
  // Two other recordings of three tensors, each rounded up to a block of at most 9/8 of its bytes.
  EXPECT_LT(memory::active(), active + 2 * 3 * 42 * 4000U * 9 / 8);
  EXPECT_EQ(values<float>(kept), std::vector<float>(1000, 2));  // a result outlives its recording
  EXPECT_THROW(CapturedFunction([](auto) { return std::vector<Tensor>(); }, {.max_combinations = 0}), ConfigError);
}

TEST(CapturedFunction, HasABoundWithoutOptions) {
  CapturedFunction f([](std::span<const Tensor> in) { return std::vector{in[0]}; });
  for (std::int64_t n = 1; n < 200; ++n) f({kernels::ones({n}, DType::f32)});
  EXPECT_EQ(f.combinations(), CapturedFunction::Options().max_combinations);
}

TEST(Capture, RefusesAReplayWithinACapture) {
  const Tensor x = row({1});
  const Recording recording = capture([&] { kernels::add(x, 1); });
  EXPECT_THROW(capture([&] { recording.replay(); }), StateError);
}

TEST(Capture, RefusesAReplayOnAnotherNumberOfThreads) {
  const Tensor image = random_tensor({1, 3, 8, 8}, DType::f32, 1), weight = random_tensor({4, 3, 3, 3}, DType::f32, 2);
  const Recording recording = capture([&] { kernels::conv2d(image, weight, {}, {}); });
  const testing::ComputeThreads two(2);
  EXPECT_THROW(recording.replay(), StateError);
}

}  // namespace
}  // namespace hop
