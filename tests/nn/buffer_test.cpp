// Buffers that no file has.
#include <gmock/gmock.h>

#include "nn/clone.h"
#include "nn/layers.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::ElementsAre;

Tensor row(const std::vector<double>& numbers) {
  return Tensor::from<double>(numbers, {static_cast<std::int64_t>(numbers.size())});
}

/// One of two buffers is not persistent.
struct Masked : Module {
  Buffer mask, count;
  Masked()
      : mask(register_buffer("mask", row({1, 0}), /*persistent=*/false)), count(register_buffer("count", row({0}))) {}
  Tensor forward(const Tensor& x) override { return x * mask; }
};

TEST(Buffer, ThatIsNotPersistentIsInNoFileButMovesWithItsModule) {
  Masked module;
  EXPECT_THAT(names_of(module.named_buffers()), ElementsAre("mask", "count"));
  EXPECT_THAT(names_of(module.state_dict()), ElementsAre("count"));
  module.load_state_dict({{"count", row({3})}});
  EXPECT_THROW(module.load_state_dict({{"count", row({3})}, {"mask", row({1, 1})}}), StateError);
  Masked copy = clone(module);
  EXPECT_FALSE(copy.mask.is_same(module.mask));
  EXPECT_THAT(names_of(copy.state_dict()), ElementsAre("count"));
  copy.to(DType::f32);
  EXPECT_EQ(copy.mask.dtype(), DType::f32);
  Sequential net(module, ReLU());
  EXPECT_THAT(names_of(net.state_dict()), ElementsAre("0.count"));
  EXPECT_THAT(names_of(net.named_buffers()), ElementsAre("0.mask", "0.count"));
}

}  // namespace
}  // namespace hop::nn
