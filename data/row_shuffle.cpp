#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "data/row_shuffle_internal.h"

namespace hop::data {
namespace {

constexpr std::size_t kChunkBytes = 64 << 10;  // of a bucket, until they are written
constexpr std::size_t kLeastBucket = 16 << 20;

// The memory is a chunk per bucket and two buckets. Both grow with the root of the rows' size.
std::size_t bucket_bytes(std::size_t all_bytes, std::size_t memory) {
  if (all_bytes <= memory) return all_bytes;
  const auto root = static_cast<std::size_t>(std::sqrt(static_cast<double>(all_bytes) * kChunkBytes));
  return std::max(std::min(kLeastBucket, memory), root);
}

}  // namespace

RowShuffle::RowShuffle(std::size_t row_bytes, std::vector<std::uint32_t> places, std::filesystem::path folder,
                       std::size_t memory)
    : row_bytes_(row_bytes), places_(std::move(places)), file_(std::move(folder)) {
  const std::size_t rows = std::max<std::size_t>(places_.size(), 1);
  bucket_rows_ = std::clamp<std::size_t>(bucket_bytes(rows * row_bytes_, memory) / row_bytes_, 1, rows);
  buckets_.resize((rows - 1) / bucket_rows_ + 1);
  ordered_.resize(bucket_rows_ * row_bytes_);
  if (is_one()) return;
  chunk_rows_ = std::max<std::size_t>(kChunkBytes / record_bytes(), 1);
  waiting_.resize(buckets_.size() * chunk_rows_ * record_bytes());
}

std::uint64_t RowShuffle::place_in_file(std::size_t bucket, std::size_t row) const {
  return (static_cast<std::uint64_t>(bucket) * bucket_rows_ + row) * record_bytes();
}

void RowShuffle::append(ByteView rows) {
  for (std::size_t at = 0; at < rows.size(); at += row_bytes_) put(places_[came_++], rows.data() + at);
}

void RowShuffle::put(std::uint32_t place, const std::byte* row) {
  if (is_one()) {
    std::memcpy(ordered_.data() + place * row_bytes_, row, row_bytes_);
    return;
  }
  const std::size_t bucket = place / bucket_rows_;
  const auto in_bucket = static_cast<std::uint32_t>(place % bucket_rows_);
  std::byte* to = waiting_of(bucket) + buckets_[bucket].waiting * record_bytes();
  std::memcpy(to, &in_bucket, sizeof in_bucket);
  std::memcpy(to + sizeof in_bucket, row, row_bytes_);
  if (++buckets_[bucket].waiting == chunk_rows_) spill(bucket);
}

void RowShuffle::spill(std::size_t bucket) {
  Bucket& b = buckets_[bucket];
  file_.write_at(place_in_file(bucket, b.stored), ByteView(waiting_of(bucket), b.waiting * record_bytes()));
  b.stored += std::exchange(b.waiting, 0);
}

// Brings the rows of a bucket into their order.
void RowShuffle::open(std::size_t bucket) {
  const Bucket& b = buckets_[bucket];
  const auto place_records = [&](ByteView records) {
    for (std::size_t at = 0; at < records.size(); at += record_bytes()) {
      std::uint32_t place = 0;
      std::memcpy(&place, records.data() + at, sizeof place);
      std::memcpy(ordered_.data() + place * row_bytes_, records.data() + at + sizeof place, row_bytes_);
    }
  };
  std::vector<std::byte> piece(chunk_rows_ * record_bytes());
  for (std::size_t row = 0; row < b.stored; row += chunk_rows_) {  // they were written chunk by chunk
    file_.read_at(place_in_file(bucket, row), piece);
    place_records(piece);
  }
  place_records(ByteView(waiting_of(bucket), b.waiting * record_bytes()));
}

ByteView RowShuffle::take(std::size_t most) {
  places_ = {};
  const std::size_t bucket = taken_ / bucket_rows_, row = taken_ % bucket_rows_;
  if (row == 0 && !is_one()) open(bucket);
  const std::size_t rows = std::min({most, bucket_rows_ - row, came_ - taken_});
  taken_ += rows;
  return ByteView(ordered_).subspan(row * row_bytes_, rows * row_bytes_);
}

}  // namespace hop::data
