#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "data/row_store_internal.h"

namespace hop::data {
namespace {

[[noreturn]] void fail(const char* what, const std::filesystem::path& folder, int error) {
  throw DataError(std::string("[data] cannot ") + what + " a temporary file for rows in " + folder.string() + ": " +
                  std::generic_category().message(error));
}

Descriptor nameless_file(const std::filesystem::path& folder) {
  std::string name = (folder / "hop-rows-XXXXXX").string();
  Descriptor file(::mkostemp(name.data(), O_CLOEXEC));
  if (file.get() < 0) fail("make", folder, errno);
  ::unlink(name.c_str());
  return file;
}

}  // namespace

RowStore::RowStore(std::size_t row_bytes, std::filesystem::path folder, std::size_t memory)
    : row_bytes_(row_bytes), memory_(memory), folder_(std::move(folder)) {}

void RowStore::append(ByteView row, std::uint32_t beside) {
  if (!waiting_.empty() && waiting_.size() + stride() > memory_) spill();
  const std::size_t at = waiting_.size();
  waiting_.resize(at + stride());
  std::memcpy(waiting_.data() + at, row.data(), row_bytes_);
  std::memcpy(waiting_.data() + at + row_bytes_, &beside, sizeof beside);
}

void RowStore::spill() {
  if (file_.get() < 0) file_ = nameless_file(folder_);
  auto offset = static_cast<off_t>(static_cast<std::size_t>(stored_) * stride());
  for (ByteView left = waiting_; !left.empty();) {
    const ssize_t written = ::pwrite(file_.get(), left.data(), left.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail("write", folder_, errno);
    left = left.subspan(static_cast<std::size_t>(written));
    offset += written;
  }
  stored_ += waiting();
  waiting_.clear();
}

void RowStore::replace(std::int64_t row, ByteView bytes, std::uint32_t beside) {
  if (row >= stored_) {
    std::byte* at = waiting_.data() + static_cast<std::size_t>(row - stored_) * stride();
    std::memcpy(at, bytes.data(), row_bytes_);
    std::memcpy(at + row_bytes_, &beside, sizeof beside);
    return;
  }
  iovec parts[] = {{const_cast<std::byte*>(bytes.data()), row_bytes_}, {&beside, sizeof beside}};
  const auto offset = static_cast<off_t>(static_cast<std::size_t>(row) * stride());
  if (std::cmp_not_equal(::pwritev(file_.get(), parts, 2, offset), stride())) fail("write", folder_, errno);
}

std::uint32_t RowStore::read(std::int64_t row, MutableByteView bytes) const {
  std::uint32_t beside = 0;
  if (row >= stored_) {
    const std::byte* at = waiting_.data() + static_cast<std::size_t>(row - stored_) * stride();
    std::memcpy(bytes.data(), at, row_bytes_);
    std::memcpy(&beside, at + row_bytes_, sizeof beside);
    return beside;
  }
  iovec parts[] = {{bytes.data(), row_bytes_}, {&beside, sizeof beside}};
  const auto offset = static_cast<off_t>(static_cast<std::size_t>(row) * stride());
  ssize_t got = 0;
  do got = ::preadv(file_.get(), parts, 2, offset);
  while (got < 0 && errno == EINTR);
  if (std::cmp_not_equal(got, stride())) fail("read", folder_, got < 0 ? errno : EIO);
  return beside;
}

}  // namespace hop::data
