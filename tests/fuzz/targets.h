// The targets by name. A new one stands here and in the table of targets.cpp.
#pragma once

#include "tests/fuzz/fuzz.h"

namespace hop::fuzz {

extern const Target kFrame, kMessage, kAddress, kConfig;                        // from a peer
extern const Target kJournal, kFsck, kStatus, kResults;                         // of a run directory
extern const Target kState, kDescription, kSafetensors, kPartition, kManifest;  // other files
extern const Target kExperiment, kSpec, kCsv, kIdx, kCifar, kNpy, kText;        // from a person

}  // namespace hop::fuzz
