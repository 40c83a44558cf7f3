// The states that a node holds: who may write to which bytes, and what stays when memory gives them away.
#include "hopper/detail/state_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "hopper/detail/state_fields.h"
#include "tests/hopper/described.h"
#include "tests/source_tree.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

class StateStoreTest : public ::testing::Test {
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
    return {ModelId(0), Version(version), PartitionId(0), Attempt(attempt), {}, {}, {}};
  }
  static StateStore::Key key(std::uint32_t version) { return {ModelId(0), Version(version)}; }

  std::shared_ptr<nn::StatePool> pool_ = nn::StatePool::make_shared();
  TemporaryFolder folder_;
};

TEST_F(StateStoreTest, LeavesAVersionAsItIsWhenItsBytesAreTakenForTraining) {
  StateStore store(folder_.path(), false, pool_);
  store.put(version(1, 1), layout(), bytes_of(7));
  for (const bool ahead : {false, true, false}) {
    if (ahead) store.copy_ahead(key(1));
    const nn::StateBytes taken = store.take(key(1)).bytes;
    EXPECT_EQ(taken->data()[63], std::byte{7});
    std::fill_n(taken->data(), 64, std::byte{8});
    EXPECT_EQ(store.find(key(1)).bytes->data()[63], std::byte{7});
  }
}

// What another worker sends, header and block, is kept under the name of the copy.
TEST_F(StateStoreTest, KeepsACopyOfAnotherNodesStateOnDiskAlone) {
  StateStore source(folder_.path() / "source", true, pool_), copy(folder_.path() / "copy", true, pool_);
  HeldState state = version(1, 1);
  state.partition = PartitionId(3);
  state.metrics.state_bytes = 64;
  state.digest = source.put(state, layout(), bytes_of(7));
  const nn::StateHeader header = nn::decode_state_header(source.header(key(1)).value(), "a test");
  EXPECT_EQ(header.layout.bytes, 64U);
  EXPECT_EQ(from_header(header), state);
  HeldState kept = state;
  kept.attempt = Attempt(9);
  EXPECT_EQ(copy.put_copy(kept, header.layout, std::as_const(*bytes_of(7)).span()), state.digest);
  EXPECT_FALSE(copy.find_in_memory(key(1))) << "the memory is for states that are about to hop";
  EXPECT_EQ(copy.find(key(1)).bytes->data()[63], std::byte{7});
  EXPECT_THAT(copy.scan(), ::testing::ElementsAre(kept));
  EXPECT_EQ(copy.header(key(2)), std::nullopt) << "no such state";
  std::ofstream(folder_.path() / "source" / "0-1.hop") << "damaged";
  EXPECT_TRUE(source.find_in_memory(key(1)));
  EXPECT_EQ(source.header(key(1)), std::nullopt);
}

TEST_F(StateStoreTest, HandsOutACopyThatWasMadeAheadOnce) {
  StateStore store(folder_.path(), false, pool_);
  store.put(version(1, 1), layout(), bytes_of(7));
  store.copy_ahead(key(1));
  const nn::StateBytes first = store.take(key(1)).bytes, second = store.take(key(1)).bytes;
  EXPECT_NE(first->data(), second->data());
  EXPECT_NE(second->data(), store.find_in_memory(key(1)).bytes->data());
}

TEST_F(StateStoreTest, MakesNoCopyOfAStateThatWasRemovedOrReplaced) {
  StateStore store(folder_.path(), false, pool_);
  store.copy_ahead(key(1));
  EXPECT_FALSE(store.take(key(1)));
  store.put(version(1, 1), layout(), bytes_of(7));
  store.copy_ahead(key(1));
  store.put(version(1, 2), layout(), bytes_of(9));  // another attempt at the same unit
  EXPECT_EQ(store.take(key(1)).bytes->data()[0], std::byte{9});
  store.copy_ahead(key(1));
  store.remove(key(1));
  EXPECT_FALSE(store.find_in_memory(key(1)));
  EXPECT_FALSE(store.take(key(1)));
}

TEST_F(StateStoreTest, GivesItsMemoryAwayWhereAFileKeepsTheVersion) {
  StateStore store(folder_.path(), true, pool_);
  nn::StateBytes state = bytes_of(7);
  const std::byte* place = state->data();
  store.put(version(1, 1), layout(), std::move(state));
  store.copy_ahead(key(1));
  EXPECT_EQ(store.take(key(1)).bytes->data(), place) << "no copy: the file has it";
  EXPECT_FALSE(store.find_in_memory(key(1)));
  EXPECT_EQ(store.find(key(1)).bytes->data()[0], std::byte{7});
}

// ---- the header of a file -------------------------------------------------------------------------------------------

// A file that was written before HeldState named its fields.
TEST_F(StateStoreTest, ReadsAGoldenFile) {
  std::filesystem::copy_file(source_directory() / "tests/hopper/golden/5-1.hop", folder_.path() / "5-1.hop");
  StateStore store(folder_.path(), true, pool_);
  const Digest digest = store.find({ModelId(5), Version(1)}).digest;
  const UnitMetrics metrics{.train_loss = 0.5,
                            .rows = 1000,
                            .seconds = 1.25,
                            .valid_loss = 0.0,
                            .valid_accuracy = 0.925,
                            .state_bytes = 64,
                            .received_bytes = 99,
                            .gap_seconds = 1e-4,
                            .idle_seconds = 2.5,
                            .peak_rss_bytes = 1ULL << 30,
                            .own = {0.25, -3.0}};
  const HeldState expected{ModelId(5), Version(1), PartitionId(2), Attempt(3), {11, 12}, digest, metrics};
  EXPECT_EQ(store.scan(), std::vector{expected});
}

