// Experiments (hopper/experiment.h): TOML, and after each NUL an override as `--set` has it.
#include "hopper/experiment.h"

#include "base/error.h"
#include "hopper/detail/restore.h"
#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

using namespace hopper;

Experiment again(const std::string& toml) try {
  return parse_experiment(toml, "again.toml");
} catch (const Error& error) {
  throw Finding("an experiment can be read again, got " + std::string(error.what()) + " in\n" + toml);
}

void run(ByteView input) {
  std::string_view text = as_text(input);
  const std::string_view toml = text.substr(0, text.find('\0'));
  std::vector<std::string> overrides;
  while (text.find('\0') != std::string_view::npos) {
    text.remove_prefix(text.find('\0') + 1);
    overrides.emplace_back(text.substr(0, text.find('\0')));
  }
  const Experiment experiment = parse_experiment(toml, "input.toml", overrides);
  const std::string written = to_toml(experiment);
  require(to_toml(again(written)) == written, "an experiment is the same after another trip");
}

}  // namespace

constinit const Target kExperiment{"experiment", run};

}  // namespace hop::fuzz
