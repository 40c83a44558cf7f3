// The messages between coordinator and workers: their limits, and what is taken from a worker that lies.
#include "hopper/detail/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "net/frame.h"

namespace hop::hopper {
namespace {

using ::testing::HasSubstr;

HeldState state(std::uint32_t i) {
  HeldState s{ModelId(i), Version(i + 1), PartitionId(i % 7), Attempt(i * 3), {i, ~0ULL - i}, {i * 5ULL, i}, {}};
  s.metrics.train_loss = 0.1 * i;
  s.metrics.valid_loss = 2.0 * i;
  s.metrics.valid_accuracy = 1.0 / (i + 1);
  s.metrics.state_bytes = 1ULL << 40U;
  return s;
}

AlignedBuffer aligned(const message::Bytes& bytes) {
  AlignedBuffer copy(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.data());
  return copy;
}

TEST(HeldStates, TravelOnAsManyPagesAsTheyNeed) {
  for (const std::uint32_t count : {0U, 1U, 4096U, 4097U, 100'000U}) {
    std::vector<HeldState> all, back;
    for (std::uint32_t i = 0; i < count; ++i) all.push_back(state(i));
    const std::vector<message::Held> pages = message::pages_of(all);
    EXPECT_EQ(pages.size(), (count + 4095) / 4096);
    for (const message::Held& page : pages) {
      const message::Bytes bytes = message::encode(page);
      EXPECT_LE(bytes.size(), net::kMaxControlBytes / 2) << "whatever is in the states";
      const auto read = message::decode<message::Held>(aligned(bytes).span());
      back.insert(back.end(), read.states.begin(), read.states.end());
    }
    EXPECT_TRUE(back == all) << count;
  }
}

TEST(HeldStates, OfModelsWithManyMetricsTravelOnMorePages) {
  std::vector<HeldState> all(10'000), back;
  for (HeldState& state : all) state.metrics.own.assign(100, 0.5);
  for (const message::Held& page : message::pages_of(all)) {
    const message::Bytes bytes = message::encode(page);
    EXPECT_LE(bytes.size(), net::kMaxControlBytes / 2);
    const auto read = message::decode<message::Held>(aligned(bytes).span());
    back.insert(back.end(), read.states.begin(), read.states.end());
  }
  EXPECT_TRUE(back == all);
}

TEST(HeldStates, ArriveOnNoLargerPageThanAgreed) {
  message::Held large;
  for (std::uint32_t i = 0; i <= message::kStatesPerPage; ++i) large.states.push_back(state(i));
  const message::Bytes bytes = message::encode(large);
  EXPECT_THROW(message::decode<message::Held>(aligned(bytes).span()), NetError);
}

// The words of a worker go to a terminal, a log and a journal.
TEST(WordsOfAWorker, AreMadeFitForATerminalAndBounded) {
  const std::string evil = "\x1b[31mEVIL\x07 caf\xE9\n" + std::string(1'000'000, 'x');
  const auto expect_tame = [](const std::string& text) {
    EXPECT_THAT(text, HasSubstr("\\x1b[31mEVIL\\x07 caf\\xe9\\n"));
    EXPECT_LT(text.size(), 3000U);
  };
  const auto back = [](const auto& m) {
    return message::decode<std::remove_cvref_t<decltype(m)>>(aligned(message::encode(m)).span());
  };
  expect_tame(back(message::Fatal{message::FatalKind::Other, evil}).text);
  expect_tame(back(message::Failed{ModelId(1), Unit(2), Attempt(3), Failure::Error, evil}).text);
  expect_tame(back(message::State{ModelId(1), Version(2), {}, false, evil}).text);
  expect_tame(back(message::Notice{evil}).text);
  expect_tame(back(message::Refused{evil}).reason);
  expect_tame(back(message::Ready{"unix:/x", 0, "cpu", evil}).arithmetic);
  expect_tame(back(message::Ready{"unix:/x", 0, evil, "v3"}).device);
  message::Heartbeat beat;
  beat.doing = evil;
  expect_tame(back(beat).doing);
  expect_tame(back(message::Hello{{}, evil, "b", {}}).isa);
  expect_tame(back(message::Hello{{}, "v3", evil, {}}).build);
}

TEST(WordsOfTheCoordinator, ReachAWorkerAsTheyAre) {
  const std::string text = "name\xE9\x1b\n" + std::string(100'000, 'x');
  EXPECT_EQ(message::decode<message::Welcome>(aligned(message::encode(message::Welcome{text, 3})).span()).dataset,
            text);
}

}  // namespace
}  // namespace hop::hopper
