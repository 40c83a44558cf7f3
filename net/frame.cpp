#include "net/frame.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/hash.h"

namespace hop::net {
namespace {

static_assert(std::endian::native == std::endian::little, "integers are copied to and from the wire as they stand");

constexpr std::uint32_t kMagic = 0x53504F48;  // "HOPS"
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kHasPayload = 1;  // the only flag

constexpr std::size_t kMagicAt = 0, kVersionAt = 4, kFlagsAt = 5, kKindAt = 6, kControlBytesAt = 8, kCrcAt = 12;
constexpr std::size_t kChunkBytesAt = 0, kChunkCrcAt = 4;

template <class T>
void put(std::span<std::byte> field, std::size_t at, T value) {
  std::memcpy(&field[at], &value, sizeof value);
}

template <class T>
T get(ByteView field, std::size_t at = 0) {
  T value;
  std::memcpy(&value, &field[at], sizeof value);
  return value;
}

std::string hex(std::uint32_t value) {
  char digits[8];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, 16).ptr;
  return "0x" + std::string(digits, end);
}

// Errors quote numbers only: a peer's bytes never reach a terminal or a log as text.
[[noreturn]] void refuse(const std::string& expected, const std::string& got) {
  throw NetError("[frame] expected " + expected + ", got " + got);
}

void check_at_most(const char* what, std::uint64_t limit, std::uint64_t bytes) {
  if (bytes <= limit) return;
  refuse(std::string(what) + " of at most " + std::to_string(limit) + " bytes", std::to_string(bytes));
}

std::uint32_t frame_crc(const HeaderField& header, ByteView control, ByteView payload_length) {
  return crc32c(payload_length, crc32c(control, crc32c(ByteView(header).first(kCrcAt))));
}

std::uint32_t chunk_crc(std::uint32_t bytes, ByteView data) {
  return crc32c(data, crc32c(std::as_bytes(std::span(&bytes, 1))));
}

}  // namespace

HeaderField encode_header(std::uint16_t kind, ByteView control, std::uint64_t payload_bytes) {
  check_at_most("a control message", kMaxControlBytes, control.size());
  check_at_most("a payload", kMaxPayloadBytes, payload_bytes);
  const bool has_payload = payload_bytes > 0;
  HeaderField header;
  put(header, kMagicAt, kMagic);
  put(header, kVersionAt, kVersion);
  put(header, kFlagsAt, has_payload ? kHasPayload : std::uint8_t{0});
  put(header, kKindAt, kind);
  put(header, kControlBytesAt, static_cast<std::uint32_t>(control.size()));
  const PayloadLengthField length = encode_payload_length(payload_bytes);
  put(header, kCrcAt, frame_crc(header, control, has_payload ? ByteView(length) : ByteView()));
  return header;
}

PayloadLengthField encode_payload_length(std::uint64_t payload_bytes) {
  PayloadLengthField field;
  put(field, 0, payload_bytes);
  return field;
}

ChunkHeaderField encode_chunk_header(ByteView data) {
  check_at_most("a chunk", kMaxChunkBytes, data.size());
  const auto bytes = static_cast<std::uint32_t>(data.size());
  ChunkHeaderField header;
  put(header, kChunkBytesAt, bytes);
  put(header, kChunkCrcAt, chunk_crc(bytes, data));
  return header;
}

FrameHeader decode_header(const HeaderField& header, FrameLimits limits) {
  const auto magic = get<std::uint32_t>(header, kMagicAt);
  if (magic != kMagic) refuse("the magic number " + hex(kMagic), hex(magic) + " (the peer does not speak Hopscotch)");
  const auto version = get<std::uint8_t>(header, kVersionAt);
  if (version != kVersion) refuse("version " + std::to_string(kVersion), std::to_string(version));
  const auto flags = get<std::uint8_t>(header, kFlagsAt);
  if ((flags & ~kHasPayload) != 0) refuse("flags 0 or 1", hex(flags));
  const auto control_bytes = get<std::uint32_t>(header, kControlBytesAt);
  check_at_most("a control message", limits.control_bytes, control_bytes);
  if (flags == kHasPayload && !limits.may_have_payload) refuse("a message without payload", "one with a payload");
  return {
      .kind = get<std::uint16_t>(header, kKindAt), .has_payload = flags == kHasPayload, .control_bytes = control_bytes};
}

