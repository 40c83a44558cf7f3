// Random programs. Their gradients agree with differences of values, those in f32 with those in f64, and their captured
// steps have the bits of eager ones, in every floating dtype. A gradient that needs a freed part of the graph, or a
// value that was written since, is an error and never a wrong number. HOP_RANDOM_PROGRAMS=10000 tries that many; a
// failure prints the seed and the program, and HOP_RANDOM_SEED=17 tries that one alone.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <limits>

#include "kernels/capture.h"
#include "tests/autograd/random_program_rows.h"
#include "tests/kernels/layouts.h"

namespace hop::autograd {
namespace {

using Tensors = std::vector<Tensor>;

/// How often each kind of check was made: a check that is never made checks nothing.
struct Tally {
  int programs = 0, operations = 0, gradients = 0, kinks = 0, second = 0, in_f32 = 0, freed = 0, not_freed = 0,
      spoiled = 0, unspoiled = 0, captured = 0, replayed = 0;
  std::set<int> rows = {};  // that a gradient passed on its way to a leaf
};

double largest(const Tensor& x) { return x.defined() ? hop::max(kernels::abs(x.detach())).item<double>() : 0; }
/// The largest |a - b|; an undefined tensor is 0.
double gap(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return std::max(largest(a), largest(b));
  return largest(kernels::sub(a.detach(), b.detach()));
}

class Trial {
 public:
  Trial(const Program& program, Tally& tally)
      : p_(program), tally_(tally), random_({.key = program.seed, .step = 1}), leaves_(make_leaves(program)) {}

  void run_all() {
    ++tally_.programs;
    tally_.operations += p_.size();
    const Tensors v = run(p_, leaves_, make_argument(0), {.keeps = &base_});
    const Tensor first = loss_of(p_, v, 0);
    ASSERT_TRUE(first.requires_grad()) << p_.text();
    const Tensors expected = grad({first}, leaves_, {.retain_graph = true, .allow_unused = true});
    for (int k = 0; k < 2; ++k) compare_with_differences(0, k == 0 ? expected : with_backward(), 1e-6);
    compare_with_f32(v, first, expected);
    if (random_.below(4) == 0 && !p_.limits().no_second_derivative) second_derivatives();
    if (random_.below(2) == 0) after_a_pass_that_freed();
    if (random_.below(2) == 0) after_a_write(expected);
    if (p_.limits().no_capture) return;
    captured_steps(DType::f64);
    const DType narrow[] = {DType::f32, DType::bf16, DType::f16};
    captured_steps(p_.limits().no_half ? DType::f32 : narrow[p_.seed % 3]);
  }

 private:
  Tensors with_backward() {
    for (const Tensor& x : leaves_) x.set_grad({});
    backward(loss_of(p_, run(p_, leaves_, make_argument(0)), 0));
    Tensors grads;
    for (const Tensor& x : leaves_) grads.push_back(x.grad());
    return grads;
  }

  /// The directional derivative of f, in a random direction of each leaf in turn, by central differences.
  template <class F>
  void compare_with_differences(const Tensors& gradients, double tolerance, const char* what, const F& f) {
    for (std::size_t k = 0; k < leaves_.size(); ++k) {
      const Tensor v = random_tensor(p_.leaves[k], p_.seed + k);
      const auto at = [&](double t) {
        Tensors moved = leaves_;
        moved[k] = kernels::add(leaves_[k].detach(), kernels::mul(v, t)).set_requires_grad();
        return f(moved);
      };
      const auto slope = [&](double from, double to) { return (at(to) - at(from)) / (to - from); };
      constexpr double kStep = 1e-5, kSmallStep = 1e-6, kSmallerSteps[] = {1e-6, 1e-7, 1e-8};
      const double expected = slope(-kStep, kStep);
      double got = 0, scale = 1 + std::abs(expected);
      if (gradients[k].defined()) {
        const Tensor parts = kernels::mul(gradients[k].detach(), v);
        got = hop::sum(parts).item<double>();
        scale += hop::sum(kernels::abs(parts)).item<double>();
      }
      ++tally_.gradients;
      if (std::abs(got - expected) <= tolerance * scale) continue;
      // The difference of two large values has lost digits.
      const double lost = 16 * std::numeric_limits<double>::epsilon() * std::abs(at(0)) / kStep;
      if (std::abs(got - expected) <= tolerance * scale + lost) continue;
      // A kink or a step lies nearby: beside it, or on it, where the two sides have slopes of their own.
      const bool is_beside = std::any_of(std::begin(kSmallerSteps), std::end(kSmallerSteps), [&](double step) {
        return std::abs(got - slope(-step, step)) <= tolerance * scale;
      });
      const auto bend = [&](double step) { return std::abs(slope(0, step) - slope(-step, 0)); };
      const double least = bend(kSmallStep / 10);  // of a smooth function, a tenth of the one before
      const bool is_on = least > tolerance * scale / 2 && least > bend(kSmallStep) / 2;
      tally_.kinks += is_beside || is_on ? 1 : 0;
      EXPECT_TRUE(is_beside || is_on) << what << ", leaf " << k << ": got " << got << ", differences give " << expected
                                      << "\n"
                                      << p_.text();
    }
  }

