#include "data/dataset.h"

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "base/words.h"
#include "data/filesystem_internal.h"
#include "data/manifest_internal.h"
#include "data/mapped_file.h"

namespace hop::data {
namespace {

namespace fs = std::filesystem;

void check_file(const fs::path& folder, const PartitionEntry& entry, Files files) {
  if (files == Files::none) return;
  const fs::path file = folder / entry.file;
  if (!fs::exists(file)) {
    if (files == Files::present) return;
    throw DataError("[dataset] expected the file " + file.string() + ", which the manifest lists, got nothing");
  }
  const std::uint64_t bytes = fs::file_size(file);
  if (bytes != entry.bytes) {
    throw DataError("[dataset] expected " + std::to_string(entry.bytes) + " bytes, got " + std::to_string(bytes) +
                    " (" + file.string() + ")");
  }
}

std::string text_of(const Scale& scale) {
  std::ostringstream out;
  out << "[" << scale.offset << ", " << scale.factor << "]";
  return out.str();
}

// "scale [0, 0.00392157]", or the columns with theirs.
std::string describe(const Scaling& scaling) {
  if (!scaling.is_per_column()) return "scale " + text_of(scaling.all());
  constexpr std::size_t kShown = 8;
  std::string text = "scale by column:";
  for (std::size_t i = 0; i < std::min(scaling.columns().size(), kShown); ++i) {
    const FeatureColumn& column = scaling.columns()[i];
    text += (i == 0 ? " " : ", ") + (column.name.empty() ? std::to_string(i) : printable(column.name)) + " " +
            text_of(column.scale);
  }
  const std::string all = std::to_string(scaling.columns().size());
  return scaling.columns().size() > kShown ? text + ", ... (" + all + " in all)" : text;
}

std::string words_of(const TableColumn& column) {
  constexpr std::size_t kShown = 12;
  std::string text = std::to_string(column.words.size()) + " words:";
  for (std::size_t i = 0; i < std::min(column.words.size(), kShown); ++i) {
    text += " " + (column.words[i].empty() ? "(missing)" : printable(column.words[i]));
  }
  return column.words.size() > kShown ? text + " ..." : text;
}

// The columns of a table, a line each. `scaling` is null if one scale serves all features.
std::string describe(const TableSchema& table, const std::vector<FeatureColumn>* scaling) {
  constexpr std::size_t kShown = 64;
  std::string text;
  std::size_t feature = 0;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const TableColumn& column = table.columns[i];
    std::string line = std::string(name(column.kind));
    if (column.kind == ColumnKind::number) {
      if (scaling != nullptr) line += " " + text_of((*scaling)[feature].scale);
      if (column.fill) line += ", a missing one becomes " + shortest(*column.fill);
      if (column.indicator) line += " and sets an indicator";
    } else if (column.kind == ColumnKind::category) {
      line += " of " + words_of(column);
      if (column.is_index()) line += "; the feature is the number of the word, from 1";
    }
    if (!column.is_index()) feature += column.features();
    if (i < kShown) text += "  column      " + column.title() + ": " + line + "\n";
  }
  const std::string all = std::to_string(table.columns.size());
  return table.columns.size() > kShown ? text + "  column      ... (" + all + " in all)\n" : text;
}

// "26 classes", or the numbers with their scale.
std::string describe(const Target& target) {
  if (target.kind == TargetKind::classes) return std::to_string(target.classes) + " classes";
  std::string text = target.columns.size() == 1 ? "a number to predict:" : "numbers to predict:";
  for (std::size_t i = 0; i < target.columns.size(); ++i) {
    const TargetColumn& column = target.columns[i];
    text += (i == 0 ? " " : ", ") + (column.name.empty() ? std::to_string(i) : printable(column.name)) + " " +
            text_of(column.scale);
  }
  return text;
}

}  // namespace

bool Dataset::is_dataset(const fs::path& folder) {
  return with_data_errors([&] { return fs::exists(folder / kManifestFile); });
}

Dataset Dataset::open(const fs::path& folder, Files files) {
  return with_data_errors([&] {
    const fs::path file = folder / kManifestFile;
    if (!fs::exists(file)) {
      throw DataError("[dataset] expected a data set, got " +
                      std::string(fs::exists(folder) ? "no manifest.json in " : "nothing at ") + folder.string());
    }
    Manifest manifest = parse_manifest(std::string(as_text(MappedFile(file).bytes())), file);
    for (const PartitionEntry& entry : manifest.partitions) check_file(folder, entry, files);
    if (manifest.validation) check_file(folder, *manifest.validation, files);
    return Dataset(folder, std::move(manifest));
  });
}

