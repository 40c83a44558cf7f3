// Initial weights. Every function takes the address of its random numbers, so that a model's first weights are a
// function of (key, parameter name) alone: the same on every machine, in every order of initialisation.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "nn/module.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

namespace hop::nn {

/// Names the random numbers of one module's parameters.
class ParameterKeys {
 public:
  /// `path` is the module's name in the tree, "" for the root.
  ParameterKeys(std::uint64_t key, std::string_view path) : key_(key), path_(path) {}
  /// The address for the module's parameter `name`: a function of the key and of the full name ("conv1.weight").
  RandomAddress operator[](std::string_view name) const;

 private:
  std::uint64_t key_;
  std::string path_;
};

/// Fills all parameters as PyTorch's reset_parameters does (Linear, Conv2d: Kaiming uniform with a = sqrt 5; Embedding:
/// normal(0, 1); norms: ones and zeros), from random numbers addressed by (key, parameter name). Buffers start afresh
/// too.
void init_parameters(Module& module, std::uint64_t key);

namespace init {

enum class Fan { in, out };
enum class Nonlinearity { linear, sigmoid, tanh, relu, leaky_relu };

/// torch.nn.init.calculate_gain; `a` is leaky_relu's slope.
double gain(Nonlinearity nonlinearity, double a = 0.01);

struct KaimingOptions {
  double a = 0;  ///< the slope of leaky_relu; 0 is relu
  Fan mode = Fan::in;
  Nonlinearity nonlinearity = Nonlinearity::leaky_relu;
};

// Tensors are float, weights at least 2-d: (out, in, receptive field ..). They are written in place, outside any graph.
// He et al., "Delving deep into rectifiers", ICCV 2015; Glorot & Bengio, AISTATS 2010.
void constant_(const Tensor& t, double value);
void uniform_(const Tensor& t, RandomAddress address, double low = 0, double high = 1);
void normal_(const Tensor& t, RandomAddress address, double mean = 0, double std = 1);
void kaiming_uniform_(const Tensor& weight, RandomAddress address, KaimingOptions options = {});
void kaiming_normal_(const Tensor& weight, RandomAddress address, KaimingOptions options = {});
void xavier_uniform_(const Tensor& weight, RandomAddress address, double gain = 1);
void xavier_normal_(const Tensor& weight, RandomAddress address, double gain = 1);

}  // namespace init
}  // namespace hop::nn
