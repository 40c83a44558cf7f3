#include <array>
#include <cstdio>
#include <string>
#include <utility>

#include "data/dataset_files_internal.h"
#include "data/partition_writer.h"
#include "data/row_blocks_internal.h"

namespace hop::data {
namespace {

constexpr const char* kValidationFile = "valid.hopd";

std::string partition_file(std::uint32_t index) {
  char name[32];
  std::snprintf(name, sizeof name, "part-%05u.hopd", index);
  return name;
}

}  // namespace

Target target_of(const RowSource& rows) {
  Target target{.classes = rows.classes(), .class_names = rows.class_names()};
  for (const std::string& name : rows.number_names()) target.columns.push_back({.name = name});
  target.kind = target.columns.empty() ? TargetKind::classes : TargetKind::numbers;
  return target;
}

std::vector<Column> columns_of(const RowSource& rows) {
  std::vector<Column> columns = {{std::string(kFeatureColumn), rows.feature_dtype(), rows.feature_shape()},
                                 target_of(rows).column()};
  if (rows.has_weights()) columns.push_back(weight_column());
  return columns;
}

// One file.
class DatasetFiles::Writer {
 public:
  Writer(const std::filesystem::path& folder, std::string file, const PartitionHeader& header)
      : entry_{.file = std::move(file), .rows = header.rows},
        features_(header.columns[0].row_bytes()),
        label_(header.columns[1].row_bytes()),
        weight_(header.columns.size() > 2 ? header.columns[2].row_bytes() : 0),
        writer_(folder / entry_.file, header) {}

  std::size_t record_bytes() const { return features_ + weight_ + label_; }
  void append(ByteView records) {
    for (; !records.empty(); records = records.subspan(record_bytes())) {
      const std::array columns = {records.first(features_), records.subspan(features_ + weight_, label_),
                                  records.subspan(features_, weight_)};
      writer_.append(std::span(columns).first(weight_ > 0 ? 3 : 2));
    }
  }
  PartitionEntry finish() {
    const WrittenPartition written = writer_.finish();
    entry_.bytes = written.bytes;
    entry_.digest = written.digest;
    return std::move(entry_);
  }

 private:
  PartitionEntry entry_;
  std::size_t features_, label_, weight_;
  PartitionWriter writer_;
};

DatasetFiles::Writer DatasetFiles::begin(const std::string& file, std::uint32_t index, std::int64_t rows) {
  header_.index = index;
  header_.rows = rows;
  return Writer(folder_, file, header_);
}

PartitionEntry DatasetFiles::write_partition(std::size_t rows, RowShuffle& shuffle, const Use& use) {
  Writer writer = begin(partition_file(next_), next_, static_cast<std::int64_t>(rows));
  ++next_;
  return write(writer, rows, shuffle, use);
}

std::optional<PartitionEntry> DatasetFiles::write_validation(std::size_t rows, RowShuffle& shuffle, const Use& use) {
  if (rows == 0) return std::nullopt;
  Writer writer = begin(kValidationFile, kValidationIndex, static_cast<std::int64_t>(rows));
  return write(writer, rows, shuffle, use);
}

std::optional<PartitionEntry> DatasetFiles::write_validation(const RowSource& rows, const Use& use) {
  if (rows.rows() == 0) return std::nullopt;
  return write_all(kValidationIndex, rows, use);
}

PartitionEntry DatasetFiles::write_all(std::uint32_t index, const RowSource& rows, const Use& use) {
  Writer writer = begin(index == kValidationIndex ? kValidationFile : partition_file(index), index, rows.rows());
  for_each_block(rows, [&](std::int64_t, ByteView records) {
    use(records);
    writer.append(records);
  });
  return writer.finish();
}

PartitionEntry DatasetFiles::write(Writer& writer, std::size_t rows, RowShuffle& shuffle, const Use& use) {
  while (rows > 0) {
    const ByteView records = shuffle.take(rows);
    rows -= records.size() / writer.record_bytes();
    use(records);
    writer.append(records);
  }
  return writer.finish();
}

}  // namespace hop::data