  /// The gradient of every value that lies between a leaf and the loss. Counts the rows that it passes.
  Tensors gradients_on_the_way(const Tensors& v, const Tensor& loss) {
    Tensors on_the_way;
    std::vector<std::size_t> places;
    for (std::size_t k = 0; k < v.size(); ++k) {
      if (!v[k].requires_grad()) continue;
      on_the_way.push_back(v[k]);
      places.push_back(k);
    }
    const Tensors gradients = grad({loss}, on_the_way, {.retain_graph = true, .allow_unused = true});
    const auto inputs = static_cast<std::size_t>(p_.inputs());
    for (std::size_t k = 0; k < places.size(); ++k) {
      if (places[k] >= inputs && largest(gradients[k]) > 0) tally_.rows.insert(p_.code[places[k] - inputs].op);
    }
    return gradients;
  }

  /// The gradients in f32 differ from those in f64 as roundings of every value make them differ. Each rounding counts
  /// as 256 of f32, because an operation rounds many times, and cancels.
  void compare_with_f32(const Tensors& v, const Tensor& loss, const Tensors& expected) {
    constexpr double kError = 256 * static_cast<double>(std::numeric_limits<float>::epsilon());
    const auto gradients = [&](DType dtype, const Execution& how) {
      const Tensors x = make_leaves(p_, dtype);
      const Tensor y = loss_of(p_, run(p_, x, make_argument(0, dtype), how), 0);
      return y.requires_grad() ? grad({y}, x, {.allow_unused = true}) : Tensors(x.size());
    };
    double bound = kError;
    for (const Tensor& g : gradients_on_the_way(v, loss)) bound = std::max(bound, kError * largest(g));
    const Tensors got = gradients(DType::f32, {});
    ++tally_.in_f32;
    for (std::size_t k = 0; k < got.size(); ++k) {
      const double difference = gap(got[k], expected[k]);
      double possible = bound;
      for (std::uint64_t draw = 1; draw <= 24 && !(difference <= possible); ++draw)
        possible =
            std::max(possible, bound + gap(gradients(DType::f64, {.error = kError, .draw = draw})[k], expected[k]));
      EXPECT_LE(difference, possible) << "in f32, leaf " << k << "\n" << p_.text();
    }
  }

  void compare_with_differences(int loss, const Tensors& gradients, double tolerance) {
    compare_with_differences(gradients, tolerance, loss == 0 ? "the first loss" : "the second loss",
                             [&](const Tensors& x) {
                               const NoGradGuard no_grad;
                               return loss_of(p_, run(p_, x, make_argument(0), {.base = &base_}), loss).item<double>();
                             });
  }

