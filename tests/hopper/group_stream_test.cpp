// A round of two members in pieces, over their connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <future>
#include <new>
#include <optional>
#include <vector>

#include "hopper/strategy/group_mean.h"
#include "hopper/trainer.h"
#include "kernels/copy.h"
#include "net/frame.h"
#include "net/tcp.h"
#include "tensor/random.h"
#include "tests/hopper/streams.h"
#include "tests/nn/allocations.h"

namespace hop::hopper {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class Streams : public StreamMembers {
 protected:
  // Member 1 by hand, over TCP: it writes these bytes, and leaves.
  void connect_raw(const Bytes& says) {
    net::TcpTransport tcp(io_.get_executor());
    const auto listener = tcp.listen(net::Address::parse("tcp:127.0.0.1:0"));
    const auto accept = [this, listener]() -> net::Awaitable<void> {
      links_[0]->join(1, WorkerId(7), co_await listener->accept());
    };
    net::asio::co_spawn(io_, accept, net::asio::detached);
    raw_.connect({net::asio::ip::make_address("127.0.0.1"), listener->address().port});
    links_[0]->meet(0);
    writer_ = std::thread([this, says] {
      boost::system::error_code ignored;  // the other one may have hung up
      net::asio::write(raw_, net::asio::buffer(says.data(), says.size()), ignored);
      raw_.shutdown(net::asio::ip::tcp::socket::shutdown_send, ignored);
    });
  }
  ~Streams() override {
    if (writer_.joinable()) writer_.join();
  }

