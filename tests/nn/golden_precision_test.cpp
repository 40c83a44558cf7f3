// 16-bit numbers, autocast and GradScaler against PyTorch (golden/generate_precision.py).
#include "autograd/autocast.h"
#include "autograd/graph.h"
#include "kernels/precision.h"
#include "nn/layers.h"
#include "nn/optim/grad_scaler.h"
#include "nn/optim/sgd.h"
#include "nn/state.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;

const Tensor& theirs(const std::string& name) {
  static const std::map<std::string, Tensor> tensors = [] {
    std::map<std::string, Tensor> all;
    const std::filesystem::path file = source_directory() / "tests/nn/golden/precision.safetensors";
    for (const NamedTensor& entry : load_safetensors(file).tensors) all.emplace(entry.name, entry.tensor);
    return all;
  }();
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw StateError("no golden tensor " + name);
  return found->second;
}

constexpr DType kHalves[] = {DType::bf16, DType::f16};

/// Equal bits, but for NaN, which has many.
void expect_same(const Tensor& got, const Tensor& expected, const std::string& what) {
  ASSERT_EQ(got.dtype(), expected.dtype()) << what;
  ASSERT_EQ(got.shape(), expected.shape()) << what;
  const std::vector<double> a = values(got), b = values(expected);
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(b[i])) {
      EXPECT_TRUE(std::isnan(a[i])) << what << " [" << i << "]";
      continue;
    }
    EXPECT_EQ(a[i], b[i]) << what << " [" << i << "]";
    EXPECT_EQ(std::signbit(a[i]), std::signbit(b[i])) << what << " [" << i << "]";
  }
}

TEST(GoldenRounding, IsPyTorchsAndNumpys) {
  for (const DType dtype : kHalves) {
    const std::string half(name(dtype));
    expect_same(to(theirs("rounding.f32"), dtype), theirs("rounding." + half), half);
    expect_same(to(theirs("rounding.f64"), dtype), theirs("rounding.f64." + half), "f64 to " + half);
    expect_same(to(theirs("rounding.i32"), dtype), theirs("rounding.i32." + half), "i32 to " + half);
  }
}

/// PyTorch's sums have another order, and its functions other last bits: one step of the half apart.
void expect_within_a_step(const Tensor& got, const Tensor& expected, DType half, const std::string& what) {
  ASSERT_EQ(got.dtype(), expected.dtype()) << what;
  ASSERT_EQ(got.shape(), expected.shape()) << what;
  const double step = half == DType::bf16 ? 0x1p-7 : 0x1p-10;
  const std::vector<double> a = values(got), b = values(expected);
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_LE(std::abs(a[i] - b[i]), step * (std::abs(b[i]) + 0x1p-6)) << what << " [" << i << "]";
}

TEST(GoldenHalf, OperationsThatRoundOnceHavePyTorchsBits) {
  for (const DType dtype : kHalves) {
    const std::string p = "half." + std::string(name(dtype)) + ".";
    const Tensor &a = theirs(p + "a"), &b = theirs(p + "b"), &row = theirs(p + "row");
    expect_same(a + b, theirs(p + "add"), p + "add");
    expect_same(a - row, theirs(p + "sub"), p + "sub");
    expect_same(a * b, theirs(p + "mul"), p + "mul");
    expect_same(a / b, theirs(p + "div"), p + "div");
    expect_same(a + 0.1, theirs(p + "add_number"), p + "add_number");
    expect_same(maximum(a, row), theirs(p + "maximum"), p + "maximum");
    expect_same(where(a > 0, a, row), theirs(p + "where"), p + "where");
    expect_same(max(a, {1}), theirs(p + "max"), p + "max");
    expect_same(argmax(a, 1), theirs(p + "argmax"), p + "argmax");
    expect_same(clone(transpose(a, 0, 1)), theirs(p + "clone_t"), p + "clone_t");
    expect_same(flip(a, {0})[{Slice(1), Slice({}, {}, 2)}], theirs(p + "cumulative"), p + "parts");
    expect_same(embedding(a, Tensor::from<std::int64_t>({3, 0, 3}, {3})), theirs(p + "embedding"), p + "embedding");
  }
}

TEST(GoldenHalf, OtherOperationsAreWithinAStepOfPyTorchs) {
  for (const DType dtype : kHalves) {
    const std::string p = "half." + std::string(name(dtype)) + ".";
    const Tensor &a = theirs(p + "a"), &rows = theirs(p + "long");
    expect_within_a_step(exp(a), theirs(p + "exp"), dtype, p + "exp");
    expect_within_a_step(tanh(a), theirs(p + "tanh"), dtype, p + "tanh");
    expect_within_a_step(gelu(a), theirs(p + "gelu"), dtype, p + "gelu");
    expect_within_a_step(sum(rows, {1}), theirs(p + "sum"), dtype, p + "sum");
    expect_within_a_step(mean(rows, {1}), theirs(p + "mean"), dtype, p + "mean");
    expect_within_a_step(var(a, {1}), theirs(p + "var"), dtype, p + "var");
    expect_within_a_step(matmul(a, theirs(p + "matrix")), theirs(p + "matmul"), dtype, p + "matmul");
  }
}

