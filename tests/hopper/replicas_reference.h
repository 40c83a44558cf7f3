// Replicas as plain loops over the public API: the judge of the trainer's. No recorded steps, no kernels for the means.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/graph.h"
#include "autograd/loss.h"
#include "base/error.h"
#include "base/hash.h"
#include "data/loader.h"
#include "hopper/build_model.h"
#include "hopper/trainer.h"
#include "nn/state.h"

namespace hop::hopper {

/// Model 0 of an experiment with a constant learning rate and without mixup.
class ReferenceReplicas {
 public:
  ReferenceReplicas(const Experiment& experiment, const Config& config, const data::Dataset& dataset)
      : experiment_(experiment),
        dataset_(dataset),
        batch_(batch_size(config)),
        module_(build_module(experiment, config, dataset)),
        optimizer_(make_updates(experiment, config, *module_).optimizer),
        schedule_(make_schedule(experiment, config, dataset, optimizer_->lr())),
        state_(*module_, optimizer_.get()) {}

  /// Begins with the state of a trainer.
  void begin(Trainer& trainer) { put(bytes_of(trainer.state())); }
  std::vector<std::byte> state() { return bytes_of(state_); }
  /// The mean loss of the last epoch, summed replica by replica.
  double loss() const { return loss_; }

  /// `staleness`: how many steps later gradients are applied.
  void share_gradients(std::uint32_t epoch, std::int64_t staleness = 0) {
    start(epoch);
    std::vector<Values<float>> means;
    const auto update = [&](const Values<float>& mean) {
      auto value = mean.begin();
      for (const auto& [name, p] : module_->named_parameters()) {
        float* g = p.grad().data<float>();
        for (std::int64_t i = 0; i < p.numel(); ++i) g[i] = *value++;
      }
      optimizer_->step();
    };
    for (std::int64_t step = 0; step < steps_; ++step) {
      early_ = step < staleness ? std::optional(step) : std::nullopt;
      std::vector<std::byte> before = state(), first;
      std::vector<std::optional<Values<float>>> leaves;
      for (std::uint32_t q = 0; q < count(); ++q) {
        leaves.emplace_back();
        if (rows(q, step, step + 1) == 0) continue;
        if (!first.empty()) put(before);
        compute_gradients(q);
        if (first.empty()) first = state();
        const auto share = static_cast<float>(share_of(q, step, step + 1));
        Values<float> leaf;
        for (const auto& [name, p] : module_->named_parameters()) {
          const float* g = p.grad().data<float>();
          for (std::int64_t i = 0; i < p.numel(); ++i) leaf.push_back(share * g[i]);
        }
        leaves.back() = std::move(leaf);
      }
      put(first);
      means.push_back(*sum(leaves, 0, leaves.size()));
      if (step >= staleness) update(means[static_cast<std::size_t>(step - staleness)]);
    }
    early_.reset();
    for (std::int64_t late = std::max<std::int64_t>(0, steps_ - staleness); late < steps_; ++late) {
      update(means[static_cast<std::size_t>(late)]);
    }
    end(epoch);
  }

  /// `passes`: of each replica over its partition. With several, `every` is at least the steps of one.
  void share_weights(std::uint32_t epoch, std::int64_t every, AverageState average, std::uint32_t passes = 1) {
    start(epoch * passes);
    std::vector<std::vector<std::byte>> local(count());
    for (std::int64_t begin = 0; begin < steps_; begin += every) {
      const std::int64_t until = std::min(begin + every, steps_);
      const std::vector<std::byte> from = state();
      const std::int64_t first = state_.counters().steps_before + number(from, "optimizer.step");
      std::vector<std::vector<std::byte>> after(count());
      for (std::uint32_t q = 0; q < count(); ++q) {
        if (rows(q, begin, until) == 0) continue;
        put(from);
        if (average == AverageState::Keep && begin > 0) put_segments(local[q], is_slot);
        for (std::uint32_t pass = 0; pass < passes; ++pass) {
          if (pass > 0) start_pass(q, epoch * passes + pass);
          for (std::int64_t step = begin; step < until && rows(q, step, step + 1) > 0; ++step) {
            optimizer_->set_lr(schedule_(first + pass * steps_ + step - begin));
            compute_gradients(q);
            optimizer_->step();
          }
        }
        after[q] = local[q] = state();
      }
      const bool are_slots_averaged =
          average == AverageState::Average || (average == AverageState::Keep && until == steps_);
      std::vector<std::byte> mean = *std::ranges::find_if(after, [](const auto& bytes) { return !bytes.empty(); });
      for (const nn::Segment& segment : state_.layout().segments) {
        if (segment.dtype != DType::f32 || (is_slot(segment) && !are_slots_averaged)) continue;
        average_segment(segment, after, begin, until, mean);
      }
      put(mean);
      const std::int64_t counted = number(from, "optimizer.step") + (until - begin) * passes;
      set_step(average == AverageState::Reset ? 0 : counted);
      if (average != AverageState::Reset) continue;
      put_segments(std::vector<std::byte>(mean.size()), is_slot);
      state_.counters().steps_before += counted;
    }
    end(epoch, passes);
  }

