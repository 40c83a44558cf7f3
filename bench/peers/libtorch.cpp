// LibTorch's side (C++): the same nets, layer by layer and name by name, the same numbers, one thread. Speaks the
// protocol of bench/serve.h. Variants: eager, and channels_last for nets with convolutions.
#include <torch/torch.h>

#include "bench/fill.h"
#include "bench/serve.h"

namespace {

namespace nn = torch::nn;
using hop::bench::Work;
using torch::Tensor;

struct Net : nn::Module {
  virtual Tensor forward(Tensor x) = 0;
};

struct Mlp : Net {
  Mlp(int64_t in, int64_t first, int64_t second, int64_t out)
      : fc1(register_module("fc1", nn::Linear(in, first))),
        fc2(register_module("fc2", nn::Linear(first, second))),
        fc3(register_module("fc3", nn::Linear(second, out))) {}
  Tensor forward(Tensor x) override { return fc3(torch::relu(fc2(torch::relu(fc1(x))))); }
  nn::Linear fc1, fc2, fc3;
};

struct LeNet : Net {
  LeNet()
      : conv1(register_module("conv1", nn::Conv2d(nn::Conv2dOptions(1, 16, 5)))),
        conv2(register_module("conv2", nn::Conv2d(nn::Conv2dOptions(16, 32, 5)))),
        fc1(register_module("fc1", nn::Linear(512, 128))),
        fc2(register_module("fc2", nn::Linear(128, 10))) {}
  Tensor forward(Tensor x) override {
    x = torch::max_pool2d(torch::relu(conv1(x)), 2);
    x = torch::max_pool2d(torch::relu(conv2(x)), 2);
    return fc2(torch::relu(fc1(torch::flatten(x, 1))));
  }
  nn::Conv2d conv1, conv2;
  nn::Linear fc1, fc2;
};

nn::Conv2d conv3x3(int64_t in, int64_t out, int64_t stride) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, 3).stride(stride).padding(1).bias(false));
}

struct Block : Net {
  Block(int64_t in, int64_t out, int64_t stride)
      : conv1(register_module("conv1", conv3x3(in, out, stride))),
        bn1(register_module("bn1", nn::BatchNorm2d(out))),
        conv2(register_module("conv2", conv3x3(out, out, 1))),
        bn2(register_module("bn2", nn::BatchNorm2d(out))) {
    if (in == out) return;
    shortcut = register_module("shortcut", nn::Conv2d(nn::Conv2dOptions(in, out, 1).stride(stride).bias(false)));
  }
  Tensor forward(Tensor x) override {
    const Tensor y = bn2(conv2(torch::relu(bn1(conv1(x)))));
    return torch::relu(y + (shortcut.is_empty() ? x : shortcut(x)));
  }
  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Conv2d conv2;
  nn::BatchNorm2d bn2;
  nn::Conv2d shortcut{nullptr};
};

struct ResNet20 : Net {
  ResNet20() : conv(register_module("conv", conv3x3(3, 16, 1))), bn(register_module("bn", nn::BatchNorm2d(16))) {
    int64_t in = 16;
    for (const int64_t out : {16, 32, 64}) {
      for (int k = 0; k < 3; ++k, in = out) {
        blocks.push_back(std::make_shared<Block>(in, out, in == out ? 1 : 2));
        register_module("block" + std::to_string(blocks.size()), blocks.back());
      }
    }
    fc = register_module("fc", nn::Linear(64, 10));
  }
  Tensor forward(Tensor x) override {
    x = torch::relu(bn(conv(x)));
    for (const auto& block : blocks) x = block->forward(x);
    return fc(x.mean({2, 3}));
  }
  nn::Conv2d conv;
  nn::BatchNorm2d bn;
  std::vector<std::shared_ptr<Block>> blocks;
  nn::Linear fc{nullptr};
};

template <class Layer, class Options>
struct Sequences : Net {
  Sequences()
      : layer(register_module("layer", Layer(Options(32, 128).num_layers(2).batch_first(true)))),
        fc(register_module("fc", nn::Linear(128, 10))) {}
  Tensor forward(Tensor x) override { return fc(std::get<0>(layer(x)).select(1, x.size(1) - 1)); }
  Layer layer;
  nn::Linear fc;
};

constexpr int64_t kTokens = 65, kHeads = 4;

