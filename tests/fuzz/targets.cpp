#include "tests/fuzz/targets.h"

#include <array>

namespace hop::fuzz {

std::span<const Target* const> targets() {
  static constexpr std::array kAll = {
      &kFrame,     &kMessage,  &kAddress,        &kConfig,    &kJournal,     &kFsck,
      &kStatus,    &kResults,  &kPlaces,         &kState,     &kDescription, &kSafetensors,
      &kPartition, &kManifest, &kPredictor,      &kOptimizer, &kExperiment,  &kSpec,
      &kCsv,       &kIdx,      &kCifar,          &kNpy,       &kText,        &kGuess,
      &kRows,      &kJob,      &kDatasetOptions, &kShare};
  return kAll;
}

}  // namespace hop::fuzz
