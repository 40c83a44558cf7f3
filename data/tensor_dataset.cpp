#include "data/tensor_dataset.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "data/split.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/index.h"
#include "kernels/view.h"

namespace hop::data {

TensorDataset::TensorDataset(std::vector<Tensor> tensors) : tensors_(std::move(tensors)), size_(0) {
  if (tensors_.empty()) throw ShapeError("[TensorDataset] expected at least one tensor, got none");
  for (Tensor& x : tensors_) {
    kernels::expect_defined("TensorDataset", x);
    if (x.dim() == 0) throw ShapeError("[TensorDataset] expected tensors of rows, got " + x.describe());
    if (x.size(0) != tensors_[0].size(0)) {
      throw ShapeError("[TensorDataset] expected equally many rows, got " + tensors_[0].describe() + " and " +
                       x.describe());
    }
    x = x.detach();
  }
  size_ = tensors_[0].size(0);
}

std::vector<Tensor> TensorDataset::operator[](std::int64_t i) const {
  if (i < -size_ || i >= size_) {
    throw IndexError("[TensorDataset] expected a row in " + std::to_string(-size_) + ".." + std::to_string(size_ - 1) +
                     ", got " + std::to_string(i));
  }
  std::vector<Tensor> row;
  for (const Tensor& x : tensors_) row.push_back(kernels::select(x, 0, i));
  return row;
}

std::vector<Tensor> TensorDataset::rows(std::span<const std::int64_t> numbers) const {
  const Tensor index = Tensor::from(numbers, {static_cast<std::int64_t>(numbers.size())});
  std::vector<Tensor> batch;
  for (const Tensor& x : tensors_)
    batch.push_back(kernels::index_select(x, 0, kernels::to_device(index, x.device()), "TensorDataset"));
  return batch;
}

DataLoader::DataLoader(TensorDataset dataset, DataLoaderOptions options)
    : dataset_(std::move(dataset)), options_(std::move(options)) {
  if (options_.batch_size < 1)
    throw ConfigError("[DataLoader] expected batch_size >= 1, got " + std::to_string(options_.batch_size));
  if (options_.shuffle && dataset_.size() > std::numeric_limits<std::uint32_t>::max())
    throw ConfigError("[DataLoader] expected at most 2^32 - 1 rows to shuffle, got " + std::to_string(dataset_.size()));
}

std::int64_t DataLoader::batches() const {
  const std::int64_t whole = dataset_.size() / options_.batch_size;
  return whole + (options_.drop_last || dataset_.size() % options_.batch_size == 0 ? 0 : 1);
}

void DataLoader::set_epoch(std::int64_t epoch) {
  if (epoch < 0) throw ConfigError("[DataLoader] expected an epoch of at least 0, got " + std::to_string(epoch));
  epoch_ = epoch;
}

DataLoader::Iterator DataLoader::begin() {
  const auto epoch = static_cast<std::uint64_t>(epoch_++);
  if (!options_.shuffle) return {*this, {}};
  return {*this, random_permutation(dataset_.size(), hash64(options_.seed, "order", {epoch}))};
}

std::vector<Tensor> DataLoader::batch(std::int64_t i, const std::vector<std::uint32_t>& order) const {
  const std::int64_t first = i * options_.batch_size;
  const std::int64_t count = std::min(options_.batch_size, dataset_.size() - first);
  std::vector<std::int64_t> numbers;
  for (std::int64_t k = first; k < first + count; ++k)
    numbers.push_back(order.empty() ? k : static_cast<std::int64_t>(order[static_cast<std::size_t>(k)]));
  if (options_.collate) {
    std::vector<std::vector<Tensor>> rows;
    for (const std::int64_t number : numbers) rows.push_back(dataset_[number]);
    return options_.collate(rows);
  }
  if (!order.empty()) return dataset_.rows(numbers);
  std::vector<Tensor> batch;  // neighbours: one copy
  for (const Tensor& x : dataset_.tensors())
    batch.push_back(kernels::clone(kernels::slice(x, 0, first, first + count)));
  return batch;
}

DataLoader::Iterator::Iterator(const DataLoader& loader, std::vector<std::uint32_t> order)
    : loader_(&loader), order_(std::move(order)) {
  ++*this;
}

DataLoader::Iterator& DataLoader::Iterator::operator++() {
  batch_.clear();
  if (next_ < loader_->batches()) batch_ = loader_->batch(next_, order_);
  ++next_;
  return *this;
}

}  // namespace hop::data
