// Functions of tensors against PyTorch, from files that the scripts beside golden/golden_cases.py write: outputs and
// gradients, for contiguous inputs and for transposed ones.
#pragma once

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "autograd/graph.h"
#include "tests/nn/support.h"

namespace hop::nn::testing {

struct GoldenCase {
  std::string name;
  std::function<std::vector<Tensor>(const std::vector<Tensor>&)> op;
};

/// Of functions with one result.
inline GoldenCase one(std::string name, std::function<Tensor(const std::vector<Tensor>&)> op) {
  return {std::move(name), [op = std::move(op)](const std::vector<Tensor>& x) { return std::vector<Tensor>{op(x)}; }};
}

class GoldenFile {
 public:
  /// A file of tests/nn/golden.
  explicit GoldenFile(const std::string& name) {
    for (const NamedTensor& entry : load_safetensors(source_directory() / "tests/nn/golden" / name).tensors) {
      tensors_.emplace(entry.name, entry.tensor);
    }
  }

  void check(const std::vector<GoldenCase>& cases) const {
    for (const GoldenCase& c : cases) {
      for (const bool transposed : {false, true}) {
        SCOPED_TRACE(c.name);
        check(c, transposed);
      }
    }
  }

  void expect_all_tested(std::initializer_list<std::vector<GoldenCase>> lists) const {
    std::vector<std::string> tested;
    for (const std::vector<GoldenCase>& cases : lists) {
      for (const GoldenCase& c : cases) tested.push_back(c.name + ".y0");
    }
    for (const auto& entry : tensors_) {
      const bool is_tested = std::ranges::find(tested, entry.first) != tested.end();
      EXPECT_TRUE(is_tested || !entry.first.ends_with(".y0")) << entry.first;
    }
  }

 private:
  /// The tensors `prefix`0, `prefix`1, .. of the file.
  std::vector<Tensor> numbered(const std::string& prefix) const {
    std::vector<Tensor> list;
    for (int i = 0;; ++i) {
      const auto found = tensors_.find(prefix + std::to_string(i));
      if (found == tensors_.end()) return list;
      list.push_back(found->second);
    }
  }

  // NaN and infinities must be the same.
  static void expect_same(const Tensor& got, const Tensor& expected, const std::string& what) {
    ASSERT_TRUE(got.defined()) << what;
    ASSERT_EQ(got.describe(), expected.describe()) << what;
    const double tolerance = got.dtype() == DType::f64 ? 1e-10 : 1e-6;
    const std::vector<double> a = values(got), b = values(expected);
    for (std::size_t i = 0; i < a.size(); ++i) {
      if ((std::isnan(a[i]) && std::isnan(b[i])) || a[i] == b[i]) continue;
      EXPECT_NEAR(a[i], b[i], tolerance * (1 + std::abs(b[i]))) << what << " [" << i << "]";
    }
  }

  static Tensor turned(const Tensor& x) { return x.dim() < 2 ? x : transpose(x, 0, -1); }

  /// With `transposed`, the leaves are the transposed inputs, and the operation reads them through views.
  void check(const GoldenCase& c, bool transposed) const {
    const auto turn = [&](const Tensor& x) { return transposed ? turned(x) : x; };
    const std::string what = c.name + (transposed ? " transposed" : "");
    std::vector<Tensor> leaves, used, read;
    std::vector<std::string> names;
    const std::vector<Tensor> inputs = numbered(c.name + "."), expected = numbered(c.name + ".y"),
                              g = numbered(c.name + ".g");
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      leaves.push_back(clone(turn(inputs[i])));
      if (is_floating(inputs[i].dtype())) leaves.back().set_requires_grad();
      read.push_back(turn(leaves.back()));
      const std::string name = c.name + "." + std::to_string(i) + ".grad";
      if (!tensors_.contains(name)) continue;
      used.push_back(leaves.back());
      names.push_back(name);
    }
    const std::vector<Tensor> y = c.op(read);
    ASSERT_FALSE(expected.empty()) << what;
    ASSERT_EQ(y.size(), expected.size()) << what;
    for (std::size_t i = 0; i < y.size(); ++i) expect_same(y[i], expected[i], what + ".y" + std::to_string(i));
    if (used.empty()) return;
    const std::vector<Tensor> gradients = grad(y, used, {.grad_outputs = g, .allow_unused = true});
    for (std::size_t i = 0; i < used.size(); ++i) {
      const Tensor gradient = gradients[i].defined() ? gradients[i] : zeros_like(used[i]);
      expect_same(turn(gradient), tensors_.at(names[i]), what + ", " + names[i]);
    }
  }

  std::map<std::string, Tensor> tensors_;
};

}  // namespace hop::nn::testing
