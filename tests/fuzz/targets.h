// The targets by name. A new one stands here and in the table of targets.cpp.
#pragma once

#include "tests/fuzz/fuzz.h"

namespace hop::fuzz {

extern const Target kFrame, kMessage, kAddress, kConfig;                        // from a peer
extern const Target kJournal, kFsck, kStatus, kResults, kPlaces;                // of a run directory, or of a node
extern const Target kState, kDescription, kSafetensors, kPartition, kManifest;  // other files
extern const Target kPredictor, kOptimizer;                                     // models that were exported
extern const Target kExperiment, kSpec, kCsv, kIdx, kCifar, kNpy, kText;        // from a person
extern const Target kGuess, kRows, kJob;                                        // to the command
extern const Target kDatasetOptions, kShare;                                    // to the C library

}  // namespace hop::fuzz
