#include "net/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

#include "base/error.h"
#include "base/hash.h"
#include "tests/net/largest_allocation.h"

namespace hop::net {
namespace {

using ::testing::HasSubstr;

std::vector<std::byte> from_hex(std::string_view digits) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

std::string refusal(ByteView bytes) {
  try {
    (void)decode_frame(bytes);
  } catch (const NetError& error) {
    return error.what();
  }
  return "accepted";
}

void put(std::vector<std::byte>& bytes, std::size_t at, auto value) { std::memcpy(&bytes[at], &value, sizeof value); }

// Makes the frame's first CRC right again after a field has been changed, as a peer with bad intentions would.
void sign(std::vector<std::byte>& frame, std::size_t control_bytes, bool has_payload) {
  const ByteView bytes(frame);
  const std::uint32_t crc = crc32c(bytes.subspan(16, control_bytes + (has_payload ? 8 : 0)), crc32c(bytes.first(12)));
  put(frame, 12, crc);
}

const std::vector<std::byte> kSmallFrame = encode_frame(7, as_bytes("hi"), as_bytes("weights"), 4);

// The expected bytes come from a separate program that follows the table in frame.h.
TEST(Frame, HasTheBytesOfItsSpecification) {
  EXPECT_EQ(encode_frame(0x0102, as_bytes("hello")), from_hex("484f50530100020105000000a34b81a168656c6c6f"));
  EXPECT_EQ(kSmallFrame, from_hex("484f505301010700020000000623c072686907000000000000000400000095b64a87776569670300"
                                  "00009f48508e687473"));
}

TEST(Frame, IsDecodedToWhatWasEncodedAtEverySizeAndChunking) {
  std::mt19937_64 random(20261122);
  for (const std::size_t control_bytes : {0U, 1U, 15U, 64U, 1000U}) {
    for (const std::size_t payload_bytes : {0U, 1U, 7U, 8U, 64U, 999U}) {
      for (const std::uint32_t chunk_bytes : {1U, 8U, 63U, 1000U}) {
        std::vector<std::byte> control(control_bytes), payload(payload_bytes);
        for (std::byte& b : control) b = static_cast<std::byte>(random());
        for (std::byte& b : payload) b = static_cast<std::byte>(random());
        const Frame frame = decode_frame(encode_frame(9, control, payload, chunk_bytes));
        EXPECT_EQ(frame.kind, 9);
        EXPECT_TRUE(std::ranges::equal(frame.control.span(), control));
        EXPECT_TRUE(std::ranges::equal(frame.payload.span(), payload));
      }
    }
  }
}

TEST(Frame, IsRefusedWithAnySingleBitFlipped) {
  for (std::size_t bit = 0; bit < kSmallFrame.size() * 8; ++bit) {
    auto damaged = kSmallFrame;
    damaged[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_NE(refusal(damaged), "accepted") << "bit " << bit;
  }
}

TEST(Frame, IsRefusedWhenItEndsEarlyAnywhere) {
  for (std::size_t size = 0; size < kSmallFrame.size(); ++size) {
    EXPECT_THAT(refusal(ByteView(kSmallFrame).first(size)), HasSubstr("[frame] expected")) << size;
  }
}

TEST(Frame, IsRefusedWithAnythingBehindIt) {
  auto longer = kSmallFrame;
  longer.push_back(std::byte{0});
  EXPECT_EQ(refusal(longer), "[frame] expected the end of the frame, got 1 more bytes");
}

TEST(Frame, SaysWhatIsWrong) {
  auto frame = kSmallFrame;
  put(frame, 0, std::uint32_t{0x20544547});  // "GET "
  EXPECT_EQ(refusal(frame),
            "[frame] expected the magic number 0x53504f48, got 0x20544547 (the peer does not speak Hopscotch)");
  frame = kSmallFrame;
  put(frame, 4, std::uint8_t{2});
  EXPECT_EQ(refusal(frame), "[frame] expected version 1, got 2");
  frame = kSmallFrame;
  put(frame, 5, std::uint8_t{0x81});
  EXPECT_EQ(refusal(frame), "[frame] expected flags 0 or 1, got 0x81");
  frame = kSmallFrame;
  put(frame, 8, std::uint32_t{0xFFFFFFFF});
  EXPECT_EQ(refusal(frame), "[frame] expected a control message of at most 1048576 bytes, got 4294967295");
  frame = kSmallFrame;
  put(frame, 6, std::uint16_t{8});
  EXPECT_THAT(refusal(frame), HasSubstr("[frame] expected a frame with CRC-32C 0x72c02306, got 0x"));
  frame = kSmallFrame;
  frame.back() = std::byte{0};
  EXPECT_THAT(refusal(frame), HasSubstr("[frame] expected a chunk with CRC-32C 0x8e50489f, got 0x"));
}

TEST(Frame, IsRefusedWithALengthBeyondTheLimitsBeforeAnythingIsAllocated) {
  const auto refused = [](std::size_t at, auto value, const char* why) {
    auto frame = kSmallFrame;
    put(frame, at, value);
    sign(frame, 2, true);
    testing::forget_allocations();
    EXPECT_THAT(refusal(frame), HasSubstr(why));
    EXPECT_LE(testing::largest_allocation(), 64U);
  };
  refused(8, std::uint32_t{kMaxControlBytes + 1}, "a control message of at most 1048576 bytes, got 1048577");
  refused(8, std::uint32_t{kMaxControlBytes}, "expected 1048576 bytes of a control message");
  refused(18, std::uint64_t{0}, "a payload of at least 1 byte, got 0");
  refused(18, kMaxPayloadBytes + 1, "a payload of at most 1099511627776 bytes, got 1099511627777");
  refused(18, ~std::uint64_t{0}, "a payload of at most");
  refused(18, kMaxPayloadBytes, "expected 1099511627776 bytes of payload, got 23");
  refused(26, std::uint32_t{0}, "a chunk of at least 1 byte, got 0");
  refused(26, std::uint32_t{8}, "a chunk of at most 7 bytes, got 8");
  refused(26, ~std::uint32_t{0}, "a chunk of at most 7 bytes, got 4294967295");
}

TEST(Frame, IsNotEncodedBeyondTheLimits) {
  EXPECT_THROW(encode_header(1, AlignedBuffer(kMaxControlBytes + 1).span(), 0), NetError);
  EXPECT_THROW(encode_header(1, {}, kMaxPayloadBytes + 1), NetError);
  EXPECT_THROW(encode_chunk_header(AlignedBuffer(kMaxChunkBytes + 1).span()), NetError);
  EXPECT_NO_THROW(encode_header(1, {}, kMaxPayloadBytes));
  EXPECT_THROW(decode_chunk_header(encode_chunk_header(AlignedBuffer(10).span()), 9), NetError);
}

TEST(Frame, NeverTakesRandomBytesForAFrame) {
  std::mt19937_64 random(1);
  std::vector<std::byte> bytes;
  for (int round = 0; round < 20'000; ++round) {
    bytes.resize(random() % 200);
    for (std::byte& b : bytes) b = static_cast<std::byte>(random());
    if (round % 2 == 0 && bytes.size() >= 6) {  // let every other one past the first checks
      put(bytes, 0, std::uint32_t{0x53504F48});
      put(bytes, 4, static_cast<std::uint16_t>(1 + 256 * (random() % 2)));
      if (bytes.size() >= 12) put(bytes, 8, static_cast<std::uint32_t>(random() % 100));
    }
    EXPECT_NE(refusal(bytes), "accepted") << "round " << round;
  }
}

TEST(Frame, IsRefusedOrUnchangedAfterRandomDamage) {
  std::mt19937_64 random(2);
  testing::forget_allocations();
  for (int round = 0; round < 40'000; ++round) {
    auto frame = kSmallFrame;
    for (std::size_t edits = 1 + random() % 6; edits > 0; --edits) {
      const auto at = frame.begin() + static_cast<std::ptrdiff_t>(random() % frame.size());
      switch (random() % 4) {
        case 0:
          *at = static_cast<std::byte>(random());
          break;
        case 1:
          frame.insert(at, static_cast<std::byte>(random()));
          break;
        case 2:
          if (frame.size() > 1) frame.erase(at);
          break;
        default:
          std::swap(*at, frame[random() % frame.size()]);
      }
    }
    if (round % 2 == 0 && frame.size() >= 26) sign(frame, 2, true);
    if (frame != kSmallFrame && refusal(frame) == "accepted") {
      // Re-signed damage may be a frame of its own (another kind, other words), but never with damaged weights.
      EXPECT_TRUE(round % 2 == 0 && std::ranges::equal(decode_frame(frame).payload.span(), as_bytes("weights")));
    }
  }
  EXPECT_LE(testing::largest_allocation(), kMaxControlBytes);
}

}  // namespace
}  // namespace hop::net
