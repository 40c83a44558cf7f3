// The state of an optimizer in a safetensors file: the step count and the slots by their names (Optimizer::state()),
// and the learning rate in the metadata, as "lr". Settings, scales and groups are those of the program that loads it.
//
//   optim::save(adam, "adam.safetensors");
//   nn::save(model, "model.safetensors");
//
// A training state in one file that a run resumes from is nn/state_file.h.
#pragma once

#include <filesystem>

#include "nn/optim/optimizer.h"

namespace hop::optim {

/// Throws StateError naming the path and the system's reason.
void save(const Optimizer& optimizer, const std::filesystem::path& path);
/// Throws StateError for a file that is missing or damaged, and as Optimizer::load_state(); then nothing was changed.
void load(Optimizer& optimizer, const std::filesystem::path& path);

}  // namespace hop::optim
