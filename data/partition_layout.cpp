#include <algorithm>
#include <limits>

#include "base/error.h"
#include "data/partition_layout_internal.h"

namespace hop::data {
namespace {

// Far above any real file, and far below an overflow of the sums in this file.
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 50;
constexpr std::int64_t kMaxRows = std::numeric_limits<std::uint32_t>::max();  // rows are numbered by 32 bits

void check(bool valid, const std::string& message) {
  if (!valid) throw DataError("[partition] " + message);
}

std::uint64_t checked_product(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  check(!__builtin_mul_overflow(a, b, &product) && product <= kMaxBytes, "expected a column below 2^50 bytes");
  return product;
}

ColumnExtent extent_of(const Column& column, const PartitionHeader& header, std::uint64_t offset) {
  std::uint64_t bytes = checked_product(static_cast<std::uint64_t>(header.rows), size_of(column.dtype));
  for (const std::int64_t size : column.shape) {
    check(size >= 1, "expected sizes of at least 1 in column \"" + column.name + "\", got " + column.shape.to_string());
    bytes = checked_product(bytes, static_cast<std::uint64_t>(size));
  }
  const std::uint64_t padded = align_up(bytes);
  return {offset, bytes, padded, (padded + header.block_bytes - 1) / header.block_bytes};
}

void check_names(const std::vector<Column>& columns) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    check(!columns[i].name.empty(), "expected a name for column " + std::to_string(i));
    for (std::size_t j = 0; j < i; ++j) {
      check(columns[i].name != columns[j].name, "expected one column \"" + columns[i].name + "\", got two");
    }
  }
}

}  // namespace

std::uint32_t crc_of(const Prologue& prologue) {
  return crc32c(std::as_bytes(std::span(&prologue, 1)).first(offsetof(Prologue, prologue_crc)));
}

Layout layout_of(const PartitionHeader& header) {
  check(header.rows >= 1 && header.rows <= kMaxRows, "expected 1 to 2^32 - 1 rows, got " + std::to_string(header.rows));
  check(!header.columns.empty() && header.columns.size() <= kMaxColumns,
        "expected 1 to 64 columns, got " + std::to_string(header.columns.size()));
  check(std::has_single_bit(header.block_bytes) && header.block_bytes >= kMinBlockBytes &&
            header.block_bytes <= kMaxBlockBytes,
        "expected blocks of a power of two from 64 bytes to 16 MiB, got " + std::to_string(header.block_bytes));
  check(header.classes >= 0, "expected at least 0 classes, got " + std::to_string(header.classes));
  check(header.class_names.empty() || header.class_names.size() == static_cast<std::size_t>(header.classes),
        "expected one name per class, got " + std::to_string(header.class_names.size()) + " for " +
            std::to_string(header.classes));
  check_names(header.columns);
  Layout layout;
  for (const Column& column : header.columns) {
    layout.columns.push_back(extent_of(column, header, layout.bytes));
    layout.bytes += layout.columns.back().padded;
  }
  return layout;
}

}  // namespace hop::data
