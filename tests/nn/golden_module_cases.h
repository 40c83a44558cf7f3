// The cases of a file of golden tensors (golden/cases.py): a module or an operation runs forward and backward on the
// inputs of a case, and everything that PyTorch recorded is compared.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "autograd/graph.h"
#include "nn/module.h"
#include "tests/nn/support.h"

namespace hop::nn::testing {

using Tensors = std::vector<Tensor>;
using Xs = const Tensors&;

class GoldenCases {
 public:
  /// `file` in tests/nn/golden. `tolerance` is that of a case, relative to 1 + |value|.
  explicit GoldenCases(const std::string& file, std::function<double(const std::string&)> tolerance)
      : tolerance_(std::move(tolerance)) {
    for (const NamedTensor& entry : load_safetensors(source_directory() / "tests/nn/golden" / file).tensors) {
      tensors_.emplace(entry.name, entry.tensor);
    }
  }

  /// Runs `op` on the case's inputs, forward and backward, and compares all that PyTorch recorded. `module` may be
  /// null; otherwise the parameters of the case must have its names.
  void check(const std::string& name, Module* module, const std::function<Tensors(Xs)>& op) {
    SCOPED_TRACE(name);
    checked_.insert(name + ".y0");
    if (module != nullptr) load(name, *module);
    Tensors x;
    for (const Tensor& input : numbered(name + ".")) {
      x.push_back(clone(input));
      if (is_floating(input.dtype())) x.back().set_requires_grad();
    }
    const Tensors y = op(x), g = numbered(name + ".g");
    ASSERT_EQ(y.size(), g.size());
    for (std::size_t i = 0; i < y.size(); ++i) expect_same(y[i], name + ".y" + std::to_string(i));
    std::vector<NamedTensor> leaves;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (is_floating(x[i].dtype())) leaves.push_back({std::to_string(i), x[i]});
    }
    if (module != nullptr) {
      for (const NamedTensor& p : module->named_parameters()) leaves.push_back({"p." + p.name, p.tensor});
    }
    Tensors inputs;
    for (const NamedTensor& leaf : leaves) inputs.push_back(leaf.tensor);
    const Tensors gradients = grad(y, inputs, {.grad_outputs = g});
    for (std::size_t i = 0; i < leaves.size(); ++i) expect_same(gradients[i], name + "." + leaves[i].name + ".grad");
  }

  /// A module of one input.
  template <class M>
  void check(const std::string& name, M module) {
    check(name, &module, [&](Xs x) { return Tensors{module(x.at(0))}; });
  }

  /// Fails for each case of the file that was not checked.
  void expect_all_checked() const {
    for (const auto& [name, tensor] : tensors_) {
      EXPECT_TRUE(!name.ends_with(".y0") || checked_.contains(name)) << name;
    }
  }

 private:
  /// The tensors `prefix`0, `prefix`1, .. of the file.
  Tensors numbered(const std::string& prefix) const {
    Tensors list;
    for (auto at = tensors_.find(prefix + "0"); at != tensors_.end();
         at = tensors_.find(prefix + std::to_string(list.size()))) {
      list.push_back(at->second);
    }
    return list;
  }

  void load(const std::string& name, Module& module) const {
    const std::string prefix = name + ".p.";
    StateDict given;
    for (const auto& [key, tensor] : tensors_) {
      if (key.starts_with(prefix) && !key.ends_with(".grad")) given.push_back({key.substr(prefix.size()), tensor});
    }
    module.load_state_dict(given);
  }

  void expect_same(const Tensor& got, const std::string& name) const {
    ASSERT_TRUE(tensors_.contains(name)) << name;
    ASSERT_TRUE(got.defined()) << name;
    ASSERT_EQ(got.dtype(), DType::f64) << name;
    expect_close(got, tensors_.at(name), tolerance_(name), name);
  }

  std::map<std::string, Tensor> tensors_;
  std::function<double(const std::string&)> tolerance_;
  std::set<std::string> checked_;
};

}  // namespace hop::nn::testing
