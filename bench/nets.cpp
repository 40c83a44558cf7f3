#include "bench/nets.h"

#include <optional>
#include <vector>

#include "autograd/ops.h"
#include "base/error.h"
#include "bench/fill.h"
#include "kernels/copy.h"
#include "nn/families.h"
#include "nn/functional.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/models.h"

namespace hop::bench {
namespace {

/// Linear layers with ReLU between them.
class Mlp : public nn::Module {
 public:
  Mlp(std::int64_t in, std::int64_t first, std::int64_t second, std::int64_t out)
      : fc1(register_module("fc1", nn::Linear(in, first))),
        fc2(register_module("fc2", nn::Linear(first, second))),
        fc3(register_module("fc3", nn::Linear(second, out))) {}
  Tensor forward(const Tensor& x) override { return fc3(fc2(fc1(x, {.relu = true}), {.relu = true})); }

 private:
  nn::Linear fc1, fc2, fc3;
};

nn::Conv2d conv3x3(std::int64_t in, std::int64_t out, std::int64_t stride) {
  return {in, out, 3, {.stride = stride, .padding = 1, .bias = false}};
}

/// Two 3x3 convolutions beside a shortcut: x itself, or a 1x1 convolution where the width changes.
class Block : public nn::Module {
 public:
  Block(std::int64_t in, std::int64_t out, std::int64_t stride)
      : conv1(register_module("conv1", conv3x3(in, out, stride))),
        bn1(register_module("bn1", nn::BatchNorm2d(out))),
        conv2(register_module("conv2", conv3x3(out, out, 1))),
        bn2(register_module("bn2", nn::BatchNorm2d(out))) {
    if (in == out) return;
    shortcut.emplace(register_module("shortcut", nn::Conv2d(in, out, 1, {.stride = stride, .bias = false})));
  }
  Tensor forward(const Tensor& x) override {
    const Tensor y = bn1(conv1(x), {.relu = true});
    return bn2(conv2(y), {.residual = shortcut ? (*shortcut)(x) : x, .relu = true});
  }

 private:
  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Conv2d conv2;
  nn::BatchNorm2d bn2;
  std::optional<nn::Conv2d> shortcut;
};

class ResNet20 : public nn::Module {
 public:
  ResNet20() : conv(register_module("conv", conv3x3(3, 16, 1))), bn(register_module("bn", nn::BatchNorm2d(16))) {
    std::int64_t in = 16;
    for (const std::int64_t out : {16, 32, 64}) {
      for (int k = 0; k < 3; ++k, in = out) {
        const std::string name = "block" + std::to_string(blocks.size() + 1);
        blocks.push_back(register_module(name, Block(in, out, in == out ? 1 : 2)));
      }
    }
    register_module("fc", fc);
  }
  Tensor forward(const Tensor& x) override {  // (N, 3, 32, 32)
    Tensor y = bn(conv(x), {.relu = true});
    for (Block& block : blocks) y = block(y);
    return fc(mean(y, {2, 3}));  // (N, 64) -> (N, 10)
  }

 private:
  nn::Conv2d conv;
  nn::BatchNorm2d bn;
  std::vector<Block> blocks;
  nn::Linear fc{64, 10};
};

/// A recurrent layer, LSTM or GRU, whose last step is classified: (N, 64, 32) -> (N, 10).
template <class Layer>
class Sequences : public nn::Module {
 public:
  Sequences()
      : layer(register_module("layer", Layer(32, 128, {.num_layers = 2, .batch_first = true}))),
        fc(register_module("fc", nn::Linear(128, 10))) {}
  Tensor forward(const Tensor& x) override { return fc(select(layer(x), 1, x.size(1) - 1)); }

