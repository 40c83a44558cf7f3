// What is wrong with a run before anything is trained, and with a run directory before anything in it is changed.
// Internal to Hopscotch.
#pragma once

#include <span>
#include <vector>

#include "data/dataset.h"
#include "hopper/experiment.h"
#include "hopper/journal.h"
#include "hopper/run.h"

namespace hop::hopper {

/// The options by themselves. Throws ConfigError that names one.
void check_options(const RunOptions& options);

/// Every worker is on this machine: a device that it lacks shows now, before anything trains. Throws ConfigError.
void check_hosting(const Experiment& experiment, const RunOptions& options);

/// Throws ConfigError if experiment.toml is not the text that the run of this journal began with: its records mean
/// nothing beside another experiment.
void check_same_experiment(const JournalHeader& header, const std::filesystem::path& run_directory);
/// Throws JournalError if the records contradict each other or the experiment.
void check_consistent(const Experiment& experiment, const JournalContents& journal,
                      const std::filesystem::path& run_directory);

/// A run directory keeps its experiment as text, which `resume`, `inspect` and worker processes read. Throws
/// ConfigError for an experiment that its own text does not give back.
void check_text(const Experiment& experiment);

/// A line of two texts that differs, from 1, as each text has it: "" behind the end of a text.
struct DifferentLine {
  std::size_t line = 0;
  std::string one = {}, other = {};
};
/// The first line in which the texts differ. They do differ.
DifferentLine first_different_line(std::string_view one, std::string_view other);

struct ModelConfig {
  ModelId id{};
  Config config{};
};
/// The models that a search asks for at the start of a run.
std::vector<ModelConfig> first_models(const Experiment& experiment, const data::Dataset& dataset);
/// The models of a run that began, as its journal has them, without those whose final state is there.
std::vector<ModelConfig> models_left(const Results& results);

/// Each of `models` is built once before the first lease: one that does not fit the data is an error of the experiment.
/// The objective is measured, and the sums of the metrics are sums. Throws ConfigError or DataError.
void check_models(const Experiment& experiment, const data::Dataset& dataset, std::span<const ModelConfig> models);

/// Rules that are younger than runs which may be resumed: they are asked when a run begins, and lock no older one. No
/// layer has the name of a setting of training, and the training rows on this node have the features that the loss
/// takes, which reads all of them. Throws ConfigError.
void check_new_run(const Experiment& experiment, const data::Dataset& dataset, std::span<const ModelConfig> models);

}  // namespace hop::hopper
