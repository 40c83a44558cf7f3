// Rows come in the order of a source and leave in the order in which they are written. Memory does not follow their
// number, but for four bytes per row.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/bytes.h"
#include "data/scratch_file_internal.h"

namespace hop::data {

/// Distributes rows to buckets: bucket b holds the rows of the places b n, b n + 1, .., b n + n - 1, in the order in
/// which they came. A bucket is small enough to be put in order in memory. Rows that all fit in memory are one bucket;
/// otherwise the buckets lie in a file, which is written and read in large pieces.
class RowShuffle {
 public:
  /// `places`: of each row to come, a permutation of 0 .. rows - 1. `folder`: of the file. `memory`: in bytes.
  RowShuffle(std::size_t row_bytes, std::vector<std::uint32_t> places, std::filesystem::path folder,
             std::size_t memory = 64 << 20);

  /// The next rows. append() and take() throw DataError if the disk fails.
  void append(ByteView rows);
  /// After the last row has come: the next rows in the order of their places, at least one and at most `most`. They are
  /// valid until the next call.
  ByteView take(std::size_t most);

 private:
  struct Bucket {
    std::size_t waiting = 0, stored = 0;  // rows
  };
  std::size_t record_bytes() const { return sizeof(std::uint32_t) + row_bytes_; }
  bool is_one() const { return buckets_.size() == 1; }
  std::byte* waiting_of(std::size_t bucket) { return waiting_.data() + bucket * chunk_rows_ * record_bytes(); }
  std::uint64_t place_in_file(std::size_t bucket, std::size_t row) const;
  void put(std::uint32_t place, const std::byte* row);
  void spill(std::size_t bucket);
  void open(std::size_t bucket);

  std::size_t row_bytes_;
  std::vector<std::uint32_t> places_;
  std::size_t came_ = 0, taken_ = 0;  // rows
  std::size_t bucket_rows_ = 0, chunk_rows_ = 0;
  std::vector<Bucket> buckets_;
  std::vector<std::byte> waiting_;  // of each bucket a chunk of records: the place in the bucket, the row
  std::vector<std::byte> ordered_;  // the rows of one bucket, in order
  ScratchFile file_;
};

}  // namespace hop::data
