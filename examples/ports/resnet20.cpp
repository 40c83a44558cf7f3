// ResNet-20 (He et al., 2016) with a quarter of its channels, and the usual augmentation: shifted crops, mirrored. (A
// ready one: nn/models/resnet20.h; augmentation as layers: nn/layers/augment.h.)
#include "data.h"
#include "twin.h"

using namespace hop;

constexpr std::int64_t kBatch = 16, kSize = 16;

nn::Conv2d conv3x3(std::int64_t inputs, std::int64_t outputs, std::int64_t stride = 1) {
  return {inputs, outputs, 3, {.stride = stride, .padding = 1, .bias = false}};
}

struct BasicBlock : nn::Module {
  BasicBlock(std::int64_t inputs, std::int64_t outputs, std::int64_t stride)
      : conv1(register_module("conv1", conv3x3(inputs, outputs, stride))),
        bn1(register_module("bn1", nn::BatchNorm2d(outputs))),
        conv2(register_module("conv2", conv3x3(outputs, outputs))),
        bn2(register_module("bn2", nn::BatchNorm2d(outputs))),
        stride_(stride),
        more_((outputs - inputs) / 2) {}

  Tensor forward(const Tensor& x) override {
    const Tensor y = bn2(conv2(relu(bn1(conv1(x)))));
    if (stride_ == 1) return relu(y + x);
    // The shortcut has no parameters: every second pixel, and channels of zeros.
    const Tensor half = x[{Ellipsis, Slice(None, None, 2), Slice(None, None, 2)}];
    return relu(y + pad(half, {0, 0, 0, 0, more_, more_}));
  }

  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Conv2d conv2;
  nn::BatchNorm2d bn2;

 private:
  std::int64_t stride_, more_;
};

nn::Sequential stage(std::int64_t inputs, std::int64_t outputs, std::int64_t stride) {
  return nn::Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1),
                        BasicBlock(outputs, outputs, 1));
}

struct ResNet : nn::Module {
  ResNet(std::int64_t width, std::int64_t classes)
      : conv1(register_module("conv1", conv3x3(3, width))),
        bn1(register_module("bn1", nn::BatchNorm2d(width))),
        layer1(register_module("layer1", stage(width, width, 1))),
        layer2(register_module("layer2", stage(width, 2 * width, 2))),
        layer3(register_module("layer3", stage(2 * width, 4 * width, 2))),
        linear(register_module("linear", nn::Linear(4 * width, classes))) {}

  Tensor forward(const Tensor& x) override {  // (N, 3, H, W)
    const Tensor y = layer3(layer2(layer1(relu(bn1(conv1(x))))));
    return linear(mean(y, {2, 3}));  // (N, classes)
  }

  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Sequential layer1, layer2, layer3;
  nn::Linear linear;
};

// Crops image i of x (N, C, H, W) from itself with 2 pixels of padding, at its own place; mirrors it if asked.
Tensor augment(const Tensor& x, const Tensor& down, const Tensor& right, const Tensor& mirrored) {
  const Tensor line = arange(x.size(-1)), rows = unsqueeze(down, 1) + line;
  const Tensor columns = unsqueeze(right, 1) + where(unsqueeze(mirrored, 1) == 1, x.size(-1) - 1 - line, line);
  const Tensor image = arange(x.size(0))[{Slice(), None, None}];
  const Tensor padded = pad(x, {2, 2, 2, 2});
  const Tensor cropped = padded[{image, Slice(), unsqueeze(rows, 2), unsqueeze(columns, 1)}];  // (N, H, W, C)
  return permute(cropped, {0, 3, 1, 2});
}

ports::Images pictures(std::int64_t n, DType dtype, std::int64_t first) {
  const ports::Images grey = ports::stripes(n, kSize, DType::f64, first);
  return {to(cat({grey.x, grey.x * grey.x, sin(3 * grey.x)}, 1), dtype), grey.label};
}

int main(int argc, char** argv) {
  ports::Twin twin(argc, argv, {.steps = 5, .later = 5e-2});  // ReLU amplifies rounding: README.md
  ResNet net(4, 10);
  nn::init_parameters(net, 1);
  twin.start(net);
  const int steps = twin.compares() ? 20 : 60;
  optim::SGD sgd(net.parameters(), {.lr = 0.01, .momentum = 0.9, .weight_decay = 5e-4});
  optim::LRScheduler scheduler(sgd, optim::MultiStepLR{.lr = 0.01, .milestones = {steps / 2, 3 * steps / 4}});
  double first = 0, last = 0;
  for (int step = 0; step < steps; ++step) {
    const ports::Images batch = pictures(kBatch, twin.dtype(), step * kBatch);
    const Tensor down = twin.randint(0, 5, {kBatch}), right = twin.randint(0, 5, {kBatch});
    const Tensor x = augment(batch.x, down, right, twin.randint(0, 2, {kBatch}));
    sgd.zero_grad();
    const Tensor loss = cross_entropy(net(x), batch.label);
    backward(loss);
    sgd.step();
    scheduler.step();
    last = loss.item<double>();
    if (step == 0) first = last;
    twin.losses({last});
  }

  net.eval();
  const NoGradGuard no_grad;
  const ports::Images test = pictures(200, twin.dtype(), 5000);
  const double accuracy = ports::share(argmax(net(test.x), 1) == test.label);
  std::printf("accuracy on new images: %.3f\n", accuracy);
  return twin.verdict(last < first - 0.3);
}
