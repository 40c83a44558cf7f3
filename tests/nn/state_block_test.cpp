// The state block: its layout, that handles stay valid, and that training through it changes no bit.
#include <fstream>

#include "autograd/graph.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/adam.h"
#include "nn/optim/sgd.h"
#include "nn/state.h"
#include "nn/state_file.h"
#include "nn/state_pool.h"
#include "tests/nn/allocations.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;

Sequential small_net() {
  Sequential net(Linear(3, 5), BatchNorm1d(5), ReLU(), Dropout(0.25), Linear(5, 2));
  init_parameters(net, 11);
  net.set_random_key(12);
  return net;
}

std::string table_of(const StateLayout& layout) {
  std::string text;
  for (const Segment& s : layout.segments) {
    text +=
        std::to_string(s.offset) + " " + std::string(name(s.dtype)) + " " + s.shape.to_string() + " " + s.name + "\n";
  }
  return text + std::to_string(layout.bytes);
}

TEST(StateBlock, LaysOutCountersParametersBuffersAndOptimizerState) {
  Sequential net = small_net();
  const optim::SGD sgd(net.named_parameters(), {.lr = 0.1, .momentum = 0.9});
  EXPECT_EQ(table_of(StateBlock(net, &sgd).layout()),
            "0 i64 (8) counters\n"
            "64 f32 (5, 3) 0.weight\n"
            "128 f32 (5) 0.bias\n"
            "192 f32 (5) 1.weight\n"
            "256 f32 (5) 1.bias\n"
            "320 f32 (2, 5) 4.weight\n"
            "384 f32 (2) 4.bias\n"
            "448 f32 (5) 1.running_mean\n"
            "512 f32 (5) 1.running_var\n"
            "576 i64 () 1.num_batches_tracked\n"
            "640 i64 () optimizer.step\n"
            "704 f32 (5, 3) optimizer.momentum_buffer.0.weight\n"
            "768 f32 (5) optimizer.momentum_buffer.0.bias\n"
            "832 f32 (5) optimizer.momentum_buffer.1.weight\n"
            "896 f32 (5) optimizer.momentum_buffer.1.bias\n"
            "960 f32 (2, 5) optimizer.momentum_buffer.4.weight\n"
            "1024 f32 (2) optimizer.momentum_buffer.4.bias\n"
            "1088");
}

TEST(StateBlock, PutsParametersOfOneDtypeSideBySide) {
  Sequential net(Linear(1, 1, {.bias = false}), Linear(1, 1, {.bias = false, .dtype = DType::f64}),
                 Linear(1, 1, {.bias = false}));
  EXPECT_EQ(table_of(StateBlock(net).layout()),
            "0 i64 (8) counters\n64 f32 (1, 1) 0.weight\n128 f32 (1, 1) 2.weight\n192 f64 (1, 1) 1.weight\n256");
}

// No model trains to a state that no reader takes.
TEST(StateBlock, HasNoLongerNamesThanItsFileMayHave) {
  const auto named = [](std::size_t bytes) {
    struct Net : Module {
      explicit Net(const std::string& name) : out(register_module(name, Linear(2, 2))) {}
      Linear out;
    } net(std::string(bytes, 'n'));
    return StateBlock(net, nullptr).layout();
  };
  const StateLayout longest = named(1024 - std::string(".weight").size());
  EXPECT_EQ(decode_state_header(encode_state_header({"x", longest, {}, {}}), "x").layout, longest);
  EXPECT_THROW(named(1024), ConfigError);
}

TEST(StateBlock, HoldsASharedParameterOnce) {
  struct Tied : Module {
    Linear a = register_module("a", Linear(2, 2, {.bias = false}));
    Linear b = register_module("b", Linear(a));
    Tensor forward(const Tensor& x) override { return b(a(x)); }
  } tied;
  StateBlock block(tied);
  EXPECT_EQ(block.layout().segments.size(), 2U);
  EXPECT_EQ(tied.b.weight.raw_data(), block.bytes().data() + 64);
}

