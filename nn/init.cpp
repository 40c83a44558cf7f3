#include "nn/init.h"

#include <cmath>

#include "autograd/grad_mode.h"
#include "autograd/inplace.h"
#include "base/error.h"
#include "base/hash.h"
#include "kernels/expect_internal.h"
#include "kernels/random.h"

namespace hop::nn {

RandomAddress ParameterKeys::operator[](std::string_view name) const {
  const std::string full = path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  return {.key = hash64(key_, full)};
}

void init_parameters(Module& module, std::uint64_t key) {
  for (const auto& [path, m] : module.named_modules()) m->reset_parameters(ParameterKeys(key, path));
}

namespace init {
namespace {

struct Fans {
  double in;
  double out;
};

// A weight is (out, in, receptive field ..).
Fans fans(const Tensor& weight, const char* op) {
  kernels::expect_defined(op, weight);
  if (weight.dim() < 2) {
    throw ShapeError("[" + std::string(op) + "] expected at least 2 dimensions, got " + weight.shape().to_string());
  }
  if (weight.numel() == 0) return {1, 1};  // nothing will be written, so any numbers will do
  const double field = static_cast<double>(weight.numel()) / static_cast<double>(weight.size(0) * weight.size(1));
  return {static_cast<double>(weight.size(1)) * field, static_cast<double>(weight.size(0)) * field};
}

double kaiming_std(const Tensor& weight, const KaimingOptions& options, const char* op) {
  const Fans f = fans(weight, op);
  return gain(options.nonlinearity, options.a) / std::sqrt(options.mode == Fan::in ? f.in : f.out);
}

double xavier_std(const Tensor& weight, double gain, const char* op) {
  const Fans f = fans(weight, op);
  return gain * std::sqrt(2.0 / (f.in + f.out));
}

// The half width of the uniform distribution with this standard deviation.
double bound(double std) { return std::sqrt(3.0) * std; }

}  // namespace

double gain(Nonlinearity nonlinearity, double a) {
  switch (nonlinearity) {
    case Nonlinearity::tanh:
      return 5.0 / 3.0;
    case Nonlinearity::relu:
      return std::sqrt(2.0);
    case Nonlinearity::leaky_relu:
      return std::sqrt(2.0 / (1 + a * a));
    case Nonlinearity::linear:
    case Nonlinearity::sigmoid:
      break;
  }
  return 1;
}

void constant_(const Tensor& t, double value) {
  const NoGradGuard no_grad;
  fill_(t, value);
}

void uniform_(const Tensor& t, RandomAddress address, double low, double high) {
  kernels::uniform_(t, low, high, address);
}

void normal_(const Tensor& t, RandomAddress address, double mean, double std) {
  kernels::normal_(t, mean, std, address);
}

void kaiming_uniform_(const Tensor& weight, RandomAddress address, KaimingOptions options) {
  const double b = bound(kaiming_std(weight, options, "kaiming_uniform_"));
  uniform_(weight, address, -b, b);
}

void kaiming_normal_(const Tensor& weight, RandomAddress address, KaimingOptions options) {
  normal_(weight, address, 0, kaiming_std(weight, options, "kaiming_normal_"));
}

void xavier_uniform_(const Tensor& weight, RandomAddress address, double gain) {
  const double b = bound(xavier_std(weight, gain, "xavier_uniform_"));
  uniform_(weight, address, -b, b);
}

void xavier_normal_(const Tensor& weight, RandomAddress address, double gain) {
  normal_(weight, address, 0, xavier_std(weight, gain, "xavier_normal_"));
}

}  // namespace init
}  // namespace hop::nn
