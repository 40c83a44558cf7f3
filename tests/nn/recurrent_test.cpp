// Recurrent layers and cells: names, gradients, states, dropout, errors. (golden_modules_test.cpp compares them with
// PyTorch, captured_layers_test.cpp captures them.)
#include "nn/layers/recurrent.h"

#include "autograd/gradcheck.h"
#include "autograd/graph.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using Tensors = std::vector<Tensor>;

Tensor numbers(const Shape& shape, std::uint64_t key, DType dtype = DType::f32) {
  const Tensor x = Tensor::empty(shape, dtype);
  init::uniform_(x, {.key = key}, -1, 1);
  return x;
}

Tensor leaf(const Shape& shape, std::uint64_t key) { return numbers(shape, key, DType::f64).set_requires_grad(); }

// The gradients of `forward` with respect to `inputs` and to the parameters of `module`.
void expect_slopes(Module& module, Tensors inputs, const hop::testing::DifferentiableFunction& forward) {
  init_parameters(module, 3);
  for (const Tensor& p : module.parameters()) inputs.push_back(p);
  const auto once = hop::testing::gradcheck(forward, inputs);
  EXPECT_TRUE(once) << module.type_name() << ": " << once.message;
  const auto twice = hop::testing::gradgradcheck(forward, inputs);
  EXPECT_TRUE(twice) << module.type_name() << ": " << twice.message;
}

TEST(Recurrent, HasTheNamesOfPyTorchInItsOrder) {
  EXPECT_THAT(names_of(LSTM(3, 4, {.num_layers = 2}).state_dict()),
              ElementsAre("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_ih_l1", "weight_hh_l1",
                          "bias_ih_l1", "bias_hh_l1"));
  const GRU gru(3, 4, {.bias = false, .bidirectional = true});
  EXPECT_THAT(names_of(gru.state_dict()),
              ElementsAre("weight_ih_l0", "weight_hh_l0", "weight_ih_l0_reverse", "weight_hh_l0_reverse"));
  EXPECT_EQ(gru.weights(0, true).weight_ih.shape(), (Shape{12, 3}));
  EXPECT_EQ(LSTM(3, 4, {.num_layers = 2, .bidirectional = true}).weights(1).weight_ih.shape(), (Shape{16, 8}));
  EXPECT_THAT(names_of(LSTMCell(3, 4).state_dict()), ElementsAre("weight_ih", "weight_hh", "bias_ih", "bias_hh"));
  EXPECT_EQ(LSTM(3, 4, {.num_layers = 2, .batch_first = true, .dropout = 0.5, .bidirectional = true}).to_string(),
            "LSTM(3, 4, num_layers=2, batch_first=True, dropout=0.5, bidirectional=True)");
  EXPECT_EQ(RNNCell(3, 4, {.bias = false, .nonlinearity = RNNNonlinearity::relu}).to_string(),
            "RNNCell(3, 4, bias=False, nonlinearity=relu)");
}

TEST(Recurrent, ProjectsAsPyTorchNamesIt) {
  LSTM lstm(3, 8, {.num_layers = 2, .bias = false, .bidirectional = true, .proj_size = 2});
  EXPECT_THAT(names_of(lstm.state_dict()),
              ElementsAre("weight_ih_l0", "weight_hh_l0", "weight_hr_l0", "weight_ih_l0_reverse",
                          "weight_hh_l0_reverse", "weight_hr_l0_reverse", "weight_ih_l1", "weight_hh_l1",
                          "weight_hr_l1", "weight_ih_l1_reverse", "weight_hh_l1_reverse", "weight_hr_l1_reverse"));
  EXPECT_EQ(lstm.weights(1).weight_ih.shape(), (Shape{32, 4}));
  EXPECT_EQ(lstm.weights(1).weight_hh.shape(), (Shape{32, 2}));
  EXPECT_EQ(lstm.weights(1, true).weight_hr.shape(), (Shape{2, 8}));
  EXPECT_EQ(lstm.to_string(), "LSTM(3, 8, proj_size=2, num_layers=2, bias=False, bidirectional=True)");
  init_parameters(lstm, 1);
  for (const NamedTensor& p : lstm.named_parameters()) {
    EXPECT_LE(max(abs(p.tensor)).item<double>(), 1 / std::sqrt(8.0)) << p.name;
    EXPECT_GT(max(abs(p.tensor)).item<double>(), 0.25) << p.name;
  }
  const LSTMResult result = lstm(numbers({5, 2, 3}, 2), {});
  EXPECT_EQ(result.output.shape(), (Shape{5, 2, 4}));
  EXPECT_EQ(result.state.h.shape(), (Shape{4, 2, 2}));
  EXPECT_EQ(result.state.c.shape(), (Shape{4, 2, 8}));
  EXPECT_EQ(message_of<ConfigError>([] { LSTM(3, 4, {.proj_size = 4}); }),
            "[LSTM] expected a proj_size of at least 0 and below the hidden_size of 4, got 4");
  EXPECT_THROW(LSTM(3, 4, {.proj_size = -1}), ConfigError);
  EXPECT_EQ(message_of<ConfigError>([] { GRU(3, 4, {.proj_size = 2}); }),
            "[GRU] expected a proj_size of 0, got 2: only LSTM has a projection");
  EXPECT_THROW(lstm(zeros({5, 2, 3}), {zeros({4, 2, 8}), zeros({4, 2, 8})}), ShapeError);
}