TEST_F(StateStoreTest, FindsEverythingAgainThatItWasTold) {
  auto state = testing::filled<HeldState>();
  StateStore(folder_.path(), true, pool_).put(state, layout(), bytes_of(7));
  StateStore store(folder_.path(), true, pool_);
  state.digest = store.find({state.model, state.version}).digest;
  state.metrics.state_bytes = 64;
  EXPECT_EQ(store.scan(), std::vector{state});
}

TEST(StateFields, ThatAreMissingOrNoNumbersAreNamed) {
  const nn::StateHeader whole{.metrics = to_fields(testing::filled<HeldState>())};
  EXPECT_NO_THROW(from_header(whole));
  nn::StateHeader damaged = whole;
  damaged.metrics[0].second = "x";
  EXPECT_THAT([&] { from_header(damaged); }, ::testing::ThrowsMessage<StateError>("[state] bad field model"));
  damaged = whole;
  const auto order = std::ranges::find(damaged.metrics, "arrivals", &std::pair<std::string, std::string>::first);
  ASSERT_NE(order, damaged.metrics.end());
  EXPECT_EQ(order->second.size(), 4U) << "two digits for each byte";
  for (const char* text : {"0g", "012", "-1", " 1"}) {
    order->second = text;
    EXPECT_THAT([&] { from_header(damaged); }, ::testing::ThrowsMessage<StateError>("[state] bad field arrivals"));
  }
  damaged = whole;
  damaged.metrics.erase(damaged.metrics.begin());
  EXPECT_THAT([&] { from_header(damaged); },
              ::testing::ThrowsMessage<StateError>("[state] the field model is missing"));
}

// ---- disks fail -----------------------------------------------------------------------------------------------------

class DamagedStates : public StateStoreTest {
 protected:
  DamagedStates() {
    StateStore store(folder_.path(), true, pool_);
    store.put(version(1, 1), layout(), bytes_of(7));
  }
  StateStore open() {
    return {folder_.path(), true, pool_, [this](const std::string& line) { told_.push_back(line); }};
  }
  std::string bytes() const {
    std::ifstream file(file_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const std::string& text) const { std::ofstream(file_, std::ios::binary) << text; }

  const std::filesystem::path file_ = folder_.path() / "0-1.hop";
  const std::filesystem::path damaged_ = folder_.path() / "0-1.hop.damaged";
  std::vector<std::string> told_;
};

TEST_F(DamagedStates, AreKeptUnderAnotherNameAndToldOfWithTheByte) {
  const std::string whole = bytes();
  for (std::size_t at = 0; at < whole.size(); at += 5) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 16);
    std::filesystem::remove(damaged_);
    write(flipped);
    told_.clear();
    StateStore store = open();
    EXPECT_TRUE(store.scan().empty()) << at;
    EXPECT_FALSE(std::filesystem::exists(file_)) << at;
    ASSERT_TRUE(std::filesystem::exists(damaged_)) << at;
    ASSERT_EQ(told_.size(), 1U) << at;
    EXPECT_FALSE(store.find(key(1)));
    EXPECT_NE(told_[0].find("0-1.hop"), std::string::npos) << told_[0];
    EXPECT_NE(told_[0].find("0-1.hop.damaged"), std::string::npos) << told_[0];
  }
  write(whole);
  EXPECT_EQ(open().scan().size(), 1U);
  EXPECT_TRUE(std::filesystem::exists(damaged_)) << "it stays for whoever wants to look at it";
}

TEST_F(DamagedStates, AreFoundWhenTheyAreWanted) {
  StateStore store = open();
  ASSERT_EQ(store.scan().size(), 1U);
  std::string flipped = bytes();
  flipped.back() = static_cast<char>(flipped.back() ^ 1);
  write(flipped);
  EXPECT_FALSE(store.find(key(1)));
  EXPECT_TRUE(std::filesystem::exists(damaged_));
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_FALSE(store.take(key(1)));
  EXPECT_NE(told_[0].find("damaged"), std::string::npos) << told_[0];
}

TEST_F(DamagedStates, AreNoneWhereTheSystemRefuses) {
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  StateStore store = open();
  ASSERT_EQ(store.scan().size(), 1U);
  const int next = ::dup(0);
  ::close(next);
  const rlimit full{static_cast<rlim_t>(next), before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &full);
  EXPECT_ANY_THROW(store.scan());
  EXPECT_THROW(store.find(key(1)), StateDamaged);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(std::filesystem::exists(file_));
  EXPECT_EQ(store.scan().size(), 1U);
  ASSERT_TRUE(store.find(key(1)));
  EXPECT_EQ(store.find(key(1)).bytes->data()[0], std::byte{7});
}

TEST_F(DamagedStates, AreNoneWhereAnotherThingHasAStatesName) {
  ASSERT_EQ(::mkfifo((folder_.path() / "5-1.hop").c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo((folder_.path() / "pipe").c_str(), 0600), 0);
  std::filesystem::create_directories(folder_.path() / "6-1.hop" / "inner");
  std::filesystem::create_directories(folder_.path() / "folder" / "inner");
  std::filesystem::create_symlink("/dev/zero", folder_.path() / "7-1.hop");
  StateStore store = open();
  EXPECT_EQ(store.scan().size(), 1U) << "and nothing waits for a pipe";
  EXPECT_EQ(told_.size(), 3U);
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "6-1.hop" / "inner"));
}

TEST_F(DamagedStates, AreThoseUnderAnothersName) {
  std::filesystem::copy_file(file_, folder_.path() / "3-9.hop");
  StateStore store = open();
  const std::vector<HeldState> held = store.scan();
  ASSERT_EQ(held.size(), 1U);
  EXPECT_EQ(held[0].version, Version{1});
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "3-9.hop.damaged"));
}

}  // namespace
}  // namespace hop::hopper
