// Every key of an experiment file: one table. The reader, the writer, the checks and docs/experiment-file.md are made
// from it. Internal to Hopscotch.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hopper/detail/toml_section.h"
#include "hopper/experiment.h"

namespace hop::hopper {

/// One key. (The hyperparameters of [search.space] have names of their own: see names_read.)
struct ExperimentKey {
  std::string_view section;  ///< "" for the file itself
  std::string_view name;
  std::string_view type;     ///< "integer", "one of", ...
  std::string_view unit;     ///< "" if it has none
  std::string_view absent;   ///< the default in words. Empty: it is the value that a default Experiment writes
  std::string_view example;  ///< a value as TOML
  std::string_view doc;      ///< one or two sentences
  /// The names that the value may have. Null: any value.
  std::vector<std::string> (*names)();
  /// Reads the key if it is there. Throws ConfigError with file, line and key.
  void (*read)(TomlSection& section, const std::string& key, Experiment& experiment);
  /// The value as TOML; "" if the key is not written.
  std::string (*write)(const Experiment& experiment);
  /// Throws ConfigError for a value that no run can have. Null: `read` and the type check everything.
  void (*check)(const Experiment& experiment);
};

/// In the order of the file.
std::span<const ExperimentKey> experiment_keys();

/// Reads the keys of one section; does not finish it.
void read_keys(TomlSection& section, std::string_view name, Experiment& experiment);
/// The keys of one section, a line each.
std::string write_keys(std::string_view section, const Experiment& experiment);

/// [search.space], in the order of the file, and as text.
void read_space(TomlSection section, Space& space);
std::string write_space(const Space& space);
/// Throws ConfigError for names that nothing reads, and for values of a kind that their reader cannot take.
void check_space_names(const TomlSection& space, const Experiment& experiment);

}  // namespace hop::hopper