TEST(GoldenHalf, GradientsHavePyTorchsDtypesAndValues) {
  for (const DType dtype : kHalves) {
    const std::string p = "half." + std::string(name(dtype)) + ".", q = p + "linear.";
    const Tensor a = clone(theirs(p + "a")), w = clone(theirs(q + "w")), bias = clone(theirs(q + "bias")),
                 scale = clone(theirs(q + "scale"));
    for (const Tensor& leaf : {a, w, bias, scale}) leaf.set_requires_grad();
    const Tensor y = linear(a, w, bias), loss = sum(relu(y) * scale);
    expect_within_a_step(y, theirs(q + "y"), dtype, q + "y");
    expect_within_a_step(loss, theirs(q + "loss"), dtype, q + "loss");
    backward(loss);
    expect_within_a_step(a.grad(), theirs(q + "a.grad"), dtype, q + "a.grad");
    expect_within_a_step(w.grad(), theirs(q + "w.grad"), dtype, q + "w.grad");
    expect_within_a_step(bias.grad(), theirs(q + "bias.grad"), dtype, q + "bias.grad");
    expect_within_a_step(scale.grad(), theirs(q + "scale.grad"), dtype, q + "scale.grad");
  }
}

TEST(GoldenHalf, AModuleOf16BitsComputesAndLivesInAStateBlock) {
  for (const DType dtype : kHalves) {
    const std::string p = "half." + std::string(name(dtype)) + ".";
    Linear fc(7, 3);
    fc.to(dtype);
    const StateBlock block(fc);
    ASSERT_EQ(block.layout().segments.size(), 3U);
    EXPECT_EQ(block.layout().segments[1].dtype, dtype);
    EXPECT_EQ(block.layout().segments[1].bytes, 42U);
    fc.load_state_dict({{"weight", theirs(p + "linear.w")}, {"bias", theirs(p + "linear.bias")}});
    const NoGradGuard no_grad;
    const Tensor y = fc(theirs(p + "a"));
    expect_within_a_step(y, theirs(p + "linear.y"), dtype, p + "linear.y");
  }
}

TEST(GoldenAutocast, LossAndGradientsArePyTorchsWithinTheRoundingOfFactors) {
  for (const bool enabled : {false, true}) {
    Sequential net(Linear(40, 64), LayerNorm({64}), GELU(), Linear(64, 32), ReLU(), Linear(32, 5));
    for (const NamedTensor& p : net.named_parameters()) {
      const NoGradGuard no_grad;
      copy_(p.tensor, theirs("autocast.p." + p.name));
    }
    Tensor loss;
    {
      const AutocastGuard autocast({.enabled = enabled});
      loss = cross_entropy(net(theirs("autocast.x")), theirs("autocast.y"));
    }
    backward(loss);
    const std::string way = enabled ? "autocast.bf16." : "autocast.strict.";
    const double tolerance = enabled ? 0.04 : 1e-5;  // PyTorch rounds factors and results to 8 bits, six layers deep
    EXPECT_NEAR(loss.item<double>(), theirs(way + "loss").item<double>(), tolerance);
    for (const NamedTensor& p : net.named_parameters()) {
      const Tensor g = p.tensor.grad(), expected = theirs(way + p.name + ".grad"),
                   exact = theirs("autocast.strict." + p.name + ".grad");
      ASSERT_EQ(g.dtype(), DType::f32);
      const auto distance = [](const Tensor& x, const Tensor& y) { return norm(x - y).item<double>(); };
      const double size = norm(exact).item<double>();
      EXPECT_LE(distance(g, expected), tolerance * size) << p.name;
      // Results are not rounded here, so the gradients are nearer to those in f32 than PyTorch's are.
      if (enabled) {
        EXPECT_LE(distance(g, exact), distance(expected, exact)) << p.name;
      }
    }
  }
}

TEST(GoldenScaler, FollowsPyTorchThroughInfiniteAndNaNGradients) {
  const std::map<std::string, optim::GradScalerOptions> cases = {
      {"plain", {.init_scale = 1024, .growth_interval = 3}},
      {"odd", {.init_scale = 3e38, .growth_factor = 1.7, .backoff_factor = 0.3, .growth_interval = 2}},
      {"quick", {.init_scale = 0.1, .growth_factor = 3, .growth_interval = 1}}};
  const std::vector<double> kinds = values(theirs("scaler.kinds"));
  for (const auto& [name, options] : cases) {
    const Tensor w = clone(theirs("scaler.w")).set_requires_grad();
    optim::SGD sgd({w}, {.lr = 0.1, .momentum = 0.9});
    optim::GradScaler scaler(sgd, options);
    std::int64_t good = 0;
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i);
      sgd.zero_grad();
      backward(scaler.scale(sum(w * select(theirs("scaler.x"), 0, row)) * 1e-3));
      const double factor = kinds[i] == 0 ? 1.0 : kinds[i] == 1 ? HUGE_VAL : NAN;
      mul_(select(w.grad(), 0, row % 3), factor);
      if (i % 2 == 1) scaler.unscale_();
      scaler.step();
      scaler.update();
      good += kinds[i] == 0 ? 1 : 0;
      const std::string p = "scaler." + name + ".";
      EXPECT_EQ(scaler.get_scale(), values(theirs(p + "scale"))[i]) << name << " step " << i;
      EXPECT_EQ(sgd.state().back().tensor.item<double>(), values(theirs(p + "tracker"))[i]) << name << " step " << i;
      expect_close(w.detach(), select(theirs(p + "weights"), 0, row), 1e-6, name);
    }
    EXPECT_EQ(sgd.step_count(), good) << "a step that is left out does not count";
  }
}

}  // namespace
}  // namespace hop::nn
