// A character GPT in the manner of nanoGPT, which learns to add: "7+11=18". (A ready one: nn/models/gpt.h.)
#include "data.h"
#include "twin.h"

using namespace hop;

constexpr std::int64_t kWidth = 32, kHeads = 2, kLayers = 2, kBlock = 24, kBatch = 8;

struct CausalSelfAttention : nn::Module {
  nn::Linear c_attn = register_module("c_attn", nn::Linear(kWidth, 3 * kWidth));
  nn::Linear c_proj = register_module("c_proj", nn::Linear(kWidth, kWidth));

  Tensor forward(const Tensor& x) override {  // (N, T, kWidth)
    const std::int64_t n = x.size(0), t = x.size(1);
    std::vector<Tensor> qkv = chunk(c_attn(x), 3, -1);
    for (Tensor& part : qkv) part = transpose(reshape(part, {n, t, kHeads, -1}), 1, 2);
    const Tensor y = nn::functional::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], {.is_causal = true});
    return c_proj(reshape(transpose(y, 1, 2), {n, t, kWidth}));
  }
};

struct Mlp : nn::Module {
  nn::Linear c_fc = register_module("c_fc", nn::Linear(kWidth, 4 * kWidth));
  nn::Linear c_proj = register_module("c_proj", nn::Linear(4 * kWidth, kWidth));

  Tensor forward(const Tensor& x) override { return c_proj(gelu(c_fc(x))); }
};

struct Block : nn::Module {
  nn::LayerNorm ln_1 = register_module("ln_1", nn::LayerNorm(kWidth));
  CausalSelfAttention attn = register_module("attn", CausalSelfAttention());
  nn::LayerNorm ln_2 = register_module("ln_2", nn::LayerNorm(kWidth));
  Mlp mlp = register_module("mlp", Mlp());

  Tensor forward(const Tensor& x) override {
    const Tensor y = x + attn(ln_1(x));
    return y + mlp(ln_2(y));
  }
};

struct Transformer : nn::Module {
  explicit Transformer(std::int64_t vocabulary)
      : wte(register_module("wte", nn::Embedding(vocabulary, kWidth))),
        wpe(register_module("wpe", nn::Embedding(kBlock, kWidth))),
        h(register_module("h", nn::ModuleList())),
        ln_f(register_module("ln_f", nn::LayerNorm(kWidth))) {
    for (int i = 0; i < kLayers; ++i) h.push_back(Block());
  }
  Tensor forward(const Tensor& tokens) override {
    Tensor x = wte(tokens) + wpe(arange(tokens.size(1)));
    for (std::size_t i = 0; i < h.size(); ++i) x = h[i](x);
    return ln_f(x);
  }
  nn::Embedding wte, wpe;
  nn::ModuleList h;
  nn::LayerNorm ln_f;
};

struct GPT : nn::Module {
  explicit GPT(std::int64_t vocabulary)
      : transformer(register_module("transformer", Transformer(vocabulary))),
        lm_head(register_module("lm_head", nn::Linear(transformer.wte.weight, {.bias = false}))) {}  // tied

  Tensor forward(const Tensor& tokens) override { return lm_head(transformer(tokens)); }  // (N, T, vocabulary)

  Transformer transformer;
  nn::Linear lm_head;
};

// The loss of the texts that begin at `start` (N).
Tensor language_loss(nn::Module& net, const Tensor& tokens, const Tensor& start) {
  const Tensor places = unsqueeze(start, 1) + arange(kBlock);
  const Tensor logits = net(tokens[places]);
  return cross_entropy(flatten(logits, 0, 1), flatten(tokens[places + 1]));
}

int main(int argc, char** argv) {
  ports::Twin twin(argc, argv);
  const ports::Text data = ports::sums(340);
  GPT net(std::ssize(data.characters));
  nn::init_parameters(net, 1);
  Generator generator(2);
  for (const Tensor& p : net.parameters()) {
    if (p.dim() == 2) nn::init::normal_(p, generator, 0, 0.02);
  }
  twin.start(net);
  const std::int64_t steps = twin.compares() ? 20 : 200;
  optim::AdamW adamw(net.parameters(), {.lr = 1e-2, .beta1 = 0.9, .beta2 = 0.95, .weight_decay = 0.1});
  optim::LRScheduler scheduler(adamw, optim::CosineAnnealingLR{.lr = 1e-2, .t_max = steps, .eta_min = 1e-3});
  double last = 0;
  for (std::int64_t step = 0; step < steps; ++step) {
    adamw.zero_grad();
    const Tensor loss = language_loss(net, data.tokens, twin.randint(0, data.tokens.size(0) - kBlock, {kBatch}));
    backward(loss);
    nn::clip_grad_norm_(net, 1.0);
    adamw.step();
    scheduler.step();
    twin.losses({last = loss.item<double>()});
  }

  std::string text = "3+4=";
  const NoGradGuard no_grad;
  for (int i = 0; i < 6; ++i) {
    const Tensor logits = net(data.encode(text));
    text += data.characters[static_cast<std::size_t>(argmax(logits[{0, -1}]).item<std::int64_t>())];
  }
  std::printf("%s\n", text.c_str());
  return twin.verdict(last < 2.1);
}
