#include "data/formats/cifar.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "data/mapped_file.h"

namespace hop::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kImageBytes = 3 * 32 * 32;
constexpr std::size_t kRecordBytes = 1 + kImageBytes;
constexpr std::int64_t kClasses = 10;

class CifarSource final : public RowSource {
 public:
  /// Checks the size and every label before rows are read. Returns the manifest's entry for the file.
  SourceFile add(const fs::path& file) {
    auto mapped = std::make_unique<MappedFile>(file);
    const ByteView bytes = mapped->bytes();
    if (bytes.empty() || bytes.size() % kRecordBytes != 0) {
      throw DataError("[cifar] expected records of 3,073 bytes, got a file of " + std::to_string(bytes.size()) +
                      " bytes (" + file.string() + ")");
    }
    for (std::size_t offset = 0; offset < bytes.size(); offset += kRecordBytes) {
      const auto label = std::to_integer<std::int64_t>(bytes[offset]);
      if (label >= kClasses) {
        throw DataError("[cifar] expected a label of 0 to 9, got " + std::to_string(label) + " (" + file.string() +
                        ", offset " + std::to_string(offset) + ")");
      }
      records_.push_back(bytes.data() + offset);
    }
    files_.push_back(std::move(mapped));
    return source_file(*files_.back());
  }
  std::int64_t rows() const override { return static_cast<std::int64_t>(records_.size()); }
  DType feature_dtype() const override { return DType::u8; }
  Shape feature_shape() const override { return {3, 32, 32}; }
  std::int64_t classes() const override { return kClasses; }
  std::vector<std::string> class_names() const override {
    return {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
  }
  std::int64_t read(std::int64_t row, MutableByteView features) const override {
    const std::byte* record = records_[static_cast<std::size_t>(row)];
    std::memcpy(features.data(), record + 1, kImageBytes);
    return std::to_integer<std::int64_t>(*record);
  }

 private:
  std::vector<std::unique_ptr<MappedFile>> files_;
  std::vector<const std::byte*> records_;
};

bool is_test(const fs::path& file) { return file.filename().string().starts_with("test"); }

}  // namespace

std::vector<fs::path> find_cifar(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("data_batch_") && name.ends_with(".bin")) files.push_back(entry.path());
  }
  if (files.empty()) return {};
  std::ranges::sort(files);
  if (fs::exists(folder / "test_batch.bin")) files.push_back(folder / "test_batch.bin");
  return files;
}

RawData open_cifar(std::span<const fs::path> files) {
  auto train = std::make_unique<CifarSource>();
  auto test = std::make_unique<CifarSource>();
  RawData raw{.format = "cifar", .train = nullptr, .test = nullptr, .files = {}};
  for (const fs::path& file : files) {
    raw.files.push_back((is_test(file) ? *test : *train).add(file));
  }
  if (train->rows() == 0) throw DataError("[cifar] expected at least one batch of training rows, got none");
  raw.train = std::move(train);
  if (test->rows() > 0) raw.test = std::move(test);
  return raw;
}

}  // namespace hop::data
