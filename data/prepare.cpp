#include "data/prepare.h"

#include <algorithm>

#include "base/error.h"
#include "data/filesystem_internal.h"
#include "data/formats/csv_separator.h"
#include "data/glyphs.h"
#include "data/manifest_internal.h"
#include "data/mapped_file.h"
#include "data/scratch_file_internal.h"

namespace hop::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kGlyphs = "glyphs", kText = "text";

// The name of the last folder or file of a path, without an extension.
std::string stem_of(const fs::path& path) {
  const fs::path last = path.has_filename() ? path.filename() : path.parent_path().filename();
  return last.empty() ? "data" : name_in_manifest(last.stem());
}

// Rows of a text overlap. Of the last ones no label is part of a row before them; of random ones every label is.
Validation default_validation(const RawData& raw) {
  if (raw.test != nullptr) return Validation::file();
  if (!raw.rows_overlap) return Validation::fraction(0.1);
  return Validation::tail(std::max<std::int64_t>(raw.train->rows() / 10, 1));
}

WriteOptions write_options(const RawData& raw, const ImportOptions& options, const std::string& name) {
  const bool is_table = raw.format == "csv";
  return {.name = options.name.empty() ? name : options.name,
          .partitions = options.partitions,
          .validation = options.validation.value_or(default_validation(raw)),
          .seed = options.seed,
          .scale = options.scale,
          .label = is_table ? to_string(options.label) : "",
          .columns = is_table ? to_string(options.columns) : "",
          .missing = is_table ? std::string(data::name(options.missing)) : "",
          .categories = options.categories == Categories::one_hot ? "" : std::string(data::name(options.categories)),
          .on_progress = options.on_progress};
}

// The format of an existing source that is not a data set.
const Format& format_of(const fs::path& source, bool has_context) {
  if (fs::is_directory(source)) return detect_format(source);
  const bool is_text = has_context && source.extension() == find_format(kText).extension;
  return is_text ? find_format(kText) : format_of_file(source);
}

/// Rows of the application, which keeps them and may use them again.
class SharedRows final : public RowSource {
 public:
  explicit SharedRows(std::shared_ptr<const RowSource> rows) : rows_(std::move(rows)) {}
  std::int64_t rows() const override { return rows_->rows(); }
  DType feature_dtype() const override { return rows_->feature_dtype(); }
  Shape feature_shape() const override { return rows_->feature_shape(); }
  std::int64_t classes() const override { return rows_->classes(); }
  std::vector<std::string> class_names() const override { return rows_->class_names(); }
  std::vector<std::string> number_names() const override { return rows_->number_names(); }
  void read_numbers(std::int64_t row, std::span<float> numbers) const override { rows_->read_numbers(row, numbers); }
  bool has_weights() const override { return rows_->has_weights(); }
  float read_weight(std::int64_t row) const override { return rows_->read_weight(row); }
  std::vector<std::string> feature_names() const override { return rows_->feature_names(); }
  std::vector<RawColumn> table() const override { return rows_->table(); }
  std::int64_t read(std::int64_t row, MutableByteView features) const override { return rows_->read(row, features); }
  void read_many(std::int64_t first, MutableByteView records) const override { rows_->read_many(first, records); }

 private:
  std::shared_ptr<const RowSource> rows_;
};

RawData open_rows(const DataOptions& options) {
  RawData raw{.format = "rows", .train = std::make_unique<SharedRows>(options.rows), .test = nullptr, .files = {}};
  if (options.test_rows) raw.test = std::make_unique<SharedRows>(options.test_rows);
  return raw;
}

// Refuses words for columns if the data are no CSV file.
void refuse_columns(const DataOptions& options, const std::string& what) {
  if (options.columns.empty() && !options.missing && !options.categories && !options.separator) return;
  const std::string key = options.missing      ? "missing"
                          : options.categories ? "categories"
                          : options.separator  ? "separator"
                                               : "columns";
  throw ConfigError("[data] " + key + ": expected the columns of a CSV file, got " + what);
}

// Refuses the keys of other formats.
void refuse_context(const std::optional<std::int64_t>& context, const std::string& what) {
  if (context) throw ConfigError("[data] context: expected a text, got " + what);
}

void refuse_scale(const std::optional<Scale>& scale, std::string_view format) {
  if (scale && format == kText) {
    throw ConfigError("[data] scale: expected none for a text, whose features are indices of characters");
  }
}