struct GptBlock : Net {
  explicit GptBlock(int64_t width)
      : ln1(register_module("ln1", nn::LayerNorm(nn::LayerNormOptions({width})))),
        qkv(register_module("qkv", nn::Linear(width, 3 * width))),
        out(register_module("out", nn::Linear(width, width))),
        ln2(register_module("ln2", nn::LayerNorm(nn::LayerNormOptions({width})))),
        up(register_module("up", nn::Linear(width, 4 * width))),
        down(register_module("down", nn::Linear(4 * width, width))) {}
  Tensor forward(Tensor x) override {
    x = x + out(attend(qkv(ln1(x)).chunk(3, -1)));
    return x + down(torch::gelu(up(ln2(x))));
  }
  // LibTorch 1.13 has no fused attention.
  static Tensor attend(const std::vector<Tensor>& qkv) {
    const int64_t n = qkv[0].size(0), t = qkv[0].size(1), c = qkv[0].size(2);
    const auto heads = [&](const Tensor& x) { return x.view({n, t, kHeads, c / kHeads}).transpose(1, 2); };
    const Tensor blocked = torch::ones({t, t}, torch::kBool).triu(1);
    const Tensor scores = heads(qkv[0]).matmul(heads(qkv[1]).transpose(-2, -1)) / std::sqrt(c / kHeads);
    const Tensor weights = torch::softmax(scores.masked_fill(blocked, -INFINITY), -1);
    return weights.matmul(heads(qkv[2])).transpose(1, 2).reshape({n, t, c});
  }
  nn::LayerNorm ln1;
  nn::Linear qkv, out;
  nn::LayerNorm ln2;
  nn::Linear up, down;
};

struct Gpt : Net {
  Gpt(int64_t width, int64_t context)
      : wte(register_module("wte", nn::Embedding(kTokens, width))),
        wpe(register_module("wpe", nn::Embedding(context, width))) {
    for (int k = 0; k < 4; ++k) {
      blocks.push_back(std::make_shared<GptBlock>(width));
      register_module("block" + std::to_string(blocks.size()), blocks.back());
    }
    ln = register_module("ln", nn::LayerNorm(nn::LayerNormOptions({width})));
    head = register_module("head", nn::Linear(width, kTokens));
  }
  Tensor forward(Tensor x) override {
    x = wte(x) + wpe->weight;
    for (const auto& block : blocks) x = block->forward(x);
    return head(ln(x)).view({-1, kTokens});
  }
  nn::Embedding wte, wpe;
  std::vector<std::shared_ptr<GptBlock>> blocks;
  nn::LayerNorm ln{nullptr};
  nn::Linear head{nullptr};
};

enum class Kind { classes, numbers, tokens };

struct Problem {
  std::shared_ptr<Net> net;
  std::vector<int64_t> input;
  Kind kind = Kind::classes;
};

Problem make_problem(const std::string& name, int64_t batch) {
  if (name == "mlp") return {std::make_shared<Mlp>(784, 512, 256, 10), {batch, 784}};
  if (name == "tabular") return {std::make_shared<Mlp>(128, 1000, 500, 1), {batch, 128}, Kind::numbers};
  if (name == "lenet") return {std::make_shared<LeNet>(), {batch, 1, 28, 28}};
  if (name == "resnet20") return {std::make_shared<ResNet20>(), {batch, 3, 32, 32}};
  if (name == "lstm") return {std::make_shared<Sequences<nn::LSTM, nn::LSTMOptions>>(), {batch, 64, 32}};
  if (name == "gru") return {std::make_shared<Sequences<nn::GRU, nn::GRUOptions>>(), {batch, 64, 32}};
  if (name == "gpt") return {std::make_shared<Gpt>(128, 64), {batch, 64}, Kind::tokens};
  if (name == "gpt-wide") return {std::make_shared<Gpt>(256, 256), {batch, 256}, Kind::tokens};
  throw std::invalid_argument("no net " + name);
}

void fill_parameters(Net& net) {
  uint32_t index = 0;
  for (const auto& item : net.named_parameters()) {
    const Tensor p = item.value().detach();
    const bool is_bias = item.key().size() >= 4 && item.key().substr(item.key().size() - 4) == "bias";
    hop::bench::fill_parameter(p.data_ptr<float>(), p.numel(), p.size(0), static_cast<int>(p.dim()), is_bias, index++);
  }
}

Tensor make_labels(const std::vector<int64_t>& shape, uint32_t classes) {
  const Tensor labels = torch::empty(shape, torch::kInt64);
  hop::bench::fill_labels(labels.data_ptr<int64_t>(), labels.numel(), classes);
  return labels;
}

