// hop export RUN_DIR --model ID --to FILE.safetensors: trained weights for PyTorch.
#include <cstdio>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "hopper/run.h"
#include "nn/safetensors.h"

namespace hop::cli {

void add_export(CLI::App& app, Action& action) {
  auto directory = std::make_shared<std::string>();
  auto model = std::make_shared<std::uint32_t>(0);
  auto file = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("export", "Write a trained model's weights as safetensors");
  command->add_option("run_dir", *directory, "The run directory")->required();
  command->add_option("--model", *model, "The model's id")->required();
  command->add_option("--to", *file, "The file to write")->required();
  command->callback([=, &action] {
    action = [=] {
      const auto module = hopper::load_model(*directory, ModelId(*model));
      nn::save(*module, *file, {{"format", "pt"}});
      std::printf("wrote %zu tensors to %s\n", module->state_dict().size(), file->c_str());
      return kOk;
    };
  });
}

}  // namespace hop::cli
