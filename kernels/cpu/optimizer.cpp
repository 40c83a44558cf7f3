// The fused update: constants of the step are computed once per run and dtype, then one loop runs per parameter.
#include <cmath>
#include <vector>

#include "kernels/capture_internal.h"
#include "kernels/cpu/operations_internal.h"
#include "kernels/cpu/optimizer_internal.h"
#include "kernels/cpu/parallel_internal.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 16384;  // elements per thread's turn

/// One parameter's addresses.
struct Segment {
  std::byte *p, *g, *m, *v;  // m, v: momentum or exp_avg, exp_avg_sq; or null
  std::int64_t n;
  double lr_scale, weight_decay_scale;
  bool is_float;
};

template <class T>
void run_sgd(const UpdateRule& rule, double lr, bool first_step, const Segment& s) {
  const auto t = [](double value) { return static_cast<T>(value); };
  const SgdConstants<T> c = {.lr = t(lr * s.lr_scale),
                             .momentum = t(rule.momentum),
                             .keep = t(1 - rule.dampening),
                             .weight_decay = t(rule.weight_decay * s.weight_decay_scale),
                             .nesterov = rule.nesterov,
                             .first_step = first_step,
                             .has_momentum = rule.momentum != 0};
  const auto loop = pick<void(const SgdConstants<T>&, T*, const T*, T*, std::int64_t)>(v3::sgd, v4::sgd);
  auto *p = reinterpret_cast<T*>(s.p), *g = reinterpret_cast<T*>(s.g), *m = reinterpret_cast<T*>(s.m);
  parallel_for(s.n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    loop(c, p + begin, g + begin, c.has_momentum ? m + begin : nullptr, end - begin);
  });
}

/// Adam's bias corrections for a step number.
struct AdamBias {
  double first, root_second;  // 1 - beta1^step, sqrt(1 - beta2^step)
  AdamBias(const UpdateRule& rule, std::int64_t step)
      : first(1 - std::pow(rule.beta1, static_cast<double>(step))),
        root_second(std::sqrt(1 - std::pow(rule.beta2, static_cast<double>(step)))) {}
};

template <class T>
void run_adam(const UpdateRule& rule, double lr, const AdamBias& bias, const Segment& s) {
  const auto t = [](double value) { return static_cast<T>(value); };
  const double scaled = lr * s.lr_scale, decay = rule.weight_decay * s.weight_decay_scale;
  const AdamConstants<T> c = {.rest1 = t(1 - rule.beta1),
                              .beta2 = t(rule.beta2),
                              .rest2 = t(1 - rule.beta2),
                              .step_size = t(scaled / bias.first),
                              .root_scale = t(1 / bias.root_second),
                              .eps = t(rule.eps),
                              .weight_decay = t(rule.decoupled ? 0 : decay),
                              .shrink = t(rule.decoupled ? 1 - scaled * decay : 1)};
  const auto loop = pick<void(const AdamConstants<T>&, T*, const T*, T*, T*, std::int64_t)>(v3::adam, v4::adam);
  auto *p = reinterpret_cast<T*>(s.p), *g = reinterpret_cast<T*>(s.g), *m = reinterpret_cast<T*>(s.m),
       *v = reinterpret_cast<T*>(s.v);
  parallel_for(s.n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    loop(c, p + begin, g + begin, m + begin, v + begin, end - begin);
  });
}

struct Update {
  UpdateRule rule;
  std::vector<Segment> segments;
  const double* lr;
  std::int64_t* step;
  const double* stop;

  void operator()() const {
    if (stop != nullptr && *stop != 0) return;
    const std::int64_t number = ++*step;
    if (rule.method == UpdateRule::Method::sgd) {
      for (const Segment& s : segments)
        s.is_float ? run_sgd<float>(rule, *lr, number == 1, s) : run_sgd<double>(rule, *lr, number == 1, s);
    } else {
      const AdamBias bias(rule, number);
      for (const Segment& s : segments)
        s.is_float ? run_adam<float>(rule, *lr, bias, s) : run_adam<double>(rule, *lr, bias, s);
    }
  }
};

std::byte* data_or_null(const Tensor& x) { return x.defined() ? x.raw_data() : nullptr; }

}  // namespace

void update(const UpdateRule& rule, std::span<const UpdateSegment> segments, const UpdateState& state) {
  Update work{rule, {}, state.lr.data<double>(), state.step.data<std::int64_t>(), nullptr};
  if (state.stop.defined()) work.stop = state.stop.data<double>();
  for (const UpdateSegment& s : segments) {
    work.segments.push_back({s.parameter.raw_data(), s.gradient.raw_data(), data_or_null(s.slot0),
                             data_or_null(s.slot1), s.parameter.numel(), s.lr_scale, s.weight_decay_scale,
                             s.parameter.dtype() == DType::f32});
  }
  launch(work);
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

}  // namespace hop::kernels::cpu
