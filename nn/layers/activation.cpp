#include "nn/layers/activation.h"

#include "autograd/elementwise.h"
#include "autograd/softmax.h"
#include "nn/detail/text.h"

namespace hop::nn {

Tensor ReLU::forward(const Tensor& x) { return relu(x); }

Tensor LeakyReLU::forward(const Tensor& x) { return leaky_relu(x, negative_slope_); }

std::string LeakyReLU::extra_repr() const { return "negative_slope=" + shortest(negative_slope_); }

Tensor ELU::forward(const Tensor& x) { return elu(x, alpha_); }

std::string ELU::extra_repr() const { return "alpha=" + shortest(alpha_); }

Tensor Sigmoid::forward(const Tensor& x) { return sigmoid(x); }

Tensor Tanh::forward(const Tensor& x) { return tanh(x); }

Tensor GELU::forward(const Tensor& x) { return gelu(x); }

Tensor SiLU::forward(const Tensor& x) { return silu(x); }

Tensor Softmax::forward(const Tensor& x) { return softmax(x, dim_); }

std::string Softmax::extra_repr() const { return "dim=" + std::to_string(dim_); }

}  // namespace hop::nn