  /// One update by each gradient alone, in this order of replicas. A replica computes with weights and buffers of its
  /// own. After its update it takes the weights; while it is more than `bound` batches ahead of the slowest one, it
  /// waits. Its random numbers are those of the batch, whatever was applied before.
  void push_gradients(std::uint32_t epoch, const std::vector<std::uint32_t>& order,
                      std::optional<std::int64_t> bound = {}) {
    start(epoch);
    const std::int64_t first = optimizer_->step_count();
    std::vector<std::vector<std::byte>> weights(count(), state()), buffers(count(), state());
    std::vector<std::int64_t> clocks(count());
    std::vector<bool> waits(count());
    for (const std::uint32_t q : order) {
      if (waits[q]) throw StateError("[test] expected a replica that was answered, got " + std::to_string(q));
      const std::vector<std::byte> server = state();
      put_segments(weights[q], is_weight);
      put_segments(buffers[q], is_buffer);
      set_step(first + clocks[q]++);
      compute_gradients(q);
      buffers[q] = state();
      put(server);
      optimizer_->step();
      waits[q] = true;
      std::int64_t slowest = std::numeric_limits<std::int64_t>::max();
      for (std::uint32_t r = 0; r < count(); ++r) {
        if (clocks[r] < loaders_[r].batches()) slowest = std::min(slowest, clocks[r]);
      }
      for (std::uint32_t r = 0; r < count(); ++r) {
        const bool goes_on = !bound || clocks[r] == loaders_[r].batches() || clocks[r] - slowest <= *bound;
        if (!waits[r] || !goes_on) continue;
        waits[r] = false;
        weights[r] = state();
      }
    }
    put_segments(buffers[0], is_buffer);
    end(epoch);
  }

  std::int64_t number(const std::vector<std::byte>& bytes, const std::string& name) const {
    std::int64_t value = 0;
    std::memcpy(&value, bytes.data() + segment(name).offset, sizeof value);
    return value;
  }

 private:
  template <class T>
  using Values = std::vector<T>;

  static std::vector<std::byte> bytes_of(nn::StateBlock& state) {
    const ByteView bytes = std::as_const(state).bytes();
    return {bytes.begin(), bytes.end()};
  }
  void put(const std::vector<std::byte>& bytes) { std::memcpy(state_.bytes().data(), bytes.data(), bytes.size()); }
  static bool is_slot(const nn::Segment& segment) {
    return segment.kind == nn::SegmentKind::optimizer && segment.dtype == DType::f32;
  }
  static bool is_weight(const nn::Segment& segment) { return segment.kind == nn::SegmentKind::parameter; }
  static bool is_buffer(const nn::Segment& segment) { return segment.kind == nn::SegmentKind::buffer; }
  void put_segments(const std::vector<std::byte>& bytes, bool (*which)(const nn::Segment&)) {
    for (const nn::Segment& s : state_.layout().segments) {
      if (which(s)) std::memcpy(state_.bytes().data() + s.offset, bytes.data() + s.offset, s.bytes);
    }
  }
  const nn::Segment& segment(const std::string& name) const {
    return *std::ranges::find(state_.layout().segments, name, &nn::Segment::name);
  }
  void set_step(std::int64_t step) {
    std::memcpy(state_.bytes().data() + segment("optimizer.step").offset, &step, sizeof step);
  }