RawData open_raw(const DataOptions& options, const fs::path& folder) {
  if (options.rows || options.source == kGlyphs) {
    const std::string what = options.rows ? "rows" : options.source;
    refuse_columns(options, what);
    refuse_context(options.context, what);
  }
  if (options.rows) return open_rows(options);
  if (options.source == kGlyphs) return glyphs();
  const fs::path source = options.source;
  if (!fs::exists(source)) {
    throw DataError("[data] source: expected a data set, raw files or \"glyphs\", got nothing at " + source.string());
  }
  const Format& format = format_of(source, options.context.has_value());
  const std::optional<TargetKind> target = options.target || !format.may_have_numbers ? options.target : options.wanted;
  if (!format.has_columns) refuse_columns(options, std::string(format.name) + " files");
  if (!format.has_context) refuse_context(options.context, std::string(format.name) + " files");
  refuse_scale(options.scale, format.name);
  const bool has_table_keys = options.label != LabelColumn(std::int64_t{0}) || options.header;
  if (format.name == kText && has_table_keys) {
    throw ConfigError("[data] " + std::string(options.header ? "header" : "label") +
                      ": expected a table, got a text (" + source.string() +
                      "): name the file .csv if it is a table, or leave the key out");
  }
  return open_source(format, std::span(&source, 1),
                     {.label = options.label,
                      .target = target,
                      .header = options.header,
                      .columns = options.columns,
                      .missing = options.missing.value_or(MissingValues::median),
                      .categories = options.categories.value_or(Categories::one_hot),
                      .separator = options.separator,
                      .scratch = scratch_beside(folder),
                      .context = options.context.value_or(CsvOptions{}.context)});
}

void check_target(const Dataset& dataset, std::optional<TargetKind> asked) {
  const TargetKind kind = dataset.target().kind;
  if (!asked || *asked == kind) return;
  throw ConfigError("[data] target = \"" + std::string(name(*asked)) + "\", but the labels of " +
                    dataset.folder().string() + " are " +
                    (kind == TargetKind::classes ? std::to_string(dataset.classes()) + " classes" : "numbers") +
                    ": import it again with --target " + std::string(name(*asked)));
}

// Options may repeat the properties of an existing data set, but not change them.
Dataset open_as_asked(const fs::path& folder, const DataOptions& options, Files files) {
  Dataset dataset = Dataset::open(folder, files);
  if (options.partitions && *options.partitions != dataset.partition_count()) {
    throw ConfigError("[data] partitions = " + std::to_string(*options.partitions) + ", but " + folder.string() +
                      " is already partitioned into " + std::to_string(dataset.partition_count()));
  }
  const std::string& validation = dataset.manifest().provenance.validation;
  if (options.validation && options.validation->to_string() != validation) {
    throw ConfigError("[data] validation = " + options.validation->to_string() + ", but " + folder.string() +
                      " was imported with validation = " + validation);
  }
  check_target(dataset, options.target);
  const Provenance& made = dataset.manifest().provenance;
  const auto check_same = [&](const std::string& key, const std::string& asked, const std::string& was) {
    if (asked == was) return;
    throw ConfigError("[data] " + key + " = " + asked + ", but " + folder.string() + " was imported with " +
                      (was.empty() ? "none" : was) + ": import it again");
  };
  if (!options.columns.empty()) check_same("columns", to_string(options.columns), made.columns);
  if (options.missing) check_same("missing", std::string(data::name(*options.missing)), made.missing);
  if (options.categories) {
    const std::string was = made.categories.empty() ? std::string(data::name(Categories::one_hot)) : made.categories;
    check_same("categories", std::string(data::name(*options.categories)), was);
  }
  if (options.separator && dataset.manifest().table) {
    check_same("separator", std::string(name_of_separator(*options.separator)),
               std::string(name_of_separator(dataset.manifest().table->separator)));
  }
  if (options.context) {
    const bool is_text = made.format == kText;
    check_same("context", std::to_string(*options.context),
               is_text ? std::to_string(dataset.feature_shape().numel()) : "");
  }
  refuse_scale(options.scale, made.format);
  return dataset;
}