TEST(Recurrent, StartsWithUniformNumbersOfTheHiddenSize) {
  GRU gru(3, 16, {.num_layers = 2});
  init_parameters(gru, 1);
  for (const NamedTensor& p : gru.named_parameters()) {
    EXPECT_LE(max(abs(p.tensor)).item<double>(), 0.25) << p.name;
    EXPECT_GT(max(abs(p.tensor)).item<double>(), 0.2) << p.name;
  }
  EXPECT_NE(bits(gru.weights(0).bias_ih), bits(gru.weights(0).bias_hh));
}

TEST(Recurrent, ItsGradientsAgreeWithTheSlope) {
  LSTM lstm(2, 1, {.num_layers = 2, .bidirectional = true, .dtype = DType::f64});
  expect_slopes(lstm, {leaf({3, 2, 2}, 1), leaf({4, 2, 1}, 2), leaf({4, 2, 1}, 4)}, [&](const Tensors& x) {
    const LSTMResult result = lstm(x[0], {x[1], x[2]});
    return Tensors{result.output, result.state.h, result.state.c};
  });
  LSTM projected(2, 2, {.bidirectional = true, .proj_size = 1, .dtype = DType::f64});
  expect_slopes(projected, {leaf({2, 1, 2}, 1), leaf({2, 1, 1}, 2), leaf({2, 1, 2}, 4)}, [&](const Tensors& x) {
    const LSTMResult result = projected(x[0], {x[1], x[2]});
    return Tensors{result.output, result.state.h, result.state.c};
  });
  GRU gru(2, 2, {.batch_first = true, .dtype = DType::f64});
  expect_slopes(gru, {leaf({2, 3, 2}, 1), leaf({1, 2, 2}, 2)}, [&](const Tensors& x) {
    const RecurrentResult result = gru(x[0], x[1]);
    return Tensors{result.output, result.h_n};
  });
  RNN rnn(2, 3, {.bias = false, .dtype = DType::f64});
  expect_slopes(rnn, {leaf({3, 2, 2}, 1)}, [&](const Tensors& x) { return Tensors{rnn(x[0])}; });
}

TEST(Recurrent, ItsLastStateAloneGivesGradients) {
  LSTM lstm(2, 2, {.dtype = DType::f64});
  expect_slopes(lstm, {leaf({3, 1, 2}, 1)}, [&](const Tensors& x) { return Tensors{lstm(x[0], {}).state.c}; });
}

TEST(Recurrent, ContinuesFromAState) {
  LSTM lstm(3, 4, {.num_layers = 2});
  init_parameters(lstm, 1);
  const Tensor x = numbers({5, 2, 3}, 2);
  const auto [whole, last] = lstm(x, {});
  const LSTMResult first = lstm(slice(x, 0, 0, 2), {});
  const LSTMResult second = lstm(slice(x, 0, 2), first.state);
  expect_close(cat({first.output, second.output}), whole, 1e-6);
  expect_close(second.state.c, last.c, 1e-6);
}

TEST(Recurrent, CellsStepAsTheirLayersDo) {
  GRU gru(3, 4);
  GRUCell cell(3, 4);
  init_parameters(gru, 1);
  StateDict given;
  for (const NamedTensor& p : gru.state_dict()) given.push_back({p.name.substr(0, p.name.size() - 3), p.tensor});
  cell.load_state_dict(given);
  const Tensor x = numbers({2, 5, 3}, 2);
  const Tensor first = cell(select(x, 0, 0));
  expect_close(stack({first, cell(select(x, 0, 1), first)}), gru(x), 1e-6);
}

