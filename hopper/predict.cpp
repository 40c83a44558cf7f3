// The models of a run, ready for raw rows.
#include <utility>

#include "base/error.h"
#include "hopper/build_model.h"
#include "hopper/detail/predict.h"
#include "hopper/detail/run_directory.h"
#include "hopper/run.h"

namespace hop::hopper {

data::RowSchema schema_of(const Experiment& experiment, const data::Dataset& dataset) {
  data::RowSchema schema = data::row_schema(dataset.manifest());
  schema.scale = scaling_of(experiment, dataset);
  return schema;
}

nn::Predictor make_predictor(const Experiment& experiment, data::RowSchema schema, const Config& config,
                             std::shared_ptr<nn::Module> module) {
  const nn::Output output = output_of(experiment.model, schema.target.kind);
  if (output == nn::Output::Input) {
    throw ConfigError("[predict] expected a model that answers with labels, got one with loss = \"" +
                      experiment.model.loss.name() +
                      "\", which learns its input; in C++ take its module from hop::hopper::load_model()");
  }
  return {std::move(module), std::move(schema), output, describe_model(experiment.model, config)};
}

nn::Predictor load_predictor(const fs::path& run_directory, ModelId id, const Experiment& own,
                             std::optional<StateFile> which) {
  std::shared_ptr<nn::Module> module = load_model(run_directory, id, own, which);
  const fs::path directory = without_trailing_slash(run_directory);
  const Config config = inspect(directory, own).model(id).config;
  return make_predictor(read_experiment(directory, own), run_schema(directory), config, std::move(module));
}

ModelId best_model(const Results& results) {
  if (results.best) return *results.best;
  throw ConfigError("[run] expected a model that finished an epoch with a score, got none of " +
                    std::to_string(results.models.size()) + " models; `hop report " + results.run_directory.string() +
                    "` shows how they stand");
}

nn::Predictor RunResult::best() const {
  if (best_model == nullptr) throw StateError("[run] expected a best model, got none: no model came through");
  return make_predictor(*experiment, schema, results.model(*results.best).config, best_model);
}

nn::Predictor RunResult::model(ModelId id) const {
  if (results.best == id && best_model != nullptr) return best();
  results.model(id);  // throws for an unknown one
  return load_predictor(results.run_directory, id, *experiment);
}

}  // namespace hop::hopper
