// The seam to devices: what it promises of copies, whatever a device does.
#include "tensor/backend.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"

namespace hop {
namespace {

class HostMemory : public Backend {
 public:
  void* allocate(std::size_t size) override { return allocate_block(size); }
  void free(void* data, std::size_t) noexcept override { free_block(data); }
  void copy(void* to, const void* from, std::size_t size) override { std::memcpy(to, from, size); }
  void zero(void* data, std::size_t size) override { std::memset(data, 0, size); }
  void synchronize() override {}
};

// Its copies begin, and are still on their way when something goes wrong.
class LosesItsFences final : public HostMemory {
 public:
  void discard_faults() noexcept override { is_copying = false; }
  bool is_copying = false;

 protected:
  Fence begin_copy(Way, void*, const void*, std::size_t, const Fence&) override {
    is_copying = true;
    throw MemoryError("[test] no memory for a fence");
  }
};

TEST(Backend, HasEndedACopyThatItGivesNoFenceFor) {
  LosesItsFences device;
  char here = 'a', there = 'b';
  EXPECT_THROW(device.upload(&there, &here, 1, {}), MemoryError);
  EXPECT_FALSE(device.is_copying);
  EXPECT_THROW(device.download(&here, &there, 1, {}), MemoryError);
  EXPECT_FALSE(device.is_copying);
}

TEST(Backend, CopiesAtOnceWhereADeviceHasNoOtherWay) {
  HostMemory device;
  char here = 'a', there = 'b', back = 'c';
  device.upload(&there, &here, 1, {}).wait();
  EXPECT_EQ(there, 'a');
  device.download(&back, &there, 1, {}).wait();
  EXPECT_EQ(back, 'a');
}

}  // namespace
}  // namespace hop
