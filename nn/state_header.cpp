// The FlatBuffers form of a StateHeader.
#include <flatbuffers/flatbuffers.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "base/error.h"
#include "nn/detail/checked_bytes.h"
#include "nn/detail/state_format.h"
#include "nn/state_file.h"
#include "nn/state_generated.h"

namespace hop::nn {
namespace {

using detail::kMaxNameBytes;
using detail::kMaxSegments;

// These numbers are on disks and wires; a new dtype takes the next one.
static_assert(static_cast<int>(DType::f32) == 0 && static_cast<int>(DType::f64) == 1 &&
              static_cast<int>(DType::i64) == 2 && static_cast<int>(DType::i32) == 3 &&
              static_cast<int>(DType::u8) == 4 && static_cast<int>(DType::boolean) == 5 &&
              static_cast<int>(DType::bf16) == 6 && static_cast<int>(DType::f16) == 7);

[[noreturn]] void reject(const std::string& what, const std::string& where) {
  throw StateError("[state] expected " + what + " (" + where + ")");
}

// Copies the numbers instead of reading them in place: a hostile header may put an 8-byte number at a 4-byte boundary.
template <class T>
std::vector<T> copied(const flatbuffers::Vector<T>& numbers) {
  std::vector<T> copy(numbers.size());
  if (!copy.empty()) std::memcpy(copy.data(), numbers.Data(), copy.size() * sizeof(T));
  return copy;
}

StateLayout read_layout(const wire::StateHeader& h, const std::string& where) {
  const std::size_t count = h.names()->size();
  if (count > kMaxSegments) reject("at most 100,000 segments, got " + std::to_string(count), where);
  if (h.kinds()->size() != count || h.dtypes()->size() != count || h.ranks()->size() != count ||
      h.offsets()->size() != count) {
    reject("columns of one length", where);
  }
  const std::vector<std::int64_t> all_sizes = copied(*h.sizes());
  const std::vector<std::uint64_t> offsets = copied(*h.offsets());
  StateLayout layout;
  layout.bytes = h.block_bytes();
  std::uint64_t end = 0;  // end of the segments so far: they are in order and do not overlap
  std::size_t next_size = 0;
  for (flatbuffers::uoffset_t i = 0; i < count; ++i) {
    const std::string segment = "segment " + std::to_string(i);
    const std::size_t rank = h.ranks()->Get(i);
    if (h.names()->Get(i)->size() > kMaxNameBytes) reject(segment + "'s name within 1,024 bytes", where);
    if (h.kinds()->Get(i) > static_cast<int>(SegmentKind::optimizer)) reject(segment + " of a known kind", where);
    if (h.dtypes()->Get(i) >= kDTypeCount) reject(segment + " of a known dtype", where);
    if (rank > kMaxDims || rank > all_sizes.size() - next_size) reject(segment + " with its sizes", where);
    const std::span<const std::int64_t> sizes(all_sizes.data() + next_size, rank);
    next_size += rank;
    const auto dtype = static_cast<DType>(h.dtypes()->Get(i));
    const std::optional<std::uint64_t> bytes = detail::checked_bytes(sizes, size_of(dtype));
    const std::uint64_t offset = offsets[i];
    if (!bytes) reject(segment + " of fewer than 2^59 elements", where);
    if (offset % kAlignment != 0 || offset < end || offset > layout.bytes || *bytes > layout.bytes - offset) {
      reject(segment + " inside the block, after the one before it", where);
    }
    end = offset + *bytes;
    layout.segments.push_back(
        {h.names()->Get(i)->str(), static_cast<SegmentKind>(h.kinds()->Get(i)), dtype, Shape(sizes), offset, *bytes});
  }
  if (next_size != all_sizes.size()) reject("as many sizes as the segments have dimensions", where);
  return layout;
}

}  // namespace

std::vector<std::byte> encode_state_header(const StateHeader& header) {
  std::vector<std::string> names, keys, values;
  std::vector<std::uint8_t> kinds, dtypes, ranks;
  std::vector<std::int64_t> sizes;
  std::vector<std::uint64_t> offsets;
  for (const Segment& s : header.layout.segments) {
    names.push_back(s.name);
    kinds.push_back(static_cast<std::uint8_t>(s.kind));
    dtypes.push_back(static_cast<std::uint8_t>(s.dtype));
    ranks.push_back(static_cast<std::uint8_t>(s.shape.size()));
    sizes.insert(sizes.end(), s.shape.begin(), s.shape.end());
    offsets.push_back(s.offset);
  }
  for (const auto& [key, value] : header.metrics) {
    keys.push_back(key);
    values.push_back(value);
  }
  // Every part is made in a statement of its own: the bytes follow the order in which parts are made, and the order of
  // a call's arguments is the compiler's.
  flatbuffers::FlatBufferBuilder builder;
  const auto fb_values = builder.CreateVectorOfStrings(values);
  const auto fb_keys = builder.CreateVectorOfStrings(keys);
  const auto fb_offsets = builder.CreateVector(offsets);
  const auto fb_sizes = builder.CreateVector(sizes);
  const auto fb_ranks = builder.CreateVector(ranks);
  const auto fb_dtypes = builder.CreateVector(dtypes);
  const auto fb_kinds = builder.CreateVector(kinds);
  const auto fb_names = builder.CreateVectorOfStrings(names);
  const auto identity = builder.CreateString(header.identity);
  builder.Finish(wire::CreateStateHeader(builder, detail::kStateVersion, identity, header.layout.bytes,
                                         header.digest.low, header.digest.high, fb_names, fb_kinds, fb_dtypes, fb_ranks,
                                         fb_sizes, fb_offsets, fb_keys, fb_values),
                 wire::StateHeaderIdentifier());
  const auto bytes = std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
  if (bytes.size() > detail::kMaxHeaderBytes) reject("a header of at most 64 MiB", header.identity);
  return {bytes.begin(), bytes.end()};
}

StateHeader decode_state_header(ByteView bytes, const std::string& where) {
  if (bytes.size() > detail::kMaxHeaderBytes) reject("a header of at most 64 MiB", where);
  // FlatBuffers reads numbers in place, but a header from a packet may lie at any address.
  const AlignedBuffer aligned = [&] {
    AlignedBuffer copy(bytes.size());
    std::ranges::copy(bytes, copy.data());
    return copy;
  }();
  const auto* data = reinterpret_cast<const std::uint8_t*>(aligned.data());
  flatbuffers::Verifier verifier(data, aligned.size(), /*max_depth=*/16, /*max_tables=*/1'024);
  if (bytes.size() < 8 || !wire::VerifyStateHeaderBuffer(verifier)) reject("a state header, got other bytes", where);
  const wire::StateHeader& h = *wire::GetStateHeader(data);
  if (h.format_version() != detail::kStateVersion) {
    reject("format version 1, got " + std::to_string(h.format_version()), where);
  }
  StateHeader header{h.identity()->str(), read_layout(h, where), {h.digest_low(), h.digest_high()}, {}};
  if (h.metric_keys()->size() != h.metric_values()->size()) reject("a value for each metric", where);
  for (flatbuffers::uoffset_t i = 0; i < h.metric_keys()->size(); ++i) {
    header.metrics.emplace_back(h.metric_keys()->Get(i)->str(), h.metric_values()->Get(i)->str());
  }
  return header;
}

}  // namespace hop::nn
