// The places of all parts of a partition file: one function of the header, used by the writer and checked by the
// reader.
#pragma once

#include <bit>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "data/partition.h"

namespace hop::data {

static_assert(std::endian::native == std::endian::little, "partition files are little-endian and mapped as they are");

inline constexpr std::uint32_t kPartitionMagic = 0x44504F48;  // "HOPD"
inline constexpr std::size_t kFirstColumnAlignment = 4096;
inline constexpr std::uint32_t kMinBlockBytes = 64;
inline constexpr std::uint32_t kMaxBlockBytes = 16 << 20;
inline constexpr std::size_t kMaxColumns = 64;

/// The first 32 bytes of the file. The header's checksum covers everything from here to the first column.
struct Prologue {
  std::uint32_t magic = kPartitionMagic;
  std::uint32_t version = kPartitionVersion;
  std::uint64_t file_bytes = 0;
  std::uint32_t header_bytes = 0;
  std::uint32_t header_crc = 0;
  std::uint32_t reserved = 0;
  std::uint32_t prologue_crc = 0;  ///< of the 28 bytes before it
};
static_assert(sizeof(Prologue) == 32);

std::uint32_t crc_of(const Prologue& prologue);

struct ColumnExtent {
  std::uint64_t offset = 0;  ///< from the start of the columns
  std::uint64_t bytes = 0;   ///< of the rows
  std::uint64_t padded = 0;  ///< with the zeros up to the next 64-byte boundary
  std::uint64_t blocks = 0;
};

struct Layout {
  std::vector<ColumnExtent> columns;
  std::uint64_t bytes = 0;  ///< of all columns
};

/// Throws DataError (without a file name) for a header that no file can have: counts, names, shapes or sizes out of
/// range. Memory for these numbers is allocated only after the checks.
Layout layout_of(const PartitionHeader& header);

constexpr std::uint64_t first_column_offset(std::uint64_t header_bytes) {
  return align_up(sizeof(Prologue) + header_bytes, kFirstColumnAlignment);
}

using BlockCrcs = std::vector<std::vector<std::uint32_t>>;  ///< per column, per block

/// The header as FlatBuffers. Its size depends on the layout only, not on the checksums.
std::string encode_header(const PartitionHeader& header, const Layout& layout, const BlockCrcs& crcs);

struct DecodedHeader {
  PartitionHeader header;
  Layout layout;
  std::uint64_t first_column = 0;  ///< offset in the file
  BlockCrcs crcs;
};

/// Throws DataError (without a file name) for bytes that are not a header.
DecodedHeader decode_header(ByteView bytes);

}  // namespace hop::data
