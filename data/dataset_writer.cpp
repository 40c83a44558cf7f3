// write_dataset: one pass over the source for its digest and range, one to write the partitions, a rename at the end.
#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "base/files.h"
#include "data/dataset.h"
#include "data/filesystem_internal.h"
#include "data/manifest_internal.h"
#include "data/partition_writer.h"
#include "data/pending_folder_internal.h"

namespace hop::data {
namespace {

namespace fs = std::filesystem;

// Reads rows of a source into one buffer and holds their labels to the promise of RowSource.
class RowReader {
 public:
  explicit RowReader(const RowSource& source)
      : source_(source),
        features_(static_cast<std::size_t>(source.feature_shape().numel()) * size_of(source.feature_dtype())) {}

  std::array<ByteView, 2> read(std::int64_t row) {
    label_ = source_.read(row, features_.span());
    if (label_ < 0 || label_ >= source_.classes()) {
      throw DataError("[data] expected a label below " + std::to_string(source_.classes()) + ", got " +
                      std::to_string(label_) + " (row " + std::to_string(row) + " of the source)");
    }
    return {features_.span(), std::as_bytes(std::span(&label_, 1))};
  }

 private:
  const RowSource& source_;
  AlignedBuffer features_;
  std::int64_t label_ = 0;
};

std::vector<Column> columns_of(const RowSource& source) {
  return {{std::string(kFeatureColumn), source.feature_dtype(), source.feature_shape()},
          {std::string(kLabelColumn), DType::i64, {}}};
}

Scaling fit_scaling(const RowSource& train, const Split& split) {
  ScalingFit fit(train.feature_dtype(), train.feature_shape());
  if (fit.needs_rows()) {
    RowReader reader(train);
    for (const auto& partition : split.partitions) {
      for (const std::uint32_t row : partition) fit.include(reader.read(row)[0]);
    }
  }
  return fit.result(train.feature_names());
}

PartitionEntry write_rows(const RowSource& source, std::span<const std::uint32_t> rows, PartitionHeader header,
                          const fs::path& folder, const std::string& file) {
  header.rows = static_cast<std::int64_t>(rows.size());
  PartitionWriter writer(folder / file, header);
  RowReader reader(source);
  for (const std::uint32_t row : rows) writer.append(reader.read(row));
  const WrittenPartition written = writer.finish();
  return {file, header.rows, written.bytes, written.digest};
}

std::string partition_file(std::size_t index) {
  char name[32];
  std::snprintf(name, sizeof name, "part-%05zu.hopd", index);
  return name;
}

void check_source(const RawData& source, const WriteOptions& options) {
  if (source.train == nullptr) throw DataError("[data] expected training rows, got none");
  if (options.validation.kind != Validation::Kind::file) return;
  if (source.test == nullptr) {
    throw ConfigError(
        "[data] validation = \"file\", but the source has no test file; take { tail = n } or { fraction = f }");
  }
  if (source.test->feature_shape() != source.train->feature_shape() ||
      source.test->feature_dtype() != source.train->feature_dtype()) {
    throw DataError("[data] expected test rows like the training rows, " + source.train->feature_shape().to_string() +
                    ", got " + source.test->feature_shape().to_string());
  }
}

Provenance provenance_of(const RawData& source, const WriteOptions& options) {
  return {source.format, source.files,    options.label, options.validation.to_string(),
          options.seed,  options.shuffle, source.notes};
}

void write_partitions(const RawData& source, const Split& split, PartitionHeader header, const Validation& validation,
                      const fs::path& folder, Manifest& manifest) {
  for (std::size_t i = 0; i < split.partitions.size(); ++i) {
    header.index = static_cast<std::uint32_t>(i);
    manifest.partitions.push_back(write_rows(*source.train, split.partitions[i], header, folder, partition_file(i)));
    manifest.rows += manifest.partitions.back().rows;
  }
  const bool own_file = validation.kind == Validation::Kind::file;
  const RowSource& from = own_file ? *source.test : *source.train;
  const std::vector<std::uint32_t> rows = own_file ? ascending_rows(from.rows()) : split.validation;
  header.index = kValidationIndex;
  if (!rows.empty()) manifest.validation = write_rows(from, rows, header, folder, "valid.hopd");
}

}  // namespace

Digest dataset_digest(const RawData& source, const WriteOptions& options) {
  check_source(source, options);
  DigestStream stream;
  std::string text = std::to_string(options.partitions) + " " + options.validation.to_string() + " " +
                     std::to_string(options.seed) + (options.shuffle ? " shuffled " : " in order ") +
                     std::string(name(source.train->feature_dtype())) + source.train->feature_shape().to_string() +
                     std::to_string(source.train->classes());
  for (const std::string& class_name : source.train->class_names()) text += "\n" + class_name;
  stream.update(as_bytes(text));
  const bool with_test = options.validation.kind == Validation::Kind::file;
  for (const RowSource* rows : {source.train.get(), with_test ? source.test.get() : nullptr}) {
    if (rows == nullptr) continue;
    stream.update(as_bytes("\n" + std::to_string(rows->rows()) + "\n"));
    RowReader reader(*rows);
    for (std::int64_t row = 0; row < rows->rows(); ++row) {
      for (const ByteView bytes : reader.read(row)) stream.update(bytes);
    }
  }
  return stream.digest();
}

Dataset write_dataset(const RawData& source, const fs::path& folder, const WriteOptions& options) {
  check_source(source, options);
  const Split split =
      split_rows(source.train->rows(), options.partitions, options.validation, options.seed, options.shuffle);
  return with_data_errors([&] {
    PendingFolder pending(folder);
    Manifest manifest;
    manifest.name = options.name;
    manifest.columns = columns_of(*source.train);
    manifest.classes = source.train->classes();
    manifest.class_names = source.train->class_names();
    manifest.digest = dataset_digest(source, options);
    manifest.scale = options.scale ? Scaling(*options.scale) : fit_scaling(*source.train, split);
    manifest.provenance = provenance_of(source, options);
    const PartitionHeader header{.columns = manifest.columns,
                                 .classes = manifest.classes,
                                 .class_names = manifest.class_names,
                                 .dataset = manifest.digest};
    write_partitions(source, split, header, options.validation, pending.path(), manifest);
    write_file_atomically(pending.path() / kManifestFile, as_bytes(to_json(manifest)), raise<DataError>);
    return Dataset::open(pending.commit());
  });
}

}  // namespace hop::data
