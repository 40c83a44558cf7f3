#include "data/prepare.h"

#include "base/error.h"
#include "data/filesystem_internal.h"
#include "data/glyphs.h"

namespace hop::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kGlyphs = "glyphs";

// The name of the last folder or file of a path, without an extension.
std::string stem_of(const fs::path& path) {
  const fs::path last = path.has_filename() ? path.filename() : path.parent_path().filename();
  return last.empty() ? "data" : last.stem().string();
}

Validation default_validation(const RawData& raw) {
  return raw.test != nullptr ? Validation::file() : Validation::fraction(0.1);
}

WriteOptions write_options(const RawData& raw, const ImportOptions& options, const std::string& name) {
  return {.name = options.name.empty() ? name : options.name,
          .partitions = options.partitions,
          .validation = options.validation.value_or(default_validation(raw)),
          .seed = options.seed,
          .scale = options.scale,
          .label = raw.format == "csv" ? to_string(options.label) : ""};
}

RawData open_raw(const DataOptions& options) {
  if (options.source == kGlyphs) return glyphs();
  const fs::path source = options.source;
  if (!fs::exists(source)) {
    throw DataError("[data] expected a data set, a folder of raw files or \"glyphs\", got nothing at " +
                    source.string());
  }
  const Format format = fs::is_directory(source) ? detect_format(source) : Format::csv;
  return open_source(format, std::span(&source, 1), options.label);
}

// What is already partitioned is what it is: options may repeat that, not change it.
Dataset open_as_asked(const fs::path& folder, const DataOptions& options) {
  Dataset dataset = Dataset::open(folder);
  if (options.partitions && *options.partitions != dataset.partition_count()) {
    throw ConfigError("[data] partitions = " + std::to_string(*options.partitions) + ", but " + folder.string() +
                      " is already partitioned into " + std::to_string(dataset.partition_count()));
  }
  const std::string& validation = dataset.manifest().provenance.validation;
  if (options.validation && options.validation->to_string() != validation) {
    throw ConfigError("[data] validation = " + options.validation->to_string() + ", but " + folder.string() +
                      " was imported with validation = " + validation);
  }
  return dataset;
}

}  // namespace

Dataset import_dataset(Format format, std::span<const fs::path> sources, const fs::path& out,
                       const ImportOptions& options) {
  if (sources.empty()) throw DataError("[data] expected a source to import, got none");
  const RawData raw = open_source(format, sources, options.label);
  return write_dataset(raw, out, write_options(raw, options, stem_of(sources[0])));
}

Dataset prepare_dataset(const DataOptions& options, const fs::path& folder) {
  return with_data_errors([&] {
    if (options.source != kGlyphs && Dataset::is_dataset(options.source)) return open_as_asked(options.source, options);
    // A run outlives the files that its data came from.
    if (options.source != kGlyphs && !fs::exists(options.source) && Dataset::is_dataset(folder)) {
      return open_as_asked(folder, options);
    }
    const RawData raw = open_raw(options);
    const ImportOptions import{.partitions = options.partitions.value_or(ImportOptions{}.partitions),
                               .validation = options.validation,
                               .label = options.label,
                               .seed = options.seed};
    const WriteOptions write = write_options(raw, import, stem_of(options.source));
    if (!Dataset::is_dataset(folder)) return write_dataset(raw, folder, write);
    Dataset present = Dataset::open(folder);
    if (present.digest() == dataset_digest(raw, write)) return present;
    throw DataError("[data] expected the data set made from " + options.source + ", got another one in " +
                    folder.string());
  });
}

}  // namespace hop::data
