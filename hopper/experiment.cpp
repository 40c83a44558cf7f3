#include "hopper/experiment.h"

#include "base/error.h"
#include "hopper/detail/experiment_keys.h"
#include "hopper/detail/restore.h"
#include "hopper/strategy/data_parallel.h"
#include "hopper/strategy/task_parallel.h"

namespace hop::hopper {
namespace {

// Takes the object that was brought, if the file says "own code".
template <class Object>
void bring(NameOr<Object>& door, const NameOr<Object>& own) {
  if (door.is_missing() && own.own() != nullptr) door = own;
}

}  // namespace

void check_patience(const std::string& where, double seconds) {
  if (seconds >= kShortestPatience && seconds <= kLongestPatience) return;
  const auto whole = [](double value) { return std::to_string(static_cast<std::int64_t>(value)); };
  throw ConfigError(where + ": expected " + whole(kShortestPatience) + " to " + whole(kLongestPatience) +
                    " seconds, got " + to_text(Value(seconds)));
}

std::optional<TaskData> task_data_of(const Experiment& experiment) {
  return experiment.run.strategy.name() == kTaskParallel ? experiment.run.task_data : std::nullopt;
}

std::shared_ptr<const Strategy> strategy_of(const Experiment& experiment) {
  const ReplicaOptions& replicas = experiment.run.replicas;
  const bool is_async = replicas.mode.value_or(ServerMode::Sync) == ServerMode::Async;
  if (is_async && experiment.run.strategy.name() == kParameterServer) return async_parameter_server();
  if (task_data_of(experiment)) return scattered_tasks();
  return make_strategy(experiment.run.strategy, replicas.group.value_or(1));
}

std::shared_ptr<const Strategy> checked_strategy(const Experiment& experiment) {
  std::shared_ptr<const Strategy> made = strategy_of(experiment);
  const std::string& policy = experiment.run.policy.name();
  made->check(experiment.run.order, policy == kOwnCode ? "" : policy);
  return made;
}

void Experiment::check() const {
  for (const ExperimentKey& key : experiment_keys()) {
    if (key.check != nullptr) key.check(*this);
  }
  check_space(search.space);
  const bool is_named = !search.make && search.method != kOwnCode;
  if (is_named) make_search(*this);  // throws for settings that do not go together
}

std::vector<std::string> own_metric_names(const ModelOptions& model) {
  std::vector<std::string> names;
  for (const NameOr<nn::Metric>& metric : model.metrics) {
    if (is_accuracy(metric)) continue;
    const std::string unknown = "own_" + std::to_string(names.size());
    names.push_back(metric.own() != nullptr ? metric.own()->name : metric.is_missing() ? unknown : metric.name());
  }
  return names;
}

Objective Experiment::objective() const {
  if (search.objective) {
    Objective objective = *search.objective;
    const std::vector<std::string> names = own_metric_names(model);
    if (objective.kind == Objective::Own && objective.place < names.size()) objective.own_name = names[objective.place];
    return objective;
  }
  if (model.metrics.empty()) return Objective::ValidLoss;
  const NameOr<nn::Metric>& first = model.metrics.front();
  if (is_accuracy(first)) return Objective::ValidAccuracy;
  const bool higher_is_better = first.own() != nullptr
                                    ? first.own()->higher_is_better
                                    : first.is_missing() || nn::metric_by_name(first.name()).higher_is_better;
  return Objective::own(higher_is_better, 0, own_metric_names(model).front());
}

std::string to_toml(const Experiment& experiment) {
  return write_keys("", experiment) + "\n[data]\n" + write_keys("data", experiment) + "\n[model]\n" +
         write_keys("model", experiment) + "\n[search]\n" + write_keys("search", experiment) + "\n[search.space]\n" +
         write_space(experiment.search.space) + "\n[run]\n" + write_keys("run", experiment);
}

bool is_search_missing(const Experiment& experiment) {
  return experiment.search.method == kOwnCode && !experiment.search.make;
}

Experiment with_objects_of(Experiment experiment, const Experiment& own) {
  const bool is_named = !experiment.model.family.empty() || !experiment.model.layers.empty();
  if (!is_named && own.model.builder) {
    experiment.model.builder = own.model.builder;
    experiment.model.capture_builder = own.model.capture_builder;
  }
  bring(experiment.model.loss, own.model.loss);
  bring(experiment.model.optimizer, own.model.optimizer);
  bring(experiment.run.policy, own.run.policy);
  bring(experiment.run.strategy, own.run.strategy);
  for (std::size_t i = 0; i < experiment.model.metrics.size() && i < own.model.metrics.size(); ++i) {
    bring(experiment.model.metrics[i], own.model.metrics[i]);
  }
  if (is_search_missing(experiment)) experiment.search.make = own.search.make;
  if (experiment.data.source == kOwnCode) {
    experiment.data.rows = own.data.rows;
    experiment.data.test_rows = own.data.test_rows;
  }
  return experiment;
}

void require_objects(const Experiment& experiment, Require which) {
  if (experiment.model.loss.is_missing()) refuse_missing("[model] loss");
  if (experiment.model.optimizer.is_missing()) refuse_missing("[model] optimizer");
  for (const NameOr<nn::Metric>& metric : experiment.model.metrics) {
    if (metric.is_missing()) refuse_missing("[model] metrics");
  }
  if (which == Require::All && is_search_missing(experiment)) refuse_missing("[search] method");
  if (experiment.run.policy.is_missing()) refuse_missing("[run] policy");
  if (experiment.run.strategy.is_missing()) refuse_missing("[run] strategy");
}

}  // namespace hop::hopper
