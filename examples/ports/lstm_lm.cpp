// An LSTM language model in the manner of PyTorch's word_language_model: truncated backpropagation through time. (A
// ready one: nn/models/lstm_lm.h.)
#include "data.h"
#include "twin.h"

using namespace hop;

constexpr std::int64_t kHidden = 32, kLayers = 2, kBptt = 12, kBatch = 8;

struct RNNModel : nn::Module {
  explicit RNNModel(std::int64_t vocabulary)
      : drop(register_module("drop", nn::Dropout(0.2))),
        encoder(register_module("encoder", nn::Embedding(vocabulary, kHidden))),
        rnn(register_module("rnn", nn::LSTM(kHidden, kHidden, {.num_layers = kLayers, .dropout = 0.2}))),
        decoder(register_module("decoder", nn::Linear(kHidden, vocabulary))) {}

  using nn::Module::forward;
  nn::LSTMResult forward(const Tensor& tokens, const nn::LSTMState& state) {  // (T, N) -> (T, N, vocabulary)
    const nn::LSTMResult result = rnn(drop(encoder(tokens)), state);
    return {decoder(drop(result.output)), result.state};
  }

  nn::Dropout drop;
  nn::Embedding encoder;
  nn::LSTM rnn;
  nn::Linear decoder;
};

int main(int argc, char** argv) {
  ports::Twin twin(argc, argv);
  const ports::Text text = ports::sums(340);
  const std::int64_t length = text.tokens.size(0) / kBatch;
  // (length, kBatch): each column is a text.
  const Tensor columns = transpose(reshape(text.tokens[Slice(None, length * kBatch)], {kBatch, length}), 0, 1);

  RNNModel net(std::ssize(text.characters));
  nn::init_parameters(net, 1);
  net.set_random_key(2);  // of the dropouts
  twin.start(net);
  net.train(!twin.compares());  // the two draw other dropout masks, so they are compared without
  optim::SGD sgd(net.parameters(), {.lr = 2});
  const Tensor zero = zeros({kLayers, kBatch, kHidden}, twin.dtype());
  nn::LSTMState state{zero, zero};
  double first = 0, last = 0;
  for (int epoch = 0; epoch < (twin.compares() ? 1 : 4); ++epoch) {
    for (std::int64_t start = 0; start < 20 * kBptt; start += kBptt) {
      const Tensor data = columns[Slice(start, start + kBptt)];
      const Tensor targets = columns[Slice(start + 1, start + 1 + kBptt)];
      sgd.zero_grad();
      const nn::LSTMResult result = net.forward(data, {state.h.detach(), state.c.detach()});
      state = result.state;
      const Tensor loss = cross_entropy(flatten(result.output, 0, 1), flatten(targets));
      backward(loss);
      nn::clip_grad_norm_(net, 0.25);
      sgd.step();
      last = loss.item<double>();
      if (first == 0) first = last;
      twin.losses({last});
    }
  }
  return twin.verdict(last < first - 0.1);
}