  net::asio::io_context raw_context_;
  net::asio::ip::tcp::socket raw_{raw_context_};
  std::thread writer_;
};

Bytes frame_of(std::uint64_t round, const Bytes& piece) {
  return net::encode_frame(message::kKind<message::Round>, message::encode(message::Round{round}), piece);
}

void append(Bytes& all, const Bytes& more) { all.insert(all.end(), more.begin(), more.end()); }

TEST_F(Streams, CarryBytesOfAnySizeInBothDirections) {
  begin();
  connect();
  const std::vector<std::size_t> sizes{1, 8, 4096, kPieceBytes - 1, kPieceBytes, kPieceBytes + 1, 3 * kPieceBytes + 5};
  const std::size_t count = sizes.size();
  std::thread other([&] {
    for (std::size_t i = 0; i < count; ++i) stream(1, sizes[i], sizes[count - 1 - i]);
  });
  std::size_t sent = 0;
  for (std::size_t i = 0; i < count; ++i) {
    stream(0, sizes[count - 1 - i], sizes[i]);
    sent += sizes[i];
  }
  other.join();
  EXPECT_EQ(links_[0]->payload_sent(), sent);
  EXPECT_EQ(links_[1]->payload_sent(), sent);
}

// The bytes of a place are overwritten when they have been sent, not before.
TEST_F(Streams, SendFromWhereTheyWrite) {
  begin();
  connect();
  constexpr std::size_t kBytes = 9 * kPieceBytes + 64;
  std::thread other([&] {
    for (int i = 0; i < 5; ++i) stream(1, kBytes, kBytes);
  });
  for (int i = 0; i < 5; ++i) stream(0, kBytes, kBytes, {}, i % 2 == 1);
  other.join();
}

// Whatever the parts are, pieces have the same sizes.
TEST_F(Streams, SendPartsOneAfterTheOther) {
  begin();
  connect();
  constexpr std::size_t kBytes = 4 * kPieceBytes + 100;
  std::thread other([&] { stream(1, kBytes, kBytes, {kPieceBytes, kPieceBytes, 0, 7}); });
  stream(0, kBytes, kBytes, {0, 1, kPieceBytes / 2, 3, 2 * kPieceBytes + 1, 0, kPieceBytes});
  other.join();
}

// More than fits into a connection: it goes only because the other end takes it.
TEST_F(Streams, ComeInWhileTheirReceiverComputes) {
  begin();
  connect();
  constexpr std::size_t kBytes = 16 * kPieceBytes;
  InPlace here(pattern(8, 0), kBytes), there(pattern(kBytes, 1), 8, 0);
  here.send(8);
  there.send(kBytes);
  links_[0]->expect(here);
  std::thread other([&] { links_[1]->stream(there); });
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (links_[1]->payload_sent() < kBytes && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_EQ(links_[1]->payload_sent(), kBytes);
  EXPECT_EQ(here.pieces, 0) << "pieces are taken by who streams";
  links_[0]->stream(here);
  other.join();
  EXPECT_EQ(here.got, pattern(kBytes, 1));
  EXPECT_EQ(here.pieces, 16);
}

TEST_F(Streams, AreRoundsAmongOthers) {
  begin();
  connect();
  std::thread other([this] {
    swap(1, 4, 100'000);
    stream(1, 2 * kPieceBytes, 8);
    swap(1, 0, 3);
  });
  swap(0, 100'000, 4);
  stream(0, 8, 2 * kPieceBytes);
  swap(0, 3, 0);
  other.join();
}

TEST_F(Streams, EndWhereTheOtherMemberDiesBetweenTwoPieces) {
  begin();
  Bytes says = frame_of(1, pattern(kPieceBytes, 1));
  append(says, frame_of(1, pattern(kPieceBytes, 2)));
  connect_raw(says);
  InPlace here(pattern(8, 0), 3 * kPieceBytes);
  here.send(8);
  EXPECT_THAT([&] { links_[0]->stream(here); }, ThrowsMessage<MemberLost>(HasSubstr("worker 7")));
  EXPECT_LE(here.pieces, 2);
  EXPECT_THROW(links_[0]->check(), MemberLost);
}

TEST_F(Streams, TakeNoPieceThatIsDamaged) {
  begin();
  Bytes says = frame_of(1, pattern(kPieceBytes, 1)), damaged = frame_of(1, pattern(kPieceBytes, 2));
  damaged[damaged.size() - kPieceBytes / 2] ^= std::byte{1};
  append(says, damaged);
  append(says, frame_of(1, pattern(kPieceBytes, 3)));
  connect_raw(says);
  InPlace here(pattern(8, 0), 3 * kPieceBytes);
  here.send(8);
  EXPECT_THAT([&] { links_[0]->stream(here); },
              ThrowsMessage<MemberLost>(AllOf(HasSubstr("expected a chunk with CRC-32C"), HasSubstr("worker 7"))));
  EXPECT_LE(here.pieces, 1);
}

TEST_F(Streams, EndAtAPieceOfAnotherSize) {
  begin();
  Bytes says = frame_of(1, pattern(kPieceBytes, 1));
  append(says, frame_of(1, pattern(100, 2)));
  connect_raw(says);
  InPlace here(pattern(8, 0), 3 * kPieceBytes);
  here.send(8);
  EXPECT_THAT(
      [&] { links_[0]->stream(here); },
      ThrowsMessage<MemberLost>(HasSubstr("expected round 1 with 1048576 bytes from worker 7, got round 1 with 100")));
}

TEST_F(Streams, HaveALimitOfTime) {
  begin(std::chrono::milliseconds(-60'000 + 500));  // beside the minute that any transfer may take
  connect();
  InPlace here(pattern(8, 0), 8);
  here.send(8);
  EXPECT_THAT([&] { links_[0]->stream(here); },
              ThrowsMessage<MemberLost>(HasSubstr("expected worker 7 to answer in round 1 in time")));
}

TEST_F(Streams, EndWithTheLifeOfTheWorker) {
  begin();
  connect();
  InPlace here(pattern(8, 0), 8);
  here.send(8);
  std::thread stopper([this] { stop_.request_stop(); });
  EXPECT_THROW(links_[0]->stream(here), TrainingStopped);
  stopper.join();
}

// The own direction is the slower one: pieces come, and wait for the own bytes of their place.
TEST_F(Streams, TakeNoPieceBeforeTheOwnBytesOfItsPlaceAreSent) {
  begin();
  constexpr std::size_t kBytes = 16 * kPieceBytes;
  std::promise<void> everything_is_said;
  const auto listener = transport_->listen(address_);
  const auto accept = [this, listener]() -> net::Awaitable<void> {
    links_[0]->join(1, WorkerId(7), co_await listener->accept());
  };
  const auto say = [&, this]() -> net::Awaitable<void> {  // member 1 by hand
    slow_ = co_await transport_->connect(address_);
    const Bytes all = pattern(kBytes, 1);
    for (std::size_t at = 0; at < kBytes; at += kPieceBytes) {
      const message::Round head{1};
      co_await send(slow_, head, ByteView(all).subspan(at, kPieceBytes));
    }
    everything_is_said.set_value();
  };
  const auto take = [this]() -> net::Awaitable<Bytes> {
    Bytes taken(kBytes);
    for (std::size_t at = 0; at < kBytes; at += kPieceBytes) {
      co_await receive<message::Round>(slow_);
      co_await slow_->receive_payload(MutableByteView(taken).subspan(at, kPieceBytes));
    }
    co_return taken;
  };
  net::asio::co_spawn(io_, accept, net::asio::detached);
  net::asio::co_spawn(io_, say, net::asio::detached);
  links_[0]->meet(0);
  InPlace here(pattern(kBytes, 0), kBytes);
  here.send(kBytes);
  std::thread other([&] { links_[0]->stream(here); });
  EXPECT_EQ(everything_is_said.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
  EXPECT_LE(here.pieces, 1) << "more than fits into the connection";
  EXPECT_EQ(net::asio::co_spawn(io_, take, net::asio::use_future).get(), pattern(kBytes, 0));
  other.join();
  EXPECT_EQ(here.got, pattern(kBytes, 1));
}

TEST_F(Streams, EndWhereNoMemoryIsLeftToBeginToSend) {
  begin();
  connect();
  InPlace here(pattern(8, 0), 8);
  here.send(8);
  here.out[1].resize(4097);  // no other block is as long as their copy
  nn::testing::refuse_allocation(here.out[1].size() * sizeof(GroupStream::Part));
  EXPECT_THROW(links_[0]->stream(here), std::bad_alloc);
  EXPECT_THROW(links_[0]->check(), MemberLost);
}

// Values of three pieces and a bit, of two replicas and of one; the mean has the bits of one worker.
TEST_F(Streams, CarryMeansOfManyValues) {
  begin();
  connect();
  constexpr std::int64_t kValues = 3 * std::int64_t{kPieceBytes} / 4 + 33;
  const std::vector<std::optional<double>> shares{0.1, 0.3, 0.6};
  const std::vector<std::uint32_t> owners{0, 0, 1};
  const auto fill = [](const Tensor& place, std::size_t step, std::size_t replica) {
    PhiloxStream random({.key = 100 * step + replica});
    for (std::int64_t k = 0; k < kValues; ++k) place.data<float>()[k] = random.uniform() - 0.5F;
  };
  const auto member = [&](std::uint32_t rank) {
    const Tensor place = kernels::zeros({kValues}), buffer = kernels::zeros({3});
    GroupMean mean({place}, {buffer}, {links_[rank].get(), owners});
    for (std::size_t step = 0; step < 3; ++step) {
      mean.begin(shares);
      mean.expect();
      for (std::size_t r = 0; r < shares.size(); ++r) {
        if (owners[r] != rank) continue;
        fill(place, step, r);
        mean.add();
      }
      kernels::fill_(buffer, 10.0 * static_cast<double>(step) + rank);
      EXPECT_EQ(mean.finish(step == 1 && rank == 1), step == 1);
      EXPECT_EQ(buffer.data<float>()[2], 10.0F * static_cast<float>(step)) << "of the first replica";
      const Tensor alone = kernels::zeros({kValues});
      TreeMean expected({alone});
      for (std::size_t r = 0; r < shares.size(); ++r) {
        fill(alone, step, r);
        expected.add(*shares[r]);
      }
      expected.finish();
      EXPECT_EQ(std::memcmp(place.raw_data(), alone.raw_data(), kValues * sizeof(float)), 0) << "step " << step;
    }
  };
  std::thread other([&] { member(1); });
  member(0);
  other.join();
}

}  // namespace
}  // namespace hop::hopper