// Files were read as asked; rows of the application and glyphs are what they are.
void check_target(const RawData& raw, std::optional<TargetKind> asked) {
  const TargetKind kind = raw.train->number_names().empty() ? TargetKind::classes : TargetKind::numbers;
  if (!asked || *asked == kind) return;
  throw ConfigError("[data] target = \"" + std::string(name(*asked)) + "\", but the labels of " + raw.format + " are " +
                    (kind == TargetKind::classes ? "classes" : "numbers"));
}

// A file is not read again if it is older than the data set and has the same size.
bool is_same(const fs::path& file, const SourceFile& before, const Dataset& prepared) {
  if (name_in_manifest(file) != before.name || fs::file_size(file) != before.bytes) return false;
  const bool untouched = fs::last_write_time(file) < fs::last_write_time(prepared.folder() / kManifestFile);
  return untouched || before.digest == Digest{} || source_file(MappedFile(file)) == before;
}

}  // namespace

Dataset import_dataset(const Format& format, std::span<const fs::path> sources, const fs::path& out,
                       const ImportOptions& options) {
  if (sources.empty()) throw DataError("[data] expected a source to import, got none");
  if (out.empty()) throw ConfigError("[data] expected a folder for the data set, got \"\"");
  check_vacant_folder(out);  // before a long import
  if (!format.has_columns && !options.columns.empty()) {
    throw ConfigError("[data] columns: expected the columns of a CSV file, got " + std::string(format.name) + " files");
  }
  if (!format.has_context) refuse_context(options.context, std::string(format.name) + " files");
  refuse_scale(options.scale, format.name);
  const CsvOptions csv{.label = options.label,
                       .target = options.target,
                       .header = options.header,
                       .columns = options.columns,
                       .missing = options.missing,
                       .categories = options.categories,
                       .separator = options.separator,
                       .scratch = scratch_beside(out),
                       .on_progress = options.on_progress,
                       .context = options.context.value_or(CsvOptions{}.context)};
  const RawData raw = with_data_errors([&] { return open_source(format, sources, csv); });
  return write_dataset(raw, out, write_options(raw, options, stem_of(sources[0])));
}

Dataset prepare_dataset(const DataOptions& options, const fs::path& folder, Keep keep, const OnCopy& on_copy) {
  return with_data_errors([&] {
    if (options.source.empty() && !options.rows) {
      throw ConfigError("[data] source: expected a data set, raw files or \"glyphs\", got \"\"");
    }
    const Files files = keep == Keep::present ? Files::present : Files::all;
    if (Dataset::is_dataset(folder)) return open_as_asked(folder, options, files);
    if (options.source != kGlyphs && !options.rows && Dataset::is_dataset(options.source)) {
      Dataset source = open_as_asked(options.source, options, files);
      return keep == Keep::in_place ? source : adopt_dataset(source, folder, on_copy);
    }
    const RawData raw = open_raw(options, folder);
    check_target(raw, options.target);
    const ImportOptions import{.partitions = options.partitions.value_or(ImportOptions{}.partitions),
                               .validation = options.validation,
                               .label = options.label,
                               .target = options.target,
                               .header = options.header,
                               .columns = options.columns,
                               .missing = options.missing.value_or(MissingValues::median),
                               .categories = options.categories.value_or(Categories::one_hot),
                               .seed = options.seed};
    return write_dataset(raw, folder, write_options(raw, import, options.rows ? "rows" : stem_of(options.source)));
  });
}

std::string source_change(const DataOptions& options, const Dataset& prepared) {
  if (options.source.empty() || options.source == kGlyphs || options.rows) return "";
  const fs::path source = options.source;
  const std::string own = "; the run uses its own copy of the data";
  try {
    if (!fs::exists(source)) return source.string() + " is gone" + own;
    if (Dataset::is_dataset(source)) {
      const bool same = Dataset::open(source, Files::present).digest() == prepared.digest();
      return same ? "" : source.string() + " has changed since the run began" + own;
    }
    const std::vector<SourceFile>& before = prepared.manifest().provenance.files;
    const std::vector<fs::path> files =
        source_files(format_of(source, options.context.has_value()), std::span(&source, 1));
    bool same = files.size() == before.size();
    for (std::size_t i = 0; same && i < files.size(); ++i) same = is_same(files[i], before[i], prepared);
    if (same) return "";
    return source.string() + " has changed since the run began" + own;
  } catch (const std::exception& error) {  // the source may have become anything; the run does not need it
    return source.string() + " cannot be read as it was when the run began (" + error.what() + ")" + own;
  }
}

}  // namespace hop::data
