// The common part of the tests of this floor.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "nn/module.h"
#include "nn/safetensors.h"
#include "tests/source_tree.h"
#include "tests/temporary_folder.h"

namespace hop::nn::testing {

/// A tensor that PyTorch computed (golden/generate.py).
inline const Tensor& golden(const std::string& name) {
  static const std::map<std::string, Tensor> tensors = [] {
    std::map<std::string, Tensor> all;
    const std::filesystem::path file = source_directory() / "tests/nn/golden/golden.safetensors";
    for (const NamedTensor& entry : load_safetensors(file).tensors) all.emplace(entry.name, entry.tensor);
    return all;
  }();
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw StateError("no golden tensor " + name);
  return found->second;
}

/// All elements as doubles, in row-major order.
inline std::vector<double> values(const Tensor& t) {
  const Tensor x = kernels::contiguous(kernels::cast(t.detach(), DType::f64));
  return {x.data<double>(), x.data<double>() + x.numel()};
}

/// The bytes of all elements, for comparisons of bits.
inline std::string bits(const Tensor& t) {
  const Tensor x = kernels::contiguous(t.detach());
  return {reinterpret_cast<const char*>(x.raw_data()), static_cast<std::size_t>(x.numel()) * size_of(x.dtype())};
}

inline void expect_close(const Tensor& got, const Tensor& expected, double tolerance, const std::string& what = {}) {
  ASSERT_TRUE(got.defined()) << what;
  ASSERT_EQ(got.shape(), expected.shape()) << what;
  const std::vector<double> a = values(got), b = values(expected);
  for (std::size_t i = 0; i < a.size(); ++i)
    ASSERT_NEAR(a[i], b[i], tolerance * (1 + std::abs(b[i]))) << what << " [" << i << "]";
}

inline std::vector<std::string> names_of(const StateDict& dict) {
  std::vector<std::string> names;
  for (const NamedTensor& entry : dict) names.push_back(entry.name);
  return names;
}

/// The message of the E that `f` throws.
template <class E, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("another error: ") + error.what();
  }
  return "no error";
}

}  // namespace hop::nn::testing
