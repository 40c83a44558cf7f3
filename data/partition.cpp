#include "data/partition.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include "base/error.h"
#include "data/mapped_file.h"
#include "data/partition_layout_internal.h"

namespace hop::data {

namespace {

// A whole file: mapped, or in memory.
class FileBytes {
 public:
  explicit FileBytes(const std::filesystem::path& path) : file_(path), mapped_(std::in_place, path) {}
  FileBytes(AlignedBuffer memory, std::filesystem::path name) : file_(std::move(name)), memory_(std::move(memory)) {}
  const std::filesystem::path& file() const { return file_; }
  ByteView bytes() const { return mapped_ ? mapped_->bytes() : memory_.span(); }
  void release(std::size_t offset, std::size_t size) const {
    if (mapped_) mapped_->release(offset, size);
  }

 private:
  std::filesystem::path file_;
  std::optional<MappedFile> mapped_;
  AlignedBuffer memory_;
};

}  // namespace

struct Partition::Body {
  explicit Body(auto&&... file) : whole(std::forward<decltype(file)>(file)...) {}
  FileBytes whole;
  PartitionHeader header;
  std::vector<ByteView> columns;       // rows only
  std::vector<std::size_t> row_bytes;  // per column
};

namespace {

constexpr std::size_t kReleaseBytes = 4 << 20;  // a check keeps this much of the file resident

std::string hex(std::uint32_t value) {
  char text[11];
  std::snprintf(text, sizeof text, "0x%08X", value);
  return text;
}

[[noreturn]] void fail(const std::string& message, const std::filesystem::path& file, std::uint64_t offset,
                       const std::string& block) {
  throw DataError("[partition] " + message + " (" + file.string() + ", offset " + std::to_string(offset) + ", " +
                  block + ")");
}

Prologue read_prologue(const FileBytes& whole) {
  const ByteView bytes = whole.bytes();
  const auto check = [&](bool valid, std::size_t offset, const std::string& message) {
    if (!valid) fail(message, whole.file(), offset, "prologue");
  };
  check(bytes.size() >= sizeof(Prologue), bytes.size(),
        "expected a prologue of 32 bytes, got a file of " + std::to_string(bytes.size()));
  Prologue prologue;
  std::memcpy(&prologue, bytes.data(), sizeof prologue);
  check(prologue.magic == kPartitionMagic, 0, "expected the magic \"HOPD\", got " + hex(prologue.magic));
  check(prologue.version == kPartitionVersion, offsetof(Prologue, version),
        "expected format version " + std::to_string(kPartitionVersion) + ", got " + std::to_string(prologue.version));
  check(crc_of(prologue) == prologue.prologue_crc, offsetof(Prologue, prologue_crc),
        "expected CRC-32C " + hex(prologue.prologue_crc) + ", got " + hex(crc_of(prologue)));
  check(prologue.file_bytes == bytes.size(), std::min<std::uint64_t>(prologue.file_bytes, bytes.size()),
        "expected a file of " + std::to_string(prologue.file_bytes) + " bytes, got " + std::to_string(bytes.size()));
  check(prologue.reserved == 0 && first_column_offset(prologue.header_bytes) <= bytes.size(),
        offsetof(Prologue, header_bytes),
        "expected a header within the file, got one of " + std::to_string(prologue.header_bytes) + " bytes");
  return prologue;
}

DecodedHeader read_header(const FileBytes& whole, const Prologue& prologue) {
  const ByteView padded =
      whole.bytes().subspan(sizeof(Prologue), first_column_offset(prologue.header_bytes) - sizeof(Prologue));
  const std::uint32_t crc = crc32c(padded);
  if (crc != prologue.header_crc) {
    fail("expected CRC-32C " + hex(prologue.header_crc) + ", got " + hex(crc), whole.file(), sizeof(Prologue),
         "header");
  }
  try {
    DecodedHeader decoded = decode_header(padded.first(prologue.header_bytes));
    if (decoded.first_column + decoded.layout.bytes != whole.bytes().size()) {
      throw DataError("[partition] expected columns of " + std::to_string(decoded.layout.bytes) + " bytes in all");
    }
    return decoded;
  } catch (const DataError& error) {
    throw DataError(std::string(error.what()) + " (" + whole.file().string() + ", offset 32, header)");
  }
}

void verify_column(const FileBytes& whole, const DecodedHeader& decoded, std::size_t column) {
  const ColumnExtent& extent = decoded.layout.columns[column];
  const std::uint64_t block_bytes = decoded.header.block_bytes;
  std::uint64_t released = 0;  // bytes of this column that have left the resident set
  for (std::uint64_t block = 0; block < extent.blocks; ++block) {
    const std::uint64_t start = block * block_bytes;
    const std::uint64_t offset = decoded.first_column + extent.offset + start;
    const std::uint64_t size = std::min(block_bytes, extent.padded - start);
    const std::uint32_t expected = decoded.crcs[column][block];
    const std::uint32_t found = crc32c(whole.bytes().subspan(offset, size));
    if (found != expected) {
      fail("expected CRC-32C " + hex(expected) + ", got " + hex(found), whole.file(), offset,
           "block " + std::to_string(block) + " of column \"" + decoded.header.columns[column].name + "\"");
    }
    if (start + size - released >= kReleaseBytes || block + 1 == extent.blocks) {
      whole.release(decoded.first_column + extent.offset + released, start + size - released);
      released = start + size;
    }
  }
}

}  // namespace

Partition Partition::open(const std::filesystem::path& file, Verify verify) {
  return read(std::make_shared<Body>(file), verify);
}

Partition Partition::of_bytes(AlignedBuffer bytes, const std::filesystem::path& name, Verify verify) {
  return read(std::make_shared<Body>(std::move(bytes), name), verify);
}

Partition Partition::read(std::shared_ptr<Body> body, Verify verify) {
  DecodedHeader decoded = read_header(body->whole, read_prologue(body->whole));
  for (std::size_t i = 0; i < decoded.layout.columns.size(); ++i) {
    if (verify == Verify::yes) verify_column(body->whole, decoded, i);
    const ColumnExtent& extent = decoded.layout.columns[i];
    body->columns.push_back(body->whole.bytes().subspan(decoded.first_column + extent.offset, extent.bytes));
    body->row_bytes.push_back(decoded.header.columns[i].row_bytes());
  }
  body->header = std::move(decoded.header);
  return Partition(body);
}

const PartitionHeader& Partition::header() const { return body_->header; }
const std::filesystem::path& Partition::file() const { return body_->whole.file(); }
ByteView Partition::bytes() const { return body_->whole.bytes(); }
std::size_t Partition::file_bytes() const { return body_->whole.bytes().size(); }
void Partition::release_pages() const { body_->whole.release(0, file_bytes()); }

std::size_t Partition::column_index(std::string_view name) const {
  const auto found = std::ranges::find(columns(), name, &Column::name);
  if (found == columns().end()) {
    throw DataError("[partition] expected a column \"" + std::string(name) + "\", got none (" + file().string() + ")");
  }
  return static_cast<std::size_t>(found - columns().begin());
}

ByteView Partition::column(std::size_t index) const {
  if (index >= body_->columns.size()) {
    throw IndexError("[partition] expected a column below " + std::to_string(body_->columns.size()) + ", got " +
                     std::to_string(index) + " (" + file().string() + ")");
  }
  return body_->columns[index];
}

ByteView Partition::row(std::size_t index, std::int64_t row) const {
  const ByteView all = column(index);
  if (row < 0 || row >= rows()) {
    throw IndexError("[partition] expected a row below " + std::to_string(rows()) + ", got " + std::to_string(row) +
                     " (" + file().string() + ")");
  }
  const std::size_t size = body_->row_bytes[index];
  return all.subspan(static_cast<std::size_t>(row) * size, size);
}

}  // namespace hop::data
