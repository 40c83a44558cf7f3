// A model of ours in PyTorch: a short program beside an exported file.
#pragma once

#include <string>

#include "nn/predictor.h"

namespace hop::nn {

/// The first line of every script, by which an older one may be replaced.
inline constexpr const char* kTorchScriptMark = "# Written by hop export.";

/// A Python program that reads the safetensors file beside it (save_predictor), builds the same module in PyTorch,
/// prepares the raw rows of a CSV file as RowEncoder does, and prints what `hop predict` prints. `predict(rows)` in it
/// is for importers. Empty if PyTorch does not have the model's layers, or if nobody knows them. Throws ConfigError for
/// a description with errors.
std::string torch_script(const Predictor& predictor);

}  // namespace hop::nn
