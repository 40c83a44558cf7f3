// The CRC of a chunk that several connections send is computed once.
#include "net/chunk_headers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/net/two_nodes.h"

namespace hop::net {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::Peer;
using testing::TwoNodes;
using testing::Wiring;

std::vector<std::byte> some_bytes(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 31 + i / 251);
  return bytes;
}

TEST(ChunkHeaders, AreThoseOfTheFormatAndComputedOnce) {
  std::vector<std::byte> bytes = some_bytes(1000);
  const ByteView all(bytes), half = all.first(500);
  const ChunkHeaderField of_all = encode_chunk_header(all), of_half = encode_chunk_header(half);
  ChunkHeaders headers;
  EXPECT_EQ(headers.of(all), of_all);
  EXPECT_EQ(headers.of(half), of_half) << "the same place, another chunk";
  bytes[7] = ~bytes[7];
  EXPECT_EQ(headers.of(all), of_all) << "nobody reads the bytes a second time";
  EXPECT_NE(ChunkHeaders().of(all), of_all);
}

TEST(ChunkHeaders, OfWhatCameAreThoseWithWhichItCame) {
  const std::vector<std::byte> bytes = some_bytes(300);
  const ChunkHeaderField came = encode_chunk_header(ByteView(bytes).first(17));
  ChunkHeaders headers;
  headers.add(bytes, came);
  EXPECT_EQ(headers.of(bytes), came);
}

class SharedChunks : public ::testing::TestWithParam<Wiring> {
 protected:
  static constexpr std::size_t kBytes = 3'000'000;  // several chunks
  TwoNodes nodes{GetParam()};
};

// The second node passes on what came, with the headers with which it came.
TEST_P(SharedChunks, ArriveAsThoseOfASenderAlone) {
  const std::vector<std::byte> bytes = some_bytes(kBytes);
  const auto headers = std::make_shared<ChunkHeaders>();
  nodes.talk(
      [&](Peer peer) -> Awaitable<void> {
        for (int time = 0; time < 2; ++time) co_await peer->send(1, {}, bytes, {}, headers);
        std::vector<std::byte> back(kBytes);
        co_await peer->receive();
        co_await peer->receive_payload(back);
        EXPECT_EQ(back, bytes);
      },
      [&](Peer peer) -> Awaitable<void> {
        std::vector<std::byte> got(kBytes);
        const auto came = std::make_shared<ChunkHeaders>();
        for (int time = 0; time < 2; ++time) {
          co_await peer->receive();
          co_await peer->receive_payload(got, {}, came);
          EXPECT_EQ(got, bytes);
        }
        co_await peer->send(2, {}, got, {}, came);
      });
}

// A header that is known guards the bytes from the moment at which it was computed.
TEST_P(SharedChunks, ThatChangeAfterTheirFirstUseEndTheConnection) {
  std::vector<std::byte> bytes = some_bytes(kBytes);
  const auto headers = std::make_shared<ChunkHeaders>();
  nodes.talk(
      [&](Peer peer) -> Awaitable<void> {
        co_await peer->send(1, {}, bytes, {}, headers);
        co_await peer->receive();  // it has come
        bytes[kBytes / 2] = ~bytes[kBytes / 2];
        co_await error_of(peer->send(1, {}, bytes, {}, headers));
      },
      [&](Peer peer) -> Awaitable<void> {
        std::vector<std::byte> got(kBytes);
        co_await peer->receive();
        co_await peer->receive_payload(got);
        co_await peer->send(2, {});
        co_await peer->receive();
        EXPECT_THAT(co_await error_of(peer->receive_payload(got)), HasSubstr("expected a chunk with CRC-32C"));
      });
}

INSTANTIATE_TEST_SUITE_P(Transports, SharedChunks, testing::every_wiring(), testing::name_of);

}  // namespace
}  // namespace hop::net
