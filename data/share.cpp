#include "data/share.h"

#include <cstring>
#include <map>

#include "base/error.h"
#include "base/files.h"
#include "data/dataset_files_internal.h"
#include "data/filesystem_internal.h"
#include "data/manifest_internal.h"
#include "data/row_blocks_internal.h"
#include "data/table_schema.h"

namespace hop::data {
namespace {

using Parts = std::map<std::uint32_t, MeasuredPart>;

std::string name_of(std::uint32_t index) {
  return index == kValidationIndex ? "the validation rows" : "partition " + std::to_string(index);
}

// One of each, in the order of their indices. The validation rows come last: their index is the largest.
Parts settle(std::span<const MeasuredPart> given, const WriteOptions& options) {
  Parts parts;
  for (const MeasuredPart& part : given) {
    if (part.index != kValidationIndex && part.index >= options.partitions) {
      throw DataError("[share] expected a partition below " + std::to_string(options.partitions) + ", got " +
                      std::to_string(part.index));
    }
    const auto [place, is_new] = parts.emplace(part.index, part);
    if (!is_new && place->second != part) {
      throw DataError("[share] expected " + name_of(part.index) +
                      " with one content, wherever it is written, got two: the source gives other rows, or another "
                      "order of rows, each time it is read");
    }
  }
  for (std::uint32_t q = 0; q < options.partitions; ++q) {
    if (parts.contains(q)) continue;
    throw DataError("[share] expected rows in each of " + std::to_string(options.partitions) +
                    " partitions, got none in partition " + std::to_string(q) + ": take fewer partitions");
  }
  return parts;
}

ScalingFit features_fit(const RowSource& rows) { return {rows.feature_dtype(), rows.feature_shape()}; }
ScalingFit numbers_fit(const RowSource& rows) {
  return {DType::f32, {static_cast<std::int64_t>(rows.number_names().size())}};
}

std::string description_of(const RowSource& kind, const WriteOptions& options) {
  std::string text = "parts " + std::to_string(options.partitions) + " " + std::string(name(kind.feature_dtype())) +
                     kind.feature_shape().to_string() + std::to_string(kind.classes());
  for (const std::string& number : kind.number_names()) text += "\nnumber " + number;
  for (const std::string& class_name : kind.class_names()) text += "\n" + class_name;
  if (kind.has_weights()) text += "\nweights";
  return text;
}

void check_counts(const Parts& parts) {
  bool training = false;
  for (const auto& [index, part] : parts) {
    if (index != kValidationIndex) training = training || part.counts;
    if (index == kValidationIndex && !part.counts)
      throw DataError("[share] expected validation rows with weights above 0, got none");
  }
  if (!training) throw DataError("[share] expected training rows with weights above 0, got none");
}

}  // namespace

MeasuredPart measure_part(const RowSource& rows, std::uint32_t index) {
  if (rows.rows() == 0) throw DataError("[share] expected rows in " + name_of(index) + ", got none");
  MeasuredPart part{.index = index, .rows = rows.rows(), .counts = !rows.has_weights()};
  const bool is_training = index != kValidationIndex;
  ScalingFit features = features_fit(rows), numbers = numbers_fit(rows);
  const bool fits_features = is_training && features.needs_rows();
  const bool fits_numbers = is_training && !rows.number_names().empty();
  const std::size_t stride = rows.record_bytes(), feature_bytes = rows.feature_bytes();
  DigestStream content;
  for_each_block(rows, [&](std::int64_t, ByteView records) {
    content.update(records);
    for (; !records.empty(); records = records.subspan(stride)) {
      if (fits_features) features.include(records.first(feature_bytes));
      if (fits_numbers) numbers.include(records.subspan(stride - rows.label_bytes(), rows.label_bytes()));
      if (part.counts) continue;
      float weight = 0;
      std::memcpy(&weight, records.data() + feature_bytes, sizeof weight);
      part.counts = weight > 0;
    }
  });
  part.content = content.digest();
  if (fits_features) part.features = features.moments();
  if (fits_numbers) part.numbers = numbers.moments();
  return part;
}

Digest digest_of_parts(const RowSource& kind, const WriteOptions& options, std::span<const MeasuredPart> parts) {
  DigestStream stream;
  stream.update(as_bytes(description_of(kind, options)));
  for (const auto& [index, part] : settle(parts, options)) {
    const std::string line = "\n" + std::to_string(index) + " " + std::to_string(part.rows) + " " + part.content.hex();
    stream.update(as_bytes(line));
  }
  return stream.digest();
}

PartitionEntry write_part(const RowSource& rows, std::uint32_t index, const Digest& dataset,
                          const std::filesystem::path& folder) {
  return with_data_errors([&] {
    create_folder(folder, raise<DataError>);
    DatasetFiles files(folder, {.columns = columns_of(rows),
                                .classes = rows.classes(),
                                .class_names = rows.class_names(),
                                .dataset = dataset});
    return files.write_all(index, rows, [](ByteView) {});
  });
}

std::string manifest_of_parts(const RowSource& kind, const WriteOptions& options, std::span<const MeasuredPart> given) {
  const Parts parts = settle(given, options);
  check_counts(parts);
  Manifest manifest;
  manifest.name = options.name;
  manifest.target = target_of(kind);
  manifest.columns = columns_of(kind);
  manifest.digest = digest_of_parts(kind, options, given);
  ScalingFit features = features_fit(kind), numbers = numbers_fit(kind);
  for (const auto& [index, part] : parts) {
    if (!part.file) throw DataError("[share] expected the file of " + name_of(index) + ", got none");
    if (index == kValidationIndex) {
      manifest.validation = part.file;
      continue;
    }
    if (features.needs_rows()) features.include(part.features);
    if (manifest.target.kind == TargetKind::numbers) numbers.include(part.numbers);
    manifest.partitions.push_back(*part.file);
    manifest.rows += part.rows;
  }
  manifest.scale = options.scale ? Scaling(*options.scale) : features.result(kind.feature_names());
  manifest.target.columns = numbers.targets(kind.number_names());
  manifest.provenance = {.format = "rows",
                         .validation = manifest.validation ? Validation::file().to_string() : "none",
                         .seed = options.seed,
                         .shuffled = options.shuffle};
  return to_json(manifest);
}

}  // namespace hop::data
