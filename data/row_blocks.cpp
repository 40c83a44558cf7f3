#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/words.h"
#include "data/row_blocks_internal.h"

namespace hop::data {
namespace {

constexpr std::size_t kBlockBytes = 1 << 20;

[[noreturn]] void fail(const std::string& expected, const std::string& got, std::int64_t row) {
  throw DataError("[data] expected " + expected + ", got " + got + " (row " + std::to_string(row) + " of the source)");
}

void check_numbers(const RowSource& source, std::int64_t first, ByteView records) {
  const std::size_t stride = source.record_bytes(), bytes = source.label_bytes();
  for (std::size_t end = stride; end <= records.size(); end += stride, ++first) {
    for (std::size_t at = end - bytes; at < end; at += sizeof(float)) {
      float number = 0;
      std::memcpy(&number, records.data() + at, sizeof number);
      if (!std::isfinite(number)) fail("finite numbers to predict", shortest(number), first);
    }
  }
}

void check_labels(const RowSource& source, std::int64_t first, ByteView records) {
  if (!source.number_names().empty()) return check_numbers(source, first, records);
  const std::size_t stride = source.record_bytes();
  const std::int64_t classes = source.classes();
  for (std::size_t end = stride; end <= records.size(); end += stride, ++first) {
    std::int64_t label = 0;
    std::memcpy(&label, records.data() + end - sizeof label, sizeof label);
    if (label < 0 || label >= classes) fail("a label below " + std::to_string(classes), std::to_string(label), first);
  }
}

void check_weights(const RowSource& source, std::int64_t first, ByteView records) {
  if (!source.has_weights()) return;
  const std::size_t stride = source.record_bytes();
  for (std::size_t at = source.feature_bytes(); at < records.size(); at += stride, ++first) {
    float weight = 0;
    std::memcpy(&weight, records.data() + at, sizeof weight);
    if (!std::isfinite(weight) || weight < 0) fail("a finite weight of 0 or more", shortest(weight), first);
  }
}

}  // namespace

void for_each_block(const RowSource& source, const UseRows& use) {
  const std::size_t stride = source.record_bytes();
  const std::int64_t rows = source.rows();
  const auto most = std::min(static_cast<std::int64_t>(std::max<std::size_t>(kBlockBytes / stride, 1)), rows);
  AlignedBuffer block(static_cast<std::size_t>(most) * stride);
  for (std::int64_t first = 0; first < rows; first += most) {
    const auto present = static_cast<std::size_t>(std::min(most, rows - first));
    const MutableByteView records = block.span().first(present * stride);
    source.read_many(first, records);
    check_labels(source, first, records);
    check_weights(source, first, records);
    use(first, records);
  }
}

}  // namespace hop::data
