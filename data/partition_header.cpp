// Partition header <-> FlatBuffers.
#include "base/error.h"
#include "data/partition_generated.h"
#include "data/partition_layout_internal.h"

namespace hop::data {
namespace {

// A header is a flat list of columns: real ones need depth 3 and a table per column.
constexpr flatbuffers::uoffset_t kMaxDepth = 16;
constexpr flatbuffers::uoffset_t kMaxTables = 1024;

using Builder = flatbuffers::FlatBufferBuilder;

// Every part is made in a statement of its own: the bytes follow the order in which parts are made, and the order of a
// call's arguments is the compiler's.
flatbuffers::Offset<fbs::Column> encode(Builder& builder, const Column& column, std::uint64_t offset,
                                        const std::vector<std::uint32_t>& crcs) {
  const std::vector<std::int64_t> shape(column.shape.begin(), column.shape.end());
  const auto block_crcs = builder.CreateVector(crcs);
  const auto sizes = builder.CreateVector(shape);
  const auto dtype = builder.CreateString(std::string(name(column.dtype)));
  const auto column_name = builder.CreateString(column.name);
  return fbs::CreateColumn(builder, column_name, dtype, sizes, offset, block_crcs);
}

std::string build(const PartitionHeader& header, const Layout& layout, const BlockCrcs& crcs, std::uint64_t first) {
  Builder builder;
  builder.ForceDefaults(true);  // so that the size does not depend on values
  std::vector<flatbuffers::Offset<fbs::Column>> columns;
  for (std::size_t i = 0; i < header.columns.size(); ++i) {
    columns.push_back(encode(builder, header.columns[i], first + layout.columns[i].offset, crcs[i]));
  }
  const fbs::Digest dataset(header.dataset.low, header.dataset.high);
  const auto names = builder.CreateVectorOfStrings(header.class_names);
  builder.Finish(fbs::CreatePartitionHeader(builder, header.rows, builder.CreateVector(columns), header.classes, names,
                                            &dataset, header.index, header.block_bytes));
  return {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()};
}

Column decode(const fbs::Column& column) {
  return {column.name()->str(), dtype_from_name(column.dtype()->string_view()),
          Shape(std::span(column.shape()->data(), column.shape()->size()))};
}

PartitionHeader decode(const fbs::PartitionHeader& fbs) {
  PartitionHeader header{.rows = fbs.rows(),
                         .classes = fbs.classes(),
                         .dataset = {fbs.dataset()->low(), fbs.dataset()->high()},
                         .index = fbs.index(),
                         .block_bytes = fbs.block_bytes()};
  for (const auto* column : *fbs.columns()) header.columns.push_back(decode(*column));
  if (fbs.class_names() != nullptr) {
    for (const auto* class_name : *fbs.class_names()) header.class_names.push_back(class_name->str());
  }
  return header;
}

}  // namespace

std::string encode_header(const PartitionHeader& header, const Layout& layout, const BlockCrcs& crcs) {
  const std::size_t size = build(header, layout, crcs, 0).size();
  return build(header, layout, crcs, first_column_offset(size));
}

DecodedHeader decode_header(ByteView bytes) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  flatbuffers::Verifier verifier(data, bytes.size(), kMaxDepth, kMaxTables);
  if (!fbs::VerifyPartitionHeaderBuffer(verifier)) throw DataError("[partition] the header is not valid FlatBuffers");
  const fbs::PartitionHeader& fbs = *fbs::GetPartitionHeader(data);
  if (fbs.columns()->size() > kMaxColumns) throw DataError("[partition] expected at most 64 columns");
  DecodedHeader decoded;
  try {
    decoded.header = decode(fbs);
  } catch (const DataError&) {
    throw;
  } catch (const Error& error) {  // an unknown dtype, too many dimensions
    throw DataError(std::string("[partition] in the header: ") + error.what());
  }
  decoded.layout = layout_of(decoded.header);
  decoded.first_column = first_column_offset(bytes.size());
  for (flatbuffers::uoffset_t i = 0; i < fbs.columns()->size(); ++i) {
    const fbs::Column& column = *fbs.columns()->Get(i);
    const ColumnExtent& extent = decoded.layout.columns[i];
    if (column.offset() != decoded.first_column + extent.offset || column.block_crcs()->size() != extent.blocks) {
      throw DataError("[partition] offset or number of blocks of column " + std::to_string(i) +
                      " differ from what its shape and the rows need");
    }
    decoded.crcs.emplace_back(column.block_crcs()->begin(), column.block_crcs()->end());
  }
  return decoded;
}

}  // namespace hop::data
