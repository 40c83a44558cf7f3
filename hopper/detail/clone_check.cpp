#include "hopper/detail/clone_check.h"

#include "base/error.h"
#include "hopper/build_model.h"
#include "hopper/build_model_internal.h"
#include "nn/optim/by_name.h"
#include "nn/state.h"

namespace hop::hopper {
namespace {

// "hidden = 16 instead of 8, lr = 0.02 instead of 0.01"
std::string differences(const Config& now, const Config& before) {
  std::string text;
  for (const auto& [name, value] : now.entries()) {
    const Value* old = before.find(name);
    if (old != nullptr && *old == value) continue;
    text += (text.empty() ? "" : ", ") + name + " = " + to_text(value) + " instead of " +
            (old != nullptr ? to_text(*old) : std::string("none"));
  }
  return text;
}

nn::StateLayout layout(const Experiment& experiment, const data::Dataset& dataset, const Config& config) {
  const std::shared_ptr<nn::Module> module = build_module(experiment, config, dataset);
  const Updates updates = make_updates(experiment, config, *module);
  return nn::StateBlock(*module, updates.optimizer.get()).layout();
}

}  // namespace

CheckClone clone_check(const Experiment& experiment, const data::Dataset& dataset) {
  return [&](const record::Asked& clone, std::span<const Config* const> ancestors) {
    const Config& parent = *ancestors.front();
    if (clone.config == parent) return;  // its parent was checked
    const std::string where = "[search] model " + std::to_string(clone.model.value) + ", a clone of model " +
                              std::to_string(clone.parent->model.value) + " with " + differences(clone.config, parent);
    try {
      nn::check_same_layout(layout(experiment, dataset, parent), layout(experiment, dataset, clone.config), where);
    } catch (const StateError& error) {
      throw ConfigError(error.what());
    }
    const bool counts_steps = optim::counts_steps(to_config_text(clone.config)) || experiment.model.swa_lr;
    if (!counts_steps || counts_epochs(clone.config)) return;
    const std::int64_t steps = steps_per_epoch(experiment, clone.config, dataset);
    for (const Config* ancestor : ancestors) {
      const std::int64_t before = steps_per_epoch(experiment, *ancestor, dataset);
      if (steps == before) continue;
      throw ConfigError(where + ": expected the steps per epoch of " +
                        (ancestor == &parent ? "its parent, " : "its parent's ancestors, ") + std::to_string(before) +
                        ", because a schedule counts steps from the first, got " + std::to_string(steps) +
                        "; write the batch_size and accumulate of the parent, or schedule_by = \"epoch\"");
    }
  };
}

}  // namespace hop::hopper
