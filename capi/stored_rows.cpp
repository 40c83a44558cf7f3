#include "capi/stored_rows.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/words.h"
#include "capi/guard.h"

namespace hop::capi {
namespace {

constexpr std::int64_t kMostRows = std::numeric_limits<std::uint32_t>::max();  // random_permutation() has no more

void check_bytes(const char* what, const void* bytes, std::size_t got, std::int64_t rows, std::size_t per_row) {
  if (got != static_cast<std::size_t>(rows) * per_row) {
    throw ShapeError("[rows] expected " + std::to_string(rows) + " rows of " + std::to_string(per_row) + " bytes of " +
                     what + ", got " + std::to_string(got) + " bytes");
  }
  if (rows > 0) require(bytes, what);
}

// The place of the first element for which `is_wrong` holds; -1 if there is none.
template <class T, class IsWrong>
std::int64_t find(const void* values, std::size_t bytes, IsWrong is_wrong) {
  const auto* at = static_cast<const std::byte*>(values);
  for (std::size_t i = 0; i < bytes / sizeof(T); ++i) {
    T value{};
    std::memcpy(&value, at + i * sizeof(T), sizeof value);  // the caller's memory need not be aligned
    if (is_wrong(value)) return static_cast<std::int64_t>(i);
  }
  return -1;
}

template <class T>
std::string text_of(const void* values, std::int64_t place) {
  T value{};
  std::memcpy(&value, static_cast<const std::byte*>(values) + static_cast<std::size_t>(place) * sizeof(T),
              sizeof value);
  return shortest(static_cast<double>(value));
}

constexpr auto kIsNotFinite = [](auto value) { return !std::isfinite(static_cast<double>(value)); };

}  // namespace

StoredRows::StoredRows(DatasetOptions options, std::filesystem::path scratch)
    : options_(std::move(options)),
      feature_bytes_(static_cast<std::size_t>(options_.shape.numel()) * size_of(options_.dtype)),
      weight_bytes_(options_.has_weights ? sizeof(float) : 0),
      label_bytes_(options_.numbers.empty() ? sizeof(std::int64_t) : options_.numbers.size() * sizeof(float)),
      store_(feature_bytes_ + weight_bytes_ + label_bytes_, std::move(scratch)) {}

std::string StoredRows::at(std::int64_t row) const { return " (row " + std::to_string(rows() + row) + ")"; }

void StoredRows::check(const hop_rows& given) const {
  if (given.count < 0 || given.count > kMostRows - rows()) {
    throw DataError("[rows] expected at most " + std::to_string(kMostRows) + " rows in all, got " +
                    std::to_string(rows()) + " and " + std::to_string(given.count) + " more");
  }
  check_bytes("features", given.features, given.feature_bytes, given.count, feature_bytes_);
  check_bytes("labels", given.labels, given.label_bytes, given.count, label_bytes_);
  if (options_.has_weights != (given.weights != nullptr) && given.count > 0) {
    throw ShapeError(options_.has_weights
                         ? "[rows] expected weights, as the schema says, got none"
                         : "[rows] expected no weights, got some: say \"weights\": true in the schema");
  }
  visit_dtype(options_.dtype, [&]<class T>(T) {
    if (!is_floating(options_.dtype)) return;
    const std::int64_t found = find<T>(given.features, given.feature_bytes, kIsNotFinite);
    if (found < 0) return;
    throw DataError("[rows] expected finite features, got " + text_of<T>(given.features, found) +
                    at(found / options_.shape.numel()));
  });
  if (options_.numbers.empty()) {
    const auto is_outside = [this](std::int64_t label) { return label < 0 || label >= options_.classes; };
    const std::int64_t found = find<std::int64_t>(given.labels, given.label_bytes, is_outside);
    if (found >= 0) {
      throw DataError("[rows] expected labels from 0 to " + std::to_string(options_.classes - 1) + ", got " +
                      text_of<std::int64_t>(given.labels, found) + at(found));
    }
  } else if (const auto found = find<float>(given.labels, given.label_bytes, kIsNotFinite); found >= 0) {
    throw DataError("[rows] expected finite numbers to predict, got " + text_of<float>(given.labels, found) +
                    at(found / static_cast<std::int64_t>(options_.numbers.size())));
  }
  const std::size_t bytes = weight_bytes_ * static_cast<std::size_t>(given.count);
  const auto found = find<float>(given.weights, bytes, [](float w) { return !(w >= 0) || std::isinf(w); });
  if (found < 0) return;
  throw DataError("[rows] expected weights of 0 or more, got " + text_of<float>(given.weights, found) + at(found));
}

void StoredRows::append(const hop_rows& given) {
  check(given);
  std::vector<std::byte> record(store_.row_bytes());
  const auto copy = [&record](std::size_t to, const void* from, std::size_t row, std::size_t bytes) {
    if (bytes != 0) std::memcpy(record.data() + to, static_cast<const std::byte*>(from) + row * bytes, bytes);
  };
  const std::int64_t before = rows();
  try {
    for (std::size_t row = 0; row < static_cast<std::size_t>(given.count); ++row) {
      copy(0, given.features, row, feature_bytes_);
      copy(feature_bytes_, given.weights, row, weight_bytes_);
      copy(feature_bytes_ + weight_bytes_, given.labels, row, label_bytes_);
      store_.append(record, 0);
    }
  } catch (...) {  // the disk is full
    store_.truncate(before);
    throw;
  }
}

std::vector<std::byte> StoredRows::record(std::int64_t row) const {
  std::vector<std::byte> bytes(store_.row_bytes());
  store_.read(row, bytes);
  return bytes;
}

std::int64_t StoredRows::read(std::int64_t row, MutableByteView features) const {
  const std::vector<std::byte> bytes = record(row);
  std::memcpy(features.data(), bytes.data(), feature_bytes_);
  if (!options_.numbers.empty()) return 0;
  std::int64_t label = 0;
  std::memcpy(&label, bytes.data() + feature_bytes_ + weight_bytes_, sizeof label);
  return label;
}

void StoredRows::read_numbers(std::int64_t row, std::span<float> numbers) const {
  const std::vector<std::byte> bytes = record(row);
  std::memcpy(numbers.data(), bytes.data() + feature_bytes_ + weight_bytes_, numbers.size_bytes());
}

float StoredRows::read_weight(std::int64_t row) const {
  const std::vector<std::byte> bytes = record(row);
  float weight = 1;
  std::memcpy(&weight, bytes.data() + feature_bytes_, weight_bytes_);
  return weight;
}

void StoredRows::read_many(std::int64_t first, MutableByteView records) const {
  const std::size_t size = store_.row_bytes(), count = records.size() / size;
  std::vector<std::byte> stored(count * store_.stride());
  store_.read_many(first, stored);
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(records.data() + i * size, stored.data() + i * store_.stride(), size);
  }
}

}  // namespace hop::capi
