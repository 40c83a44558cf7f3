// write_dataset: passes over the source to fit a table and the scaling, one for the digest, one to write the
// partitions, a rename at the end.
#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "base/files.h"
#include "data/dataset.h"
#include "data/encoded_rows_internal.h"
#include "data/filesystem_internal.h"
#include "data/manifest_internal.h"
#include "data/partition_writer.h"
#include "data/pending_folder_internal.h"
#include "data/table_fit_internal.h"

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

// The rows that are written: those of the source, or those of a table with its schema.
class Rows {
 public:
  Rows(const RawData& source, const Split& split) : train_(source.train.get()), test_(source.test.get()) {
    const std::vector<RawColumn> table = train_->table();
    if (table.empty()) return;
    schema_ = fit_table(table, split);
    scales_ = scales_of(table, *schema_);
    if (schema_->is_plain()) return;
    encoded_train_.emplace(*train_, *schema_);
    train_ = &*encoded_train_;
    if (test_ != nullptr) test_ = &encoded_test_.emplace(*test_, *schema_);
  }

  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  const RowSource& train() const { return *train_; }
  const RowSource* test() const { return test_; }
  const std::optional<TableSchema>& schema() const { return schema_; }
  const std::vector<std::string>& notes() const { return notes_; }

  Scaling fit_scaling(const Split& split) const {
    ScalingFit fit(train_->feature_dtype(), train_->feature_shape());
    if (fit.needs_rows()) {
      RowReader reader(*train_);
      for (const auto& partition : split.partitions) {
        for (const std::uint32_t row : partition) fit.include(reader.read(row)[0]);
      }
    }
    return fit.result(train_->feature_names(), scales_);
  }

 private:
  TableSchema fit_table(const std::vector<RawColumn>& table, const Split& split) {
    TableFit fit(table);
    std::vector<float> row(static_cast<std::size_t>(train_->feature_shape().numel()));
    for (int pass = 0; pass < fit.passes(); ++pass, fit.end_pass()) {
      for (const auto& partition : split.partitions) {
        for (const std::uint32_t number : partition) {
          train_->read(number, std::as_writable_bytes(std::span(row)));
          fit.include(row);
        }
      }
    }
    return fit.result(notes_);
  }

  const RowSource* train_;
  const RowSource* test_;
  std::optional<TableSchema> schema_;
  std::vector<ColumnScale> scales_;
  std::optional<EncodedRows> encoded_train_, encoded_test_;
  std::vector<std::string> notes_;
};

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

Provenance provenance_of(const RawData& source, const WriteOptions& options, const Rows& rows) {
  Provenance provenance{.format = source.format,
                        .files = source.files,
                        .label = options.label,
                        .validation = options.validation.to_string(),
                        .seed = options.seed,
                        .shuffled = options.shuffle,
                        .notes = source.notes,
                        .columns = options.columns,
                        .missing = options.missing};
  provenance.notes.insert(provenance.notes.end(), rows.notes().begin(), rows.notes().end());
  return provenance;
}

void write_partitions(const Rows& source, const Split& split, PartitionHeader header, const Validation& validation,
                      const fs::path& folder, Manifest& manifest) {
  for (std::size_t i = 0; i < split.partitions.size(); ++i) {
    header.index = static_cast<std::uint32_t>(i);
    manifest.partitions.push_back(write_rows(source.train(), split.partitions[i], header, folder, partition_file(i)));
    manifest.rows += manifest.partitions.back().rows;
  }
  const bool own_file = validation.kind == Validation::Kind::file;
  const RowSource& from = own_file ? *source.test() : source.train();
  const std::vector<std::uint32_t> rows = own_file ? ascending_rows(from.rows()) : split.validation;
  header.index = kValidationIndex;
  if (!rows.empty()) manifest.validation = write_rows(from, rows, header, folder, "valid.hopd");
}

Split split_of(const RawData& source, const WriteOptions& options) {
  check_source(source, options);
  return split_rows(source.train->rows(), options.partitions, options.validation, options.seed, options.shuffle);
}

Digest digest_of(const Rows& rows, const WriteOptions& options) {
  DigestStream stream;
  const RowSource& train = rows.train();
  std::string text = std::to_string(options.partitions) + " " + options.validation.to_string() + " " +
                     std::to_string(options.seed) + (options.shuffle ? " shuffled " : " in order ") +
                     std::string(name(train.feature_dtype())) + train.feature_shape().to_string() +
                     std::to_string(train.classes());
  for (const std::string& class_name : train.class_names()) text += "\n" + class_name;
  if (rows.schema() && !rows.schema()->is_plain()) {
    for (const std::string& feature : train.feature_names()) text += "\n" + feature;
  }
  stream.update(as_bytes(text));
  const bool with_test = options.validation.kind == Validation::Kind::file;
  for (const RowSource* source : {&train, with_test ? rows.test() : nullptr}) {
    if (source == nullptr) continue;
    stream.update(as_bytes("\n" + std::to_string(source->rows()) + "\n"));
    RowReader reader(*source);
    for (std::int64_t row = 0; row < source->rows(); ++row) {
      for (const ByteView bytes : reader.read(row)) stream.update(bytes);
    }
  }
  return stream.digest();
}

}  // namespace

Digest dataset_digest(const RawData& source, const WriteOptions& options) {
  return digest_of(Rows(source, split_of(source, options)), options);
}

Dataset write_dataset(const RawData& source, const fs::path& folder, const WriteOptions& options) {
  const Split split = split_of(source, options);
  return with_data_errors([&] {
    PendingFolder pending(folder);
    const Rows rows(source, split);
    Manifest manifest;
    manifest.name = options.name;
    manifest.columns = columns_of(rows.train());
    manifest.target = {.classes = rows.train().classes(), .class_names = rows.train().class_names()};
    manifest.digest = digest_of(rows, options);
    manifest.scale = options.scale ? Scaling(*options.scale) : rows.fit_scaling(split);
    manifest.table = rows.schema();
    manifest.provenance = provenance_of(source, options, rows);
    const PartitionHeader header{.columns = manifest.columns,
                                 .classes = manifest.target.classes,
                                 .class_names = manifest.target.class_names,
                                 .dataset = manifest.digest};
    write_partitions(rows, split, header, options.validation, pending.path(), manifest);
    write_file_atomically(pending.path() / kManifestFile, as_bytes(to_json(manifest)), raise<DataError>);
    return Dataset::open(pending.commit());
  });
}

}  // namespace hop::data
