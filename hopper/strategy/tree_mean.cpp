#include "hopper/strategy/tree_mean.h"

#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"

namespace hop::hopper {

TreeMean::TreeMean(std::vector<Tensor> values, DType sums) : values_(std::move(values)), dtype_(sums) {
  if (!is_floating(sums)) {
    throw DtypeError("[tree_mean] expected sums in f32 or f64, got " + std::string(name(sums)));
  }
  for (const Tensor& x : values_) {
    if (!is_floating(x.dtype())) throw DtypeError("[tree_mean] expected floating values, got " + x.describe());
  }
}

void TreeMean::begin() {
  for (Node& node : nodes_) {
    if (!node.sums.empty()) free_.push_back(std::move(node.sums));
  }
  nodes_.clear();
}

void TreeMean::add(double share) {
  Sums leaf = take_place();
  const double factor = dtype_ == DType::f32 ? static_cast<double>(static_cast<float>(share)) : share;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const bool is_read_directly = values_[i].dtype() == dtype_ && values_[i].is_contiguous();
    if (!is_read_directly) kernels::copy_(leaf[i], values_[i]);
    kernels::evaluate_into(leaf[i], kernels::rows::Mul{}, is_read_directly ? values_[i] : leaf[i], factor);
  }
  push({1, std::move(leaf)});
}

void TreeMean::skip() { push({1, {}}); }

void TreeMean::finish() {
  const std::vector<Tensor> sums = take();
  for (std::size_t i = 0; i < sums.size(); ++i) kernels::copy_(values_[i], sums[i]);
}

std::vector<Tensor> TreeMean::take() {
  while (nodes_.size() > 1) join_last();
  std::vector<Tensor> sums;
  if (!nodes_.empty()) sums = nodes_.back().sums;
  begin();  // their place is free
  return sums;
}

std::uint64_t TreeMean::bytes() const {
  std::uint64_t bytes = 0;
  for (const Tensor& x : values_) bytes += align_up(static_cast<std::size_t>(x.numel()) * size_of(x.dtype()));
  return bytes;
}

TreeMean::Sums TreeMean::take_place() {
  Sums place;
  if (!free_.empty()) {
    place = std::move(free_.back());
    free_.pop_back();
    return place;
  }
  for (const Tensor& x : values_) place.push_back(Tensor::empty(x.shape(), dtype_, x.device()));
  return place;
}

// Two neighbours with equally many leaves are the children of one node, as two equal digits of a binary counter.
void TreeMean::push(Node node) {
  nodes_.push_back(std::move(node));
  while (nodes_.size() > 1 && nodes_[nodes_.size() - 2].leaves == nodes_.back().leaves) join_last();
}

void TreeMean::join_last() {
  Node right = std::move(nodes_.back());
  nodes_.pop_back();
  Node& left = nodes_.back();
  left.leaves += right.leaves;
  if (right.sums.empty()) return;
  if (left.sums.empty()) {
    left.sums = std::move(right.sums);
    return;
  }
  for (std::size_t i = 0; i < values_.size(); ++i) {
    kernels::evaluate_into(left.sums[i], kernels::rows::Add{}, left.sums[i], right.sums[i]);
  }
  free_.push_back(std::move(right.sums));
}

}  // namespace hop::hopper
