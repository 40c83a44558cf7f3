#include "hopper/detail/model_file.h"

#include "base/error.h"
#include "base/hash.h"
#include "hopper/trainer.h"
#include "nn/state_file.h"

namespace hop::hopper {

std::filesystem::path model_file_path(const std::filesystem::path& run_directory, ModelId id, StateFile file) {
  const char* ending = file == StateFile::Best ? ".best.hop" : ".hop";
  return run_directory / "models" / (std::to_string(id.value) + ending);
}

std::string write_model_file(const std::filesystem::path& path, const Experiment& experiment,
                             const data::Dataset& dataset, ModelId id, const Config& config, ByteView block) {
  Trainer trainer(experiment, id, config, dataset);
  const nn::StateLayout& layout = trainer.state().layout();
  if (block.size() != layout.bytes) {
    throw StateError("[collect] model " + std::to_string(id.value) + " has a state of " + std::to_string(layout.bytes) +
                     " bytes, got " + std::to_string(block.size()));
  }
  std::filesystem::create_directories(path.parent_path());
  nn::save_state(path, {.identity = config.to_text(), .layout = layout, .digest = {}, .metrics = {}}, block);
  return sha256_hex(block);
}

}  // namespace hop::hopper
