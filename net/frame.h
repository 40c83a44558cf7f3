// The wire format. A frame is one message: a kind, a control message, and possibly a payload in chunks.
// Pure functions; all integers are little-endian. docs/wire.md tells it in prose.
//
//   offset  size  field
//   0       4     magic "HOPS"
//   4       1     version, 1
//   5       1     flags: bit 0 = a payload follows; the other bits are zero
//   6       2     kind of the message; its meaning is the sender's and receiver's affair
//   8       4     n = length of the control message, at most 1 MiB
//   12      4     CRC-32C of bytes 0 to 11, the control message, and the payload length where there is one
//   16      n     control message
//   16+n    8     payload length, 1 byte to 1 TiB        | only when flagged
//           then chunks until the payload is complete:   |
//   0       4     m = length of the chunk, 1 byte to 16 MiB and never beyond the end of the payload
//   4       4     CRC-32C of the chunk's length and its data
//   8       m     data
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace hop::net {

inline constexpr std::size_t kHeaderBytes = 16;
inline constexpr std::size_t kPayloadLengthBytes = 8;
inline constexpr std::size_t kChunkHeaderBytes = 8;
inline constexpr std::uint32_t kMaxControlBytes = 1U << 20;
inline constexpr std::uint32_t kMaxChunkBytes = 1U << 24;
inline constexpr std::uint64_t kMaxPayloadBytes = 1ULL << 40;

using HeaderField = std::array<std::byte, kHeaderBytes>;
using PayloadLengthField = std::array<std::byte, kPayloadLengthBytes>;
using ChunkHeaderField = std::array<std::byte, kChunkHeaderBytes>;

/// The contents of a header whose CRC is not checked yet: the CRC covers the control message, too.
struct FrameHeader {
  std::uint16_t kind = 0;
  bool has_payload = false;
  std::uint32_t control_bytes = 0;
};

/// The limits of a receiver. They are tighter for a peer that has not proven its identity yet.
struct FrameLimits {
  std::uint32_t control_bytes = kMaxControlBytes;
  bool may_have_payload = true;
};

struct ChunkHeader {
  std::uint32_t bytes = 0;
  std::uint32_t crc = 0;
};

// Sending. A payload of 0 bytes counts as no payload and leaves no trace in the frame.

/// The header of a frame. Throws NetError when the control message or the payload passes its limit.
HeaderField encode_header(std::uint16_t kind, ByteView control, std::uint64_t payload_bytes);
PayloadLengthField encode_payload_length(std::uint64_t payload_bytes);
/// The header of the chunk `data` (1 byte to 16 MiB).
ChunkHeaderField encode_chunk_header(ByteView data);

// Receiving, in this order. Each function throws a NetError that says what was expected and what came.

/// Checks magic, version, flags and control length: after this, it is safe to allocate `control_bytes`.
FrameHeader decode_header(const HeaderField& header, FrameLimits limits = {});
/// Checks the CRC, then the payload length. `payload_length` is empty when the header announces no payload. Returns the
/// payload's bytes, 0 for none. The receiver must check whether it wants that many.
std::uint64_t decode_payload_bytes(const HeaderField& header, ByteView control, ByteView payload_length);
/// Checks a chunk's length against the limit and against the missing bytes of the payload.
ChunkHeader decode_chunk_header(const ChunkHeaderField& header, std::uint64_t missing);
/// Checks a chunk's CRC. `data.size()` is `chunk.bytes`.
void check_chunk(const ChunkHeader& chunk, ByteView data);

// A whole frame in memory: the format's executable description, built of the functions above.

struct Frame {
  std::uint16_t kind = 0;
  AlignedBuffer control;
  AlignedBuffer payload;
};

/// The bytes of a frame whose payload is cut into chunks of `chunk_bytes`.
std::vector<std::byte> encode_frame(std::uint16_t kind, ByteView control, ByteView payload = {},
                                    std::uint32_t chunk_bytes = kMaxChunkBytes);
/// Decodes `bytes`, one whole frame. Throws NetError when they are damaged, end early, or go on behind the frame. Never
/// allocates more than `bytes.size()` for the payload, even if a larger length is declared.
Frame decode_frame(ByteView bytes);

}  // namespace hop::net
