#include "hopper/detail/clone_check.h"

#include <utility>
#include <vector>

#include "base/error.h"
#include "hopper/build_model.h"
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

class CheckedSearch final : public Search {
 public:
  CheckedSearch(std::unique_ptr<Search> search, const Experiment& experiment, const data::Dataset& dataset)
      : search_(std::move(search)), experiment_(experiment), dataset_(dataset) {}

  std::optional<Proposal> ask() override {
    std::optional<Proposal> proposal = search_->ask();
    const bool knows_parent = proposal && proposal->parent && proposal->parent->model.index() < configs_.size();
    if (knows_parent) check(*proposal, configs_[proposal->parent->model.index()]);
    return proposal;
  }
  void asked(ModelId model, const Proposal& proposal) override {
    configs_.push_back(proposal.config);
    search_->asked(model, proposal);
  }
  void tell(ModelId model, Epoch epoch, const EpochMetrics& metrics) override { search_->tell(model, epoch, metrics); }
  void withdrawn(ModelId model, Withdrawal why) override { search_->withdrawn(model, why); }
  std::vector<SearchOrder> end_of_tick() override { return search_->end_of_tick(); }
  bool barrier_at(Epoch epoch) const override { return search_->barrier_at(epoch); }

 private:
  nn::StateLayout layout(const Config& config) const {
    const std::shared_ptr<nn::Module> module = build_module(experiment_, config, dataset_);
    const std::unique_ptr<optim::Optimizer> optimizer = make_optimizer(experiment_, config, *module);
    return nn::StateBlock(*module, optimizer.get()).layout();
  }

  void check(const Proposal& clone, const Config& parent) const {
    if (clone.config == parent) return;
    const std::string where = "[search] model " + std::to_string(configs_.size()) + ", a clone of model " +
                              std::to_string(clone.parent->model.value) + " with " + differences(clone.config, parent);
    try {
      nn::check_same_layout(layout(parent), layout(clone.config), where);
    } catch (const StateError& error) {
      throw ConfigError(error.what());
    }
    if (clone.config.text("schedule", "constant") == "constant") return;
    if (batch_size(clone.config) == batch_size(parent)) return;
    throw ConfigError(where +
                      ": expected the batch_size of its parent, because a schedule counts steps from the first");
  }

  std::unique_ptr<Search> search_;
  const Experiment& experiment_;
  const data::Dataset& dataset_;
  std::vector<Config> configs_;  // by model
};

}  // namespace

std::unique_ptr<Search> check_clones(std::unique_ptr<Search> search, const Experiment& experiment,
                                     const data::Dataset& dataset) {
  return std::make_unique<CheckedSearch>(std::move(search), experiment, dataset);
}

}  // namespace hop::hopper
