// The models of a run for programs that read tables.
#include <algorithm>
#include <cmath>

#include "base/words.h"
#include "data/formats/csv_cells.h"
#include "hopper/results.h"

namespace hop::hopper {
namespace {

std::string number_cell(const std::optional<double>& value) { return value ? shortest(*value) : ""; }

// All names of hyperparameters, in the order in which they first come.
std::vector<std::string> config_names(const Results& results) {
  std::vector<std::string> names;
  for (const ModelResult& model : results.models) {
    for (const auto& [name, value] : model.config.entries()) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

}  // namespace

std::string to_csv(const Results& results) {
  const std::vector<std::string> names = config_names(results);
  std::string text = "rank,model,status,epochs,kept_epoch,train_loss,valid_loss,valid_accuracy";
  for (const std::string& metric : results.own_metrics) text += "," + data::written_cell(metric);
  text += ",seconds";
  for (const std::string& name : names) text += "," + data::written_cell(name);
  text += ",reason\n";
  std::size_t rank = 0;
  for (const ModelResult* model : ranking(results)) {
    ++rank;
    text += (has_rank(*model) ? std::to_string(rank) : "") + "," + std::to_string(model->id.value) + "," +
            model->status + "," + std::to_string(model->epochs) + "," +
            (model->kept_epoch ? std::to_string(*model->kept_epoch) : "") + "," + number_cell(model->train_loss) + "," +
            number_cell(model->valid_loss) + "," + number_cell(model->valid_accuracy);
    for (std::size_t k = 0; k < results.own_metrics.size(); ++k) {
      text += "," + (k < model->own.size()
                         ? number_cell(std::isfinite(model->own[k]) ? std::optional(model->own[k]) : std::nullopt)
                         : "");
    }
    text += "," + shortest(model->seconds);
    for (const std::string& name : names) {
      const Value* value = model->config.find(name);
      const auto* word = value != nullptr ? std::get_if<std::string>(value) : nullptr;
      text += "," + (value == nullptr ? "" : data::written_cell(word != nullptr ? *word : to_text(*value)));
    }
    text += "," + data::written_cell(model->reason) + "\n";
  }
  return text;
}

}  // namespace hop::hopper