// Otherwise the values that forward() writes there would depend on the node that a model trains on.
TEST(StateBlock, CarriesBuffersThatNoFileHas) {
  struct Counting : Module {
    Buffer calls = register_buffer("calls", kernels::zeros({1}), /*persistent=*/false);
  } counting;
  StateBlock block(counting);
  EXPECT_EQ(table_of(block.layout()), "0 i64 (8) counters\n64 f32 (1) calls\n128");
  init::constant_(counting.calls, 3);
  block.swap(block.make_bytes());
  EXPECT_EQ(counting.calls.item<float>(), 0);
}

TEST(StateBlock, KeepsValuesAndEveryHandleValid) {
  Sequential net = small_net();
  const std::vector<Tensor> handles = net.parameters();
  std::vector<std::string> before;
  for (const Tensor& t : handles) before.push_back(bits(t));
  const std::byte* outside = handles[0].raw_data();
  StateBlock block(net);
  for (std::size_t i = 0; i < handles.size(); ++i) EXPECT_EQ(bits(handles[i]), before[i]);
  EXPECT_NE(handles[0].raw_data(), outside);
  EXPECT_EQ(handles[0].raw_data(), block.bytes().data() + 64);
  handles[0].data<float>()[0] = 42;
  float seen = 0;
  std::memcpy(&seen, block.bytes().data() + 64, sizeof seen);
  EXPECT_EQ(seen, 42);
}

TEST(StateBlock, OutlivesItsOwner) {
  Linear fc(1, 1);
  { StateBlock block(fc); }
  init::constant_(fc.weight, 3);
  EXPECT_EQ(fc.weight.item<float>(), 3);
}

TEST(StateBlock, SwapsToOtherBytesAndBack) {
  Sequential net = small_net();
  optim::SGD sgd(net.named_parameters(), {.lr = 0.1});
  StateBlock block(net, &sgd);
  block.counters().epoch = 3;
  const std::string weight = bits(net.parameters()[0]);
  StateBytes received = block.make_bytes();
  ASSERT_EQ(received->size(), block.layout().bytes);
  StateBytes first = block.swap(received);
  EXPECT_EQ(block.counters().epoch, 0);
  EXPECT_EQ(values(net.parameters()[0]), std::vector<double>(15, 0));
  EXPECT_EQ(sgd.step_count(), 0);
  EXPECT_EQ(block.swap(first), received);
  EXPECT_EQ(block.counters().epoch, 3);
  EXPECT_EQ(bits(net.parameters()[0]), weight);
  EXPECT_THROW(block.swap(nullptr), StateError);
  EXPECT_EQ(message_of<StateError>([&] { block.swap(std::make_shared<AlignedBuffer>(64)); }),
            "[state] expected a block of " + std::to_string(block.layout().bytes) + " bytes, got 64");
}

void train_step(Sequential& net, optim::Optimizer& optimizer, std::int64_t batch) {
  const Tensor x = kernels::zeros({8, 3}), y = kernels::zeros({8}, DType::i64);
  init::uniform_(x, {.key = 5, .step = static_cast<std::uint64_t>(batch)}, -1, 1);
  for (std::int64_t i = 0; i < 8; ++i) y.data<std::int64_t>()[i] = x.data<float>()[3 * i] > 0 ? 1 : 0;
  net.set_step(static_cast<std::uint64_t>(optimizer.step_count()));
  optimizer.zero_grad();
  backward(cross_entropy(net(x), y));
  optimizer.step();
}

TEST(StateBlock, TrainingThroughItIsBitEqualToTrainingWithoutAndThroughHops) {
  Sequential plain = small_net();
  optim::Adam plain_adam(plain.named_parameters(), {.lr = 0.01});

  // Two nodes with the same architecture; the state hops to and fro after every other step.
  Sequential nets[2] = {small_net(), small_net()};
  init_parameters(nets[1], 99);
  optim::Adam adams[2] = {optim::Adam(nets[0].named_parameters(), {.lr = 0.01}),
                          optim::Adam(nets[1].named_parameters(), {.lr = 0.01})};
  StateBlock blocks[2] = {StateBlock(nets[0], &adams[0]), StateBlock(nets[1], &adams[1])};
  EXPECT_EQ(blocks[0].layout(), blocks[1].layout());
  std::size_t here = 0;
  for (std::int64_t batch = 0; batch < 12; ++batch) {
    train_step(plain, plain_adam, batch);
    train_step(nets[here], adams[here], batch);
    if (batch % 2 == 0) continue;
    StateBytes travelling = blocks[1 - here].make_bytes();
    std::ranges::copy(blocks[here].bytes(), travelling->data());
    blocks[1 - here].swap(travelling);
    here = 1 - here;
  }
  const StateBlock plain_block(plain, &plain_adam);
  EXPECT_EQ(plain_block.digest(), blocks[here].digest());
  EXPECT_EQ(adams[here].step_count(), 12);
}