std::uint64_t decode_payload_bytes(const HeaderField& header, ByteView control, ByteView payload_length) {
  const auto declared = get<std::uint32_t>(header, kCrcAt);
  const std::uint32_t crc = frame_crc(header, control, payload_length);
  if (crc != declared) refuse("a frame with CRC-32C " + hex(declared), hex(crc));
  if (payload_length.empty()) return 0;
  const auto payload_bytes = get<std::uint64_t>(payload_length);
  if (payload_bytes == 0) refuse("a payload of at least 1 byte", "0");
  check_at_most("a payload", kMaxPayloadBytes, payload_bytes);
  return payload_bytes;
}

ChunkHeader decode_chunk_header(const ChunkHeaderField& header, std::uint64_t missing) {
  const ChunkHeader chunk{.bytes = get<std::uint32_t>(header, kChunkBytesAt),
                          .crc = get<std::uint32_t>(header, kChunkCrcAt)};
  if (chunk.bytes == 0) refuse("a chunk of at least 1 byte", "0");
  check_at_most("a chunk", std::min<std::uint64_t>(kMaxChunkBytes, missing), chunk.bytes);
  return chunk;
}

void check_chunk(const ChunkHeader& chunk, ByteView data) {
  const std::uint32_t crc = chunk_crc(chunk.bytes, data);
  if (crc != chunk.crc) refuse("a chunk with CRC-32C " + hex(chunk.crc), hex(crc));
}

std::vector<std::byte> encode_frame(std::uint16_t kind, ByteView control, ByteView payload, std::uint32_t chunk_bytes) {
  std::vector<std::byte> frame;
  const auto append = [&frame](ByteView bytes) { frame.insert(frame.end(), bytes.begin(), bytes.end()); };
  append(encode_header(kind, control, payload.size()));
  append(control);
  if (!payload.empty()) append(encode_payload_length(payload.size()));
  while (!payload.empty()) {
    const ByteView chunk = payload.first(std::min<std::size_t>(chunk_bytes, payload.size()));
    append(encode_chunk_header(chunk));
    append(chunk);
    payload = payload.subspan(chunk.size());
  }
  return frame;
}

Frame decode_frame(ByteView bytes) {
  const auto take = [&bytes](std::uint64_t count, const char* what) {
    if (count > bytes.size()) refuse(std::to_string(count) + " bytes of " + what, std::to_string(bytes.size()));
    const ByteView front = bytes.first(count);
    bytes = bytes.subspan(count);
    return front;
  };
  const auto take_into = [&take](MutableByteView into, const char* what) {
    std::ranges::copy(take(into.size(), what), into.begin());
  };

  HeaderField header_field;
  take_into(header_field, "a header");
  const FrameHeader header = decode_header(header_field);
  const ByteView control = take(header.control_bytes, "a control message");
  const ByteView length = take(header.has_payload ? kPayloadLengthBytes : 0, "a payload length");
  const std::uint64_t payload_bytes = decode_payload_bytes(header_field, control, length);
  if (payload_bytes > bytes.size()) {
    refuse(std::to_string(payload_bytes) + " bytes of payload", std::to_string(bytes.size()));
  }

  Frame frame{.kind = header.kind, .control = AlignedBuffer(control.size()), .payload = AlignedBuffer(payload_bytes)};
  std::ranges::copy(control, frame.control.data());
  for (MutableByteView rest = frame.payload.span(); !rest.empty();) {
    ChunkHeaderField chunk_field;
    take_into(chunk_field, "a chunk header");
    const ChunkHeader chunk = decode_chunk_header(chunk_field, rest.size());
    take_into(rest.first(chunk.bytes), "a chunk");
    check_chunk(chunk, rest.first(chunk.bytes));
    rest = rest.subspan(chunk.bytes);
  }
  if (!bytes.empty()) refuse("the end of the frame", std::to_string(bytes.size()) + " more bytes");
  return frame;
}

}  // namespace hop::net
