#include "tests/fuzz/targets.h"

#include <array>

namespace hop::fuzz {

std::span<const Target* const> targets() {
  static constexpr std::array kAll = {&kFrame,       &kMessage,   &kAddress,  &kConfig,     &kJournal,
                                      &kFsck,        &kStatus,    &kResults,  &kState,      &kDescription,
                                      &kSafetensors, &kPartition, &kManifest, &kExperiment, &kSpec,
                                      &kCsv,         &kIdx,       &kCifar,    &kNpy,        &kText};
  return kAll;
}

}  // namespace hop::fuzz
