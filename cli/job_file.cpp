#include "cli/job_file.h"

#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "base/error.h"
#include "base/input_file.h"
#include "base/words.h"
#include "cli/network_option.h"
#include "hopper/detail/toml_override.h"
#include "hopper/detail/toml_text.h"

namespace hop::cli {
namespace {

using hopper::TomlSection;
using hopper::simulate::Job;
using hopper::simulate::JobModels;

void read(TomlSection& table, const char* key, double& number) { number = table.number(key).value_or(number); }

void read(TomlSection& table, const char* key, std::uint32_t& number) {
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  number = static_cast<std::uint32_t>(table.integer(key, 1, kMost).value_or(number));
}

JobModels read_models(TomlSection table) {
  JobModels models;
  models.name = table.text("name").value_or("");
  read(table, "count", models.count);
  read(table, "epoch_seconds", models.epoch_seconds);
  read(table, "batch", models.batch);
  read(table, "weight_bytes", models.weight_bytes);
  read(table, "state_bytes", models.state_bytes);
  table.finish();
  return models;
}

Job read(TomlSection table, const std::string& origin) {
  Job job;
  read(table, "rows", job.rows);
  read(table, "data_bytes", job.data_bytes);
  read(table, "epochs", job.epochs);
  read(table, "workers", job.workers);
  if (job.partitions = job.workers; table.node("partitions") != nullptr) read(table, "partitions", job.partitions);
  read(table, "replication", job.replication);
  read(table, "overlap", job.overlap);
  read(table, "jitter", job.jitter);
  job.seed = static_cast<std::uint64_t>(table.integer("seed", 0, std::numeric_limits<std::int64_t>::max()).value_or(1));
  if (const auto order = table.text("order")) {
    if (*order != "fixed" && *order != "free") {
      table.fail("order", "expected \"fixed\" or \"free\", got \"" + printable(*order) + "\"");
    }
    job.order = *order == "free" ? hopper::Order::Free : hopper::Order::Fixed;
  }
  if (const auto network = table.text("network")) job.network = parse_network(*network, "[job] network");
  double scale = 1;
  read(table, "data_scale", scale);
  if (const toml::node* models = table.node("models")) {
    const toml::array* all = models->as_array();
    if (all == nullptr || !(all->empty() || all->is_array_of_tables()))
      table.fail("models", "expected tables [[job.models]]");
    for (const toml::node& one : *all) job.models.push_back(read_models({*one.as_table(), "job.models", origin}));
  }
  table.finish();
  job.rows *= scale;
  job.data_bytes *= scale;
  for (JobModels& models : job.models) models.epoch_seconds *= scale;
  return job;
}

}  // namespace

std::optional<Job> read_job(const std::string& path, std::span<const std::string> overrides) {
  expect_file_or_stream(path, raise<ConfigError>);
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  toml::table root;
  try {
    root = hopper::parse_toml(text.str(), path);
  } catch (const ConfigError&) {
    if (!std::filesystem::is_regular_file(path)) throw;  // a pipe is empty now
    return std::nullopt;                                 // the reader of experiments says what is wrong
  }
  if (!file || !root.contains("job")) {
    expect_file(path, raise<ConfigError>);  // an experiment is read again for each line of the answer
    return std::nullopt;
  }
  for (const std::string& one : overrides) hopper::apply_override(root, one);
  TomlSection whole(root, "", path);
  Job job = read(*whole.section("job"), path);
  job.check();
  return job;
}

}  // namespace hop::cli