TEST(Recurrent, GivesItsOutputToASequential) {
  Sequential net(LSTM(3, 4, {.batch_first = true}), Linear(4, 1));
  init_parameters(net, 1);
  EXPECT_EQ(net(numbers({2, 5, 3}, 2)).shape(), (Shape{2, 5, 1}));
}

TEST(Recurrent, ItsHooksSeeTheOutput) {
  RNN rnn(3, 4);
  init_parameters(rnn, 1);
  rnn.register_forward_hook([](Module&, const Tensor&, const Tensor& y) { return y * 0; });
  const auto [output, h_n] = rnn(numbers({5, 2, 3}, 2), {});
  EXPECT_EQ(max(abs(output)).item<double>(), 0);
  EXPECT_GT(max(abs(h_n)).item<double>(), 0);
}

TEST(Recurrent, DropsBetweenItsLayersWhileTraining) {
  GRU gru(3, 4, {.num_layers = 2, .dropout = 1}), one(3, 4, {.dropout = 1});
  init_parameters(gru, 1);
  init_parameters(one, 1);
  const Tensor x = numbers({5, 2, 3}, 2);
  EXPECT_EQ(message_of<ConfigError>([&] { gru(x); }),
            "[GRU] expected a random key, got none (call set_random_key(key) on the root module)");
  gru.set_random_key(1);
  EXPECT_EQ(bits(gru(x)), bits(gru(x * 2)));  // the second layer reads zeros
  gru.eval();
  EXPECT_NE(bits(gru(x)), bits(gru(x * 2)));
  EXPECT_NE(bits(one(x)), bits(one(x * 2)));  // no layer follows, so nothing is dropped
}

TEST(Recurrent, SaysWhatIsWrong) {
  LSTM lstm(3, 4);
  GRU gru(3, 4, {.batch_first = true});
  const Tensor x = zeros({5, 2, 3});
  EXPECT_EQ(message_of<ConfigError>([] { LSTM(0, 4); }), "[LSTM] expected input_size of at least 1, got 0");
  EXPECT_EQ(message_of<ConfigError>([] { RNN(3, 4, {.num_layers = 0}); }),
            "[RNN] expected num_layers from 1 to 65536, got 0");
  EXPECT_EQ(message_of<ConfigError>([] { GRU(3, 4, {.dropout = 1.5}); }), "[GRU] expected a dropout in 0..1, got 1.5");
  EXPECT_THROW(GRUCell(3, 0), ConfigError);
  EXPECT_EQ(message_of<ShapeError>([&] {
              lstm(zeros({2, 4}));
            }),
            "[LSTM] expected (T, C) or (T, N, C) with T > 0 and C = 3, got (2, 4)");
  EXPECT_THROW(lstm(zeros({0, 2, 3})), ShapeError);
  EXPECT_EQ(message_of<ShapeError>([&] {
              gru(zeros({2, 5, 4}));
            }),
            "[GRU] expected (T, C) or (N, T, C) with T > 0 and C = 3, got (2, 5, 4)");
  EXPECT_EQ(message_of<ShapeError>([&] {
              lstm(x, {zeros({1, 3, 4}), zeros({1, 2, 4})});
            }),
            "[LSTM] expected an initial h of shape (1, 2, 4), got (1, 3, 4)");
  EXPECT_EQ(message_of<Error>([&] {
              lstm(x, {zeros({1, 2, 4}), {}});
            }),
            "[LSTM] expected a tensor, got an undefined one");
  EXPECT_THROW(lstm(zeros({5, 2, 3}, {.dtype = DType::f64})), DtypeError);
  EXPECT_EQ(message_of<IndexError>([&] { lstm.weights(1); }),
            "[LSTM] expected one of 1 layers without a reverse direction, got layer 1");
  EXPECT_THROW(lstm.weights(0, true), IndexError);
  LSTMCell cell(3, 4);
  EXPECT_EQ(message_of<ShapeError>([&] { cell(x); }), "[LSTMCell] expected (N, C) or (C) with C = 3, got (5, 2, 3)");
  EXPECT_EQ(message_of<ShapeError>([&] {
              cell(zeros({2, 3}), {zeros({2, 4}), zeros({4})});
            }),
            "[LSTMCell] expected c of shape (2, 4), got (4)");
  EXPECT_EQ(message_of<Error>([&] {
              cell(zeros({2, 3}), {{}, zeros({2, 4})});
            }),
            "[LSTMCell] expected a tensor, got an undefined one");
}

}  // namespace
}  // namespace hop::nn
