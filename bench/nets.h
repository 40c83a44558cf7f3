// The nets whose training steps are timed, each with one batch that both sides of a comparison make by formula.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "nn/loss.h"
#include "nn/module.h"

namespace hop::bench {

/// A net with its filled parameters, its loss and a batch.
struct Problem {
  std::shared_ptr<nn::Module> module;
  nn::Loss loss;
  Tensor x, target;
};

/// `net`: mlp (784-512-256-10, ReLU, cross-entropy), tabular (128-1000-500-1, ReLU, mean squared error), lenet
/// (1 x 28 x 28, nn/families.h), resnet20 (3 x 32 x 32; He et al., CVPR 2016, with 1x1 projections where the width
/// changes), resnet18 (the same paper's, with a 3x3 stem for 3 x 32 x 32), lstm or gru (2 layers of 128 units over 64
/// steps of 32 numbers, the last step classified), gpt (GPT-2's blocks: 4 layers of width 128 over 64 tokens of 65),
/// gpt-wide (width 256, 256 tokens), vae (784-400-20 and back), dlrm (13 numbers, 26 categories of 1000 words) or
/// conv-f64 (two 3x3 convolutions of 28 x 28 in doubles, mean squares). Throws ConfigError for another name.
Problem make_problem(const std::string& net, std::int64_t batch);

/// The initial values of a net, parameter by parameter.
void fill_parameters(nn::Module& module);

}  // namespace hop::bench
