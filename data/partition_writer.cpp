#include "data/partition_writer.h"

#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "data/mapped_file.h"
#include "data/partition_layout_internal.h"

namespace hop::data {
namespace {

// The bytes of one column on their way to the file: gathered to a block, checksummed, written.
class ColumnStream {
 public:
  ColumnStream(std::uint64_t offset, std::size_t block_bytes) : offset_(offset), block_(block_bytes) {}

  void append(ByteView bytes, AtomicFile& file) {
    while (!bytes.empty()) {
      const std::size_t n = std::min(bytes.size(), block_.size() - used_);
      std::memcpy(block_.data() + used_, bytes.data(), n);
      used_ += n;
      bytes = bytes.subspan(n);
      if (used_ == block_.size()) flush(file);
    }
  }
  void finish(std::size_t padding, AtomicFile& file) {
    static constexpr std::byte kZeros[kAlignment] = {};
    append(ByteView(kZeros).first(padding), file);
    if (used_ > 0) flush(file);
  }
  std::vector<std::uint32_t>& crcs() { return crcs_; }

 private:
  void flush(AtomicFile& file) {
    const ByteView bytes = std::as_const(block_).span().first(used_);
    crcs_.push_back(crc32c(bytes));
    file.write_at(offset_, bytes);
    offset_ += used_;
    used_ = 0;
  }
  std::uint64_t offset_;
  AlignedBuffer block_;
  std::size_t used_ = 0;
  std::vector<std::uint32_t> crcs_;
};

BlockCrcs no_crcs(const Layout& layout) {
  BlockCrcs crcs;
  for (const ColumnExtent& extent : layout.columns) crcs.emplace_back(extent.blocks, 0U);
  return crcs;
}

}  // namespace

struct PartitionWriter::Body {
  Body(const std::filesystem::path& file, PartitionHeader h)
      : header(std::move(h)), layout(layout_of(header)), out(file, raise<DataError>) {
    first_column = first_column_offset(encode_header(header, layout, no_crcs(layout)).size());
    for (const ColumnExtent& extent : layout.columns) {
      streams.emplace_back(first_column + extent.offset, header.block_bytes);
    }
  }
  PartitionHeader header;
  Layout layout;
  AtomicFile out;
  std::uint64_t first_column = 0;
  std::vector<ColumnStream> streams;
  std::int64_t rows = 0;
};

PartitionWriter::PartitionWriter(std::filesystem::path file, PartitionHeader header)
    : body_(std::make_unique<Body>(file, std::move(header))) {}
PartitionWriter::~PartitionWriter() = default;

void PartitionWriter::append(std::span<const ByteView> columns) {
  Body& b = *body_;
  if (b.rows == b.header.rows || columns.size() != b.streams.size()) {
    throw DataError("[partition] expected " + std::to_string(b.header.rows) + " rows of " +
                    std::to_string(b.streams.size()) + " columns, got more");
  }
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].size() != b.header.columns[i].row_bytes()) {
      throw DataError("[partition] expected " + std::to_string(b.header.columns[i].row_bytes()) +
                      " bytes for column \"" + b.header.columns[i].name + "\", got " +
                      std::to_string(columns[i].size()));
    }
    b.streams[i].append(columns[i], b.out);
  }
  ++b.rows;
}

WrittenPartition PartitionWriter::finish() {
  Body& b = *body_;
  if (b.rows != b.header.rows) {
    throw DataError("[partition] expected " + std::to_string(b.header.rows) + " rows, got " + std::to_string(b.rows));
  }
  BlockCrcs crcs;
  for (std::size_t i = 0; i < b.streams.size(); ++i) {
    const ColumnExtent& extent = b.layout.columns[i];
    b.streams[i].finish(extent.padded - extent.bytes, b.out);
    crcs.push_back(std::move(b.streams[i].crcs()));
  }
  const std::string header = encode_header(b.header, b.layout, crcs);
  std::string front(b.first_column, '\0');  // prologue, header, zeros
  front.replace(sizeof(Prologue), header.size(), header);
  Prologue prologue{.file_bytes = b.first_column + b.layout.bytes,
                    .header_bytes = static_cast<std::uint32_t>(header.size()),
                    .header_crc = crc32c(as_bytes(front).subspan(sizeof(Prologue)))};
  prologue.prologue_crc = crc_of(prologue);
  std::memcpy(front.data(), &prologue, sizeof prologue);
  b.out.write_at(0, as_bytes(front));
  const WrittenPartition written{prologue.file_bytes, MappedFile(b.out.temporary()).digest()};
  b.out.commit();
  return written;
}

}  // namespace hop::data
