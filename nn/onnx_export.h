// A Predictor as an ONNX model: raw rows in, answers out, for onnxruntime and whatever else reads the format.
// docs/export.md shows the inputs and outputs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "nn/predictor.h"
#include "nn/safetensors.h"

namespace hop::nn {

struct OnnxFile {
  std::vector<std::string> inputs{}, outputs{};  ///< their names, in the order of the graph
  std::string bytes{};
};

/// The weights, and all that turns raw rows into answers as the Predictor does. The metadata of metadata_of() and
/// `more` travel in it. Throws ConfigError for a model whose layers nobody knows, for a layer without a form in ONNX,
/// and above 2 GiB.
OnnxFile encode_onnx(const Predictor& predictor, const SafetensorsMetadata& more = {});

/// Writes the file as write_output(). Throws StateError, and as encode_onnx().
void save_onnx(const Predictor& predictor, const std::filesystem::path& path, const SafetensorsMetadata& more = {});

}  // namespace hop::nn
