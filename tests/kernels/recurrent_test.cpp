// The judge is PyTorch's description of the cells, unit by unit in doubles; for gradients, central differences of it.
#include "kernels/recurrent.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "kernels/copy.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels {
namespace {

using namespace hop::testing;
using Values = std::vector<double>;

struct Sizes {
  std::int64_t steps, rows, hidden;
};
const std::vector<Sizes> kSizes = {{1, 1, 1},   {3, 2, 5}, {4, 3, 8},   {2, 1, 16}, {5, 7, 19},
                                   {2, 40, 33}, {1, 3, 9}, {1, 15, 17}, {1, 16, 33}};

RecurrentInputs inputs(RecurrentCell cell, const Sizes& z, DType dtype, bool reverse, bool bias) {
  const std::int64_t gates = gates_of(cell) * z.hidden;
  return {cell,
          reverse,
          random_tensor({z.steps, z.rows, gates}, dtype, 1, -2, 2),
          random_tensor({gates, z.hidden}, dtype, 2),
          bias ? random_tensor({gates}, dtype, 3) : Tensor(),
          random_tensor({z.rows, z.hidden}, dtype, 4),
          cell == RecurrentCell::lstm ? random_tensor({z.rows, z.hidden}, dtype, 5) : Tensor()};
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

struct Golden {
  Values y;  // h after each step, in the order of x_gates
  Values h, c;
};

Golden golden(const RecurrentInputs& in) {
  const auto steps = static_cast<std::size_t>(in.x_gates.size(0)), rows = static_cast<std::size_t>(in.x_gates.size(1)),
             hidden = static_cast<std::size_t>(in.weight.size(1)), gates = static_cast<std::size_t>(gates_of(in.cell));
  const Values x = values<double>(in.x_gates), weight = values<double>(in.weight),
               bias = in.bias.defined() ? values<double>(in.bias) : Values(gates * hidden, 0.0);
  Golden g{Values(steps * rows * hidden), values<double>(in.h_0), in.c_0.defined() ? values<double>(in.c_0) : Values()};
  for (std::size_t i = 0; i < steps; ++i) {
    const std::size_t t = in.reverse ? steps - 1 - i : i;
    const Values before = g.h;
    for (std::size_t n = 0; n < rows; ++n) {
      const auto of_x = [&](std::size_t gate, std::size_t j) {
        return x[((t * rows + n) * gates + gate) * hidden + j];
      };
      const auto of_h = [&](std::size_t gate, std::size_t j) {
        double sum = bias[gate * hidden + j];
        for (std::size_t k = 0; k < hidden; ++k)
          sum += weight[(gate * hidden + j) * hidden + k] * before[n * hidden + k];
        return sum;
      };
      const auto both = [&](std::size_t gate, std::size_t j) { return of_x(gate, j) + of_h(gate, j); };
      for (std::size_t j = 0; j < hidden; ++j) {
        double& h = g.h[n * hidden + j];
        if (in.cell == RecurrentCell::lstm) {
          double& c = g.c[n * hidden + j];
          c = sigmoid(both(1, j)) * c + sigmoid(both(0, j)) * std::tanh(both(2, j));
          h = sigmoid(both(3, j)) * std::tanh(c);
        } else {
          const double r = sigmoid(both(0, j)), z = sigmoid(both(1, j));
          h = (1 - z) * std::tanh(of_x(2, j) + r * of_h(2, j)) + z * before[n * hidden + j];
        }
        g.y[(t * rows + n) * hidden + j] = h;
      }
    }
  }
  return g;
}

Values y_of(const RecurrentInputs& in, const RecurrentStates& states) {
  return values<double>(states.after(states.h, in.reverse));
}

void for_each_case(const std::function<void(const RecurrentInputs&, DType)>& f) {
  for (const RecurrentCell cell : {RecurrentCell::lstm, RecurrentCell::gru}) {
    for (const DType dtype : {DType::f32, DType::f64}) {
      for (const Sizes& z : kSizes) {
        for (const bool reverse : {false, true}) {
          const RecurrentInputs in = inputs(cell, z, dtype, reverse, !reverse);
          SCOPED_TRACE((cell == RecurrentCell::lstm ? "lstm " : "gru ") + in.x_gates.describe() +
                       (reverse ? " reverse" : ""));
          f(in, dtype);
        }
      }
    }
  }
}

TEST(Recurrent, IsTheFormulaStepByStep) {
  for_each_case([](const RecurrentInputs& in, DType dtype) {
    const Golden expected = golden(in);
    const RecurrentStates states = recurrent(in, true);
    const double bound = epsilon(dtype, 64);
    EXPECT_TRUE(close(states.after(states.h, in.reverse), expected.y, bound, bound));
    const std::int64_t last = in.reverse ? 0 : in.x_gates.size(0);
    if (states.c.defined()) {
      const Tensor c = states.c.as_strided(in.c_0.shape(), in.c_0.strides(), last * in.c_0.numel());
      EXPECT_TRUE(close(c, expected.c, bound, bound));
    }
    EXPECT_EQ(y_of(in, recurrent(in, false)), y_of(in, states));  // with nothing kept
  });
}

TEST(Recurrent, StatesBeforeAreThoseAfterTheStepBefore) {
  const RecurrentInputs in = inputs(RecurrentCell::gru, {3, 2, 2}, DType::f64, true, true);
  const RecurrentStates states = recurrent(in, true);
  const Values before = values<double>(states.before(states.h, true)), after = y_of(in, states),
               first = values<double>(in.h_0);
  EXPECT_EQ(Values(before.begin(), before.end() - 4), Values(after.begin() + 4, after.end()));
  EXPECT_EQ(Values(before.end() - 4, before.end()), first);
}

// sum(dy * y) + sum(dc * c)
double loss(const RecurrentInputs& in, const Values& dy, const Values& dc) {
  const Golden g = golden(in);
  return std::inner_product(dy.begin(), dy.end(), g.y.begin(), 0.0) +
         std::inner_product(dc.begin(), dc.end(), g.c.begin(), 0.0);
}

// d loss / d x[i] for each i
Values slopes(const Tensor& x, const std::function<double()>& f) {
  constexpr double kStep = 1e-6;
  Values result;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    double& value = x.data<double>()[i];
    const double kept = value;
    value = kept + kStep;
    const double above = f();
    value = kept - kStep;
    result.push_back((above - f()) / (2 * kStep));
    value = kept;
  }
  return result;
}

TEST(Recurrent, HasTheGradientOfCentralDifferences) {
  for (const RecurrentCell cell : {RecurrentCell::lstm, RecurrentCell::gru}) {
    for (const Sizes& z : std::vector<Sizes>{{1, 1, 1}, {3, 2, 5}, {2, 1, 9}}) {
      for (const bool reverse : {false, true}) {
        const RecurrentInputs in = inputs(cell, z, DType::f64, reverse, true);
        const bool has_cell = in.c_0.defined();
        const Tensor dy = random_tensor({z.steps, z.rows, z.hidden}, DType::f64, 7),
                     dc = has_cell ? random_tensor({z.rows, z.hidden}, DType::f64, 8) : Tensor();
        const auto f = [&] { return loss(in, values<double>(dy), has_cell ? values<double>(dc) : Values()); };
        const RecurrentGrads grads = recurrent_grad(in, recurrent(in, true), dy, dc);
        SCOPED_TRACE(in.x_gates.describe() + (reverse ? " reverse" : ""));
        EXPECT_TRUE(close(grads.x_gates, slopes(in.x_gates, f), 1e-7, 1e-7));
        EXPECT_TRUE(close(grads.h_0, slopes(in.h_0, f), 1e-7, 1e-7));
        if (has_cell) {
          EXPECT_TRUE(close(grads.c_0, slopes(in.c_0, f), 1e-7, 1e-7));
        }
        // Of the bias: the sum over steps and rows of the gradients of the products.
        Values bias(static_cast<std::size_t>(in.bias.numel()));
        const Values h_gates = values<double>(grads.h_gates);
        for (std::size_t i = 0; i < h_gates.size(); ++i) bias[i % bias.size()] += h_gates[i];
        EXPECT_TRUE(close(Tensor::from<double>(bias, in.bias.shape()), slopes(in.bias, f), 1e-7, 1e-7));
      }
    }
  }
}

TEST(Recurrent, TakesUndefinedGradientsAsZeros) {
  const RecurrentInputs in = inputs(RecurrentCell::lstm, {3, 2, 4}, DType::f32, false, true);
  const RecurrentStates states = recurrent(in, true);
  const Tensor dc = random_tensor({2, 4});
  EXPECT_TRUE(
      same_bits(recurrent_grad(in, states, {}, dc).x_gates, recurrent_grad(in, states, zeros({3, 2, 4}), dc).x_gates));
  EXPECT_EQ(values<double>(recurrent_grad(in, states, {}, {}).c_0), Values(8, 0.0));
}

// Sizes at which threads share rows, and the columns of the products of few rows; at the end weights in place.
TEST(Recurrent, HasTheSameBitsOnEveryNumberOfThreadsAndInEveryLayout) {
  for (const Sizes& z :
       std::vector<Sizes>{{3, 70, 64}, {4, 8, 330}, {16, 1, 400}, {1, 70, 64}, {1, 1, 401}, {1, 8, 330}}) {
    for (const RecurrentCell cell : {RecurrentCell::lstm, RecurrentCell::gru}) {
      const RecurrentInputs in = inputs(cell, z, DType::f32, false, true);
      SCOPED_TRACE(in.x_gates.describe());
      const Tensor dy = random_tensor({z.steps, z.rows, z.hidden});
      const RecurrentStates one = recurrent(in, true);
      RecurrentInputs moved = in;
      moved.x_gates = shifted(in.x_gates, 3);
      moved.h_0 = shifted(in.h_0, 1);
      if (in.c_0.defined()) moved.c_0 = shifted(in.c_0, 2);
      EXPECT_TRUE(same_bits(recurrent(moved, true).h, one.h));
      const RecurrentGrads alone = recurrent_grad(in, one, dy, {});
      for (const int threads : {2, 3}) {
        set_compute_threads(threads);
        EXPECT_TRUE(same_bits(recurrent(moved, true).h, one.h)) << threads;
        const RecurrentGrads shared = recurrent_grad(moved, one, shifted(dy, 1), {});
        EXPECT_TRUE(same_bits(shared.x_gates, alone.x_gates)) << threads;
        EXPECT_TRUE(same_bits(shared.h_0, alone.h_0)) << threads;
        set_compute_threads(1);
      }
    }
  }
}

TEST(Recurrent, HasTheSameBitsInASingleStepAsAtTheStartOfASequence) {
  const RecurrentInputs in = inputs(RecurrentCell::gru, {3, 2, 37}, DType::f32, false, true);
  RecurrentInputs begin = in;
  begin.x_gates = in.x_gates.as_strided({1, 2, in.x_gates.size(2)}, in.x_gates.strides(), 0);
  const Tensor longer = recurrent(in, true).h;
  const Tensor start = longer.as_strided({2, 2, 37}, longer.strides(), 0);
  EXPECT_TRUE(same_bits(recurrent(begin, true).h, start));
}

TEST(Recurrent, OfNoRowsOrNoStepsIsEmpty) {
  for (const RecurrentCell cell : {RecurrentCell::lstm, RecurrentCell::gru}) {
    for (const Sizes& z : std::vector<Sizes>{{3, 0, 4}, {0, 2, 4}, {2, 3, 0}}) {
      const RecurrentInputs in = inputs(cell, z, DType::f32, false, true);
      const RecurrentStates states = recurrent(in, true);
      EXPECT_EQ(states.after(states.h, false).shape(), (Shape{z.steps, z.rows, z.hidden}));
      const RecurrentGrads grads = recurrent_grad(in, states, {}, {});
      EXPECT_EQ(values<double>(grads.h_0), Values(static_cast<std::size_t>(z.rows * z.hidden), 0.0));
    }
  }
}

template <class E>
void expect_error(const RecurrentInputs& in, const std::string& text) {
  try {
    recurrent(in, true);
    ADD_FAILURE() << "expected: " << text;
  } catch (const E& e) {
    EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
  }
}

TEST(Recurrent, NamesTheOperandThatDoesNotFit) {
  const RecurrentInputs good = inputs(RecurrentCell::lstm, {3, 2, 4}, DType::f32, false, true);
  RecurrentInputs in = good;
  in.weight = random_tensor({12, 4});
  expect_error<ShapeError>(in, "[recurrent] expected x_gates (T, N, G H) and weight (G H, H) with G = 4");
  in = good;
  in.h_0 = random_tensor({2, 5});
  expect_error<ShapeError>(in, "h_0");
  in = good;
  in.c_0 = random_tensor({2, 4}, DType::f64);
  expect_error<DtypeError>(in, "operands of one dtype");
  in = good;
  in.c_0 = {};
  expect_error<Error>(in, "[recurrent] expected a tensor");
  in = good;
  in.bias = random_tensor({4});
  expect_error<ShapeError>(in, "bias");
}

}  // namespace
}  // namespace hop::kernels