DType Dataset::feature_dtype() const { return manifest_.columns[0].dtype; }
Shape Dataset::feature_shape() const { return manifest_.columns[0].shape; }

std::uint64_t Dataset::bytes() const {
  std::uint64_t bytes = manifest_.validation ? manifest_.validation->bytes : 0;
  for (const PartitionEntry& entry : manifest_.partitions) bytes += entry.bytes;
  return bytes;
}

bool Dataset::has_partition(PartitionId id) const {
  return id.value < partition_count() &&
         with_data_errors([&] { return fs::exists(folder_ / manifest_.partitions[id.index()].file); });
}

const PartitionEntry& Dataset::entry_of(PartitionId id) const {
  if (id.value >= partition_count()) {
    throw IndexError("[dataset] expected a partition below " + std::to_string(partition_count()) + ", got " +
                     std::to_string(id.value) + " (" + folder_.string() + ")");
  }
  return manifest_.partitions[id.index()];
}

Partition Dataset::partition(PartitionId id, Verify verify) const {
  const PartitionEntry& entry = entry_of(id);
  return checked(Partition::open(folder_ / entry.file, verify), entry, id.value);
}

Partition Dataset::partition_of(PartitionId id, AlignedBuffer bytes) const {
  const PartitionEntry& entry = entry_of(id);
  return checked(Partition::of_bytes(std::move(bytes), entry.file), entry, id.value);
}

Partition Dataset::partition_in(const fs::path& folder, PartitionId id) const {
  const PartitionEntry& entry = entry_of(id);
  return checked(Partition::open(folder / entry.file), entry, id.value);
}

Partition Dataset::validation(Verify verify) const {
  if (!manifest_.validation) throw DataError("[dataset] expected validation rows, got none (" + folder_.string() + ")");
  const PartitionEntry& entry = *manifest_.validation;
  return checked(Partition::open(folder_ / entry.file, verify), entry, kValidationIndex);
}

Partition Dataset::checked(Partition partition, const PartitionEntry& entry, std::uint32_t index) const {
  const PartitionHeader& header = partition.header();
  const auto check = [&](bool same, const char* what) {
    if (!same) {
      throw DataError(std::string("[dataset] expected ") + what + " as in the manifest, got another (" +
                      partition.file().string() + ")");
    }
  };
  check(header.dataset == manifest_.digest, "a partition of the data set");
  check(header.index == index, "the place in the data set");
  check(header.rows == entry.rows, "the rows");
  check(header.columns == manifest_.columns, "the columns");
  check(header.classes == classes() && header.class_names == class_names(), "the classes");
  return partition;
}

std::string describe(const Dataset& dataset) {
  const Manifest& m = dataset.manifest();
  const auto [fewest, most] = std::ranges::minmax(m.partitions, {}, &PartitionEntry::rows);
  std::ostringstream out;
  out << m.name << ": " << m.rows << " rows and " << dataset.validation_rows() << " for validation, "
      << describe(m.target) << "\n"
      << "  features    " << name(dataset.feature_dtype()) << " " << dataset.feature_shape().to_string() << ", "
      << (m.table && m.scale.is_per_column() ? "each scaled [offset, factor]: (x - offset) factor" : describe(m.scale))
      << "\n"
      << "  partitions  " << m.partitions.size() << " of " << fewest.rows;
  if (most.rows != fewest.rows) out << " to " << most.rows;
  out << " rows, " << dataset.bytes() << " bytes in all files\n";
  if (dataset.has_weights()) out << "  weights     one per row: losses and metrics are weighted means\n";
  out << "  source      " << m.provenance.format;
  for (const SourceFile& file : m.provenance.files) out << ", " << file.name;
  out << "; " << (m.provenance.shuffled ? "shuffled with seed " + std::to_string(m.provenance.seed) : "not shuffled")
      << "; validation: " << m.provenance.validation << "\n";
  if (m.table) out << describe(*m.table, m.scale.is_per_column() ? &m.scale.columns() : nullptr);
  if (!m.target.class_names.empty()) {
    out << "  classes    ";
    for (const std::string& class_name : m.target.class_names) out << " " << printable(class_name);
    out << "\n";
  }
  for (const std::string& note : m.provenance.notes) out << "  note        " << printable(note, 300) << "\n";
  out << "  digest      " << m.digest.hex() << "\n";
  return out.str();
}

}  // namespace hop::data
