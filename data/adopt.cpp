// adopt_dataset: a data set's files under a second folder, without copying them where the file system allows it.
#include "base/error.h"
#include "data/dataset.h"
#include "data/filesystem_internal.h"
#include "data/manifest_internal.h"
#include "data/pending_folder_internal.h"

namespace hop::data {
namespace {

namespace fs = std::filesystem;

void copy_durably(const fs::path& from, const fs::path& to) {
  fs::copy_file(from, to);
  sync_file(to, raise<DataError>);
}

// A link costs nothing, and stays when the source is moved or removed. No writer changes a partition in place.
void link_or_copy(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_hard_link(fs::canonical(from), to, error);
  if (error) copy_durably(from, to);
}

}  // namespace

Dataset adopt_dataset(const Dataset& source, const fs::path& folder) {
  return with_data_errors([&] {
    PendingFolder pending(folder);
    copy_durably(source.folder() / kManifestFile, pending.path() / kManifestFile);
    std::vector<std::string> names;
    for (const PartitionEntry& entry : source.manifest().partitions) names.push_back(entry.file);
    if (source.has_validation()) names.push_back(source.manifest().validation->file);
    for (const std::string& name : names) link_or_copy(source.folder() / name, pending.path() / name);
    return Dataset::open(pending.commit());
  });
}

}  // namespace hop::data
