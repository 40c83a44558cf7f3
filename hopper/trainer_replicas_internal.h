// The epochs of replicas in a trainer, as trainer_replicas.cpp, trainer_weights.cpp and trainer_async.cpp share them.
// Internal to Hopscotch.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "hopper/detail/late_gradients.h"
#include "hopper/detail/lockstep.h"
#include "hopper/detail/pace.h"
#include "hopper/detail/replica_mean.h"
#include "hopper/detail/replica_module.h"
#include "hopper/detail/rows_of_steps.h"
#include "hopper/trainer.h"

namespace hop::hopper {

class Trainer::Replicated {
 public:
  Replicated(Trainer& trainer, std::size_t replicas, const Group& group);
  /// Whether it was made for so many replicas, of which the group's member owns the same ones.
  bool fits(std::size_t replicas, const Group& group) const {
    return lanes_.size() == replicas && group_.owners == group.owners && has_group() == (group.wire != nullptr) &&
           (!has_group() || rank_ == group.wire->rank());
  }
  /// While it lives, the replicas are trained by this group.
  class Membership {
   public:
    Membership(Replicated& replicated, const Group& group) : replicated_(replicated) { replicated.join(group); }
    ~Membership() { replicated_.leave(); }
    Membership(const Membership&) = delete;
    Membership& operator=(const Membership&) = delete;

   private:
    Replicated& replicated_;
  };

  /// Begins the passes of an epoch.
  void start(std::span<const PartitionId> passes, const PartitionRows& rows, Epoch epoch);
  /// Trains the epoch and sets `rows`, `weight`, `train_loss`, `shared_bytes`, `arrivals`, `statistics_bytes` and
  /// `statistics_rounds`.
  void train(UnitMetrics& metrics, std::stop_token stop, std::atomic<std::uint64_t>* rows_done);

 private:
  class Async;
  std::shared_ptr<Async> make_async(std::vector<Tensor> parameters, const std::vector<Tensor>& buffers);
  void push_gradients(UnitMetrics& metrics);
  bool has_group() const { return is_member_; }
  std::uint64_t order_of(Epoch epoch, std::uint32_t pass, PartitionId partition) const;
  void synchronise();
  void join(const Group& group);
  void leave();
  std::vector<GradientPlace> gradient_places() const;
  void learn_rows(std::span<const PartitionId> passes, const std::vector<std::vector<double>>& sums);
  void share_losses();
  bool finish_mean();
  void write_keys();
  void share_gradients(UnitMetrics& metrics);
  void add_gradients(std::int64_t step);
  void compute_together(std::int64_t step, const std::vector<std::optional<double>>& shares);
  void add_gradients_together(std::int64_t step);
  void write_early_keys(std::int64_t step);
  void share_weights(UnitMetrics& metrics);
  void add_weights(ReplicaMean& mean, std::int64_t begin, std::int64_t end, std::int64_t first);
  bool any_member_lost();
  void give_up_since(std::int64_t begin, std::int64_t every);
  void train_alone(std::size_t replica, std::int64_t begin, std::int64_t end, std::int64_t first);
  void reset_optimizer(std::int64_t steps);
  bool is_lost() const;
  void lose();
  void next_batch(std::size_t replica, std::int64_t rows);

  Trainer& t_;
  std::vector<std::unique_ptr<data::Batches>> batches_;
  std::vector<Lane> lanes_;
  Tensor losses_;  // (replicas) f64: the sum of each one's losses over its rows
  RowsOfSteps rows_{1};
  Group group_;  // its wire is that of the epoch
  const bool is_member_;
  const std::uint32_t rank_;
  const std::uint32_t passes_;  // of an epoch, over each partition
  std::stop_token stop_;
  std::atomic<std::uint64_t>* rows_done_ = nullptr;
  std::optional<Pace> pace_;

  // ShareGradients
  std::optional<ReplicaMean> gradients_;
  std::optional<LateGradients> late_;  // if they are applied later than they are computed
  Snapshot before_step_;               // of the buffers
  // With synchronised BatchNorm layers:
  std::vector<std::size_t> own_;                         // the replicas of this member; empty without such layers
  std::vector<std::unique_ptr<ReplicaModule>> modules_;  // of each of them but the first
  std::optional<Lockstep> lockstep_;
  struct Told {
    std::uint64_t bytes = 0, rounds = 0;
  };
  Told told_;  // by each replica to each other member, in the last step in which an own replica had rows

  // ShareWeights
  std::optional<ReplicaMean> weights_, weights_and_slots_;
  Snapshot start_;               // of all that training changes
  std::vector<Snapshot> slots_;  // of each replica; empty unless they are kept
  std::vector<Tensor> all_slots_;
  std::function<void(std::size_t, std::uint32_t)> begin_pass_;  // of a replica, by their numbers

  // PushGradients
  std::shared_ptr<Async> async_;
};

}  // namespace hop::hopper
