// The common part of the tests of the data floor: a folder of their own, files, errors, sources with known rows.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "data/dataset.h"
#include "data/source.h"
#include "tests/temporary_folder.h"

namespace hop::data {

namespace fs = std::filesystem;

inline std::string read_file(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

inline void write_file(const fs::path& file, const std::string& bytes) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << bytes;
}

/// A string that may hold zeros: bytes({0, 0, 8, 3}).
inline std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

/// Runs `f` and returns the message of the E that it throws; fails the test when it throws none.
template <class E, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  ADD_FAILURE() << "expected an error, got none";
  return {};
}

/// Rows that know who they are: row r is {1000 * r, 1000 * r + 1, ...} and its label is r mod classes.
class NumberedSource final : public RowSource {
 public:
  NumberedSource(std::int64_t rows, Shape shape, std::int64_t classes = 3, std::int64_t first = 0)
      : rows_(rows), shape_(shape), classes_(classes), first_(first) {}
  std::int64_t rows() const override { return rows_; }
  DType feature_dtype() const override { return DType::i32; }
  Shape feature_shape() const override { return shape_; }
  std::int64_t classes() const override { return classes_; }
  std::int64_t read(std::int64_t row, MutableByteView features) const override {
    auto* out = reinterpret_cast<std::int32_t*>(features.data());
    for (std::int64_t i = 0; i < shape_.numel(); ++i) out[i] = static_cast<std::int32_t>(1000 * (first_ + row) + i);
    return (first_ + row) % classes_;
  }

 private:
  std::int64_t rows_;
  Shape shape_;
  std::int64_t classes_;
  std::int64_t first_;
};

inline RawData numbered(std::int64_t train_rows, std::int64_t test_rows = 0, const Shape& shape = {2, 3}) {
  RawData raw{.format = "tensors", .train = nullptr, .test = nullptr, .files = {}};
  raw.train = std::make_unique<NumberedSource>(train_rows, shape);
  if (test_rows > 0) raw.test = std::make_unique<NumberedSource>(test_rows, shape, 3, train_rows);
  return raw;
}

/// Which rows of a NumberedSource a partition holds, in its order; fails the test where a row is not whole.
inline std::vector<std::int64_t> rows_in(const Partition& partition) {
  std::vector<std::int64_t> rows;
  const std::int64_t n = partition.columns()[0].shape.numel();
  for (std::int64_t r = 0; r < partition.rows(); ++r) {
    const auto* x = reinterpret_cast<const std::int32_t*>(partition.row(0, r).data());
    const auto* y = reinterpret_cast<const std::int64_t*>(partition.row(1, r).data());
    rows.push_back(x[0] / 1000);
    for (std::int64_t i = 0; i < n; ++i) EXPECT_EQ(x[i], 1000 * rows.back() + i);
    EXPECT_EQ(*y, rows.back() % partition.header().classes);
  }
  return rows;
}

}  // namespace hop::data
