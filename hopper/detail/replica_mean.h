// A mean over the replicas of a unit, whoever computes them. Internal to Hopscotch.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "hopper/detail/bucketed_mean.h"
#include "hopper/strategy/group_wire.h"
#include "tensor/tensor.h"

namespace hop::hopper {

/// Values of tensors, to go back to.
class Snapshot {
 public:
  Snapshot() = default;
  explicit Snapshot(std::vector<Tensor> tensors) : tensors_(std::move(tensors)) {}
  const std::vector<Tensor>& tensors() const { return tensors_; }
  void take();
  /// Does nothing before the first take().
  void bring_back() const;

 private:
  std::vector<Tensor> tensors_;
  std::vector<Tensor> values_;  // empty before the first take()
};

/// Who computes a mean, and in which order: replica_mean.cpp has the four ways. The calls are those of ReplicaMean.
class MeanWay {
 public:
  virtual ~MeanWay() = default;
  virtual void begin(const std::vector<std::optional<double>>& shares) = 0;
  virtual void expect() {}
  virtual bool takes_gradients() const { return false; }
  virtual void on_gradient(const void* /*leaf*/, bool /*is_lost*/) {}
  virtual std::uint64_t early() const { return 0; }
  virtual void add(double share) = 0;
  virtual void skip() = 0;
  virtual bool finish(bool is_lost) = 0;
  virtual void leave() {}
};

/// A TreeMean, if one worker has all replicas, or a GroupMean or a BucketedMean with its bits, or a MemberMean, which
/// has bits of its own. Beside the mean, `firsts` become those of the first replica that has rows.
class ReplicaMean {
 public:
  /// As GroupMean. One worker has all replicas until join() is called.
  ReplicaMean(std::vector<Tensor> values, std::vector<Tensor> firsts, DType sums);

  /// From now on the members of this group compute the mean together. Sums in f32 take the group's exchange; then,
  /// without a wire, this worker goes on alone and adds in the order of the members. If the only value is a large block
  /// of gradients on the CPU, `places` lets the members exchange it while backward goes on.
  void join(const Group& group, const std::vector<GradientPlace>& places = {});
  /// The group is over, or broke off: nothing uses its wire from now on. join() comes before the next begin().
  void leave() { way_->leave(); }
  /// As GroupMean::begin.
  void begin(const std::vector<std::optional<double>>& shares);
  /// As GroupMean::expect.
  void expect() { way_->expect(); }
  /// Whether on_gradient() is wanted of the next own replica.
  bool takes_gradients() const { return way_->takes_gradients(); }
  /// As BucketedMean::on_gradient.
  void on_gradient(const void* leaf, bool is_lost) { way_->on_gradient(leaf, is_lost); }
  /// As BucketedMean::early.
  std::uint64_t early() const { return way_->early(); }
  /// The values are those of the next own replica, which counts `share`.
  void add(double share);
  /// The next own replica has no rows.
  void skip() { way_->skip(); }
  /// Leaves the mean in the values. Returns whether a member has lost its loss. Throws as GroupWire::swap.
  bool finish(bool is_lost);
  /// As GroupMean::bytes.
  std::uint64_t bytes() const { return bytes_; }

 private:
  const std::vector<Tensor> values_;
  const DType sums_;
  std::uint64_t bytes_ = 0;
  std::unique_ptr<MeanWay> way_;
  Snapshot first_;
  bool has_first_ = false;
};

}  // namespace hop::hopper
