// A checkpoint of PyTorch trained on: weights (bf16, as they are published) and AdamW's state come from safetensors
// files, and go back into such files. Without --golden the program writes the checkpoint itself.
#include "data.h"
#include "twin.h"

using namespace hop;

constexpr std::int64_t kBlock = 24, kBatch = 8;

nn::models::GPT gpt(const ports::Text& text) {
  return nn::models::GPT(
      {.vocab_size = std::ssize(text.characters), .block_size = kBlock, .n_layer = 2, .n_head = 2, .n_embd = 32});
}

// The loss of the texts that begin at `start` (N).
Tensor language_loss(nn::Module& net, const Tensor& tokens, const Tensor& start) {
  const Tensor places = unsqueeze(start, 1) + arange(kBlock);
  const Tensor logits = net(tokens[places]);
  return cross_entropy(flatten(logits, 0, 1), flatten(tokens[places + 1]));
}

int main(int argc, char** argv) {
  ports::Twin twin(argc, argv);
  const ports::Text text = ports::sums(340);
  const optim::AdamWOptions options{.lr = 5e-3, .beta1 = 0.9, .beta2 = 0.95, .weight_decay = 0.1};
  const auto weights = twin.beside("gpt.safetensors"), state = twin.beside("gpt_adamw.safetensors");
  if (!twin.compares()) {
    nn::models::GPT fresh = gpt(text);
    nn::init_parameters(fresh, 1);
    nn::save(fresh, weights);
    optim::save(optim::AdamW(fresh.named_parameters(), options), state);
  }

  nn::models::GPT net = gpt(text);
  net.to(twin.dtype());
  nn::load(net, weights);
  optim::AdamW adamw(net.named_parameters(), options);  // by names, which its file has
  optim::load(adamw, state);
  double first = 0, last = 0;
  const int steps = twin.compares() ? 20 : 60;
  for (int step = 0; step < steps; ++step) {
    adamw.zero_grad();
    const Tensor loss = language_loss(net, text.tokens, twin.randint(0, text.tokens.size(0) - kBlock, {kBatch}));
    backward(loss);
    adamw.step();
    last = loss.item<double>();
    if (step == 0) first = last;
    twin.losses({last});
  }

  // In Python: safetensors.torch.load_file("continued.safetensors").
  nn::save(net, "continued.safetensors");
  optim::save(adamw, "continued_adamw.safetensors");
  // In f64 the file has what the twin ended with. (In f32 the bias of the keys, on which no loss depends, is noise.)
  bool is_equal = true;
  for (const auto& [name, tensor] : nn::load_safetensors("continued.safetensors").tensors) {
    if (twin.compares() && twin.dtype() == DType::f64) is_equal = twin.is_close("last." + name, tensor) && is_equal;
  }
  const int verdict = twin.verdict(last < first - 0.3);
  return is_equal ? verdict : 1;
}
