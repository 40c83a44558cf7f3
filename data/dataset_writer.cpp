// write_dataset reads the source in its own order: passes to fit a table, where there is something to fit, and one for
// the digest, in which the rows are put in the order of the partitions. Then the partitions are written, the scaling is
// fitted on the way, and a rename makes the folder appear.
#include <cstring>
#include <functional>

#include "base/error.h"
#include "base/files.h"
#include "data/dataset.h"
#include "data/dataset_files_internal.h"
#include "data/encoded_rows_internal.h"
#include "data/filesystem_internal.h"
#include "data/label_counts_internal.h"
#include "data/manifest_internal.h"
#include "data/pending_folder_internal.h"
#include "data/row_blocks_internal.h"
#include "data/row_shuffle_internal.h"
#include "data/table_fit_internal.h"

namespace hop::data {
namespace {

namespace fs = std::filesystem;

// Fits scales to the training rows, in the order of the partitions.
class Fits {
 public:
  Fits(const RowSource& source, bool scales_features)
      : features_(source.feature_dtype(), source.feature_shape()),
        numbers_(DType::f32, {static_cast<std::int64_t>(source.number_names().size())}),
        fits_features_(scales_features && features_.needs_rows()),
        fits_numbers_(!source.number_names().empty()),
        feature_bytes_(source.feature_bytes()),
        label_bytes_(source.label_bytes()),
        record_bytes_(source.record_bytes()) {}

  void include(ByteView records) {
    if (!fits_features_ && !fits_numbers_) return;
    for (; !records.empty(); records = records.subspan(record_bytes_)) {
      if (fits_features_) features_.include(records.first(feature_bytes_));
      if (fits_numbers_) numbers_.include(records.subspan(record_bytes_ - label_bytes_, label_bytes_));
    }
  }
  const ScalingFit& features() const { return features_; }
  const ScalingFit& numbers() const { return numbers_; }

 private:
  ScalingFit features_, numbers_;
  bool fits_features_, fits_numbers_;
  std::size_t feature_bytes_, label_bytes_, record_bytes_;
};

// Whether some row counts. Where all weights are 0, there is nothing to learn and nothing to measure.
class Weights {
 public:
  explicit Weights(const RowSource& source)
      : counts_(!source.has_weights()), at_(source.feature_bytes()), record_bytes_(source.record_bytes()) {}
  void include(ByteView records) {
    for (std::size_t at = at_; !counts_ && at < records.size(); at += record_bytes_) {
      float weight = 0;
      std::memcpy(&weight, records.data() + at, sizeof weight);
      counts_ = weight > 0;
    }
  }
  void check(const std::string& rows) const {
    if (counts_) return;
    throw DataError("[data] expected " + rows +
                    " with weights above 0, got none: a row of weight 0 does not count; is "
                    "it the right column?");
  }

 private:
  bool counts_;
  std::size_t at_, record_bytes_;
};

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

  /// How the features are scaled that passed by `fit`.
  Scaling scaling(const ScalingFit& fit) const { return fit.result(train_->feature_names(), scales_); }