  void second_derivatives() {
    const auto length = [&](const Tensors& x, const Execution& how) {
      const Tensor loss = loss_of(p_, run(p_, x, make_argument(0), how), 0);
      Tensor sum_of_squares = loss * 0;
      if (!loss.requires_grad()) return sum_of_squares;  // a checkpoint of constants, without its node
      for (const Tensor& g : grad({loss}, x, {.create_graph = true, .allow_unused = true})) {
        if (g.defined()) sum_of_squares = sum_of_squares + sum(square(g));
      }
      return sum_of_squares;
    };
    ++tally_.second;
    const Tensors got = grad({length(leaves_, {})}, leaves_, {.allow_unused = true});
    compare_with_differences(got, 1e-5, "the second derivatives",
                             [&](const Tensors& x) { return length(x, {.base = &base_}).template item<double>(); });
  }

  /// The second loss may share nodes with the first: then a pass that needs them throws, else it is right.
  void after_a_pass_that_freed() {
    const Tensors v = run(p_, leaves_, make_argument(0));
    const Tensor first = loss_of(p_, v, 0), second = loss_of(p_, v, 1);
    if (!second.requires_grad()) return;
    random_.below(2) == 0 ? backward(first) : static_cast<void>(grad({first}, leaves_, {.allow_unused = true}));
    const std::set<int> freed = p_.on_the_way(0, -1);
    // A checkpoint is walked whatever is asked for, and may give an input no gradient.
    const bool is_certain = !p_.has_checkpoint();
    for (std::size_t k = 0; k < leaves_.size(); ++k) {
      bool shares = false;
      for (const int node : p_.on_the_way(1, static_cast<int>(k))) {
        const bool is_node = !v[static_cast<std::size_t>(p_.inputs() + node)].is_leaf();  // else a leaf handed through
        shares = shares || (is_node && freed.contains(node));
      }
      const bool must_throw = shares && is_certain, may_throw = shares || !is_certain;
      Tensors gradient(leaves_.size());
      try {
        gradient[k] = grad({second}, {leaves_[k]}, {.retain_graph = true, .allow_unused = true})[0];
      } catch (const AutogradError& e) {
        ++tally_.freed;
        EXPECT_TRUE(may_throw) << "leaf " << k << ": " << e.what() << "\n" << p_.text();
        EXPECT_NE(std::string(e.what()).find("freed"), std::string::npos) << e.what();
        continue;
      }
      ++tally_.not_freed;
      EXPECT_FALSE(must_throw) << "leaf " << k << "\n" << p_.text();
      const Tensors whole = grad({loss_of(p_, run(p_, leaves_, make_argument(0)), 1)}, leaves_, {.allow_unused = true});
      expect_same(gradient[k], whole[k], "beside what was freed");
    }
  }

  /// Writes one of the values before the pass. The pass throws, or no gradient reads the value.
  void after_a_write(const Tensors& expected) {
    const Tensors v = run(p_, leaves_, make_argument(0));
    const Tensor loss = loss_of(p_, v, 0);
    const Tensor spoiled = v[random_.below(static_cast<std::uint32_t>(v.size()))];
    if (!spoiled.is_contiguous()) return;
    const Tensor before = kernels::clone(spoiled);
    {
      const NoGradGuard no_grad;
      add_(spoiled.dim() > 0 ? select(spoiled, 0, 0) : spoiled, 0.5);
    }
    try {
      const Tensors gradients = grad({loss}, leaves_, {.allow_unused = true});
      ++tally_.unspoiled;
      for (std::size_t k = 0; k < leaves_.size(); ++k) expect_same(gradients[k], expected[k], "after a write");
    } catch (const AutogradError& e) {
      ++tally_.spoiled;
      EXPECT_NE(std::string(e.what()).find("written in place"), std::string::npos) << e.what() << "\n" << p_.text();
    }
    kernels::copy_(spoiled, before);  // a leaf is needed again
  }

