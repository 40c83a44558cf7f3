// A net with its optimizer: what a captured step may read, write and ask, for tests that change it between two calls.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "autograd/graph.h"
#include "autograd/inplace.h"
#include "kernels/capture.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/sgd.h"
#include "nn/state.h"
#include "tests/nn/support.h"

namespace hop::nn::testing {

inline Tensor row(std::initializer_list<float> v) {
  return Tensor::from<float>(v, {static_cast<std::int64_t>(v.size())});
}

/// All that a step may read, write and ask.
struct World {
  Sequential net{Linear(6, 8), BatchNorm1d(8), Dropout(0.5), ReLU(), Linear(8, 3)};
  Tensor table = row({1, 2, 3});  // read by the step
  Tensor flag = kernels::zeros({}, DType::f64);
  std::vector<Tensor> kept;
  std::unique_ptr<optim::Optimizer> optimizer;
  std::unique_ptr<StateBlock> state;

  World() {
    init_parameters(net, 7);
    net.set_random_key(3);
    restart(0.1);
  }
  void restart(double lr) {
    optimizer = std::make_unique<optim::SGD>(net.named_parameters(),
                                             optim::SGDOptions{.lr = lr, .momentum = 0.9, .weight_decay = 0.01});
  }
  Tensor parameter(std::size_t i) const { return net.parameters()[i]; }
  void zero_to_none() const {
    for (const Tensor& p : net.parameters()) p.set_grad({});
  }

  Tensor step(const Tensor& x) {
    net.begin_step();
    optimizer->zero_grad();
    const Tensor y = net(x);
    const Tensor loss = sum(square(y * table));
    if (loss.requires_grad()) backward(loss);
    optimizer->step();
    return loss.detach();
  }
  /// Forward and backward alone: gradients add up until somebody outside empties them.
  Tensor pass(const Tensor& x) {
    net.begin_step();
    const Tensor loss = sum(square(net(x) * table));
    if (loss.requires_grad()) backward(loss);
    return loss.detach();
  }
  /// A step that empties the gradients at its end.
  Tensor pass_and_step(const Tensor& x) {
    const Tensor loss = pass(x);
    optimizer->step();
    optimizer->zero_grad();
    return loss;
  }

  std::string bits_of_all() const {
    std::string all;
    for (const NamedTensor& entry : net.state_dict()) all += bits(entry.tensor);
    for (const Tensor& p : net.parameters()) all += p.grad().defined() ? bits(p.grad()) : "none";
    for (const NamedTensor& entry : optimizer->state()) all += bits(entry.tensor);
    return all;
  }
};

}  // namespace hop::nn::testing
