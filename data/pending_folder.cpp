#include <fcntl.h>
#include <sys/file.h>

#include "base/error.h"
#include "data/dataset.h"
#include "data/filesystem_internal.h"
#include "data/pending_folder_internal.h"

namespace hop::data {
namespace {

namespace fs = std::filesystem;

// Locks the folder itself. The kernel releases the lock when the process is gone for any reason.
Descriptor try_lock(const fs::path& folder) {
  Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() >= 0 && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) fd.close();
  return fd;
}

void remove_abandoned(const fs::path& target) {
  std::error_code ignored;
  const std::string prefix = target.filename().string() + ".";
  for (const auto& entry : fs::directory_iterator(target.has_parent_path() ? target.parent_path() : ".", ignored)) {
    const fs::path& path = entry.path();
    if (!is_temporary_name(path) || !path.filename().string().starts_with(prefix)) continue;
    if (!fs::is_directory(entry.symlink_status())) continue;
    if (const Descriptor lock = try_lock(path); lock.get() >= 0) fs::remove_all(path, ignored);
  }
}

[[noreturn]] void refuse(const fs::path& target) {
  throw DataError("[data] expected a new or empty folder, got " + target.string() + ", which holds something");
}

}  // namespace

void check_vacant_folder(const fs::path& folder) {
  const fs::path target = without_trailing_slash(folder);
  std::error_code nowhere;
  if (fs::is_symlink(target) && !fs::exists(target, nowhere)) {
    throw DataError("[data] expected a new or empty folder, got " + target.string() + ", a link to " +
                    fs::read_symlink(target).string() + ", which is not there: make that folder, or remove the link");
  }
  with_data_errors([&] {
    if (fs::exists(target) && !(fs::is_directory(target) && fs::is_empty(target))) refuse(target);
  });
}

PendingFolder::PendingFolder(const fs::path& target) : target_(without_trailing_slash(target)) {
  check_vacant_folder(target_);
  if (fs::is_symlink(target_)) target_ = fs::canonical(target_);  // the folder is replaced, not the link
  create_folder(target_.parent_path(), raise<DataError>);
  remove_abandoned(target_);
  do {  // before the new folder is locked, another process may take it for an abandoned one
    temporary_ = temporary_name(target_);
    fs::create_directory(temporary_);
    lock_ = try_lock(temporary_);
  } while (!fs::exists(temporary_));
}

PendingFolder::~PendingFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

const fs::path& PendingFolder::commit() {
  sync_folder(temporary_, raise<DataError>);
  std::error_code error;
  fs::rename(temporary_, target_, error);
  if (error == std::errc::directory_not_empty) refuse(target_);  // another process was faster
  if (error) throw fs::filesystem_error("cannot rename", temporary_, target_, error);
  temporary_.clear();
  sync_folder(target_.parent_path(), raise<DataError>);
  return target_;
}

}  // namespace hop::data
