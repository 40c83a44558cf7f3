#include "data/formats/idx.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "data/mapped_file.h"

namespace hop::data {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kUnsignedByte = 0x08;

[[noreturn]] void fail(const std::string& message, const fs::path& file, std::size_t offset) {
  throw DataError("[idx] " + message + " (" + file.string() + ", offset " + std::to_string(offset) + ")");
}

// One IDX file of bytes: its sizes, and its elements in the mapped file.
class IdxFile {
 public:
  explicit IdxFile(const fs::path& file) : mapped_(file) {
    const std::uint32_t magic = word(0);
    if (magic >> 16 != 0) fail("expected an IDX file, which starts with two zero bytes", file, 0);
    if ((magic >> 8 & 0xFF) != kUnsignedByte) {
      fail("expected elements of type 8 (unsigned byte), got type " + std::to_string(magic >> 8 & 0xFF), file, 2);
    }
    const std::size_t dims = magic & 0xFF;
    if (dims < 1 || dims > kMaxDims) fail("expected 1 to 8 dimensions, got " + std::to_string(dims), file, 3);
    std::size_t elements = 1;
    for (std::size_t i = 1; i <= dims; ++i) {
      sizes_.push_back(word(4 * i));
      if (sizes_.back() == 0 || __builtin_mul_overflow(elements, static_cast<std::size_t>(sizes_.back()), &elements)) {
        fail("expected a size of at least 1 that fits the file, got " + std::to_string(sizes_.back()), file, 4 * i);
      }
    }
    elements_ = mapped_.bytes().subspan(4 + 4 * dims);
    if (elements_.size() != elements) {
      fail("expected " + std::to_string(elements) + " elements, got " + std::to_string(elements_.size()), file,
           4 + 4 * dims);
    }
  }

  const fs::path& file() const { return mapped_.file(); }
  SourceFile source_file() const { return data::source_file(mapped_); }
  std::int64_t rows() const { return sizes_[0]; }
  std::size_t dims() const { return sizes_.size(); }
  ByteView elements() const { return elements_; }
  /// The shape of one row; a grey image gets one channel.
  Shape row_shape() const {
    Shape shape;
    if (sizes_.size() == 3) shape.push_back(1);
    for (std::size_t i = 1; i < sizes_.size(); ++i) shape.push_back(sizes_[i]);
    return shape;
  }

 private:
  std::uint32_t word(std::size_t offset) const {
    if (mapped_.bytes().size() < offset + 4) {
      fail("expected a header, got the end of the file", mapped_.file(), mapped_.bytes().size());
    }
    std::uint32_t big_endian = 0;
    std::memcpy(&big_endian, mapped_.bytes().data() + offset, 4);
    return __builtin_bswap32(big_endian);
  }

  MappedFile mapped_;
  std::vector<std::int64_t> sizes_;
  ByteView elements_;
};

class IdxSource final : public RowSource {
 public:
  IdxSource(const fs::path& images, const fs::path& labels) : images_(images), labels_(labels) {
    if (labels_.dims() != 1) fail("expected labels of 1 dimension, got " + std::to_string(labels_.dims()), labels, 3);
    if (images_.dims() < 2) fail("expected images of at least 2 dimensions, got 1", images, 3);
    if (labels_.rows() != images_.rows()) {
      fail("expected " + std::to_string(images_.rows()) + " labels, as many as images, got " +
               std::to_string(labels_.rows()),
           labels, 4);
    }
    classes_ = std::to_integer<std::int64_t>(*std::ranges::max_element(labels_.elements())) + 1;
  }
  std::int64_t rows() const override { return images_.rows(); }
  DType feature_dtype() const override { return DType::u8; }
  Shape feature_shape() const override { return images_.row_shape(); }
  std::int64_t classes() const override { return classes_; }
  std::int64_t read(std::int64_t row, MutableByteView features) const override {
    const auto i = static_cast<std::size_t>(row);
    std::memcpy(features.data(), images_.elements().data() + i * features.size(), features.size());
    return std::to_integer<std::int64_t>(labels_.elements()[i]);
  }
  std::vector<SourceFile> files() const { return {images_.source_file(), labels_.source_file()}; }

 private:
  IdxFile images_;
  IdxFile labels_;
  std::int64_t classes_ = 0;
};

// The first of `<prefix>-<kind>-idx<dims>-ubyte` and `<prefix>-<kind>.idx<dims>-ubyte` that exists, else an empty path.
fs::path find(const fs::path& folder, const std::string& prefix, const std::string& kind, char dims) {
  for (const char* dot : {"-", "."}) {
    fs::path file = folder / (prefix + "-" + kind + dot + "idx" + dims + "-ubyte");
    if (fs::exists(file)) return file;
  }
  return {};
}

}  // namespace

std::vector<fs::path> find_idx(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const char* prefix : {"train", "t10k", "test"}) {
    const fs::path images = find(folder, prefix, "images", '3');
    const fs::path labels = find(folder, prefix, "labels", '1');
    if (images.empty() && labels.empty()) {
      if (files.empty()) return {};  // no training rows: no IDX folder
      continue;
    }
    if (images.empty() || labels.empty()) {
      throw DataError("[idx] expected " + std::string(prefix) + "-images-idx3-ubyte and " + prefix +
                      "-labels-idx1-ubyte, got only one of them (" + folder.string() + ")");
    }
    if (files.size() < 4) files.insert(files.end(), {images, labels});
  }
  return files;
}

RawData open_idx(std::span<const fs::path> files) {
  if (files.size() != 2 && files.size() != 4) {
    throw DataError("[idx] expected 2 files (images, labels) or 4 (and of the test rows), got " +
                    std::to_string(files.size()));
  }
  RawData raw{.format = "idx", .train = nullptr, .test = nullptr, .files = {}};
  for (std::size_t i = 0; i < files.size(); i += 2) {
    auto source = std::make_unique<IdxSource>(files[i], files[i + 1]);
    std::ranges::copy(source->files(), std::back_inserter(raw.files));
    (i == 0 ? raw.train : raw.test) = std::move(source);
  }
  return raw;
}

}  // namespace hop::data
