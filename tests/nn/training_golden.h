// What PyTorch computed for the tools of training (golden/generate_training.py).
#pragma once

#include <map>
#include <string>

#include "tests/nn/support.h"

namespace hop::nn::testing {

inline const Tensor& training_golden(const std::string& name) {
  static const std::map<std::string, Tensor> tensors = [] {
    std::map<std::string, Tensor> all;
    const std::filesystem::path file = source_directory() / "tests/nn/golden/training.safetensors";
    for (const NamedTensor& entry : load_safetensors(file).tensors) all.emplace(entry.name, entry.tensor);
    return all;
  }();
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw StateError("no golden tensor " + name);
  return found->second;
}

}  // namespace hop::nn::testing
