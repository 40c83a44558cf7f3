// hop predict (RUN_DIR | FILE.safetensors) ROWS.csv [--to OUT.csv]: answers for new rows.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/words.h"
#include "cli/answer_file.h"
#include "cli/commands.h"
#include "cli/scores.h"
#include "data/formats/csv_rows.h"
#include "hopper/detail/run_directory.h"
#include "hopper/run.h"
#include "kernels/view.h"
#include "nn/predictor_file.h"

namespace hop::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kBatch = 1024;  // rows in memory

struct PredictArguments {
  std::string from, rows, to;
  std::optional<std::uint32_t> model;
  bool has_header = false, has_none = false, last = false;
};

nn::Predictor open_predictor(const PredictArguments& arguments) {
  if (!fs::is_directory(arguments.from)) {
    if (arguments.model) throw ConfigError("[predict] --model: expected a run directory, got " + arguments.from);
    if (fs::path(arguments.from).extension() == ".onnx") {
      throw ConfigError("[predict] expected a run directory or a .safetensors file, got " + arguments.from +
                        ", which is for onnxruntime");
    }
    return nn::load_predictor(arguments.from);
  }
  if (!arguments.to.empty() && hopper::belongs_to_run(arguments.to, arguments.from)) {
    throw ConfigError("[predict] expected a file of your own, got " + arguments.to + ", which belongs to the run");
  }
  const hopper::Results results = hopper::inspect(arguments.from);
  const ModelId id = arguments.model ? ModelId(*arguments.model) : hopper::best_model(results);
  std::fprintf(stderr, "model %u of %s: %s\n", id.value, arguments.from.c_str(),
               results.model(id).config.to_text().c_str());
  nn::Predictor predictor = hopper::load_predictor(arguments.from, id, {}, which_of(arguments.last));
  tell_earlier_state(results, id, which_of(arguments.last));
  return predictor;
}

// The answers would replace the only copy of what they were made from.
void refuse_input_as_output(const PredictArguments& arguments) {
  std::error_code unknown;
  if (arguments.to.empty() || !fs::is_regular_file(arguments.to, unknown)) return;
  for (const std::string& input : {arguments.rows, arguments.from}) {
    if (!fs::equivalent(arguments.to, input, unknown)) continue;
    throw ConfigError("[predict] --to: expected another file than " + input +
                      ", which the answers would replace; nothing was written");
  }
}

std::optional<bool> header_of(const PredictArguments& arguments) {
  return arguments.has_header || arguments.has_none ? std::optional(arguments.has_header) : std::nullopt;
}

// Returns the number of rows that were answered.
std::int64_t answer(nn::Predictor& predictor, data::RowEncoder& encoder, data::CsvRows& rows, AnswerFile& answers,
                    Scores& scores) {
  const auto width = static_cast<std::size_t>(encoder.inputs());
  const Tensor inputs = Tensor::empty({kBatch, encoder.inputs()}, DType::f32);
  std::vector<std::string_view> cells, labels;
  std::int64_t done = 0;
  for (bool more = true; more;) {
    std::int64_t count = 0;
    while (count < kBatch && (more = rows.next(cells))) {
      encoder.encode(cells, rows.place(), {inputs.data<float>() + static_cast<std::size_t>(count++) * width, width});
      if (encoder.labels().empty()) continue;
      labels.clear();
      for (const std::size_t place : encoder.labels()) labels.push_back(cells[place]);
      scores.take(labels);
    }
    if (count == 0) break;
    const nn::Predictions predictions = predictor.predict_encoded(kernels::slice(inputs, 0, 0, count));
    answers.write(predictions);
    if (!encoder.labels().empty()) scores.measure(predictions);
    done += count;
  }
  return done;
}

int predict(const PredictArguments& arguments) {
  refuse_input_as_output(arguments);
  nn::Predictor predictor = open_predictor(arguments);
  data::RowEncoder encoder(predictor.schema());
  data::CsvRows rows(arguments.rows, encoder, header_of(arguments));
  for (const std::string& note : rows.notes()) std::fprintf(stderr, "%s: %s\n", arguments.rows.c_str(), note.c_str());
  AnswerFile answers(arguments.to, predictor);
  Scores scores(predictor);
  const std::int64_t done = answer(predictor, encoder, rows, answers, scores);
  answers.finish();
  for (const data::UnseenWords& unseen : encoder.unseen()) {
    std::fprintf(stderr, "column %s: %lld rows have a word that no training row has, the first \"%s\"\n",
                 unseen.column.c_str(), static_cast<long long>(unseen.rows), printable(unseen.first).c_str());
  }
  // Where the answers go to stdout, nothing else may.
  std::FILE* const people = arguments.to.empty() ? stderr : stdout;
  std::fputs(scores.text().c_str(), people);
  if (!arguments.to.empty()) {
    std::fprintf(people, "wrote the answers for %lld rows to %s\n", static_cast<long long>(done), arguments.to.c_str());
  }
  return kOk;
}

}  // namespace

void add_predict(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<PredictArguments>();
  CLI::App* command = app.add_subcommand("predict", "Answer new rows with a trained model");
  command->add_option("model_from", arguments->from, "A run directory, or a file of `hop export`")->required();
  command->add_option("rows", arguments->rows, "CSV: columns by name in any order; without a header by place")
      ->required();
  command->add_option("--to", arguments->to, "Where the answers go, as CSV (default: standard output)");
  command->add_option("--model", arguments->model, "Of a run directory: the model's id (default: the best one)")
      ->transform(whole_number());
  add_last(*command, arguments->last);
  auto* header = command->add_flag("--header", arguments->has_header, "The first line is a header");
  command->add_flag("--no-header", arguments->has_none, "The first line is a row")->excludes(header);
  command->callback([=, &action] { action = [=] { return predict(*arguments); }; });
}

}  // namespace hop::cli
