#include "hopper/detail/experiment_page.h"

#include <algorithm>

#include "base/table.h"
#include "base/words.h"
#include "hopper/build_model.h"
#include "hopper/detail/experiment_keys.h"
#include "nn/families.h"
#include "nn/optim/by_name.h"
#include "nn/spec.h"

namespace hop::hopper {
namespace {

constexpr const char* kIntroduction = R"(# The experiment file

An experiment is a TOML file: `hop run FILE`. This page lists every key. It is made from the tables that the program
itself reads (`hopper/detail/experiment_keys.cpp` and the tables that it names), and a test compares the two; after a
change of a table, `HOP_WRITE_PAGES=1 build/tests/hopper_test --gtest_filter='ExperimentPage.*'` writes the page anew.

A key is overridden on the command line by `--set section.key=value`. An unknown key is an error that names the nearest
one. In C++ the same keys are the members of `hop::hopper::Experiment`, and some of them take an object of the
application instead of a name. A run with such an object says `"own code"` in its experiment.toml, and only the
application can resume or replay it: `hop::hopper::resume(directory, options, experiment)` with the same objects.
)";

std::string code(std::string_view text) { return "`" + std::string(text) + "`"; }

template <class Words>
std::string codes(const Words& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + code(word);
  return text;
}

std::string value_of(const ExperimentKey& key) {
  const std::string type(key.type);
  return key.names == nullptr ? type : type + " " + codes(key.names());
}

std::string default_of(const ExperimentKey& key) {
  return key.absent.empty() ? code(key.write(Experiment{})) : std::string(key.absent);
}

std::string section(std::string_view name, std::string_view title, std::string_view meaning) {
  std::string text =
      "\n## " + std::string(title) + "\n\n" + std::string(meaning) +
      "\n\n| key | value | default | unit | example | meaning |\n| --- | --- | --- | --- | --- | --- |\n";
  for (const ExperimentKey& key : experiment_keys()) {
    if (key.section != name) continue;
    text += "| " + code(key.name) + " | " + value_of(key) + " | " + default_of(key) + " | " + std::string(key.unit) +
            " | " + code(std::string(key.name) + " = " + std::string(key.example)) + " | " + std::string(key.doc) +
            " |\n";
  }
  return text;
}

// The names that one key may have, a line each.
template <class Row>
std::string table(std::string_view heading, std::span<const Row> rows) {
  std::string text = "\n| " + std::string(heading) + " | |\n| --- | --- |\n";
  for (const Row& row : rows) text += "| " + code(row.name) + " | " + std::string(row.doc) + " |\n";
  return text;
}

// The rows of some keys. A bound beyond 1e299 means that there is none, and is not shown.
std::string rows_of(std::span<const SearchKey> keys, std::string_view reader) {
  std::string text;
  for (const SearchKey& key : keys) {
    const bool is_whole = key.type == SearchKey::Type::Whole;
    const bool is_bounded = is_whole || key.min > -1e299 || key.max < 1e299;
    const std::string range = is_bounded ? " in " + shortest(key.min) + ".." + shortest(key.max) : "";
    const std::string absent = key.is_required() ? "none: it must be given" : std::string(key.absent);
    text += "| " + code(key.name) + " | " + std::string(reader) + " | " + (is_whole ? "integer" : "number") + range +
            " | " + (key.fallback ? code(shortest(*key.fallback)) : absent) + " | " +
            code(std::string(key.name) + " = " + std::string(key.example)) + " | " + std::string(key.doc) + " |\n";
  }
  return text;
}

std::string method_keys() {
  std::string text =
      "\n| key of [search] | read by | value | default | example | meaning |\n"
      "| --- | --- | --- | --- | --- | --- |\n";
  for (const MethodRow& method : methods()) text += rows_of(method.keys, "method " + code(method.name));
  for (const StopRuleRow& rule : stop_rules()) text += rows_of(rule.keys, "stop " + code(rule.name));
  return text + rows_of(common_stop_keys(), "stop, all rules");
}

// Optimizers, schedules: each row with its settings.
std::string table_of_settings(const std::string& kind, const auto& rows) {
  std::string text = "\n| " + kind + " | hyperparameters that it reads | |\n| --- | --- | --- |\n";
  for (const auto& row : rows) {
    std::string settings;
    for (const auto& [name, fallback] : row.settings)
      settings += (settings.empty() ? "" : ", ") + code(std::string(name) + " = " + fallback);
    text += "| " + code(std::string(row.name)) + " | " + settings + " | " + std::string(row.doc) + " |\n";
  }
  return text;
}

std::string loss_table() {
  std::string text = "\n| loss | settings | |\n| --- | --- | --- |\n";
  for (const nn::LossRow& row : nn::losses()) {
    std::string settings;
    for (const nn::LossSetting& setting : row.settings) {
      settings += (settings.empty() ? "" : "; ") +
                  code(std::string(setting.name) + "=" + std::string(setting.fallback)) + ": " +
                  std::string(setting.doc);
    }
    text += "| " + code(row.name) + " | " + settings + " | " + std::string(row.doc) + " |\n";
  }
  return text;
}

std::string layer_table() {
  std::string text =
      "\nA layer is its name, its values in this order, then `name=value` for what shall differ from the default. "
      "Sizes "
      "are a number\nor `HxW`. Inputs are inferred: `layers = [\"conv2d 32 3 padding=1\", \"relu\", \"flatten\", "
      "\"linear $outputs\"]`.\n"
      "Some layers hold layers, in braces and with semicolons between them: `\"residual { conv2d 64 3 padding=1; relu "
      "} "
      "{ conv2d 64 1 }\"`\nis the sum of both branches. Without the second one, the input is added.\n"
      "`\"concat { max_pool2d 2; conv2d 64 3 padding=1; conv_transpose2d 64 2 stride=2 }\"` joins its branches along "
      "the channels, or along\nanother `dim`, which counts the rows of a batch as 0. One branch alone is joined to the "
      "input, as in a U-Net.\n"
      "\nSamples have one of these shapes: a row (n), an image (C, H, W), a sequence (C, L) or tokens (T, E). "
      "`flatten` "
      "makes a row of each,\n`unflatten 3,100` a sequence or tokens of a row of 300, `transpose` a sequence of tokens "
      "and the other way round,\n`image_tokens` tokens of an image. Recurrent layers give each step, or with "
      "`last=true` "
      "what each direction knows at the end:\n`layers = [\"embedding $outputs 64\", \"lstm 128 2 dropout=0.2 "
      "last=true\", \"linear $outputs\"]` for a text, and\n`layers = [\"unflatten 3,100\", \"conv1d 32 5 "
      "padding=same\", "
      "\"relu\", \"adaptive_max_pool1d 1\", \"flatten\", \"linear $outputs\"]` for\n300 measured values in a row of a "
      "table. The arguments are those of PyTorch's layer of the same name.\n"
      "\n| layer | values | defaults |\n| --- | --- | --- |\n";
  for (const nn::LayerUsage& layer : nn::spec_usages()) {
    const auto shown = [](const std::string& words) { return words.empty() ? "" : code(words); };
    text += "| " + code(layer.name) + " | " + shown(layer.values) + " | " + shown(layer.options) + " |\n";
  }
  return text;
}

std::string hyperparameters() {
  return "\n## [search.space]\n\n"
         "A hyperparameter and its values: one value, a list, or a range `{ min, max, scale = \"linear\" | \"log\", "
         "type = \"float\" | \"int\" }`\nfor the methods that sample. The order of the names is the order of the grid: "
         "the last one changes fastest. Example:\n`lr = [0.003, 0.001]`.\n\n"
         "Training reads " +
         codes(names_read(ModelOptions{})) + ". A family reads its own beside these.\n" +
         table_of_settings("family", nn::families()) +
         "\nLayers read the names that stand in them as `$name`. A name that training reads, too, is refused there: "
         "write `$layer_accumulate`, not\n`$accumulate`. (The names of training that are older than this rule may be "
         "shared: `$lr`, `$momentum`, `$eps`.) A builder of an\napplication that reads a name of training shares its "
         "value with training.\n`clip_grad_norm` (default 0: no limit) scales the "
         "gradient of a step down to this norm, if it is larger; `clip_grad_value` (default 0: no limit), which comes "
         "first, limits each element of it.\n"
         "`accumulate` (default 1) is how many batches make one step: the step has the mean of the gradients of their "
         "mean losses, as `loss / N`\nin PyTorch. A step ends with its pass over a partition: the last one may have "
         "fewer batches, and its mean is over their number.\nNot for strategies with replicas.\n"
         "`no_decay` (default false) keeps the parameters of norms and all biases out of the weight decay, as is usual "
         "for Transformers.\n"
         "`lr_factors` multiplies the learning rate of parts of the model: `lr_factors = \"backbone=0.1, head=2\"`. A "
         "part is all parameters whose\nnames begin with its words; of a part within a part the inner one's factor "
         "holds. The names are those of the exported weights.\n\n`optimizer` (default `sgd`) is one of these. A "
         "hyperparameter that only other optimizers read is refused.\n" +
         table_of_settings("optimizer", optim::optimizers()) +
         "\n`schedule` (default `constant`) is one of these. It counts the steps of a model, or with `schedule_by = "
         "\"epoch\"` (default `\"step\"`)\nits epochs: then each step in this table is an epoch. The same holds for "
         "what they read.\n" +
         table_of_settings("schedule", optim::schedules());
}

}  // namespace

std::string experiment_page() {
  return kIntroduction + section("", "The file itself", "Keys before the first section.") +
         section("data", "[data]", "Where the rows come from.") + table("column", data::column_rules()) +
         table("missing", data::missing_rules()) + table("categories", data::category_rules()) +
         section("model", "[model]", "What is trained.") + layer_table() + loss_table() +
         table("metric", nn::metrics()) +
         section("search", "[search]", "Which configurations are trained, and for how long.") +
         table("method", methods()) + table("stop", stop_rules()) + method_keys() + hyperparameters() +
         section("run", "[run]", "Who trains, and in which order.") + table("strategy", strategies()) +
         table("policy", policies());
}

}  // namespace hop::hopper
