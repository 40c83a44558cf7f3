// One partition: a file of typed columns that a node owns, maps into memory and never sends away.
//
//   offset 0     prologue, 32 bytes: magic "HOPD", format version, sizes, CRC-32C of itself and of the header
//   offset 32    header, FlatBuffers (partition.fbs): columns, rows, class names, data set digest, CRC-32C per block
//   4096-aligned column 0, then every further column on a 64-byte boundary; gaps are zero
//
// Each byte of the file lies under exactly one checksum: the prologue's, the header's (with its padding) or a block's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "data/schema.h"

namespace hop::data {

inline constexpr std::uint32_t kPartitionVersion = 1;
/// PartitionHeader::index of the validation file.
inline constexpr std::uint32_t kValidationIndex = 0xFFFFFFFF;

/// Whether `Partition::open` reads every block and compares its CRC-32C. The header is always checked.
enum class Verify : std::uint8_t { no, yes };

/// The description of a partition in its file.
struct PartitionHeader {
  std::int64_t rows = 0;
  std::vector<Column> columns = {};
  std::int64_t classes = 0;                   ///< labels are 0 .. classes - 1
  std::vector<std::string> class_names = {};  ///< empty, or one per class
  Digest dataset = {};                        ///< of the data set that this is a part of
  std::uint32_t index = 0;                    ///< its place in the data set, or kValidationIndex
  std::uint32_t block_bytes = 64 << 10;       ///< bytes under one CRC-32C; the last block may be shorter
};

/// An open partition: a shared handle to a read-only mapping, or to bytes in memory. Copies are cheap; any number of
/// threads may read. The file must not be changed while it is open: partitions are replaced by rename, never written in
/// place.
class Partition {
 public:
  /// Maps the file and checks magic, version, sizes and header, and with Verify::yes every block, before anything is
  /// used. Throws DataError that names the file, the offset and the block.
  static Partition open(const std::filesystem::path& file, Verify verify = Verify::yes);
  /// The same of the bytes of such a file, which came from elsewhere. `name` stands for the file in errors.
  static Partition of_bytes(AlignedBuffer bytes, const std::filesystem::path& name, Verify verify = Verify::yes);

  const PartitionHeader& header() const;
  std::int64_t rows() const { return header().rows; }
  const std::vector<Column>& columns() const { return header().columns; }
  /// The place of a column in columns(). Throws DataError when there is none of that name.
  std::size_t column_index(std::string_view name) const;

  /// All rows of a column, one after the other, as they lie in the file.
  ByteView column(std::size_t index) const;
  /// One row of a column. Throws IndexError when there is no such row.
  ByteView row(std::size_t column, std::int64_t row) const;

  const std::filesystem::path& file() const;
  std::size_t file_bytes() const;
  /// All bytes of the file.
  ByteView bytes() const;
  /// Tells the kernel that this process does not need the mapped pages for now: they leave its resident set, not the
  /// page cache. Never changes what is read. Does nothing to a partition of bytes.
  void release_pages() const;

 private:
  struct Body;
  static Partition read(std::shared_ptr<Body> body, Verify verify);
  explicit Partition(std::shared_ptr<const Body> body) : body_(std::move(body)) {}
  std::shared_ptr<const Body> body_;
};

}  // namespace hop::data
