// Frames of the wire (net/frame.h): whole ones, and the header alone as it comes from a stranger.
#include "net/frame.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

using namespace net;

void run_header(ByteView input) {
  HeaderField field;
  if (input.size() < field.size()) return;
  std::ranges::copy(input.first(field.size()), field.begin());
  constexpr FrameLimits kStranger{1024, false};
  try {
    const FrameHeader header = decode_header(field, kStranger);
    require(header.control_bytes <= kStranger.control_bytes && !header.has_payload, "a stranger's limits hold");
  } catch (const NetError&) {
  }
}

void run(ByteView input) {
  run_header(input);
  const Frame frame = decode_frame(input);
  const std::vector<std::byte> bytes = encode_frame(frame.kind, frame.control.span(), frame.payload.span());
  const Frame again = decode_frame(bytes);
  require(again.kind == frame.kind && std::ranges::equal(again.control.span(), frame.control.span()) &&
              std::ranges::equal(again.payload.span(), frame.payload.span()),
          "a frame is the same after another trip");
}

std::string encoded(std::uint16_t kind, std::size_t control, std::size_t payload, std::uint32_t chunk) {
  const std::string text(control + payload, 'x');
  return text_of(
      encode_frame(kind, as_bytes(text).first(control), as_bytes(text).subspan(control), std::max(chunk, 1U)));
}

std::vector<std::string> seeds() {
  return {encoded(1, 0, 0, 0), encoded(7, 40, 0, 0), encoded(15, 24, 100, 100), encoded(20, 0, 70, 32)};
}

void repair(std::string& input) {
  if (input.size() < kHeaderBytes) return;
  const auto control = number_at<std::uint32_t>(input, 8);
  const std::size_t length_bytes = (input[5] & 1) != 0 ? kPayloadLengthBytes : 0;
  const std::size_t first_chunk = kHeaderBytes + std::size_t{control} + length_bytes;
  if (first_chunk > input.size()) return;
  const ByteView bytes = as_bytes(input);
  std::uint64_t payload = 0;
  for (std::size_t at = first_chunk; length_bytes > 0 && at + kChunkHeaderBytes < input.size();) {
    const std::size_t rest = input.size() - at - kChunkHeaderBytes;
    auto size = number_at<std::uint32_t>(input, at);
    if (size == 0 || size > rest) put_number(input, at, size = static_cast<std::uint32_t>(rest));
    put_number(input, at + 4, crc32c(bytes.subspan(at + kChunkHeaderBytes, size), crc32c(bytes.subspan(at, 4))));
    payload += size;
    at += kChunkHeaderBytes + size;
  }
  if (length_bytes > 0) put_number(input, first_chunk - length_bytes, payload);
  const std::uint32_t crc = crc32c(bytes.subspan(kHeaderBytes, control + length_bytes), crc32c(bytes.first(12)));
  put_number(input, 12, crc);
}

}  // namespace

constinit const Target kFrame{"frame", run, seeds, repair};

}  // namespace hop::fuzz
