// models/<id>.hop and models/<id>.best.hop: the states of a model in the run directory. Internal to Hopscotch.
#pragma once

#include <filesystem>
#include <string>

#include "data/dataset.h"
#include "hopper/experiment.h"
#include "hopper/records.h"

namespace hop::hopper {

std::filesystem::path model_file_path(const std::filesystem::path& run_directory, ModelId id,
                                      StateFile file = StateFile::Last);

/// Writes the block durably and returns its SHA-256. Throws StateError, also if the block's size is not the model's.
std::string write_model_file(const std::filesystem::path& path, const Experiment& experiment,
                             const data::Dataset& dataset, ModelId id, const Config& config, ByteView block);

}  // namespace hop::hopper