TEST(StateBlock, KeepsItsPaddingZeroThroughTraining) {
  Sequential net = small_net();
  optim::AdamW adamw(net.named_parameters(), {.lr = 1e6, .weight_decay = 1});
  StateBlock block(net, &adamw);
  for (std::int64_t batch = 0; batch < 3; ++batch) train_step(net, adamw, batch);
  std::uint64_t end = 0;
  for (const Segment& s : block.layout().segments) {
    for (; end < s.offset; ++end) ASSERT_EQ(block.bytes()[end], std::byte{0}) << "before " << s.name;
    end = s.offset + s.bytes;
  }
}

TEST(StateBlock, TakesStatesInAndLetsThemGoWithoutACopy) {
  Sequential net = small_net();
  StateBlock block(net);
  const StateBytes own = block.shared_bytes(), first = block.make_bytes(), second = block.make_bytes();
  block.load(first);
  block.settle();
  EXPECT_EQ(block.save().wait(), first);
  block.load(second);
  block.counters().unit = 7;
  EXPECT_EQ(block.save().wait(), second);
  block.give_up();
  EXPECT_EQ(block.shared_bytes(), own);
  EXPECT_EQ(second.use_count(), 1) << "the block has let go of it";
  Counters counters;
  std::memcpy(&counters, second->data(), sizeof counters);
  EXPECT_EQ(counters.unit, 7);
}

TEST(StatePool, GivesABlockOfThatSizeAgain) {
  const auto pool = StatePool::make_shared(Device::cpu(), 1);
  const std::byte* first = nullptr;
  {
    const StateBytes block = pool->make(128);
    first = block->data();
    EXPECT_NE(pool->make(128)->data(), first) << "that one is in use";
  }
  const StateBytes again = pool->make(128);
  EXPECT_EQ(again->data(), first) << "one free block is kept, the latest";
  EXPECT_EQ(pool->make(256)->size(), 256U);
  StateBytes outlives = StatePool::make_shared()->make(64);
  EXPECT_EQ(outlives->size(), 64U);
}

TEST(StatePool, HasAsManyBlocksReadyAsWereReserved) {
  const auto pool = StatePool::make_shared();
  pool->reserve(128, 2);
  const std::uint64_t before = heap_allocations();
  const StateBytes first = pool->make(128), second = pool->make(128);
  EXPECT_LE(heap_allocations() - before, 2U) << "a handle each, no block";
  EXPECT_NE(first->data(), second->data());
}

TEST(Module, MovesInPlaceAndStaysWhereItIs) {
  Sequential net = small_net();
  const Tensor weight = net.parameters()[0];
  const std::byte* data = weight.raw_data();
  EXPECT_EQ(&net.to(Device::cpu()), &net);
  EXPECT_EQ(weight.raw_data(), data);
}

TEST(StateBlock, ReportsTheFirstSegmentThatDiffers) {
  Sequential a(Linear(2, 3), Linear(3, 2)), b(Linear(2, 3), Linear(3, 4));
  const StateLayout one = StateBlock(a).layout(), other = StateBlock(b).layout();
  EXPECT_EQ(message_of<StateError>([&] { check_same_layout(one, other, "models/3.hop"); }),
            "[state] expected segment 3 to be \"1.weight\" f32 (2, 3) at 192, got \"1.weight\" f32 (4, 3) at 192 "
            "(models/3.hop)");
  StateLayout shorter = one;
  shorter.segments.pop_back();
  EXPECT_THROW(check_same_layout(one, shorter, ""), StateError);
  EXPECT_NO_THROW(check_same_layout(one, one, ""));
}

}  // namespace
}  // namespace hop::nn