Tensor make_input(const Problem& problem) {
  if (problem.kind == Kind::tokens) return make_labels(problem.input, kTokens);
  const Tensor x = torch::empty(problem.input);
  hop::bench::fill_input(x.data_ptr<float>(), x.numel());
  return x;
}

Tensor make_target(const Problem& problem) {
  const int64_t batch = problem.input[0];
  if (problem.kind == Kind::tokens) return make_labels({batch * problem.input[1]}, kTokens);
  if (problem.kind == Kind::classes) return make_labels({batch}, 10);
  const Tensor target = torch::empty({batch, 1});
  hop::bench::fill_target(target.data_ptr<float>(), batch);
  return target;
}

// torch::optim changes parameters' memory format with set_data only before the optimizer is made.
void to_channels_last(Net& net, Tensor& x) {
  if (x.dim() != 4) throw std::invalid_argument("channels_last needs images");
  for (Tensor& p : net.parameters()) {
    if (p.dim() == 4) p.set_data(p.contiguous(at::MemoryFormat::ChannelsLast));
  }
  x = x.contiguous(at::MemoryFormat::ChannelsLast);
}

std::shared_ptr<torch::optim::Optimizer> make_optimizer(const std::string& name, Net& net) {
  if (name == "adam") return std::make_shared<torch::optim::Adam>(net.parameters(), torch::optim::AdamOptions(1e-4));
  return std::make_shared<torch::optim::SGD>(net.parameters(), torch::optim::SGDOptions(1e-3).momentum(0.9));
}

// what: train NET OPTIMIZER BATCH VARIANT
Work training(const std::vector<std::string>& what) {
  const Problem problem = make_problem(what.at(1), std::stoll(what.at(3)));
  fill_parameters(*problem.net);
  Tensor x = make_input(problem);
  if (what.at(4) == "channels_last") {
    to_channels_last(*problem.net, x);
  } else if (what.at(4) != "eager") {
    throw std::invalid_argument("no variant " + what.at(4));
  }
  const Tensor target = make_target(problem);
  const auto optimizer = make_optimizer(what.at(2), *problem.net);
  return [=](int repetitions) {
    double value = 0;
    for (int i = 0; i < repetitions; ++i) {
      optimizer->zero_grad();
      const Tensor y = problem.net->forward(x);
      const Tensor loss =
          problem.kind == Kind::numbers ? torch::mse_loss(y, target) : torch::cross_entropy_loss(y, target);
      loss.backward();
      optimizer->step();
      value = loss.item<double>();
    }
    return value;
  };
}

template <class F>
Work by_mode(const std::string& mode, F f, Tensor a) {
  if (mode == "forward") {
    return [f, a](int repetitions) {
      const torch::NoGradGuard guard;
      Tensor y;
      for (int i = 0; i < repetitions; ++i) y = f(a);
      return y.sum().item<double>();
    };
  }
  a.set_requires_grad(true);
  if (mode == "recorded") {
    return [f, a](int repetitions) {
      Tensor y;
      for (int i = 0; i < repetitions; ++i) y = f(a);
      return y.sum().template item<double>();
    };
  }
  return [f, a](int repetitions) {
    double value = 0;
    for (int i = 0; i < repetitions; ++i) {
      Tensor y = a;
      for (int k = 0; k < 10; ++k) y = f(y);
      const Tensor total = y.sum();
      total.backward();
      value = total.item<double>();
    }
    return value;
  };
}

// what: operation NAME MODE VARIANT
Work operation(const std::vector<std::string>& what) {
  const Tensor a = torch::empty({16}), b = torch::empty({16});
  hop::bench::fill_input(a.data_ptr<float>(), 16);
  hop::bench::fill_target(b.data_ptr<float>(), 16);
  const std::string& name = what.at(1);
  if (name == "add")
    return by_mode(
        what.at(2), [b](const Tensor& x) { return x + b; }, a);
  if (name == "mul")
    return by_mode(
        what.at(2), [b](const Tensor& x) { return x * b; }, a);
  if (name == "relu")
    return by_mode(
        what.at(2), [](const Tensor& x) { return torch::relu(x); }, a);
  throw std::invalid_argument("no operation " + name);
}

}  // namespace

int main() {
  torch::set_num_threads(1);
  return hop::bench::serve(std::string("LibTorch ") + TORCH_VERSION, [](const std::vector<std::string>& what) {
    return what.at(0) == "train" ? training(what) : operation(what);
  });
}
