#include "kernels/recurrent.h"

#include <utility>

#include "kernels/cuda/grid.h"
#include "tests/cuda/results.h"

namespace hop::kernels::cuda {
namespace {

using namespace hop::testing;
using CudaRecurrent = OnDevice;

RecurrentInputs inputs(RecurrentCell cell, const Shape& states, std::int64_t steps, DType dtype, bool reverse) {
  const std::int64_t gates = gates_of(cell) * states[1];
  return {cell,
          reverse,
          random_tensor({steps, states[0], gates}, dtype, 1, -2, 2),
          random_tensor({gates, states[1]}, dtype, 2, -0.3, 0.3),
          reverse ? Tensor() : random_tensor({gates}, dtype, 3),
          random_tensor(states, dtype, 4),
          cell == RecurrentCell::lstm ? random_tensor(states, dtype, 5) : Tensor()};
}

Tensor there_or_none(const Tensor& x) { return x.defined() ? on_device(x) : x; }

RecurrentInputs there(const RecurrentInputs& in) {
  return {in.cell,           in.reverse,           on_device(in.x_gates), on_device(in.weight), there_or_none(in.bias),
          on_device(in.h_0), there_or_none(in.c_0)};
}

void expect_near(const std::vector<Tensor>& results, const std::vector<Tensor>& expected, DType dtype) {
  ASSERT_EQ(results.size(), expected.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    ASSERT_EQ(results[i].defined(), expected[i].defined());
    if (!expected[i].defined()) continue;
    EXPECT_TRUE(near(results[i], expected[i], epsilon(dtype, 256))) << "result " << i;
  }
}

/// Forward and backward on the device against the CPU.
void check(RecurrentCell cell, const Shape& states, std::int64_t steps, DType dtype, bool reverse) {
  const RecurrentInputs in = inputs(cell, states, steps, dtype, reverse), in_there = there(in);
  SCOPED_TRACE(in.x_gates.describe());
  const RecurrentStates expected = recurrent(in, true);
  const auto list = [](const RecurrentStates& s) { return std::vector{s.h, s.c, s.kept}; };
  expect_near(in_every_schedule([&] { return list(recurrent(in_there, true)); }), list(expected), dtype);

  const RecurrentStates kept{on_device(expected.h), there_or_none(expected.c), on_device(expected.kept)};
  const Tensor dy = random_tensor({steps, states[0], states[1]}, dtype, 7),
               dc = in.c_0.defined() ? random_tensor(states, dtype, 8) : Tensor();
  const Tensor dy_there = on_device(dy), dc_there = there_or_none(dc);
  const auto grads = [](const RecurrentGrads& g) { return std::vector{g.x_gates, g.h_gates, g.h_0, g.c_0}; };
  expect_near(in_every_schedule([&] { return grads(recurrent_grad(in_there, kept, dy_there, dc_there)); }),
              grads(recurrent_grad(in, expected, dy, dc)), dtype);
}

TEST_F(CudaRecurrent, IsTheCpusForwardAndBackward) {
  for (const RecurrentCell cell : {RecurrentCell::lstm, RecurrentCell::gru}) {
    for (const DType dtype : {DType::f32, DType::f64}) {
      check(cell, {1, 1}, 1, dtype, false);
      check(cell, {3, 5}, 4, dtype, false);
      check(cell, {2, 33}, 3, dtype, true);
      check(cell, {7, 64}, 2, dtype, false);
    }
  }
}

// Threads that take several units each.
TEST_F(CudaRecurrent, HasTheSameBitsOnAnyGrid) {
  const RecurrentInputs in = there(inputs(RecurrentCell::lstm, {9, 70}, 2, DType::f32, false));
  const Tensor all = on_host(recurrent(in, true).h);
  const std::int64_t blocks = std::exchange(max_blocks, 1);
  const Tensor few = on_host(recurrent(in, true).h);
  max_blocks = blocks;
  EXPECT_TRUE(same_bits(few, all));
}

TEST_F(CudaRecurrent, OfNoRowsIsEmpty) {
  const RecurrentInputs in = there(inputs(RecurrentCell::gru, {0, 4}, 2, DType::f32, false));
  EXPECT_EQ(recurrent(in, true).h.shape(), (Shape{3, 0, 4}));
}

}  // namespace
}  // namespace hop::kernels::cuda
