// A data set on disk: a folder with manifest.json, part-00000.hopd ... and valid.hopd.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "data/columns.h"
#include "data/partition.h"
#include "data/schema.h"
#include "data/source.h"
#include "data/split.h"
#include "data/table_schema.h"
#include "data/target.h"

namespace hop::data {

/// One partition file, as the manifest lists it.
struct PartitionEntry {
  std::string file = {};  ///< its name in the folder
  std::int64_t rows = 0;
  std::uint64_t bytes = 0;
  Digest digest = {};  ///< XXH3-128 of the file
  bool operator==(const PartitionEntry&) const = default;
};

/// The origin of a data set: together with the source's rows, it decides the bytes of the files.
struct Provenance {
  std::string format = {};  ///< "idx", "cifar", "csv", "npy", "text", "glyphs", "rows", "tensors"
  std::vector<SourceFile> files = {};
  std::string label = {};  ///< CSV: the label's column as requested
  std::string validation = {};
  std::uint64_t seed = 0;
  bool shuffled = true;
  std::vector<std::string> notes = {};  ///< the reader's guesses, a line each
  std::string columns = {};             ///< CSV: the words for columns as requested, `age = "minmax", id = "drop"`
  std::string missing = {};             ///< CSV: the word for missing values; empty in older manifests
  std::string categories = {};          ///< CSV: the word for categories; empty: one_hot
  bool operator==(const Provenance&) const = default;
};

/// The contents of manifest.json.
struct Manifest {
  std::string name{};
  std::int64_t rows = 0;  ///< of all partitions, without validation
  std::vector<Column> columns{};
  Target target{};
  Digest digest{};  ///< of the whole data set: columns, target, rows and how they are split
  std::vector<PartitionEntry> partitions{};
  std::optional<PartitionEntry> validation{};
  Scaling scale{};                     ///< of each feature: fitted on the training rows (ScalingFit), or as requested
  std::optional<TableSchema> table{};  ///< how the cells of a table become features; none for other data
  Provenance provenance{};
};

/// Which files are looked at: all of them, which must exist; those that exist (on a node that owns a few partitions);
/// or the manifest alone, for callers that need no row.
enum class Files : std::uint8_t { all, present, none };

/// An opened data set: a value. A node opens only the partitions that it owns.
class Dataset {
 public:
  /// Reads the manifest and compares it with the sizes of the files. Throws DataError that says what is missing or
  /// differs.
  static Dataset open(const std::filesystem::path& folder, Files files = Files::all);
  /// Whether `folder` holds a manifest.json.
  static bool is_dataset(const std::filesystem::path& folder);

  const std::filesystem::path& folder() const { return folder_; }
  const Manifest& manifest() const { return manifest_; }
  const std::string& name() const { return manifest_.name; }
  const Digest& digest() const { return manifest_.digest; }
  std::int64_t rows() const { return manifest_.rows; }
  std::int64_t validation_rows() const { return manifest_.validation ? manifest_.validation->rows : 0; }
  const Target& target() const { return manifest_.target; }
  std::int64_t classes() const { return manifest_.target.classes; }  ///< 0 if models predict numbers
  const std::vector<std::string>& class_names() const { return manifest_.target.class_names; }
  bool has_weights() const { return manifest_.columns.size() > 2; }  ///< each row counts by its own weight
  DType feature_dtype() const;
  Shape feature_shape() const;  ///< of one row
  Input input() const { return input_of(feature_shape(), manifest_.table); }
  const Scaling& scale() const { return manifest_.scale; }
  /// Bytes of all files: the cost of moving the data.
  std::uint64_t bytes() const;

  std::uint32_t partition_count() const { return static_cast<std::uint32_t>(manifest_.partitions.size()); }
  bool has_partition(PartitionId id) const;  ///< its file lies in this folder
  /// Opens a partition and checks that its header agrees with the manifest. Throws DataError; IndexError for an unknown
  /// id.
  Partition partition(PartitionId id, Verify verify = Verify::yes) const;
  /// The same of the bytes of its file, and of a file in another folder: copies that came from another node.
  Partition partition_of(PartitionId id, AlignedBuffer bytes) const;
  Partition partition_in(const std::filesystem::path& folder, PartitionId id) const;
  bool has_validation() const { return manifest_.validation.has_value(); }
  /// Throws DataError when the data set has no validation rows.
  Partition validation(Verify verify = Verify::yes) const;

 private:
  Dataset(std::filesystem::path folder, Manifest manifest)
      : folder_(std::move(folder)), manifest_(std::move(manifest)) {}
  const PartitionEntry& entry_of(PartitionId id) const;
  Partition checked(Partition partition, const PartitionEntry& entry, std::uint32_t index) const;
  std::filesystem::path folder_;
  Manifest manifest_;
};

struct WriteOptions {
  std::string name = "data";
  std::uint32_t partitions = 4;
  Validation validation = Validation::none();
  std::uint64_t seed = 0;
  bool shuffle = true;              ///< once, before the split
  std::optional<Scale> scale = {};  ///< of all features; by default fitted on the training rows
  std::string label = {};           ///< for the provenance, and so are the next three
  std::string columns = {};
  std::string missing = {};
  std::string categories = {};
  OnProgress on_progress = {};
};

/// Throws DataError unless a data set can appear there: nothing or an empty folder is there, or a link to one.
void check_vacant_folder(const std::filesystem::path& folder);

/// Partitions `source` into `folder`, which must not exist or be empty, and opens the result. The folder appears whole
/// or not at all. Every training row lands in exactly one partition, partition sizes differ by at most one, and the
/// bytes are a function of (rows, options) alone. Throws DataError (folder, disk, source) and ConfigError (options that
/// do not fit the rows).
Dataset write_dataset(const RawData& source, const std::filesystem::path& folder, const WriteOptions& options);

/// Hears how many bytes are about to be copied.
using OnCopy = std::function<void(std::uint64_t bytes)>;

/// Copies the files of `source` that are there into `folder`, which must not exist or be empty. A file system that can
/// shares their blocks until one copy is written; where it cannot, `on_copy` is called first. The folder appears whole
/// or not at all. Throws DataError.
Dataset adopt_dataset(const Dataset& source, const std::filesystem::path& folder, const OnCopy& on_copy = {});
/// The same with these partitions alone: the manifest still names all.
Dataset copy_part(const Dataset& source, std::span<const PartitionId> partitions, const std::filesystem::path& folder,
                  const OnCopy& on_copy = {});

/// The digest that write_dataset computes: XXH3-128 of classes, columns and rows in the order of the source, and of the
/// options that decide the split. Reads every row once.
Digest dataset_digest(const RawData& source, const WriteOptions& options);

/// A few lines for a person: rows, columns, classes, partitions, provenance.
std::string describe(const Dataset& dataset);

}  // namespace hop::data
