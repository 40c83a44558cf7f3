// Functions of tensors against PyTorch: outputs and gradients, for contiguous inputs and for transposed ones. A file of
// golden/, from a script beside cases.py, holds, of each case, the inputs <case>.0, .., the outputs <case>.y0,
// .., the gradients that come in, <case>.g0, .., and the gradients of the inputs, <case>.0.grad, .. (none where an
// output or an input has none).
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/graph.h"
#include "tests/nn/support.h"

namespace hop::nn::testing {

using Tensors = std::vector<Tensor>;
using Xs = const Tensors&;

struct GoldenCase {
  std::string name;
  std::function<Tensors(Xs)> op;
};

/// Of functions with one result.
inline GoldenCase one(std::string name, std::function<Tensor(Xs)> op) {
  return {std::move(name), [op = std::move(op)](Xs x) { return Tensors{op(x)}; }};
}

// NaN and infinities must be the same.
inline void expect_same(const Tensor& got, const Tensor& expected, const std::string& what) {
  ASSERT_TRUE(got.defined()) << what;
  ASSERT_EQ(got.describe(), expected.describe()) << what;
  const double tolerance = got.dtype() == DType::f64 ? 1e-10 : 1e-6;
  const std::vector<double> a = values(got), b = values(expected);
  for (std::size_t i = 0; i < a.size(); ++i) {
    if ((std::isnan(a[i]) && std::isnan(b[i])) || a[i] == b[i]) continue;
    EXPECT_NEAR(a[i], b[i], tolerance * (1 + std::abs(b[i]))) << what << " [" << i << "]";
  }
}

class GoldenFile {
 public:
  /// tests/nn/golden/`name`.
  explicit GoldenFile(const std::string& name)
      : file_(load_safetensors(source_directory() / "tests/nn/golden" / name)) {
    for (const NamedTensor& entry : file_.tensors) tensors_.emplace(entry.name, entry.tensor);
  }
  const std::map<std::string, Tensor>& tensors() const { return tensors_; }
  const SafetensorsMetadata& metadata() const { return file_.metadata; }

  void check(const std::vector<GoldenCase>& cases) const {
    for (const GoldenCase& c : cases) {
      for (const bool transposed : {false, true}) {
        SCOPED_TRACE(c.name);
        check(c, transposed);
      }
    }
  }

  void expect_all_tested(const std::vector<std::vector<GoldenCase>>& lists) const {
    std::vector<std::string> tested;
    for (const auto& cases : lists) {
      for (const GoldenCase& c : cases) tested.push_back(c.name + ".y0");
    }
    for (const auto& [name, tensor] : tensors_) {
      const bool is_tested = std::ranges::find(tested, name) != tested.end();
      EXPECT_TRUE(is_tested || !name.ends_with(".y0")) << name;
    }
  }

 private:
  /// The tensors `prefix`0, `prefix`1, .. of the file.
  Tensors numbered(const std::string& prefix) const {
    Tensors list;
    for (int i = 0;; ++i) {
      const auto found = tensors_.find(prefix + std::to_string(i));
      if (found == tensors_.end()) return list;
      list.push_back(found->second);
    }
  }

  static Tensor turned(const Tensor& x) { return x.dim() < 2 ? x : transpose(x, 0, -1); }

  /// With `transposed`, the leaves are the transposed inputs, and the operation reads them through views.
  void check(const GoldenCase& c, bool transposed) const {
    const auto turn = [&](const Tensor& x) { return transposed ? turned(x) : x; };
    const std::string what = c.name + (transposed ? " transposed" : "");
    Tensors leaves, used, read;
    std::vector<std::string> names;
    const Tensors inputs = numbered(c.name + "."), expected = numbered(c.name + ".y"), g = numbered(c.name + ".g");
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      leaves.push_back(clone(turn(inputs[i])));
      if (is_floating(inputs[i].dtype())) leaves.back().set_requires_grad();
      read.push_back(turn(leaves.back()));
      const std::string name = c.name + "." + std::to_string(i) + ".grad";
      if (!tensors_.contains(name)) continue;
      used.push_back(leaves.back());
      names.push_back(name);
    }
    const Tensors y = c.op(read);
    ASSERT_FALSE(expected.empty()) << what;
    ASSERT_EQ(y.size(), expected.size()) << what;
    for (std::size_t i = 0; i < y.size(); ++i) expect_same(y[i], expected[i], what + ".y" + std::to_string(i));
    if (used.empty()) return;
    const Tensors graded(y.begin(), y.begin() + static_cast<std::ptrdiff_t>(g.size()));
    const Tensors gradients = grad(graded, used, {.grad_outputs = g, .allow_unused = true});
    for (std::size_t i = 0; i < used.size(); ++i) {
      const Tensor gradient = gradients[i].defined() ? gradients[i] : zeros_like(used[i]);
      expect_same(turn(gradient), tensors_.at(names[i]), what + ", " + names[i]);
    }
  }

  Safetensors file_;
  std::map<std::string, Tensor> tensors_;
};

}  // namespace hop::nn::testing
