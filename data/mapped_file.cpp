#include "data/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/input_file.h"

namespace hop::data {
namespace {

constexpr std::size_t kWindow = 32 << 20;
constexpr std::size_t kPage = 4096;  // madvise needs the start of a page; with larger pages it does nothing

[[noreturn]] void fail(const std::filesystem::path& file, const char* what) {
  throw DataError("[data] cannot " + std::string(what) + " " + file.string() + ": " +
                  std::generic_category().message(errno));
}

}  // namespace

MappedFile::MappedFile(std::filesystem::path file) : file_(std::move(file)) {
  // The mapping outlives the descriptor. O_NONBLOCK: opening a pipe of this name must not wait.
  const Descriptor descriptor(::open(file_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.get() < 0) fail(file_, "open");
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) fail(file_, "read the size of");
  if (S_ISDIR(status.st_mode)) throw DataError("[data] expected a file, got a folder (" + file_.string() + ")");
  expect_file(file_, raise<DataError>);
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor.get(), 0);
  if (mapped == MAP_FAILED) fail(file_, "map");
  data_ = static_cast<const std::byte*>(mapped);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

Digest MappedFile::digest() const {
  DigestStream stream;
  for (std::size_t at = 0; at < size_; at += kWindow) {
    const std::size_t window = std::min(kWindow, size_ - at);
    stream.update(bytes().subspan(at, window));
    release(at, window);
  }
  return stream.digest();
}

void MappedFile::release(std::size_t offset, std::size_t size) const {
  const std::size_t start = offset / kPage * kPage;
  if (data_ == nullptr || start >= size_) return;
  const std::size_t end = std::min(size_, offset + size);
  // A hint: if it fails, the pages just stay.
  (void)::madvise(const_cast<std::byte*>(data_) + start, end - start, MADV_DONTNEED);
}

}  // namespace hop::data
