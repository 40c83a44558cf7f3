#include "kernels/optimizer.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "kernels/average_rules.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/update_rules.h"
#include "tests/cuda/results.h"

namespace hop::kernels::cuda {
namespace {

using namespace hop::testing;
using CudaUpdate = OnDevice;
using CudaMeasure = OnDevice;
using CudaAverages = OnDevice;

using rules::Adadelta;
using rules::Adagrad;
using rules::Adam;
using rules::Adamax;
using rules::AdamW;
using rules::Lion;
using rules::NAdam;
using rules::RAdam;
using rules::RmsProp;
using rules::Sgd;

/// Whether a rule computes the constants of a step with pow.
[[maybe_unused]] bool has_pow(const UpdateRule& rule) {
  return std::holds_alternative<Adam>(rule) || std::holds_alternative<AdamW>(rule) ||
         std::holds_alternative<Adamax>(rule) || std::holds_alternative<NAdam>(rule) ||
         std::holds_alternative<RAdam>(rule);
}

/// The bits of an update: the CPU's. On a GPU pow differs in the last bits of double: rules that correct for the start
/// by it are near.
::testing::AssertionResult like_cpu(const Tensor& there, const Tensor& here, const UpdateRule& rule) {
#if defined(HOP_SIMT)
  static_cast<void>(rule);
  return same_bits(there, here);
#else
  if (!has_pow(rule)) return same_bits(there, here);
  return near(there, here, here.dtype() == DType::f32 ? 1e-6 : 1e-12);
#endif
}

/// A model with parameters of several sizes, and its update rule.
struct Model {
  std::vector<UpdateSegment> segments;
  std::vector<std::vector<Tensor>> slots;  // of each segment
  UpdateState state;

  Model(const std::vector<Shape>& shapes, const UpdateRule& rule, DType dtype, std::int64_t offset = 0) {
    for (std::uint64_t i = 0; i < shapes.size(); ++i) {
      const auto make = [&](std::uint64_t kind, double low) {
        return shifted(random_tensor(shapes[i], dtype, 10 * i + kind, low, 1), offset);
      };
      segments.push_back(
          {make(0, -1), make(1, -1), {}, 1 + 0.5 * static_cast<double>(i % 3), static_cast<double>(i % 2)});
      slots.emplace_back();
      // Averages of gradients have both signs, those of squares have not.
      const std::vector<std::string_view> names = slots_of(rule);
      for (std::size_t k = 0; k < names.size(); ++k) {
        const bool has_signs = names[k] == "exp_avg" || names[k] == "grad_avg" || names[k] == "momentum_buffer";
        slots.back().push_back(make(2 + k, has_signs ? -1 : 0));
      }
    }
    state = {full({}, 0.05, DType::f64), full({}, 0, DType::i64), {}};
    point();
  }
  Model(const Model& other) : segments(other.segments), slots(other.slots), state(other.state) { point(); }
  Model& operator=(const Model&) = delete;