  std::uint32_t count() const { return dataset_.partition_count(); }
  std::int64_t rows(std::uint32_t q, std::int64_t begin, std::int64_t end) const {
    const std::int64_t all = dataset_.manifest().partitions[q].rows;
    return std::min(all, end * batch_) - std::min(all, begin * batch_);
  }
  double share_of(std::uint32_t replica, std::int64_t begin, std::int64_t end) const {
    std::int64_t all = 0;
    for (std::uint32_t q = 0; q < count(); ++q) all += rows(q, begin, end);
    return static_cast<double>(rows(replica, begin, end)) / static_cast<double>(all);
  }

  template <class T>
  static std::optional<Values<T>> sum(const std::vector<std::optional<Values<T>>>& leaves, std::size_t begin,
                                      std::size_t end) {
    if (end - begin == 1) return leaves[begin];
    std::size_t half = 1;
    while (2 * half < end - begin) half *= 2;
    auto left = sum(leaves, begin, begin + half), right = sum(leaves, begin + half, end);
    if (!left || !right) return left ? left : right;
    for (std::size_t i = 0; i < left->size(); ++i) (*left)[i] += (*right)[i];
    return left;
  }

  void average_segment(const nn::Segment& segment, const std::vector<std::vector<std::byte>>& after, std::int64_t begin,
                       std::int64_t end, std::vector<std::byte>& to) const {
    std::vector<std::optional<Values<double>>> leaves(after.size());
    for (std::uint32_t q = 0; q < after.size(); ++q) {
      if (after[q].empty()) continue;
      Values<float> values(segment.bytes / sizeof(float));
      std::memcpy(values.data(), after[q].data() + segment.offset, segment.bytes);
      leaves[q].emplace();
      for (const float x : values) leaves[q]->push_back(share_of(q, begin, end) * double{x});
    }
    Values<float> mean;
    const std::optional<Values<double>> total = sum(leaves, 0, leaves.size());
    for (const double x : *total) mean.push_back(static_cast<float>(x));
    std::memcpy(to.data() + segment.offset, mean.data(), segment.bytes);
  }

  void start(std::uint32_t epoch) {
    loaders_.clear();
    losses_.assign(count(), 0);
    steps_ = 0;
    for (std::uint32_t q = 0; q < count(); ++q) {
      loaders_.emplace_back(data::LoaderOptions{.batch_size = batch_, .scale = dataset_.scale()});
      start_pass(q, epoch);
      steps_ = std::max(steps_, loaders_.back().batches());
    }
  }
  void start_pass(std::uint32_t q, std::uint32_t number) {
    loaders_[q].start(dataset_.partition(PartitionId(q)), hash64(experiment_.seed, "order", {0, number, q}));
  }
  void end(std::uint32_t epoch, std::uint32_t passes = 1) {
    loss_ = 0;
    for (const double loss : losses_) loss_ += loss;
    loss_ /= static_cast<double>(dataset_.rows() * passes);
    nn::Counters& counters = state_.counters();
    counters.random_key = hash64(experiment_.seed, "random", {0});
    counters.epoch = epoch;
    counters.unit += count() * passes;
    counters.rows += dataset_.rows() * passes;
  }
  void compute_gradients(std::uint32_t q) {
    const auto before = static_cast<std::uint64_t>(state_.counters().steps_before);
    const bool is_usual = q == 0 && before == 0;
    module_->train();
    const std::uint64_t key =
        is_usual ? hash64(experiment_.seed, "random", {0}) : hash64(experiment_.seed, "random", {0, q, before});
    module_->set_random_key(
        early_ ? hash64(experiment_.seed, "early", {0, q, before, static_cast<std::uint64_t>(*early_)}) : key);
    module_->set_step(static_cast<std::uint64_t>(optimizer_->step_count()));
    optimizer_->zero_grad();
    const data::Batch batch = *loaders_[q].next();
    const Tensor loss = cross_entropy((*module_)(batch.x), batch.y);
    losses_[q] += static_cast<double>(loss.item<float>()) * static_cast<double>(batch.rows());
    backward(loss);
  }

  const Experiment& experiment_;
  const data::Dataset& dataset_;
  std::int64_t batch_;
  std::shared_ptr<nn::Module> module_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  optim::LRSchedule schedule_;
  nn::StateBlock state_;
  std::vector<data::Loader> loaders_;
  std::vector<double> losses_;
  std::int64_t steps_ = 0;
  std::optional<std::int64_t> early_;  // the step, before the first update of late gradients
  double loss_ = 0;
};

}  // namespace hop::hopper
