// Structs as FlatBuffers tables. A struct that crosses the wire or stands in the journal names its fields once, beside
// their declaration, and the rest is made from that: writing, reading, the schema, the tests.
//
//   struct Release {
//     ModelId model{};
//     Attempt attempt{};
//     static void describe(auto& m, auto&& field) { field("model", m.model), field("attempt", m.attempt); }
//   };
//
// The place of a field is its number in the table, so a new field goes to the end and no field moves. An older
// program's bytes lack the new field, which then reads as zero, empty or none. `field` takes a third argument if a
// received value may be wrong: the last enumerator of an enum, or a function that checks or changes the value.
//
// The bytes are those that flatc's code writes for the schema docs/hopper.fbs. Internal to Hopscotch.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <span>
#include <vector>

#include "base/bytes.h"
#include "hopper/detail/flat_reader.h"
#include "hopper/detail/flat_writer.h"

namespace hop::hopper::flat {

/// The bytes of `value`.
template <Described T>
std::vector<std::byte> encode(const T& value) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(Writer::table(builder, value));
  const auto bytes = std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
  return {bytes.begin(), bytes.end()};
}

/// The value in `bytes`, which lie on a 16-byte boundary and may be anything. At most 16 tables deep and `max_tables`
/// in all, so that hostile bytes cost microseconds, not a stack or a second. Throws BadTable, and the exceptions of the
/// functions that are third arguments of fields.
template <Described T>
T decode(ByteView bytes, std::uint32_t max_tables) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  flatbuffers::Verifier verifier(data, bytes.size(), /*max_depth=*/16, max_tables);
  const flatbuffers::uoffset_t root = bytes.empty() ? 0 : verifier.VerifyOffset(std::size_t{0});
  Reader::require(root != 0);
  return Reader::table<T>(*reinterpret_cast<const flatbuffers::Table*>(data + root), verifier);
}

}  // namespace hop::hopper::flat