  void point() {
    for (std::size_t i = 0; i < segments.size(); ++i) segments[i].slots = slots[i];
  }
  void append(const Model& other) {
    segments.insert(segments.end(), other.segments.begin(), other.segments.end());
    slots.insert(slots.end(), other.slots.begin(), other.slots.end());
    point();
  }
  /// The same model in tensors that `copy` makes.
  Model copied(const std::function<Tensor(const Tensor&)>& copy) const {
    Model there = *this;
    for (UpdateSegment& s : there.segments) {
      s.parameter = copy(s.parameter);
      s.gradient = copy(s.gradient);
    }
    for (std::vector<Tensor>& list : there.slots) std::ranges::transform(list, list.begin(), copy);
    there.state.lr = copy(state.lr);
    there.state.step = copy(state.step);
    if (state.stop.defined()) there.state.stop = copy(state.stop);
    there.point();
    return there;
  }
  Model on_device() const {
    return copied([](const Tensor& x) { return cuda::on_device(x); });
  }
  std::vector<Tensor> tensors() const {
    std::vector<Tensor> all = {state.step};
    for (const UpdateSegment& s : segments) {
      all.push_back(s.parameter);
      all.insert(all.end(), s.slots.begin(), s.slots.end());
    }
    return all;
  }
};

void expect_like_cpu(const std::vector<Tensor>& there, const Model& here, const UpdateRule& rule) {
  const std::vector<Tensor> expected = here.tensors();
  ASSERT_EQ(there.size(), expected.size());
  for (std::size_t i = 0; i < there.size(); ++i) EXPECT_TRUE(like_cpu(there[i], expected[i], rule)) << "tensor " << i;
}

/// Three steps on both sides.
void check(const std::vector<Shape>& shapes, const UpdateRule& rule, DType dtype, std::int64_t offset = 0) {
  const Model here(shapes, rule, dtype, offset);
  const Model fresh = here.on_device();  // copies what `here` still is
  const auto there = in_every_schedule([&] {
    const Model copy = fresh.copied([](const Tensor& x) { return cuda::on_device(cuda::on_host(x)); });
    for (int i = 0; i < 3; ++i) update(rule, copy.segments, copy.state);
    return copy.tensors();
  });
  for (int i = 0; i < 3; ++i) update(rule, here.segments, here.state);
  expect_like_cpu(there, here, rule);
}

const AdamW kAdamW{.weight_decay = 0.1};

std::vector<UpdateRule> rules_of_each_kind() {
  return {Sgd{},
          Sgd{.momentum = 0.9},
          Sgd{.weight_decay = 0.01, .maximize = true},
          Sgd{.momentum = 0.9, .dampening = 0.3, .weight_decay = 0.01},
          Sgd{.momentum = 0.9, .weight_decay = 0.01, .nesterov = true},
          Adam{.beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.1},
          Adam{.weight_decay = 0.1, .amsgrad = true},
          kAdamW,
          AdamW{.amsgrad = true, .maximize = true},
          RmsProp{.weight_decay = 0.01},
          RmsProp{.alpha = 0.5, .momentum = 0.9},
          RmsProp{.alpha = 0.5, .centered = true},
          RmsProp{.alpha = 0.5, .momentum = 0.9, .centered = true, .maximize = true},
          Lion{.beta2 = 0.8, .weight_decay = 0.1},
          Adagrad{.lr_decay = 0.1, .weight_decay = 0.1, .initial_accumulator_value = 0.2},
          Adadelta{.rho = 0.8, .weight_decay = 0.1},
          Adamax{.beta2 = 0.9, .weight_decay = 0.1},
          NAdam{.beta2 = 0.9, .weight_decay = 0.1},
          NAdam{.beta2 = 0.9, .weight_decay = 0.1, .decoupled_weight_decay = true},
          RAdam{.beta2 = 0.9, .weight_decay = 0.1}};
}

TEST_F(CudaUpdate, HasTheCpusBits) {
  for (const UpdateRule& rule : rules_of_each_kind()) {
    check({{1}, {31}, {32}, {3, 11}, {1023}, {0}, {5003}}, rule, DType::f32);
    check({{33}, {2, 1025}}, rule, DType::f64);
  }
}

TEST_F(CudaUpdate, HasTheCpusBitsAtEveryAddress) {
  for (const std::int64_t offset : {1, 2, 3}) check({{7}, {37}}, kAdamW, DType::f32, offset);
}

TEST_F(CudaUpdate, TakesMoreSegmentsThanAKernelHasArgumentsOrABlockHasThreads) {
  check(std::vector<Shape>(41, Shape{3}), Sgd{.momentum = 0.9, .weight_decay = 0.01, .nesterov = true}, DType::f32);
  if (!kRaceCheck) check(std::vector<Shape>(300, Shape{2}), kAdamW, DType::f32);
}

TEST_F(CudaUpdate, UpdatesFloatsAndDoublesTogether) {
  const UpdateRule rule = kAdamW;
  Model here({{40}, {50}}, rule, DType::f32);
  const Model doubles({{30}}, rule, DType::f64);
  here.append(doubles);
  here.append(Model({{20}}, rule, DType::f32));
  const Model there = here.on_device();
  update(rule, there.segments, there.state);
  update(rule, here.segments, here.state);
  std::vector<Tensor> results;
  for (const Tensor& x : there.tensors()) results.push_back(on_host(x));
  expect_like_cpu(results, here, rule);
}

TEST_F(CudaUpdate, ChangesNothingWhereTheStopFlagIsSet) {
  const UpdateRule rule = Adam{};
  Model here({{33}}, rule, DType::f32);
  here.state.stop = full({}, 1.0, DType::f64);
  const Model there = here.on_device();
  update(rule, there.segments, there.state);
  const std::vector<Tensor> before = here.tensors(), after = there.tensors();
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(same_bits(on_host(after[i]), before[i])) << i;
}

TEST_F(CudaUpdate, CountsTheStepOfAModelWithoutParameters) {
  const Model there = Model({}, Sgd{}, DType::f32).on_device();
  update(Sgd{}, there.segments, there.state);
  EXPECT_EQ(on_host(there.state.step).item<std::int64_t>(), 1);
}

void write(const Tensor& there, const Tensor& here) {
  backend(Device::cuda()).copy(there.raw_data(), here.raw_data(), size_of(here.dtype()));
}

TEST_F(CudaUpdate, ReplayedReadsTheRateAndTheStepAnew) {
  const UpdateRule rule = kAdamW;
  const Model here({{33}, {1000}}, rule, DType::f32), there = here.on_device();
  const Recording recording =
      capture([&] { update(rule, there.segments, there.state); }, Device::cuda());  // runs it once
  update(rule, here.segments, here.state);
  for (const double lr : {0.01, 0.5}) {
    *here.state.lr.data<double>() = lr;
    write(there.state.lr, here.state.lr);
    recording.replay();
    update(rule, here.segments, here.state);
  }
  std::vector<Tensor> results;
  for (const Tensor& x : there.tensors()) results.push_back(on_host(x));
  expect_like_cpu(results, here, rule);
  EXPECT_EQ(on_host(there.state.step).item<std::int64_t>(), 3);
}

std::vector<AverageRule> average_rules() {
  return {rules::ExponentialAverage{.decay = 0.9}, rules::ExponentialAverage{.decay = 0.3}, rules::EqualAverage{}};
}

/// A model whose parameters are averages and whose gradients are values.
Model averages(const std::vector<Shape>& shapes, DType dtype, std::int64_t offset = 0) {
  return {shapes, Sgd{}, dtype, offset};
}

/// Three values on both sides; the first one is copied. No constant needs pow, so a GPU has the bits of the CPU, too.
void check_averages(const Model& here, const AverageRule& rule) {
  const auto take = [&](const Model& model) {
    for (int i = 0; i < 3; ++i) {
      update_averages(rule, model.segments, {.step = model.state.step, .stop = model.state.stop});
      for (const UpdateSegment& s : model.segments) copy_(s.gradient, mul(s.gradient, 0.7));
    }
    return model.tensors();
  };
  const Model fresh = here.on_device();
  const auto there = in_every_schedule(
      [&] { return take(fresh.copied([](const Tensor& x) { return cuda::on_device(cuda::on_host(x)); })); });
  const std::vector<Tensor> expected = take(here);
  ASSERT_EQ(there.size(), expected.size());
  for (std::size_t i = 0; i < there.size(); ++i) EXPECT_TRUE(same_bits(there[i], expected[i])) << "tensor " << i;
}

TEST_F(CudaAverages, HaveTheCpusBits) {
  for (const AverageRule& rule : average_rules()) {
    check_averages(averages({{1}, {31}, {32}, {3, 11}, {1023}, {0}, {5003}}, DType::f32), rule);
    Model both = averages({{33}, {2, 1025}}, DType::f64);
    both.append(averages({{7}, {37}}, DType::f32, 3));
    check_averages(both, rule);
  }
  check_averages(averages(std::vector<Shape>(41, Shape{3}), DType::f32), rules::EqualAverage{});
}

TEST_F(CudaAverages, ChangeNothingWhereTheStopFlagIsSet) {
  Model here = averages({{33}}, DType::f32);
  here.state.stop = full({}, 1.0, DType::f64);
  const Model there = here.on_device();
  update_averages(rules::EqualAverage{}, there.segments, {.step = there.state.step, .stop = there.state.stop});
  const std::vector<Tensor> before = here.tensors(), after = there.tensors();
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(same_bits(on_host(after[i]), before[i])) << i;
}

TEST_F(CudaAverages, ReplayedReadTheCountAnew) {
  for (const AverageRule& rule : average_rules()) {
    const Model here = averages({{33}, {1000}}, DType::f32), there = here.on_device();
    const auto take = [&](const Model& model) { update_averages(rule, model.segments, {.step = model.state.step}); };
    const Recording recording = capture([&] { take(there); }, Device::cuda());  // runs it once
    take(here);
    for (const double scale : {0.5, -3.0}) {
      for (std::size_t i = 0; i < here.segments.size(); ++i) {
        const Tensor& value = here.segments[i].gradient;
        copy_(value, mul(value, scale));
        copy_(there.segments[i].gradient, cuda::on_device(value));
      }
      recording.replay();
      take(here);
    }
    const std::vector<Tensor> expected = here.tensors(), after = there.tensors();
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(same_bits(on_host(after[i]), expected[i])) << i;
    EXPECT_EQ(on_host(there.state.step).item<std::int64_t>(), 3);
  }
}

TEST_F(CudaMeasure, SumsLossesAndRemembersThatOneWasTooLarge) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor meter = on_device(Tensor::from({0.0, 0.0}, {2}));
    const auto add = [&](double loss) { measure(on_device(full({}, loss, dtype)), 3, 10, meter); };
    add(2);
    add(9.5);
    EXPECT_TRUE(close(on_host(meter), {34.5, 0}, 0, 0));
    add(10);
    add(1);
    EXPECT_TRUE(close(on_host(meter), {67.5, 1}, 0, 0));
    add(NAN);
    EXPECT_TRUE(close(on_host(meter), {NAN, 1}, 0, 0));
  }
}

TEST_F(CudaMeasure, CountsNanAsTooLarge) {
  const Tensor meter = on_device(Tensor::from({0.0, 0.0}, {2}));
  measure(on_device(full({}, NAN)), 3, std::numeric_limits<double>::infinity(), meter);
  EXPECT_TRUE(close(on_host(meter), {NAN, 1}, 0, 0));
}

}  // namespace
}  // namespace hop::kernels::cuda
