// From TOML to an Experiment. detail/experiment_keys.cpp is the table of the keys.
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "base/error.h"
#include "base/input_file.h"
#include "data/formats/csv_cells.h"
#include "data/formats/csv_separator.h"
#include "hopper/detail/experiment_keys.h"
#include "hopper/detail/key_hint.h"
#include "hopper/detail/toml_override.h"
#include "hopper/detail/toml_text.h"
#include "hopper/experiment.h"

namespace hop::hopper {
namespace {

// The end of a message about a folder where an experiment file is wanted.
std::string remedy_for_folder(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::exists(std::filesystem::path(path) / "experiment.toml", ignored)) {
    return "; to go on with the run there: hop resume " + path;
  }
  if (data::Dataset::is_dataset(path)) return "; it holds a data set: an experiment names it as [data] source";
  try {
    const bool has_table = !data::find_format("csv").find(path).empty();
    return has_table ? "; `hop init " + path + "` writes one for the table there" : "";
  } catch (const DataError&) {  // several tables
    return "; `hop init` writes one for a table";
  }
}

bool is_toml(const std::string& text) {
  try {
    static_cast<void>(parse_toml(text, ""));
    return true;
  } catch (const ConfigError&) {
    return false;
  }
}

// A person who has data and no experiment yet hands over the data.
void refuse_data(const std::string& path, const std::string& text) {
  if (is_toml(text)) return;
  if (const std::string what = data::foreign_format(as_bytes(text)); !what.empty()) {
    throw ConfigError(path + ": expected an experiment file (TOML), got " + what);
  }
  if (path.ends_with(".txt") && !data::looks_like_table(text)) {
    throw ConfigError(path + " is a text; an experiment file (TOML) is wanted: `hop init " + path +
                      "` writes one for it");
  }
  if (!data::looks_like_table(text)) return;  // the parser says what is wrong
  throw ConfigError(path + " is a table; an experiment file (TOML) is wanted: `hop init " + path +
                    "` writes one for it");
}

}  // namespace

Experiment parse_experiment(std::string_view text, std::string_view origin, std::span<const std::string> overrides,
                            ModelBuilder builder) {
  toml::table root = parse_toml(text, origin);
  for (const std::string& override_text : overrides) apply_override(root, override_text);

  Experiment experiment;
  TomlSection file(root, "", origin);
  const auto hint_for = [&](std::string_view section) {
    return [&experiment, section](std::string_view key, std::span<const std::string> known) {
      return key_hint(key, section, known, experiment.model);
    };
  };
  read_keys(file, "", experiment);
  for (const char* name : {"data", "model", "search", "run"}) {
    auto section = file.section(name);
    if (!section) continue;
    read_keys(*section, name, experiment);
    const bool is_search = name == std::string_view("search");
    if (auto space = is_search ? section->section("space") : std::nullopt) read_space(*space, experiment.search.space);
    section->finish(hint_for(name));
  }
  file.finish(hint_for(""));
  if (auto search = file.section("search")) {
    if (auto space = search->section("space")) check_space_names(*space, experiment);
  }
  experiment.data.seed = experiment.seed;
  const bool named = !experiment.model.family.empty() || !experiment.model.layers.empty();
  if (!named) experiment.model.builder = std::move(builder);
  try {
    experiment.check();
  } catch (const ConfigError& error) {
    throw ConfigError(std::string(origin) + ": " + error.what());
  }
  return experiment;
}

Experiment load_experiment(const std::string& path, std::span<const std::string> overrides) {
  if (std::error_code ignored; std::filesystem::is_directory(path, ignored)) {
    throw ConfigError(path + " is a directory; an experiment file (TOML) is wanted" + remedy_for_folder(path));
  }
  expect_file_or_stream(path, raise<ConfigError>);
  std::ifstream file(path, std::ios::binary);
  if (!file) throw ConfigError(path + ": cannot be read: " + std::generic_category().message(errno));
  std::ostringstream text;
  text << file.rdbuf();
  refuse_data(path, text.str());
  return parse_experiment(text.str(), path, overrides);
}

}  // namespace hop::hopper