 private:
  Layer layer;
  nn::Linear fc;
};

constexpr std::int64_t kTokens = 65, kHeads = 4;

/// A block of GPT-2 (Radford et al., 2019): (N, T, C) -> (N, T, C).
class GptBlock : public nn::Module {
 public:
  explicit GptBlock(std::int64_t width)
      : ln1(register_module("ln1", nn::LayerNorm({width}))),
        qkv(register_module("qkv", nn::Linear(width, 3 * width))),
        out(register_module("out", nn::Linear(width, width))),
        ln2(register_module("ln2", nn::LayerNorm({width}))),
        up(register_module("up", nn::Linear(width, 4 * width))),
        down(register_module("down", nn::Linear(4 * width, width))) {}
  Tensor forward(const Tensor& x) override {
    const Tensor y = x + out(attend(chunk(qkv(ln1(x)), 3, -1)));
    return y + down(gelu(up(ln2(y))));
  }

 private:
  static Tensor attend(const std::vector<Tensor>& qkv) {
    const Shape shape = qkv[0].shape();
    const auto heads = [&](const Tensor& x) {  // (N, T, C) -> (N, heads, T, C / heads)
      return permute(reshape(x, {shape[0], shape[1], kHeads, shape[2] / kHeads}), {0, 2, 1, 3});
    };
    const Tensor y =
        nn::functional::scaled_dot_product_attention(heads(qkv[0]), heads(qkv[1]), heads(qkv[2]), {.is_causal = true});
    return reshape(permute(y, {0, 2, 1, 3}), shape);
  }

  nn::LayerNorm ln1;
  nn::Linear qkv, out;
  nn::LayerNorm ln2;
  nn::Linear up, down;
};

/// Four blocks over tokens (N, T) -> (N T, tokens).
class Gpt : public nn::Module {
 public:
  Gpt(std::int64_t width, std::int64_t context)
      : wte(register_module("wte", nn::Embedding(kTokens, width))),
        wpe(register_module("wpe", nn::Embedding(context, width))) {
    for (int k = 0; k < 4; ++k)
      blocks.push_back(register_module("block" + std::to_string(blocks.size() + 1), GptBlock(width)));
    ln.emplace(register_module("ln", nn::LayerNorm({width})));
    head.emplace(register_module("head", nn::Linear(width, kTokens)));
  }
  Tensor forward(const Tensor& x) override {
    Tensor y = wte(x) + wpe.weight;
    for (GptBlock& block : blocks) y = block(y);
    return reshape((*head)((*ln)(y)), {-1, kTokens});
  }

 private:
  nn::Embedding wte, wpe;
  std::vector<GptBlock> blocks;
  std::optional<nn::LayerNorm> ln;
  std::optional<nn::Linear> head;
};

Tensor make_input(const Shape& shape) {
  const Tensor x = Tensor::empty(shape, DType::f32);
  fill_input(x.data<float>(), x.numel());
  return x;
}

Tensor make_labels(const Shape& shape, std::uint32_t classes) {
  const Tensor labels = Tensor::empty(shape, DType::i64);
  fill_labels(labels.data<std::int64_t>(), labels.numel(), classes);
  return labels;
}

Problem classify(std::shared_ptr<nn::Module> module, const Shape& input) {
  return {std::move(module), nn::CrossEntropyLoss{}, make_input(input), make_labels({input[0]}, 10)};
}

/// The target of a token is the token itself: what is timed does not depend on it.
Problem predict_tokens(std::int64_t width, std::int64_t context, std::int64_t batch) {
  return {std::make_shared<Gpt>(width, context), nn::CrossEntropyLoss{}, make_labels({batch, context}, kTokens),
          make_labels({batch * context}, kTokens)};
}

constexpr std::int64_t kLatent = 20;

/// The VAE with given noise, so that both sides draw the same.
class Vae : public nn::Module {
 public:
  explicit Vae(std::int64_t batch) : vae_(register_module("vae", nn::models::VAE({.latent = kLatent}))) {
    noise_ = Tensor::empty({batch, kLatent}, DType::f32);
    fill_stream(noise_.data<float>(), noise_.numel(), 4);
  }
  Tensor forward(const Tensor& x) override { return (made_ = vae_.sample(x, noise_)).logits; }
  /// Of the last forward().
  const nn::models::VAEResult& made() const { return made_; }

