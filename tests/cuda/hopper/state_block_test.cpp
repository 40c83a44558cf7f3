// A state block in a device's memory: the same bytes as on the CPU, and one copy each way.
#include "nn/state.h"

#include "base/error.h"
#include "kernels/copy.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/adam.h"
#include "nn/state_pool.h"
#include "tests/cuda/support.h"

namespace hop::nn {
namespace {

class CudaStateBlock : public kernels::cuda::OnDevice {
 protected:
  static Sequential net() {
    Sequential net(Linear(3, 5), BatchNorm1d(5), ReLU(), Linear(5, 2));
    init_parameters(net, 11);
    return net;
  }
};

TEST_F(CudaStateBlock, HasTheLayoutAndTheBytesOfTheCpus) {
  Sequential here = net(), there = net();
  const Tensor weight = there.parameters()[0];
  there.to(Device::cuda());
  EXPECT_EQ(weight.device(), Device::cuda()) << "handles move along";
  const optim::Adam cpu_adam(here.named_parameters(), {}), cuda_adam(there.named_parameters(), {});
  const StateBlock cpu(here, &cpu_adam), cuda(there, &cuda_adam);
  EXPECT_EQ(cuda.device(), Device::cuda());
  EXPECT_EQ(cuda.layout(), cpu.layout());
  EXPECT_EQ(cuda.digest(), cpu.digest());
}

TEST_F(CudaStateBlock, GivesBackTheBytesThatItWasGiven) {
  Sequential there = net();
  there.to(Device::cuda());
  StateBlock block(there);
  const auto pool = StatePool::make_shared(Device::cuda());
  const StateBytes bytes = pool->make(block.layout().bytes);
  for (std::size_t i = 0; i < bytes->size(); ++i) bytes->data()[i] = static_cast<std::byte>(i * 7 + 1);
  block.load(bytes);
  block.settle();
  float first = 0;
  std::memcpy(&first, bytes->data() + block.layout().segments[1].offset, sizeof first);
  EXPECT_EQ(kernels::to_device(there.parameters()[0], Device::cpu()).data<float>()[0], first);
  const SavedState saved = block.save(pool->make(block.layout().bytes));
  EXPECT_EQ(std::memcmp(saved.wait()->data(), bytes->data(), bytes->size()), 0);
}

TEST_F(CudaStateBlock, KeepsItsCountersOnTheHostAndTheKeyWhereKernelsReadIt) {
  Sequential there = net();
  there.to(Device::cuda());
  StateBlock block(there);
  block.counters().random_key = 77;
  block.counters().epoch = 3;
  block.settle();
  EXPECT_EQ(kernels::to_device(block.counters_tensor(), Device::cpu()).data<std::int64_t>()[0], 77);
  const StateBytes bytes = block.save().wait();
  Counters counters;
  std::memcpy(&counters, bytes->data(), sizeof counters);
  EXPECT_EQ(counters.random_key, 77U);
  EXPECT_EQ(counters.epoch, 3);
  block.counters().epoch = 4;
  block.load(bytes);
  EXPECT_EQ(block.counters().epoch, 3) << "they come with the state";
}

TEST_F(CudaStateBlock, SaysWhatOnlyTheCpuHas) {
  Sequential there = net();
  there.to(Device::cuda());
  StateBlock block(there);
  EXPECT_THROW(block.bytes(), DeviceError);
  EXPECT_THROW(block.swap(block.make_bytes()), DeviceError);
  EXPECT_THROW(block.load(std::make_shared<AlignedBuffer>(64)), StateError);
  Sequential mixed = net();
  mixed.named_children()[0].module->to(Device::cuda());
  EXPECT_THROW(StateBlock{mixed}, DeviceError);
}

}  // namespace
}  // namespace hop::nn
