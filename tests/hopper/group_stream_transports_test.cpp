// Streams over each transport of a run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <chrono>
#include <memory>
#include <ostream>
#include <string>
#include <thread>

#include "net/tls.h"
#include "net/unix.h"
#include "tests/hopper/streams.h"

namespace hop::hopper {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Scheme = net::Address::Scheme;

struct Kind {
  Scheme scheme;
  const char* name;
};
void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

class StreamsOver : public StreamMembers, public ::testing::WithParamInterface<Kind> {
 protected:
  StreamsOver() {
    const Scheme scheme = GetParam().scheme;
    if (scheme == Scheme::kMemory) return;
    const net::Executor executor = io_.get_executor();
    if (scheme == Scheme::kTls) {
      speak_over(std::make_unique<net::TlsTransport>(executor, net::RunKey::random()),
                 net::Address::tls("127.0.0.1", 0));
    } else {
      speak_over(net::make_transport(scheme, executor),
                 scheme == Scheme::kUnix ? folder_.address("member") : net::Address::tcp("127.0.0.1", 0));
    }
  }

  net::SocketDirectory folder_;
};
INSTANTIATE_TEST_SUITE_P(EachTransport, StreamsOver,
                         ::testing::Values(Kind{Scheme::kUnix, "Unix"}, Kind{Scheme::kTcp, "Tcp"},
                                           Kind{Scheme::kTls, "Tls"}, Kind{Scheme::kMemory, "Memory"}),
                         [](const auto& kind) { return std::string(kind.param.name); });

// Each writes what comes over what it sends.
TEST_P(StreamsOver, CarryBytesInBothDirections) {
  begin();
  connect();
  constexpr std::size_t kMany = 9 * kPieceBytes + 64;
  std::thread other([&] {
    stream(1, kMany, kMany);
    stream(1, 8, kMany);
    stream(1, kMany, 8);
  });
  stream(0, kMany, kMany, {}, true);
  stream(0, kMany, 8);
  stream(0, 8, kMany);
  other.join();
  EXPECT_EQ(links_[0]->payload_sent(), 2 * kMany + 8);
  EXPECT_EQ(links_[1]->payload_sent(), 2 * kMany + 8);
}

// The other member takes nothing, and the connection takes no more. ThreadSanitizer sees whether somebody still reads.
TEST_P(StreamsOver, LeaveTheCallersMemoryAloneWhenTheyHaveFailed) {
  begin();
  net::asio::co_spawn(io_, join_a_slow_one(), net::asio::detached);
  links_[0]->meet(0);
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  InPlace here(Bytes(kBytes), 1);
  here.send(kBytes);
  std::thread waits([&] {
    EXPECT_THAT([&] { links_[0]->stream(here); }, ThrowsMessage<MemberLost>(HasSubstr("enough")));
    std::ranges::fill(*here.bytes, std::byte{1});
  });
  const std::string expected = "waits for worker 7 (to take the bytes) in round 1";
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (links_[0]->waits() != expected && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_EQ(links_[0]->waits(), expected);
  std::uint64_t sent = kBytes;
  while (sent != links_[0]->payload_sent() && std::chrono::steady_clock::now() < end) {
    sent = links_[0]->payload_sent();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_LT(sent, kBytes) << "it is full";
  links_[0]->fail("enough");
  waits.join();
}

}  // namespace
}  // namespace hop::hopper
