// A Predictor as one safetensors file: weights, and in the metadata all that gives them a meaning.
//
//   format     "pt"                     hopscotch  the version that wrote the file
//   schema     RowSchema, as JSON       classes    their names, as a JSON list (also in the schema)
//   model      ModelDescription, text   layers     the layers as texts of a spec, a JSON list
//   output     scores, standard, ..     and whatever the writer adds: run, id, config
#pragma once

#include <filesystem>
#include <string>

#include "nn/predictor.h"
#include "nn/safetensors.h"

namespace hop::nn {

/// The metadata of a predictor's file, without what a writer adds.
SafetensorsMetadata metadata_of(const Predictor& predictor);

/// Writes the file as save_safetensors(); `more` are entries beside those above. Throws StateError.
void save_predictor(const Predictor& predictor, const std::filesystem::path& path,
                    const SafetensorsMetadata& more = {});

/// Reads a file that is not trusted, and builds its model. Throws StateError for a file without this metadata, a model
/// that cannot be built, or tensors that do not fit it; as load_safetensors() for others.
Predictor load_predictor(const std::filesystem::path& path);

}  // namespace hop::nn
