#include "nn/layers/concat.h"

#include "autograd/copy.h"
#include "base/error.h"

namespace hop::nn {

Concat::Concat(const std::vector<Sequential>& given, std::int64_t dim) : dim_(dim) {
  if (given.empty()) throw ConfigError("[Concat] expected at least one branch, got none");
  for (const Sequential& branch : given) branches.push_back(register_module(std::to_string(branches.size()), branch));
}

Tensor Concat::forward(const Tensor& x) {
  std::vector<Tensor> parts;
  if (branches.size() == 1) parts.push_back(x);
  for (Sequential& branch : branches) parts.push_back(branch(x));
  return cat(parts, dim_);
}

std::string Concat::extra_repr() const { return "dim=" + std::to_string(dim_); }

}  // namespace hop::nn
