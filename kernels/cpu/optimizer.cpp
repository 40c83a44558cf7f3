// The fused update: the factors of the step are computed once for neighbours with equal scales, then one loop runs
// per parameter. An average is updated as a parameter without slots, and reads no learning rate.
#include <array>
#include <vector>

#include "kernels/average_rules.h"
#include "kernels/capture_internal.h"
#include "kernels/cpu/optimizer_internal.h"
#include "kernels/cpu/parallel_internal.h"
#include "kernels/optimizer_operations.h"
#include "kernels/update_rules.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 16384;  // elements per thread's turn

/// One parameter's addresses.
template <class Rule>
struct Segment {
  std::array<std::byte*, 2 + Rule::slots.size()> arrays;  // see UpdateLoop
  std::int64_t n;
  double lr_scale, weight_decay_scale;
  bool is_float;
  bool has_old_factors;  // those of the segment before
};

template <class Rule>
bool same_factors(const Segment<Rule>& a, const Segment<Rule>& b) {
  return a.lr_scale == b.lr_scale && a.weight_decay_scale == b.weight_decay_scale && a.is_float == b.is_float;
}

template <class T, class Rule>
void run(UpdateLoop loop, const rules::Factors<Rule, T>& factors, const Segment<Rule>& s) {
  parallel_for(s.n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    auto arrays = s.arrays;
    for (std::byte*& array : arrays) {
      if (array != nullptr) array += begin * static_cast<std::int64_t>(sizeof(T));
    }
    loop(&factors, arrays.data(), end - begin);
  });
}

template <class Rule>
struct Update {
  Rule rule;
  UpdateLoops loops;
  std::vector<Segment<Rule>> segments;
  const double* lr;  // null for an average
  std::int64_t* step;
  const double* stop;

  void operator()() const {
    if (stop != nullptr && *stop != 0) return;
    const std::int64_t number = ++*step;
    rules::Factors<Rule, float> in_f32{};
    rules::Factors<Rule, double> in_f64{};
    for (const Segment<Rule>& s : segments) {
      const rules::Step now{lr != nullptr ? *lr * s.lr_scale : 0, s.weight_decay_scale, number};
      if (s.is_float) {
        if (!s.has_old_factors) in_f32 = rules::factors<float>(rule, now);
        run<float>(loops.in_f32, in_f32, s);
      } else {
        if (!s.has_old_factors) in_f64 = rules::factors<double>(rule, now);
        run<double>(loops.in_f64, in_f64, s);
      }
    }
  }
};

template <class Rule>
Segment<Rule> bind(const Rule& rule, const UpdateSegment& s) {
  Segment<Rule> bound{{s.parameter.raw_data(), s.gradient.raw_data()},
                      s.parameter.numel(),
                      s.lr_scale,
                      s.weight_decay_scale,
                      s.parameter.dtype() == DType::f32,
                      false};
  std::size_t next = 0;
  for (std::size_t k = 0; k < rule.slots.size(); ++k) {
    if (rules::keeps(rule, k)) bound.arrays[2 + k] = s.slots[next++].raw_data();
  }
  return bound;
}

template <class Rule>
void launch_update(const Rule& rule, UpdateLoops loops, std::span<const UpdateSegment> segments,
                   const UpdateState& state) {
  Update<Rule> work{rule, loops, {}, nullptr, state.step.data<std::int64_t>(), nullptr};
  if (state.lr.defined()) work.lr = state.lr.data<double>();
  if (state.stop.defined()) work.stop = state.stop.data<double>();
  work.segments.reserve(segments.size());
  for (const UpdateSegment& s : segments) {
    Segment<Rule> bound = bind(rule, s);
    bound.has_old_factors = !work.segments.empty() && same_factors(work.segments.back(), bound);
    work.segments.push_back(bound);
  }
  launch(work);
}

void update(const UpdateRule& rule, std::span<const UpdateSegment> segments, const UpdateState& state) {
  const UpdateLoops loops = HOP_PICK(update_loops)(rule.index());
  std::visit([&](const auto& r) { launch_update(r, loops, segments, state); }, rule);
}

void update_averages(const AverageRule& rule, std::span<const UpdateSegment> segments, const UpdateState& state) {
  const UpdateLoops loops = HOP_PICK(average_loops)(rule.index());
  std::visit([&](const auto& r) { launch_update(r, loops, segments, state); }, rule);
}

void measure(const Tensor& loss, double rows, double limit, const Tensor& meter) {
  const auto run = [&]<class T>(T) {
    launch([loss = loss.data<T>(), rows, limit, meter = meter.data<double>()] {
      const double value = static_cast<double>(*loss);
      meter[0] += value * rows;
      if (!(value < limit)) meter[1] = 1;
    });
  };
  loss.dtype() == DType::f32 ? run(float{}) : run(double{});
}

}  // namespace
}  // namespace hop::kernels::cpu

namespace hop::kernels {

const OptimizerOperations OptimizerOperations::cpu = {
    .update = cpu::update,
    .update_averages = cpu::update_averages,
    .measure = cpu::measure,
};

}  // namespace hop::kernels
