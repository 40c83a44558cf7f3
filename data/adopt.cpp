// adopt_dataset and copy_part: a copy of a data set's files. It makes no hard links: a program that writes into a file
// of the source in place (`cp new/* source/`) would then change the files of all runs.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "data/dataset.h"
#include "data/filesystem_internal.h"
#include "data/manifest_internal.h"
#include "data/pending_folder_internal.h"

namespace hop::data {
namespace {

namespace fs = std::filesystem;

// Gives `to` the blocks of `from`, which cost no space until one of the two is written. False where the file system
// cannot.
bool share_blocks(const fs::path& from, const fs::path& to) {
  const Descriptor source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  const Descriptor copy(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  return source.get() >= 0 && copy.get() >= 0 && ::ioctl(copy.get(), FICLONE, source.get()) == 0;
}

}  // namespace

Dataset adopt_dataset(const Dataset& source, const fs::path& folder, const OnCopy& on_copy) {
  std::vector<PartitionId> all;
  for (std::uint32_t q = 0; q < source.partition_count(); ++q) {
    if (source.has_partition(PartitionId(q))) all.emplace_back(q);
  }
  return copy_part(source, all, folder, on_copy);
}

Dataset copy_part(const Dataset& source, std::span<const PartitionId> partitions, const fs::path& folder,
                  const OnCopy& on_copy) {
  return with_data_errors([&] {
    std::vector<std::string> names;
    for (const PartitionId id : partitions) names.push_back(source.manifest().partitions.at(id.index()).file);
    const bool has_rows = source.has_validation() && fs::exists(source.folder() / source.manifest().validation->file);
    if (has_rows) names.push_back(source.manifest().validation->file);
    names.emplace_back(kManifestFile);
    std::uint64_t bytes = 0;
    for (const std::string& name : names) bytes += fs::file_size(source.folder() / name);

    PendingFolder pending(folder);
    bool told = false;
    for (const std::string& name : names) {
      const fs::path from = source.folder() / name, to = pending.path() / name;
      if (!share_blocks(from, to)) {
        if (on_copy && !std::exchange(told, true)) on_copy(bytes);
        fs::copy_file(from, to, fs::copy_options::overwrite_existing);
      }
      sync_file(to, raise<DataError>);
    }
    return Dataset::open(pending.commit(), Files::present);
  });
}

}  // namespace hop::data