 private:
  nn::models::VAE vae_;
  Tensor noise_;
  nn::models::VAEResult made_;
};

Problem draw_images(std::int64_t batch) {
  const auto module = std::make_shared<Vae>(batch);
  const Tensor x = make_input({batch, 784}) * 0.5 + 0.5;
  const auto loss = [module](const Tensor&, const Tensor& target) {
    return nn::models::vae_loss(module->made(), target) / static_cast<double>(target.size(0));
  };
  return {module, loss, x, x};
}

/// Numbers, then words as indices from 1 on.
Problem predict_clicks(std::int64_t batch) {
  constexpr std::int64_t kNumbers = 13, kCategories = 26, kWords = 1000;
  const Tensor numbers = make_input({batch, kNumbers}), words = Tensor::empty({batch, kCategories}, DType::f32),
               target = Tensor::empty({batch, 1}, DType::f32);
  fill_words(words.data<float>(), words.numel(), kWords);
  fill_clicks(target.data<float>(), batch);
  return {std::make_shared<nn::models::DLRM>(
              nn::models::DLRMOptions{.numbers = kNumbers, .words = std::vector<std::int64_t>(kCategories, kWords)}),
          nn::BCEWithLogitsLoss{}, cat({numbers, words}, 1), target};
}

Problem convolve_doubles(std::int64_t batch) {
  const nn::Conv2dOptions options{.padding = 1, .dtype = DType::f64};
  return {std::make_shared<nn::Sequential>(nn::Conv2d(8, 16, 3, options), nn::ReLU(), nn::Conv2d(16, 16, 3, options)),
          nn::MSELoss{}, kernels::cast(make_input({batch, 8, 28, 28}), DType::f64),
          kernels::zeros({batch, 16, 28, 28}, DType::f64)};
}

Problem build(const std::string& net, std::int64_t batch) {
  if (net == "mlp") return classify(std::make_shared<Mlp>(784, 512, 256, 10), {batch, 784});
  if (net == "lenet") return classify(std::make_shared<nn::LeNet>(Shape{1, 28, 28}, 10), {batch, 1, 28, 28});
  if (net == "resnet20") return classify(std::make_shared<ResNet20>(), {batch, 3, 32, 32});
  if (net == "resnet18") {
    return classify(
        std::make_shared<nn::models::ResNet>(nn::models::ResNetOptions{.classes = 10, .small_images = true}),
        {batch, 3, 32, 32});
  }
  if (net == "lstm") return classify(std::make_shared<Sequences<nn::LSTM>>(), {batch, 64, 32});
  if (net == "gru") return classify(std::make_shared<Sequences<nn::GRU>>(), {batch, 64, 32});
  if (net == "gpt") return predict_tokens(128, 64, batch);
  if (net == "gpt-wide") return predict_tokens(256, 256, batch);
  if (net == "vae") return draw_images(batch);
  if (net == "dlrm") return predict_clicks(batch);
  if (net == "conv-f64") return convolve_doubles(batch);
  if (net != "tabular") throw ConfigError("[bench] expected one of the nets in bench/nets.h, got " + net);
  const Tensor target = Tensor::empty({batch, 1}, DType::f32);
  fill_target(target.data<float>(), batch);
  return {std::make_shared<Mlp>(128, 1000, 500, 1), nn::MSELoss{}, make_input({batch, 128}), target};
}

}  // namespace

void fill_parameters(nn::Module& module) {
  nn::init_parameters(module, 1);  // the running statistics
  std::uint32_t index = 0;
  for (const nn::NamedTensor& p : module.named_parameters()) {
    const Tensor values = Tensor::empty(p.tensor.shape(), DType::f32);
    fill_parameter(values.data<float>(), values.numel(), values.size(0), values.dim(), p.name.ends_with("bias"),
                   index++);
    kernels::copy_(p.tensor.detach(), values);
  }
}

Problem make_problem(const std::string& net, std::int64_t batch) {
  Problem problem = build(net, batch);
  fill_parameters(*problem.module);
  return problem;
}

}  // namespace hop::bench
