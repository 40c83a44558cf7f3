#include "data/formats/cifar.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/input_file.h"
#include "data/mapped_file.h"

namespace hop::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kImageBytes = 3 * 32 * 32;

// The place of the label in a record, and the number of its classes.
struct Layout {
  std::string_view format{};
  std::size_t label_bytes = 1;  // the last one is the label
  std::int64_t classes = 0;

  std::size_t record_bytes() const { return label_bytes + kImageBytes; }
};

constexpr Layout kCifar10{"cifar", 1, 10};
constexpr Layout kCifar100{"cifar100", 2, 100};

class CifarSource final : public RowSource {
 public:
  CifarSource(const Layout& layout, std::vector<std::string> names) : layout_(layout), names_(std::move(names)) {}

  /// Checks the size and every label before rows are read. Returns the manifest's entry for the file.
  SourceFile add(const fs::path& file) {
    auto mapped = std::make_unique<MappedFile>(file);
    const ByteView bytes = mapped->bytes();
    const std::string where = "[" + std::string(layout_.format) + "] expected ";
    if (bytes.empty() || bytes.size() % layout_.record_bytes() != 0) {
      throw DataError(where + "records of " + std::to_string(layout_.record_bytes()) + " bytes, got a file of " +
                      std::to_string(bytes.size()) + " bytes (" + file.string() + ")");
    }
    for (std::size_t offset = 0; offset < bytes.size(); offset += layout_.record_bytes()) {
      const std::int64_t label = label_of(bytes.data() + offset);
      if (label >= layout_.classes) {
        throw DataError(where + "a label of 0 to " + std::to_string(layout_.classes - 1) + ", got " +
                        std::to_string(label) + " (" + file.string() + ", offset " + std::to_string(offset) + ")");
      }
      records_.push_back(bytes.data() + offset);
    }
    files_.push_back(std::move(mapped));
    return source_file(*files_.back());
  }
  std::int64_t rows() const override { return static_cast<std::int64_t>(records_.size()); }
  DType feature_dtype() const override { return DType::u8; }
  Shape feature_shape() const override { return {3, 32, 32}; }
  std::int64_t classes() const override { return layout_.classes; }
  std::vector<std::string> class_names() const override { return names_; }
  std::int64_t read(std::int64_t row, MutableByteView features) const override {
    const std::byte* record = records_[static_cast<std::size_t>(row)];
    std::memcpy(features.data(), record + layout_.label_bytes, kImageBytes);
    return label_of(record);
  }

 private:
  std::int64_t label_of(const std::byte* record) const {
    return std::to_integer<std::int64_t>(record[layout_.label_bytes - 1]);
  }

  const Layout& layout_;
  std::vector<std::string> names_;
  std::vector<std::unique_ptr<MappedFile>> files_;
  std::vector<const std::byte*> records_;
};

bool is_test(const fs::path& file) { return file.filename().string().starts_with("test"); }

RawData open(const Layout& layout, std::span<const fs::path> files, const std::vector<std::string>& names) {
  auto train = std::make_unique<CifarSource>(layout, names);
  auto test = std::make_unique<CifarSource>(layout, names);
  RawData raw{.format = std::string(layout.format), .train = nullptr, .test = nullptr, .files = {}};
  for (const fs::path& file : files) {
    raw.files.push_back((is_test(file) ? *test : *train).add(file));
  }
  if (train->rows() == 0) {
    throw DataError("[" + raw.format + "] expected at least one batch of training rows, got none");
  }
  raw.train = std::move(train);
  if (test->rows() > 0) raw.test = std::move(test);
  return raw;
}

// The lines of the file of names; none if there is no such file.
std::vector<std::string> fine_names(const fs::path& file) {
  expect_file(file, raise<DataError>);
  std::ifstream text(file);
  if (!text) return {};
  std::vector<std::string> names;
  for (std::string line; std::getline(text, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  if (names.size() != static_cast<std::size_t>(kCifar100.classes)) {
    throw DataError("[cifar100] expected 100 names, one a line, got " + std::to_string(names.size()) + " (" +
                    file.string() + ")");
  }
  return names;
}

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
  return open(kCifar10, files,
              {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"});
}

std::vector<fs::path> find_cifar100(const fs::path& folder) {
  if (!fs::exists(folder / "train.bin")) return {};
  if (!fs::exists(folder / "test.bin")) return {folder / "train.bin"};
  return {folder / "train.bin", folder / "test.bin"};
}

RawData open_cifar100(std::span<const fs::path> files) {
  return open(kCifar100, files,
              files.empty() ? std::vector<std::string>{} : fine_names(files[0].parent_path() / "fine_label_names.txt"));
}

}  // namespace hop::data