 private:
  TableSchema fit_table(const std::vector<RawColumn>& table, const Split& split) {
    TableFit fit(table);
    std::vector<float> row(static_cast<std::size_t>(train_->feature_shape().numel()));
    const std::size_t stride = train_->record_bytes();
    for (int pass = 0; pass < fit.passes(); ++pass, fit.end_pass()) {
      auto aside = split.validation.begin();
      for_each_block(*train_, [&](std::int64_t first, ByteView records) {
        for (; !records.empty(); records = records.subspan(stride), ++first) {
          if (aside != split.validation.end() && std::cmp_equal(*aside, first)) {
            ++aside;
            continue;
          }
          std::memcpy(row.data(), records.data(), row.size() * sizeof(float));
          fit.include(row);
        }
      });
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

void check_source(const RawData& source, const WriteOptions& options) {
  if (source.train == nullptr) throw DataError("[data] expected training rows, got none");
  if (options.validation.kind != Validation::Kind::file) return;
  if (source.test == nullptr) {
    throw ConfigError(
        "[data] validation = \"file\", but the source has no test file; take { tail = n } or { fraction = f }");
  }
  if (source.test->number_names().size() != source.train->number_names().size()) {
    throw DataError("[data] expected test labels like the training labels: classes, or as many numbers to predict");
  }
  if (source.test->has_weights() != source.train->has_weights()) {
    throw DataError("[data] expected test rows with weights like the training rows, or both without");
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
                        .missing = options.missing,
                        .categories = options.categories};
  provenance.notes.insert(provenance.notes.end(), rows.notes().begin(), rows.notes().end());
  if (source.rows_overlap && options.validation.kind == Validation::Kind::fraction) {
    provenance.notes.emplace_back(
        "neighbouring rows overlap, so validation rows drawn at random are known to the models from training: "
        "validation = { tail = N } measures what is new to them");
  }
  return provenance;
}

// The class of each row.
std::vector<std::uint32_t> classes_of(const RowSource& source) {
  if (!source.number_names().empty()) {
    throw ConfigError("[data] validation: expected classes for a stratified fraction, got numbers to predict");
  }
  std::vector<std::uint32_t> classes;
  const std::size_t stride = source.record_bytes();
  for_each_block(source, [&](std::int64_t, ByteView records) {
    for (std::size_t end = stride; end <= records.size(); end += stride) {
      std::int64_t label = 0;
      std::memcpy(&label, records.data() + end - sizeof label, sizeof label);
      classes.push_back(static_cast<std::uint32_t>(label));
    }
  });
  return classes;
}

Split split_of(const RawData& source, const WriteOptions& options) {
  check_source(source, options);
  std::vector<std::uint32_t> classes;
  if (options.validation.stratified) classes = classes_of(*source.train);
  return split_rows(source.train->rows(), options.partitions, options.validation, options.seed, options.shuffle,
                    classes);
}

// The first part of a digest: columns, classes and the options that decide the split.
std::string description_of(const Rows& rows, const WriteOptions& options) {
  const RowSource& train = rows.train();
  std::string text = std::to_string(options.partitions) + " " + options.validation.to_string() + " " +
                     std::to_string(options.seed) + (options.shuffle ? " shuffled " : " in order ") +
                     std::string(name(train.feature_dtype())) + train.feature_shape().to_string() +
                     std::to_string(train.classes());
  for (const std::string& number : train.number_names()) text += "\nnumber " + number;
  for (const std::string& class_name : train.class_names()) text += "\n" + class_name;
  if (train.has_weights()) text += "\nweights";
  if (rows.schema() && !rows.schema()->is_plain()) {
    for (const std::string& feature : train.feature_names()) text += "\n" + feature;
    for (const TableColumn& column : rows.schema()->columns) {
      if (!column.is_index()) continue;
      for (const std::string& word : column.words) text += "\n" + column.name + "=" + word;
    }
  }
  return text;
}

bool takes_test_rows(const WriteOptions& options) { return options.validation.kind == Validation::Kind::file; }

// `use` sees the training rows, too.
Digest digest_of(const Rows& rows, const WriteOptions& options, const UseRows& use) {
  DigestStream stream;
  stream.update(as_bytes(description_of(rows, options)));
  const auto include = [&](const RowSource& source, const UseRows& also) {
    stream.update(as_bytes("\n" + std::to_string(source.rows()) + "\n"));
    for_each_block(source, [&](std::int64_t first, ByteView records) {
      stream.update(records);
      also(first, records);
    });
  };
  include(rows.train(), use);
  if (takes_test_rows(options)) include(*rows.test(), [](std::int64_t, ByteView) {});
  return stream.digest();
}

// ---- the partitions

// Where each row of the source is written: partition by partition, then the validation rows.
std::vector<std::uint32_t> places_of(const Split& split, std::int64_t rows) {
  std::vector<std::uint32_t> places(static_cast<std::size_t>(rows));
  std::uint32_t next = 0;
  for (const auto& partition : split.partitions) {
    for (const std::uint32_t row : partition) places[row] = next++;
  }
  for (const std::uint32_t row : split.validation) places[row] = next++;
  return places;
}

}  // namespace

Digest dataset_digest(const RawData& source, const WriteOptions& options) {
  return digest_of(Rows(source, split_of(source, options)), options, [](std::int64_t, ByteView) {});
}

Dataset write_dataset(const RawData& source, const fs::path& folder, const WriteOptions& options) {
  Split split = split_of(source, options);
  return with_data_errors([&] {
    PendingFolder pending(folder);
    const Rows rows(source, split);
    const RowSource& train = rows.train();
    Manifest manifest;
    manifest.name = options.name;
    manifest.target = target_of(train);
    manifest.columns = columns_of(train);
    manifest.table = rows.schema();
    if (manifest.table) manifest.table->separator = source.separator;
    manifest.provenance = provenance_of(source, options, rows);

    const std::size_t record_bytes = train.record_bytes();
    RowShuffle shuffle(record_bytes, places_of(split, train.rows()), pending.path());
    std::vector<std::size_t> sizes;  // of the partitions: there may be many rows, whose order is in `shuffle` now
    for (auto& partition : split.partitions) sizes.push_back(std::exchange(partition, {}).size());
    const auto tell = [&](const char* what, std::int64_t done) {
      if (!options.on_progress) return;
      options.on_progress(what, static_cast<double>(done) / static_cast<double>(train.rows()));
    };
    manifest.digest = digest_of(rows, options, [&](std::int64_t first, ByteView records) {
      shuffle.append(records);
      tell("orders the rows", first);
    });

    Fits fits(train, !options.scale);
    Weights of_training(train), of_validation(train);
    LabelCounts labels(manifest.target);
    DatasetFiles files(pending.path(), {.columns = manifest.columns,
                                        .classes = manifest.target.classes,
                                        .class_names = manifest.target.class_names,
                                        .dataset = manifest.digest});
    std::int64_t written = 0;
    for (const std::size_t size : sizes) {
      manifest.partitions.push_back(files.write_partition(size, shuffle, [&](ByteView records) {
        fits.include(records);
        of_training.include(records);
        labels.include_training(records, record_bytes);
        written += static_cast<std::int64_t>(records.size() / record_bytes);
        tell("writes the rows", written);
      }));
      manifest.rows += manifest.partitions.back().rows;
    }
    of_training.check("training rows");
    const auto validate = [&](ByteView records) {
      of_validation.include(records);
      labels.include_validation(records, record_bytes);
    };
    manifest.validation = takes_test_rows(options) ? files.write_validation(*rows.test(), validate)
                                                   : files.write_validation(split.validation.size(), shuffle, validate);
    if (manifest.validation) of_validation.check("validation rows");
    manifest.scale = options.scale ? scale_all(*options.scale, manifest.table) : rows.scaling(fits.features());
    manifest.target.columns = fits.numbers().targets(train.number_names());
    for (std::string& warning : labels.warnings(manifest.target)) {
      manifest.provenance.notes.push_back(std::move(warning));
    }
    write_file_atomically(pending.path() / kManifestFile, as_bytes(to_json(manifest)), raise<DataError>);
    return Dataset::open(pending.commit());
  });
}

}  // namespace hop::data
