// hop resume RUN_DIR: go on with an interrupted run.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "cli/commands.h"
#include "cli/conduct.h"
#include "hopper/detail/run_directory.h"

namespace hop::cli {
namespace {

struct ResumeArguments {
  std::string directory;
  std::optional<double> patience;
  Listening listening;
  std::optional<std::uint32_t> epochs;
  Telling telling;
  bool retry = false;
  std::vector<std::uint32_t> models;
};

int resume(const ResumeArguments& arguments) {
  tell_source_change(arguments.directory);
  const std::filesystem::path path = without_trailing_slash(arguments.directory);
  return conduct(path, hopper::read_options(path), arguments.telling, arguments.listening,
                 [&](hopper::RunOptions& options) {
                   options.patience = seconds(arguments.patience);
                   options.retry = arguments.retry;
                   options.epochs = arguments.epochs;
                   for (const std::uint32_t model : arguments.models) options.retry_models.emplace_back(model);
                   return hopper::resume(arguments.directory, options);
                 });
}

}  // namespace

void add_resume(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<ResumeArguments>();
  CLI::App* command = app.add_subcommand("resume", "Go on with an interrupted run");
  command->add_option("run_dir", arguments->directory, "The run directory")->required();
  add_patience(*command, arguments->patience);
  add_listening(*command, arguments->listening);
  add_telling(*command, arguments->telling);
  command->add_option("--epochs", arguments->epochs, "Train the models on, to so many epochs in all")
      ->transform(whole_number(1));
  CLI::Option* retry = command->add_flag(
      "--retry", arguments->retry, "Bring models back that were set aside: they train on from their newest states");
  command
      ->add_option("--model", arguments->models, "With --retry: bring only this model back; may be given several times")
      ->allow_extra_args(false)
      ->transform(whole_number())
      ->needs(retry);
  command->callback([arguments, &action] { action = [arguments] { return resume(*arguments); }; });
}

}  // namespace hop::cli
