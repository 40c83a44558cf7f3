#include <algorithm>
#include <cstring>
#include <utility>

#include "data/row_store_internal.h"

namespace hop::data {

RowStore::RowStore(std::size_t row_bytes, std::filesystem::path folder, std::size_t memory)
    : row_bytes_(row_bytes), memory_(memory), file_(std::move(folder)) {}

void RowStore::append(ByteView row, std::uint32_t beside) {
  if (!waiting_.empty() && waiting_.size() + stride() > memory_) spill();
  const std::size_t at = waiting_.size();
  waiting_.resize(at + stride());
  std::memcpy(waiting_.data() + at, row.data(), row_bytes_);
  std::memcpy(waiting_.data() + at + row_bytes_, &beside, sizeof beside);
}

void RowStore::spill() {
  file_.write_at(offset_of(stored_), waiting_);
  stored_ += waiting();
  waiting_.clear();
}

void RowStore::truncate(std::int64_t rows) noexcept {
  stored_ = std::min(stored_, rows);  // appended rows are written over those in the file behind
  waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(offset_of(rows - stored_)), waiting_.end());
}

void RowStore::replace(std::int64_t row, ByteView bytes, std::uint32_t beside) {
  std::vector<std::byte> record(bytes.begin(), bytes.end());
  record.resize(stride());
  std::memcpy(record.data() + row_bytes_, &beside, sizeof beside);
  if (row < stored_) return file_.write_at(offset_of(row), record);
  std::ranges::copy(record, waiting_.begin() + static_cast<std::ptrdiff_t>(offset_of(row - stored_)));
}

std::uint32_t RowStore::read(std::int64_t row, MutableByteView bytes) const {
  std::vector<std::byte> record(stride());
  read_many(row, record);
  std::memcpy(bytes.data(), record.data(), row_bytes_);
  std::uint32_t beside = 0;
  std::memcpy(&beside, record.data() + row_bytes_, sizeof beside);
  return beside;
}

void RowStore::read_many(std::int64_t first, MutableByteView records) const {
  const auto rows = static_cast<std::int64_t>(records.size() / stride());
  const std::int64_t in_file = std::clamp<std::int64_t>(stored_ - first, 0, rows);
  if (in_file > 0) file_.read_at(offset_of(first), records.first(offset_of(in_file)));
  if (in_file == rows) return;
  const std::byte* from = waiting_.data() + offset_of(first + in_file - stored_);
  std::memcpy(records.data() + offset_of(in_file), from, offset_of(rows - in_file));
}

}  // namespace hop::data
