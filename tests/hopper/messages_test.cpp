// The messages between coordinator and workers: every field arrives, their limits, and what is taken from a worker that
// lies.
#include "hopper/detail/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "hopper/detail/flat.h"
#include "hopper/strategy/arrivals.h"
#include "net/frame.h"
#include "tests/hopper/described.h"
#include "tests/hopper/golden_metrics.h"

namespace hop::hopper {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

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

struct Half {
  ModelId model{};
  static void describe(auto& m, auto&& field) { field("model", m.model); }
};

// Calls `test` once per message, as its template argument.
template <class... M>
void for_each_message(const std::variant<M...>*, auto test) {
  (test.template operator()<M>(), ...);
}
constexpr const message::Every* kEvery = nullptr;

TEST(Messages, ArriveAsTheyWereSent) {
  for_each_message(kEvery, []<class M>() {
    const message::Bytes sent = message::encode(testing::filled<M>());
    EXPECT_TRUE(message::encode(message::decode<M>(aligned(sent).span())) == sent)
        << message::name_of(message::kKind<M>);
    EXPECT_TRUE(sent != message::encode(M{}) || sizeof(M) == 1) << "the fields were filled";
  });
}

// A payload's size is the frame's affair, and a worker gets an address in place of the number of another worker.
TEST(Messages, NameEveryMember) {
  for_each_message(kEvery, []<class M>() {
    constexpr bool has_payload = requires(M m) { m.payload_bytes; };
    EXPECT_EQ(testing::undescribed<M>().size(), has_payload ? 1U : 0U) << message::name_of(message::kKind<M>);
  });
  EXPECT_THAT(testing::undescribed<message::Welcome>(), ElementsAre(5));
  EXPECT_THAT(testing::undescribed<message::State>(), ElementsAre(4));
  EXPECT_THAT(testing::undescribed<Lease>(), ElementsAre(6, 10)) << "source and members";
  EXPECT_THAT(testing::undescribed<HeldState>(), IsEmpty());
  EXPECT_THAT(testing::undescribed<UnitMetrics>(), IsEmpty());
}

TEST(Messages, OfALeaseAndAResultCarryTheLongestOrderOfGradients) {
  message::LeaseOrder order;
  order.lease.arrivals.assign(kMostArrivalBytes, 3);
  const message::Bytes lease = message::encode(order);
  EXPECT_LE(lease.size(), net::kMaxControlBytes);
  EXPECT_EQ(message::decode<message::LeaseOrder>(aligned(lease).span()).lease, order.lease);
  message::Result result;
  result.metrics.arrivals.assign(kMostArrivalBytes, 3);
  const message::Bytes said = message::encode(result);
  EXPECT_LE(said.size(), net::kMaxControlBytes);
  EXPECT_EQ(message::decode<message::Result>(aligned(said).span()).metrics, result.metrics);
}

TEST(Messages, OfALeaseSayWhoseUnitItIs) {
  message::LeaseOrder order;
  order.lease.trained_as = ModelId(0);
  order.lease.stored_as = ModelId(4);
  const auto back = message::decode<message::LeaseOrder>(aligned(message::encode(order)).span());
  EXPECT_EQ(back.lease, order.lease);
  EXPECT_EQ(back.source_address, std::nullopt) << "no address is not an empty one";
}

// Sizes and digests of what protocol 4 said, whose encoders were written by hand.
TEST(Messages, HaveTheBytesThatTheyHadBefore) {
  const Digest a{11, 12}, b{13, 14};
  const UnitMetrics metrics = golden_metrics();
  const auto said = [](const auto& m) {
    const message::Bytes bytes = message::encode(m);
    return std::to_string(bytes.size()) + " " + xxh3_128(bytes).hex();
  };
  using namespace message;
  const auto unit = Result{ModelId(3), Unit(2), Attempt(9), b, metrics};
  EXPECT_EQ(said(Challenge{{1, 2, 3, 4}, {5, 6, 7, 8}}), "80 69493f2df4754405642aa75d1dfcc437");
  EXPECT_EQ(said(Answered{{1, 2, 3, 4}}), "48 81806b156c525b1f57f8a0445e52c590");
  EXPECT_EQ(said(Refused{"no"}), "28 64c5b1622f11a4499a3c3a1b903e1f41");
  EXPECT_EQ(said(Held{{{ModelId(1), Version(2), PartitionId(1), Attempt(4), a, b, metrics}, {}}}),
            "320 cace988be29b67a9c2b80302dbdd6104");
  EXPECT_EQ(said(Ready{"tcp:127.0.0.1:9000", 5000, "cpu", "v3, oneDNN"}), "88 86b77e658df7549aaf12bad88cc3bbd5");
  EXPECT_EQ(said(Answer{ModelId(3), Unit(2), Attempt(9), Verdict::Stale}), "36 c2bffa00a9b868774ebe6a373d8f7799");
  EXPECT_EQ(said(Release{ModelId(3), Version(2), Attempt(9)}), "32 522f59956d28cc75fb2a6bbe7dd3430b");
  EXPECT_EQ(said(Shutdown{}), "12 b7962aa92da88668870c3fb66060ba19");
  EXPECT_EQ(said(unit), "200 f7ca44481f29eeb728eb8e62eddd935d");
  EXPECT_EQ(said(Failed{ModelId(3), Unit(2), Attempt(9), Failure::OutOfMemory, "no memory"}),
            "60 73ffbf837c358129b5e5ec384bbb64d3");
  EXPECT_EQ(said(Heartbeat{true, ModelId(3), Unit(2), PartitionId(1), 10, 100, 4096, 7, "trains"}),
            "104 318c913b7642f33e1a2f9e07f05f3bfd");
  EXPECT_EQ(said(Fatal{FatalKind::Data, "gone"}), "36 74b08f95a5a96b63fd5dac87a2e4d052");
  EXPECT_EQ(said(Notice{"slow disk"}), "36 358b2cd71c487d0717fcecb12d3f43d9");
  EXPECT_EQ(said(Usage{12.5, 1 << 20}), "32 cf77499dcfca9708c97e43288c2a4e08");
}

TEST(Messages, WithoutAPartThatTheyNeedAreRefusedByName) {
  const AlignedBuffer half = aligned(flat::encode(Half{ModelId(1)}));
  EXPECT_THAT([&] { message::decode<message::Result>(half.span()); },
              ThrowsMessage<NetError>(HasSubstr("expected a Result in 20 bytes: expected the part metrics, got none")));
  EXPECT_THROW(message::decode<message::LeaseOrder>(half.span()), NetError);
  EXPECT_THROW(message::decode<message::Challenge>(half.span()), NetError);
  EXPECT_THROW(message::decode<message::Notice>({}), NetError);
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

TEST(HeldStates, WithOrdersOfGradientsTravelOnMorePages) {
  std::vector<HeldState> all(40), back;
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i].metrics.arrivals.assign(i % 3 == 0 ? kMostArrivalBytes : 10'000, 5);
  for (const message::Held& page : message::pages_of(all)) {
    const message::Bytes bytes = message::encode(page);
    EXPECT_LE(bytes.size(), net::kMaxControlBytes);
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
  expect_tame(back(message::State{.model = ModelId(1), .text = evil}).text);
  expect_tame(back(message::Notice{evil}).text);
  expect_tame(back(message::Refused{evil}).reason);
  expect_tame(back(message::Ready{"unix:/x", 0, "cpu", evil}).arithmetic);
  expect_tame(back(message::Ready{"unix:/x", 0, evil, "v3"}).device);
  message::Heartbeat beat;
  beat.doing = evil;
  expect_tame(back(beat).doing);
  expect_tame(back(message::Hello{{}, evil, "b", {}}).isa);
  expect_tame(back(message::Hello{{}, "v3", evil, {}}).library);
}

TEST(WordsOfTheCoordinator, ReachAWorkerAsTheyAre) {
  const std::string text = "name\xE9\x1b\n" + std::string(100'000, 'x');
  EXPECT_EQ(message::decode<message::Welcome>(aligned(message::encode(message::Welcome{text, 3})).span()).dataset,
            text);
}

}  // namespace
}  // namespace hop::hopper
