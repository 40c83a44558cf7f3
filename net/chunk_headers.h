// Headers of chunks that several connections send.
#pragma once

#include <map>
#include <mutex>
#include <utility>

#include "base/bytes.h"
#include "net/frame.h"

namespace hop::net {

/// A header has the CRC of its chunk. So of bytes that go to several peers, or that came from one and go to another,
/// the CRC is computed once. The bytes of a chunk must stay as they are from its first use here to its last one: a
/// change in between looks like damage to the receiver, which ends the connection. Any thread.
class ChunkHeaders {
 public:
  /// The header of a chunk. It is computed if nobody has asked for it before; two threads may do it at once.
  ChunkHeaderField of(ByteView chunk) {
    const Place place{chunk.data(), chunk.size()};
    {
      const std::scoped_lock lock(mutex_);
      if (const auto known = headers_.find(place); known != headers_.end()) return known->second;
    }
    const ChunkHeaderField header = encode_chunk_header(chunk);
    add(chunk, header);
    return header;
  }
  /// The header with which the chunk came.
  void add(ByteView chunk, const ChunkHeaderField& header) {
    const std::scoped_lock lock(mutex_);
    headers_.insert_or_assign(Place{chunk.data(), chunk.size()}, header);
  }

 private:
  using Place = std::pair<const std::byte*, std::size_t>;

  std::mutex mutex_;
  std::map<Place, ChunkHeaderField> headers_;
};

}  // namespace hop::net
