// Streams of bytes between two members of a group.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tests/hopper/two_members.h"

namespace hop::hopper {

using Bytes = std::vector<std::byte>;

inline Bytes pattern(std::size_t size, std::uint32_t seed) {
  Bytes bytes(size);
  std::uint32_t x = seed;
  for (std::byte& b : bytes) b = static_cast<std::byte>((x = x * 1664525 + 1013904223) >> 24);
  return bytes;
}

// Of two members: writes what comes over its own bytes, which go from there.
struct InPlace final : GroupStream {
  InPlace(const Bytes& own, std::size_t comes, std::uint32_t other_rank = 1)
      : GroupStream(2), other(other_rank), bytes(std::make_shared<Bytes>(own)), got(comes) {
    bytes->resize(std::max(own.size(), comes));
    in[other].bytes = comes;
    overwrites = true;
  }
  // In parts of these sizes and the rest.
  void send(std::size_t size, const std::vector<std::size_t>& parts = {}) {
    ByteView rest = ByteView(*bytes).first(size);
    for (const std::size_t part : parts) {
      if (part > rest.size()) break;
      out[other].push_back({rest.first(part), bytes});
      rest = rest.subspan(part);
    }
    out[other].push_back({rest, bytes});
  }
  void take(std::span<const ByteView> all, std::uint64_t at) override {
    const ByteView piece = all[other];
    EXPECT_EQ(at, taken);
    EXPECT_LE(piece.size(), kPieceBytes);
    taken += piece.size();
    ++pieces;
    std::ranges::copy(piece, got.begin() + static_cast<std::ptrdiff_t>(at));
    std::ranges::copy(piece, bytes->begin() + static_cast<std::ptrdiff_t>(at));
  }

  const std::uint32_t other;
  std::shared_ptr<Bytes> bytes;
  Bytes got;
  std::size_t taken = 0;
  std::atomic<int> pieces = 0;
};

class StreamMembers : public TwoMembers {
 protected:
  // Each member says bytes of its own rank.
  void stream(std::uint32_t rank, std::size_t says, std::size_t expects, const std::vector<std::size_t>& parts = {},
              bool is_expected = false) {
    InPlace both(pattern(says, rank), expects, 1 - rank);
    both.send(says, parts);
    if (is_expected) links_[rank]->expect(both);
    links_[rank]->stream(both);
    EXPECT_EQ(both.got, pattern(expects, 1 - rank)) << "of rank " << rank;
  }
};

}  // namespace hop::hopper