  /// Two worlds: one is eager, one captured, and the same happens to both between the calls.
  void captured_steps(DType dtype) {
    for (const int threads : {1, 2}) {
      const testing::ComputeThreads scope(threads);
      const Tensors eager = make_leaves(p_, dtype), captured = make_leaves(p_, dtype);
      const auto step = [&](const Tensors& x, const Tensor& argument) {
        const Tensor loss = loss_of(p_, run(p_, x, argument), 0);
        if (loss.requires_grad()) backward(loss);
        return loss.detach();
      };
      int runs = 0;
      CapturedFunction f([&](std::span<const Tensor> in) {
        ++runs;
        return Tensors{step(captured, in[0])};
      });
      constexpr std::uint64_t kCalls = 6;
      for (std::uint64_t call = 0; call < kCalls; ++call) {
        const std::uint32_t change = random_.below(12), which = random_.below(static_cast<std::uint32_t>(eager.size()));
        for (const Tensors* x : {&eager, &captured}) disturb(*x, change, which);
        const Tensor argument = make_argument(call, dtype);
        const Tensor a = step(eager, argument), b = f({argument})[0];
        expect_same(b, a, "a captured loss");
        for (std::size_t k = 0; k < eager.size(); ++k)
          expect_same(captured[k].grad(), eager[k].grad(), "a captured gradient");
        ++tally_.captured;
      }
      tally_.replayed += static_cast<int>(kCalls) - runs;
    }
  }
  static void disturb(const Tensors& leaves, std::uint32_t change, std::uint32_t which) {
    const NoGradGuard no_grad;
    const Tensor& x = leaves[which];
    if (change == 0) x.set_grad({});
    if (change == 1) x.set_requires_grad(!x.requires_grad());
    if (change == 2) register_hook(leaves[which].set_requires_grad(), [](const Tensor& g) { return g * 2; });
    if (change == 3) kernels::copy_(x, kernels::mul(x.detach(), 0.5));
    if (change == 4) x.rebind(kernels::clone(x.detach()).storage(), 0);
    if (change == 5) static_cast<void>(x.grad());
    if (change < 8) return;
    for (const Tensor& leaf : leaves) leaf.zero_grad();
  }

  void expect_same(const Tensor& got, const Tensor& expected, const char* what) {
    ASSERT_EQ(got.defined(), expected.defined()) << what << "\n" << p_.text();
    if (!got.defined()) return;
    EXPECT_TRUE(same_bits(got, expected)) << what << "\n" << p_.text();
  }

  const Program& p_;
  Tally& tally_;
  PhiloxStream random_;
  Tensors leaves_;
  std::map<int, Tensor> base_;
};

TEST(RandomPrograms, HaveTheirGradientsAndNoWrongNumbers) {
  const char *asked = std::getenv("HOP_RANDOM_PROGRAMS"), *alone = std::getenv("HOP_RANDOM_SEED");
  const int first = alone == nullptr ? 0 : std::atoi(alone);
  const int count = alone != nullptr ? 1 : asked == nullptr ? 300 : std::atoi(asked);
  Tally tally;
  for (int seed = first; seed < first + count && !::testing::Test::HasFailure(); ++seed) {
    const testing::ComputeThreads threads(1 + seed % 2);
    const Program program = random_program(static_cast<std::uint64_t>(seed));
    try {
      Trial(program, tally).run_all();
    } catch (const std::exception& e) {
      ADD_FAILURE() << e.what() << "\n" << program.text();
    }
  }
  std::cout << tally.programs << " programs of " << tally.operations << " operations, " << tally.rows.size() << " of "
            << rows().size() << " kinds: " << tally.gradients << " gradients against differences (" << tally.kinks
            << " at kinks), " << tally.second << " second derivatives, " << tally.in_f32 << " in f32; after a pass "
            << tally.freed << " were freed and " << tally.not_freed << " not; after a write " << tally.spoiled
            << " threw and " << tally.unspoiled << " were right; " << tally.captured << " calls of captured steps, "
            << tally.replayed << " of them replayed\n";
  if (::testing::Test::HasFailure() || count < static_cast<int>(rows().size())) return;  // not every row had its turn
  for (const int made :
       {tally.gradients, tally.second, tally.freed, tally.not_freed, tally.spoiled, tally.unspoiled, tally.replayed})
    EXPECT_GT(made, count / 100);
  EXPECT_LT(tally.kinks, tally.gradients / 50);
  for (int op = 0; op < static_cast<int>(rows().size()); ++op)
    EXPECT_TRUE(tally.rows.contains(op)) << "no gradient passed the row \"" << rows()[static_cast<std::size_t>(op)].name
                                         << '"';
}

}  // namespace
}  // namespace hop::autograd
