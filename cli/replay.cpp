// hop replay RUN_DIR: train the journaled visits again and compare every state, bit for bit.
#include <cstdio>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "hopper/run.h"

namespace hop::cli {
namespace {

int replay(const std::string& directory, std::optional<ModelId> only) {
  tell_source_change(directory);
  bool all_match = true;
  hopper::replay(directory, only, [&](const hopper::Replayed& r) {
    all_match = all_match && r.matches;
    std::printf("model %-4u %u of %u units identical  sha256 %s  %s\n", r.model.value, r.identical, r.units,
                r.sha256.c_str(), r.matches ? "same as the run" : "DIFFERS from the run");
    std::fflush(stdout);
  });
  return all_match ? kOk : kRunFailed;
}

}  // namespace

void add_replay(CLI::App& app, Action& action) {
  auto directory = std::make_shared<std::string>();
  auto model = std::make_shared<std::optional<std::uint32_t>>();
  CLI::App* command = app.add_subcommand("replay", "Train a run's journaled visits again and compare the bits");
  command->add_option("run_dir", *directory, "The run directory")->required();
  command->add_option("--model", *model, "Only this model")->transform(whole_number());
  command->callback([=, &action] {
    action = [=] { return replay(*directory, *model ? std::optional(ModelId(**model)) : std::nullopt); };
  });
}

}  // namespace hop::cli
