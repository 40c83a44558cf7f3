#include "bench/nets.h"

#include <optional>

#include "autograd/ops.h"
#include "base/error.h"
#include "bench/fill.h"
#include "nn/families.h"
#include "nn/init.h"
#include "nn/layers.h"

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

void fill_parameters(nn::Module& module) {
  nn::init_parameters(module, 1);  // the running statistics
  std::uint32_t index = 0;
  for (const nn::NamedTensor& p : module.named_parameters()) {
    fill_parameter(p.tensor.data<float>(), p.tensor.numel(), p.tensor.size(0), p.tensor.dim(), p.name.ends_with("bias"),
                   index++);
  }
}

Tensor make_input(const Shape& shape) {
  const Tensor x = Tensor::empty(shape, DType::f32);
  fill_input(x.data<float>(), x.numel());
  return x;
}

Tensor make_labels(std::int64_t batch) {
  const Tensor labels = Tensor::empty({batch}, DType::i64);
  fill_labels(labels.data<std::int64_t>(), batch, 10);
  return labels;
}

Problem classify(std::shared_ptr<nn::Module> module, const Shape& input) {
  return {std::move(module), nn::CrossEntropyLoss{}, make_input(input), make_labels(input[0])};
}

Problem build(const std::string& net, std::int64_t batch) {
  if (net == "mlp") return classify(std::make_shared<Mlp>(784, 512, 256, 10), {batch, 784});
  if (net == "lenet") return classify(std::make_shared<nn::LeNet>(Shape{1, 28, 28}, 10), {batch, 1, 28, 28});
  if (net == "resnet20") return classify(std::make_shared<ResNet20>(), {batch, 3, 32, 32});
  if (net != "tabular") throw ConfigError("[bench] expected mlp, tabular, lenet or resnet20, got " + net);
  const Tensor target = Tensor::empty({batch, 1}, DType::f32);
  fill_target(target.data<float>(), batch);
  return {std::make_shared<Mlp>(128, 1000, 500, 1), nn::MSELoss{}, make_input({batch, 128}), target};
}

}  // namespace

Problem make_problem(const std::string& net, std::int64_t batch) {
  Problem problem = build(net, batch);
  fill_parameters(*problem.module);
  return problem;
}

}  // namespace hop::bench
