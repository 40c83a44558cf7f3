// The states that a node holds: who may write to which bytes, and what stays when memory gives them away.
#include "hopper/detail/state_store.h"
#include "tests/temporary_folder.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hop::hopper {
namespace {

class StateStoreTest : public testing::Test {
 protected:
  static nn::StateLayout layout() {
    return {.segments = {{"counters", nn::SegmentKind::counters, DType::u8, {64}, 0, 64}}, .bytes = 64};
  }
  nn::StateBytes bytes_of(int value) const {
    nn::StateBytes bytes = pool_->make(64);
    std::fill_n(bytes->data(), 64, static_cast<std::byte>(value));
    return bytes;
  }
  static HeldState version(std::uint32_t version, std::uint32_t attempt) {
    return {ModelId(0), version, PartitionId(0), Attempt(attempt), {}, {}, {}};
  }
  static StateStore::Key key(std::uint32_t version) { return {ModelId(0), version}; }

  std::shared_ptr<nn::StatePool> pool_ = nn::StatePool::make_shared();
  TemporaryFolder folder_;
};

TEST_F(StateStoreTest, LeavesAVersionAsItIsWhenItsBytesAreTakenForTraining) {
  StateStore store(folder_.path(), false, pool_);
  store.put(version(1, 1), layout(), bytes_of(7));
  for (const bool ahead : {false, true, false}) {
    if (ahead) store.copy_ahead(key(1));
    const nn::StateBytes taken = store.take(key(1));
    EXPECT_EQ(taken->data()[63], std::byte{7});
    std::fill_n(taken->data(), 64, std::byte{8});
    EXPECT_EQ(store.find(key(1))->data()[63], std::byte{7});
  }
}

TEST_F(StateStoreTest, HandsOutACopyThatWasMadeAheadOnce) {
  StateStore store(folder_.path(), false, pool_);
  store.put(version(1, 1), layout(), bytes_of(7));
  store.copy_ahead(key(1));
  const nn::StateBytes first = store.take(key(1)), second = store.take(key(1));
  EXPECT_NE(first->data(), second->data());
  EXPECT_NE(second->data(), store.find_in_memory(key(1))->data());
}

TEST_F(StateStoreTest, MakesNoCopyOfWhatWasReleasedOrReplaced) {
  StateStore store(folder_.path(), false, pool_);
  store.copy_ahead(key(1));
  EXPECT_EQ(store.take(key(1)), nullptr);
  store.put(version(1, 1), layout(), bytes_of(7));
  store.copy_ahead(key(1));
  store.put(version(1, 2), layout(), bytes_of(9));  // another attempt at the same unit
  EXPECT_EQ(store.take(key(1))->data()[0], std::byte{9});
  store.copy_ahead(key(1));
  store.release(key(1), Attempt(1));
  EXPECT_NE(store.find_in_memory(key(1)), nullptr) << "that attempt's state is not what lies here";
  store.release(key(1), Attempt(2));
  EXPECT_EQ(store.find_in_memory(key(1)), nullptr);
  EXPECT_EQ(store.take(key(1)), nullptr);
}

TEST_F(StateStoreTest, GivesItsMemoryAwayWhereAFileKeepsTheVersion) {
  StateStore store(folder_.path(), true, pool_);
  nn::StateBytes state = bytes_of(7);
  const std::byte* place = state->data();
  store.put(version(1, 1), layout(), std::move(state));
  store.copy_ahead(key(1));
  EXPECT_EQ(store.take(key(1))->data(), place) << "no copy: the file has it";
  EXPECT_EQ(store.find_in_memory(key(1)), nullptr);
  EXPECT_EQ(store.find(key(1))->data()[0], std::byte{7});
}

}  // namespace
}  // namespace hop::hopper
