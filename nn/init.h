// Initial weights. Every function takes the address of its random numbers. So a model's initial weights are a function
// of (key, parameter name) alone: the same on every machine and in every order of initialisation.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "nn/module.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

namespace hop::nn {

/// Addresses of the random numbers of one module's parameters.
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

/// Fills all parameters like PyTorch's reset_parameters (Linear, Conv2d: Kaiming uniform with a = sqrt 5; Embedding:
/// normal(0, 1); norms: ones and zeros), from random numbers addressed by (key, parameter name). Also resets the
/// buffers.
void init_parameters(Module& module, std::uint64_t key);

namespace init {

enum class Fan { in, out };
enum class Nonlinearity { linear, sigmoid, tanh, relu, leaky_relu };

/// torch.nn.init.calculate_gain. `a` is leaky_relu's slope.
double gain(Nonlinearity nonlinearity, double a = 0.01);

struct KaimingOptions {
  double a = 0;  ///< the slope of leaky_relu; 0 is relu
  Fan mode = Fan::in;
  Nonlinearity nonlinearity = Nonlinearity::leaky_relu;
};

// Each function writes a floating tensor in place, contiguous or with channels last, outside any graph; element i is a
// function of (address, i) alone. A weight is (out, in, receptive field ..), at least 2-d; fan_in = in * field, fan_out
// = out * field. All throw DtypeError; ShapeError for a strided view and for a weight of fewer dimensions; ConfigError
// for a range or deviation that is not finite.

/// Every element <- value; t of any shape, dtype and strides.
void constant_(const Tensor& t, double value);
/// Uniform in [low, high); t of any shape.
void uniform_(const Tensor& t, RandomAddress address, double low = 0, double high = 1);
/// Normal with mean and standard deviation; t of any shape.
void normal_(const Tensor& t, RandomAddress address, double mean = 0, double std = 1);
/// Uniform in [-b, b), b = sqrt(3) gain / sqrt(fan) (He et al., "Delving deep into rectifiers", ICCV 2015).
void kaiming_uniform_(const Tensor& weight, RandomAddress address, KaimingOptions options = {});
/// Normal with standard deviation gain / sqrt(fan) (He et al. 2015).
void kaiming_normal_(const Tensor& weight, RandomAddress address, KaimingOptions options = {});
/// Uniform in [-b, b), b = gain sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio, AISTATS 2010).
void xavier_uniform_(const Tensor& weight, RandomAddress address, double gain = 1);
/// Normal with standard deviation gain sqrt(2 / (fan_in + fan_out)) (Glorot & Bengio 2010).
void xavier_normal_(const Tensor& weight, RandomAddress address, double gain = 1);

}  // namespace init
}  // namespace hop::nn
