// Sequences of several lengths against PyTorch, in f64 (golden/generate_sequences.py), and against each sequence alone.
#include "nn/packed_sequence.h"

#include <limits>

#include "autograd/gradcheck.h"
#include "kernels/capture.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "tests/nn/golden_module_cases.h"

namespace hop::nn {
namespace {

using namespace testing;
using Lengths = std::vector<std::int64_t>;

constexpr DType kF64 = DType::f64;

GoldenCases& golden() {
  static GoldenCases cases("sequences.safetensors", [](const std::string&) { return 1e-10; });
  return cases;
}

/// Packs, runs and pads x.at(0). The initial states are the other inputs.
template <class M>
void check_packed(const std::string& name, M layer, const Lengths& lengths, const PackOptions& options = {}) {
  golden().check(name, &layer, [&](Xs x) {
    const PackedSequence packed = pack_padded_sequence(x.at(0), lengths, options);
    const PadOptions padding{.batch_first = options.batch_first, .padding_value = 7};
    if constexpr (std::is_same_v<M, LSTM>) {
      const PackedLSTMResult result = x.size() == 3 ? layer(packed, {x[1], x[2]}) : layer(packed);
      return Tensors{pad_packed_sequence(result.output, padding).output, result.state.h, result.state.c};
    } else {
      const PackedRecurrentResult result = x.size() == 2 ? layer(packed, x[1]) : layer(packed);
      return Tensors{pad_packed_sequence(result.output, padding).output, result.h_n};
    }
  });
}

void layers_over_packed_sequences() {
  const RecurrentOptions both_ways{.num_layers = 2, .bidirectional = true, .dtype = kF64};
  check_packed("lstm", LSTM(3, 2, {.dtype = kF64}), {5, 3, 3, 1});
  check_packed("lstm_two_layers_both_ways", LSTM(3, 2, both_ways), {5, 4, 2, 2});
  check_packed("lstm_unsorted_with_state",
               LSTM(3, 2, {.num_layers = 2, .batch_first = true, .bidirectional = true, .dtype = kF64}), {2, 5, 1, 4},
               {.batch_first = true, .enforce_sorted = false});
  check_packed("lstm_all_equal", LSTM(3, 2, {.bidirectional = true, .dtype = kF64}), {5, 5, 5, 5});
  check_packed("lstm_shorter_than_its_padding", LSTM(3, 2, {.bias = false, .dtype = kF64}), {3, 2, 2, 1});
  check_packed("lstm_projected_packed",
               LSTM(3, 5, {.num_layers = 2, .bidirectional = true, .proj_size = 2, .dtype = kF64}), {2, 5, 1, 4},
               {.enforce_sorted = false});
  check_packed("gru", GRU(3, 2, {.bidirectional = true, .dtype = kF64}), {5, 3, 3, 1});
  check_packed("gru_unsorted_with_state", GRU(3, 2, {.num_layers = 2, .batch_first = true, .dtype = kF64}),
               {3, 3, 5, 1}, {.batch_first = true, .enforce_sorted = false});
  check_packed(
      "rnn", RNN(3, 2, {.num_layers = 2, .nonlinearity = RNNNonlinearity::relu, .bidirectional = true, .dtype = kF64}),
      {4, 3, 1, 1});
  check_packed("rnn_unsorted", RNN(3, 2, {.dtype = kF64}), {1, 2, 5, 2}, {.enforce_sorted = false});
}

void packing_and_padding() {
  const auto check = [](const std::string& name, const std::function<Tensors(Xs)>& op) {
    golden().check(name, nullptr, op);
  };
  const PackOptions unsorted{.enforce_sorted = false};
  check("pack_padded_sequence", [&](Xs x) { return Tensors{pack_padded_sequence(x[0], {2, 4, 1}, unsorted).data}; });
  check("pack_padded_sequence_batch_first", [](Xs x) {
    return Tensors{pack_padded_sequence(x[0], {4, 4, 2}, {.batch_first = true}).data};
  });
  check("pack_sequence", [&](Xs x) { return Tensors{pack_sequence(x, unsorted).data}; });
  check("pad_packed_sequence", [&](Xs x) {
    const PackedSequence packed = pack_padded_sequence(x[0], {2, 4, 1}, unsorted);
    const auto [output, lengths] = pad_packed_sequence(packed, {.padding_value = 0.5, .total_length = 6});
    EXPECT_EQ(to_vector<std::int64_t>(lengths), (Lengths{2, 4, 1}));
    return Tensors{output};
  });
  check("pad_sequence", [](Xs x) { return Tensors{pad_sequence(x, {.padding_value = -1})}; });
  check("pad_sequence_batch_first", [](Xs x) { return Tensors{pad_sequence(x, {.batch_first = true})}; });
  check("unpack_sequence", [&](Xs x) { return unpack_sequence(pack_padded_sequence(x[0], {2, 4, 1}, unsorted)); });
}

void single_sequences() {
  const auto check_lstm = [](const std::string& name, LSTM layer) {
    golden().check(name, &layer, [&](Xs x) {
      const LSTMResult result = layer(x[0], x.size() == 3 ? LSTMState{x[1], x[2]} : LSTMState{});
      return Tensors{result.output, result.state.h, result.state.c};
    });
  };
  const auto check = [](const std::string& name, auto layer) {
    golden().check(name, &layer, [&](Xs x) {
      const RecurrentResult result = layer(x[0], x.size() == 2 ? x[1] : Tensor());
      return Tensors{result.output, result.h_n};
    });
  };
  check_lstm("lstm_single", LSTM(3, 2, {.num_layers = 2, .bidirectional = true, .dtype = kF64}));
  check_lstm("lstm_single_with_state", LSTM(3, 2, {.batch_first = true, .dtype = kF64}));
  check_lstm("lstm_projected", LSTM(3, 5, {.proj_size = 2, .dtype = kF64}));
  check_lstm(
      "lstm_projected_both_ways",
      LSTM(
          3, 5,
          {.num_layers = 2, .bias = false, .batch_first = true, .bidirectional = true, .proj_size = 2, .dtype = kF64}));
  check_lstm("lstm_projected_single", LSTM(3, 5, {.num_layers = 2, .proj_size = 3, .dtype = kF64}));
  check("gru_single_with_state", GRU(3, 2, {.num_layers = 2, .dtype = kF64}));
  check("rnn_single", RNN(3, 2, {.batch_first = true, .dtype = kF64}));
  LSTMCell lstm(3, 2, {.dtype = kF64});
  golden().check("lstm_cell_single", &lstm, [&](Xs x) {
    const LSTMState next = lstm(x[0], {x[1], x[2]});
    return Tensors{next.h, next.c};
  });
  GRUCell gru(3, 2, {.dtype = kF64});
  golden().check("gru_cell_single", &gru, [&](Xs x) { return Tensors{gru(x[0], x[1])}; });
  golden().check("rnn_cell_single", RNNCell(3, 2, {.dtype = kF64}));
}

TEST(GoldenSequences, AgreeWithPyTorch) {
  layers_over_packed_sequences();
  packing_and_padding();
  single_sequences();
  golden().expect_all_checked();
}

/// Sequences of random lengths, each with `columns` random numbers a step.
Tensors random_sequences(std::int64_t count, std::int64_t longest, std::int64_t columns, std::uint64_t key) {
  PhiloxStream stream({.key = key});
  Tensors sequences;
  for (std::int64_t n = 0; n < count; ++n) {
    const auto length = 1 + static_cast<std::int64_t>(stream.below(static_cast<std::uint32_t>(longest)));
    sequences.push_back(Tensor::empty({length, columns}, kF64));
    init::uniform_(sequences.back(), {.key = key, .step = static_cast<std::uint64_t>(n)}, -1, 1);
  }
  return sequences;
}

template <class M>
void expect_each_as_alone(M layer, std::uint64_t key) {
  init_parameters(layer, key);
  const Tensors sequences = random_sequences(1 + static_cast<std::int64_t>(key % 7), 9, 3, key);
  const auto packed = layer(pack_sequence(sequences, {.enforce_sorted = false}));
  const Tensors outputs = unpack_sequence(packed.output);
  ASSERT_EQ(outputs.size(), sequences.size());
  for (std::size_t n = 0; n < sequences.size(); ++n) {
    const auto place = static_cast<std::int64_t>(n);
    if constexpr (std::is_same_v<M, LSTM>) {
      const LSTMResult alone = layer(sequences[n], {});
      expect_close(outputs[n], alone.output, 1e-12);
      expect_close(select(packed.state.h, 1, place), alone.state.h, 1e-12);
      expect_close(select(packed.state.c, 1, place), alone.state.c, 1e-12);
    } else {
      const RecurrentResult alone = layer(sequences[n], {});
      expect_close(outputs[n], alone.output, 1e-12);
      expect_close(select(packed.h_n, 1, place), alone.h_n, 1e-12);
    }
  }
}

TEST(PackedSequence, GivesEachSequenceWhatItHasAlone) {
  for (std::uint64_t key = 1; key <= 20; ++key) {
    SCOPED_TRACE(key);
    const RecurrentOptions options{
        .num_layers = 1 + static_cast<std::int64_t>(key % 3), .bidirectional = key % 2 == 0, .dtype = kF64};
    expect_each_as_alone(LSTM(3, 4, options), key);
    expect_each_as_alone(GRU(3, 4, options), key);
    expect_each_as_alone(RNN(3, 4, {.num_layers = 2, .bidirectional = key % 2 == 0, .dtype = kF64}), key);
  }
}

TEST(PackedSequence, ItsGradientsAgreeWithTheSlope) {
  LSTM lstm(2, 2, {.bidirectional = true, .dtype = kF64});
  init_parameters(lstm, 1);
  Tensors inputs = {Tensor::empty({3, 3, 2}, kF64)};
  init::uniform_(inputs[0], {.key = 2}, -1, 1);
  inputs[0].set_requires_grad();
  for (const Tensor& p : lstm.parameters()) inputs.push_back(p);
  const auto through = [&](const Tensors& x) {
    const PackedLSTMResult result = lstm(pack_padded_sequence(x[0], {2, 3, 1}, {.enforce_sorted = false}));
    return Tensors{pad_packed_sequence(result.output).output, result.state.c};
  };
  const auto once = hop::testing::gradcheck(through, inputs);
  EXPECT_TRUE(once) << once.message;
  const auto twice = hop::testing::gradgradcheck(through, inputs);
  EXPECT_TRUE(twice) << twice.message;
}

TEST(PackedSequence, HasTheFieldsOfPyTorchs) {
  const Tensor x = reshape(arange(8, kF64), {4, 2});
  const PackedSequence packed = pack_padded_sequence(x, {1, 4}, {.enforce_sorted = false});
  EXPECT_EQ(to_vector<double>(packed.data), (std::vector<double>{1, 0, 3, 5, 7}));
  EXPECT_EQ(to_vector<std::int64_t>(packed.batch_sizes), (Lengths{2, 1, 1, 1}));
  EXPECT_EQ(to_vector<std::int64_t>(packed.sorted_indices), (Lengths{1, 0}));
  EXPECT_EQ(to_vector<std::int64_t>(packed.unsorted_indices), (Lengths{1, 0}));
  EXPECT_FALSE(pack_padded_sequence(x, {4, 1}).sorted_indices.defined());
  const Tensors back = unpad_sequence(transpose(x, 0, 1), Tensor::from<std::int64_t>({1, 4}, {2}), true);
  EXPECT_EQ(to_vector<double>(back[0]), (std::vector<double>{0}));
  EXPECT_EQ(to_vector<double>(back[1]), (std::vector<double>{1, 3, 5, 7}));
}

TEST(PackedSequence, MakesOneOrderFromTheOther) {
  LSTM lstm(3, 2, {.dtype = kF64});
  init_parameters(lstm, 1);
  Tensor x = Tensor::empty({4, 3, 3}, kF64), h = Tensor::empty({1, 3, 2}, kF64);
  init::uniform_(x, {.key = 1}, -1, 1);
  init::uniform_(h, {.key = 2}, -1, 1);
  const PackedSequence packed = pack_padded_sequence(x, {2, 1, 4}, {.enforce_sorted = false});
  const PackedLSTMResult whole = lstm(packed, {h, h});
  for (const bool is_sorted : {true, false}) {
    PackedSequence half = packed;
    (is_sorted ? half.unsorted_indices : half.sorted_indices) = Tensor();
    EXPECT_EQ(bits(lstm(half, {h, h}).state.c), bits(whole.state.c));
    EXPECT_EQ(bits(pad_packed_sequence(half).output), bits(pad_packed_sequence(packed).output));
  }
}

// A sequence of one step and of sixty, so many segments: in 16 bits a state that is rounded at each of them stands
// still.
TEST(PackedSequence, RoundsOnceIn16Bits) {
  for (const DType dtype : {DType::bf16, DType::f16}) {
    LSTM lstm(2, 3, {.bidirectional = true, .dtype = dtype});
    init_parameters(lstm, 4);
    Tensors sequences;
    for (std::int64_t n = 60; n > 0; n -= 4) {
      const Tensor x = Tensor::empty({n, 2}, DType::f32);
      init::uniform_(x, {.key = static_cast<std::uint64_t>(n)}, -1, 1);
      sequences.push_back(to(x, dtype));
    }
    const PackedLSTMResult packed = lstm(pack_sequence(sequences));
    const Tensors outputs = unpack_sequence(packed.output);
    for (std::size_t n = 0; n < sequences.size(); ++n) {
      const LSTMResult alone = lstm(sequences[n], {});
      EXPECT_EQ(bits(outputs[n]), bits(alone.output)) << n;
      EXPECT_EQ(bits(contiguous(select(packed.state.c, 1, static_cast<std::int64_t>(n)))), bits(alone.state.c)) << n;
    }
  }
}

TEST(PackedSequence, ItsHooksSeeTheRows) {
  GRU gru(3, 4, {.dtype = kF64});
  init_parameters(gru, 1);
  gru.register_forward_hook([](Module&, const Tensor& rows, const Tensor& y) {
    EXPECT_EQ(rows.shape(), (Shape{5, 3}));
    return y * 0;
  });
  const PackedRecurrentResult result = gru(pack_padded_sequence(zeros({4, 2, 3}, kF64), {4, 1}));
  EXPECT_EQ(max(abs(result.output.data)).item<double>(), 0);
}

TEST(PackedSequence, SaysWhatIsWrong) {
  const Tensor x = zeros({4, 2, 3});
  EXPECT_EQ(message_of<IndexError>([&] {
              pack_padded_sequence(x, {1, 4});
            }),
            "[pack_padded_sequence] expected lengths that do not grow, the longest sequence first, got others; with "
            ".enforce_sorted = false the sequences are sorted here");
  EXPECT_EQ(message_of<IndexError>([&] {
              pack_padded_sequence(x, {5, 4});
            }),
            "[pack_padded_sequence] expected lengths from 1 to 4, got 5");
  EXPECT_THROW(pack_padded_sequence(x, {4, 0}), IndexError);
  EXPECT_EQ(message_of<ShapeError>([&] {
              pack_padded_sequence(x, {4, 4, 4});
            }),
            "[pack_padded_sequence] expected 2 lengths, one for each sequence, got 3");
  EXPECT_EQ(message_of<ShapeError>([&] { pack_padded_sequence(zeros({4}), {4}); }),
            "[pack_padded_sequence] expected (T, N, *) with N > 0 and T > 0, got (4)");
  EXPECT_EQ(message_of<DtypeError>([&] { pack_padded_sequence(x, ones({2})); }),
            "[pack_padded_sequence] expected lengths of integers, got " + ones({2}).describe());
  EXPECT_EQ(message_of<ShapeError>([&] { pack_sequence(Tensors{}); }),
            "[pad_sequence] expected at least one sequence, got none");
  const PackedSequence packed = pack_padded_sequence(x, {4, 2});
  EXPECT_EQ(message_of<ShapeError>([&] { pad_packed_sequence(packed, {.total_length = 3}); }),
            "[pad_packed_sequence] expected a total_length of at least 4, got 3");
  EXPECT_THROW(pad_packed_sequence({}), Error);
  PackedSequence odd = packed;
  odd.batch_sizes = Tensor::from<std::int64_t>({2, 2, 1}, {3});
  EXPECT_THROW(pad_packed_sequence(odd), ShapeError);
  LSTM lstm(3, 2);
  EXPECT_EQ(message_of<ShapeError>([&] { lstm(odd); }),
            "[LSTM] expected batch_sizes above 0 that do not grow and whose sum is the number of rows of data, got 3 "
            "others for data " +
                packed.data.describe());
  odd.batch_sizes = Tensor::from<std::int64_t>({1, 2, 3}, {3});
  EXPECT_THROW(lstm(odd), ShapeError);
  EXPECT_THROW(pad_packed_sequence(odd), ShapeError);
  constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();
  for (const Lengths& sizes : {Lengths{3, 3, 0}, Lengths{6, 0}, Lengths{kLargest, 8}, Lengths{7, -1}, Lengths{}}) {
    odd.batch_sizes = Tensor::from<std::int64_t>(sizes, {static_cast<std::int64_t>(sizes.size())});
    EXPECT_THROW(lstm(odd), ShapeError) << sizes.size();
    EXPECT_THROW(pad_packed_sequence(odd), ShapeError) << sizes.size();
  }
  EXPECT_THROW(pad_packed_sequence(packed, {.total_length = kLargest}), Error);
  EXPECT_THROW(pad_packed_sequence(packed, {.total_length = std::int64_t{1} << 62}), Error);
  odd = packed;
  odd.unsorted_indices = Tensor::from<std::int64_t>({0, 5}, {2});
  EXPECT_EQ(message_of<IndexError>([&] { pad_packed_sequence(odd); }),
            "[pad_packed_sequence] expected unsorted_indices that name each of 2 sequences once, got others");
  odd.unsorted_indices = Tensor::from<std::int64_t>({0}, {1});
  EXPECT_THROW(pad_packed_sequence(odd), ShapeError);
  EXPECT_THROW(lstm(odd), ShapeError);
  EXPECT_EQ(message_of<ShapeError>([&] {
              LSTM(4, 2)
              (packed);
            }),
            "[LSTM] expected packed sequences with data (rows, 4), got (6, 3)");
  EXPECT_EQ(message_of<ShapeError>([&] {
              lstm(packed, {zeros({1, 3, 2}), zeros({1, 3, 2})});
            }),
            "[LSTM] expected an initial h of shape (1, 2, 2), got (1, 3, 2)");
  EXPECT_EQ(message_of<ShapeError>([&] {
              lstm(zeros({4, 3}), {zeros({1, 1, 2}), zeros({1, 1, 2})});
            }),
            "[LSTM] expected an initial h of shape (1, 2), got (1, 1, 2)");
}

TEST(PackedSequence, IsNotCaptured) {
  LSTM lstm(3, 2);
  init_parameters(lstm, 1);
  const PackedSequence packed = pack_padded_sequence(zeros({4, 2, 3}), {4, 2});
  EXPECT_EQ(message_of<StateError>([&] { capture([&] { lstm(packed); }); }),
            "[LSTM] expected no capture: the host reads batch_sizes");
  EXPECT_THROW(capture([&] { pack_padded_sequence(zeros({4, 2, 3}), {4, 2}); }), StateError);
  const Tensor a = zeros({4, 2}), b = zeros({1, 2});
  EXPECT_NO_THROW(capture([&] { pad_sequence(Tensors{a, b}); }));
}

TEST(PackedSequence, MayHaveAnEmptySequenceOnlyInItsPadding) {
  const Tensor padded = pad_sequence(Tensors{ones({2, 3}), zeros({0, 3})});
  const Tensors back = unpad_sequence(padded, Tensor::from<std::int64_t>({2, 0}, {2}));
  EXPECT_EQ(back[1].shape(), (Shape{0, 3}));
  EXPECT_THROW(pack_sequence(Tensors{ones({2, 3}), zeros({0, 3})}), IndexError);
}

}  // namespace
}  // namespace hop::nn
