// Long because it is one table.
#include "hopper/detail/experiment_keys.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "base/error.h"
#include "base/table.h"
#include "data/formats/csv_separator.h"
#include "data/formats/text.h"
#include "hopper/build_model.h"
#include "hopper/detail/path_text.h"
#include "hopper/device.h"
#include "nn/mixup.h"
#include "nn/model.h"
#include "nn/optim/by_name.h"

namespace hop::hopper {
namespace {

constexpr std::int64_t kMaxInt = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMaxCount = 1 << 20;
constexpr std::uint32_t kMostStaleness = 64;  // as many copies of all gradients
constexpr const char* kNoSource =
    "expected a folder of `hop data import`, a CSV file, a text, a folder of raw files or \"glyphs\", got ";

using Names = std::vector<std::string>;

std::string quoted(const std::string& text) { return to_text(Value(text)); }
// Whether TOML takes a key without quotation marks.
bool is_bare_key(std::string_view name) {
  return !name.empty() &&
         std::ranges::all_of(name, [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; });
}
std::string flag(bool value) { return value ? "true" : "false"; }
std::string list(const Names& words) {
  std::string text = "[";
  for (const std::string& word : words) text += (text.size() == 1 ? "" : ", ") + quoted(word);
  return text + "]";
}

// The message of an operation without the name of the operation. The caller names the place of the key instead:
// "[model] expected a family".
std::string without_place(const std::string& message) {
  const std::size_t end = message.find("] ");
  return message.starts_with('[') && end != std::string::npos ? message.substr(end + 2) : message;
}

template <class Row>
Names names(std::span<const Row> rows) {
  Names all;
  for (const Row& row : rows) all.emplace_back(row.name);
  return all;
}

Names choice_names() { return names(strategies()); }
Names strategy_names() {
  Names all = choice_names();
  all.emplace_back(kAuto);
  return all;
}
Names order_names() { return {"fixed", "free"}; }
Names batch_names() { return {"per_replica", "global"}; }                         // in the order of BatchRows
Names lr_scale_names() { return {"none", "linear", "sqrt"}; }                     // in the order of LrScale
Names batchnorm_names() { return {"replica", "synchronised"}; }                   // in the order of BatchNormStatistics
Names reduce_exchange_names() { return {"direct", "ring", "halving_doubling"}; }  // in the order of ReduceExchange
Names task_data_names() { return {"replicate", "remote", "cache"}; }              // in the order of TaskData
Names mode_names() { return {"sync", "async"}; }                                  // in the order of ServerMode
Names average_state_names() { return {"average", "keep", "reset"}; }              // in the order of AverageState
Names anneal_names() { return {"cos", "linear"}; }                                // in the order of optim::Annealing

Names keep_names() { return {"last", "best"}; }
Names policy_names() { return names(policies()); }
Names stop_names() { return names(stop_rules()); }
Names method_names() { return names(methods()); }
Names objective_words() {
  const auto all = objective_names();
  return {all.begin(), all.end()};
}
Names device_names() { return {"auto", "cpu", "cuda"}; }
Names precision_names() { return {"strict", "tf32", "bf16", "f16"}; }
Names transport_names() { return {"unix", "tcp"}; }
Names family_names() { return nn::FamilyRegistry().names(); }
Names optimizer_names() { return names(optim::optimizers()); }
Names metric_names() { return names(nn::metrics()); }
Names missing_names() { return names(data::missing_rules()); }
Names categories_names() { return names(data::category_rules()); }
Names separator_names() { return names(data::separators()); }

Names loss_names() { return names(nn::losses()); }
Names target_names() {
  Names all;
  for (const auto kind : {data::TargetKind::classes, data::TargetKind::numbers}) all.emplace_back(data::name(kind));
  return all;
}

// ---- reading

// A word of a list; the error names the nearest one. kOwnCode stands for an object of the application.
std::optional<std::string> word(TomlSection& section, const std::string& key, const Names& words,
                                bool may_be_own = false) {
  std::optional<std::string> text = section.text(key);
  if (!text || (may_be_own && *text == kOwnCode)) return text;
  for (const std::string& valid : words) {
    if (valid == *text) return text;
  }
  section.fail(key, "unknown value \"" + printable(*text) + "\"" + hint(*text, words));
}

// A word of `words`, which are in the order of the enumeration.
template <class Enum>
void read_choice(TomlSection& section, const std::string& key, const Names& words, std::optional<Enum>& value) {
  const auto text = word(section, key, words);
  if (text) value = static_cast<Enum>(std::ranges::find(words, *text) - words.begin());
}

template <class Enum>
std::string write_choice(const Names& words, const std::optional<Enum>& value) {
  return value ? quoted(words[static_cast<std::size_t>(*value)]) : "";
}

void at_least_1(std::uint32_t value, const char* key) {
  if (value == 0) throw ConfigError(std::string(key) + ": expected at least 1, got 0");
}

// A number that may be left out.
void read_count(TomlSection& section, const std::string& key, std::optional<std::uint32_t>& value,
                std::int64_t least = 1, std::int64_t most = kMaxCount) {
  if (auto number = section.integer(key, least, most)) value = static_cast<std::uint32_t>(*number);
}

std::string write_count(const std::optional<std::uint32_t>& value) { return value ? std::to_string(*value) : ""; }

void count(TomlSection& section, const std::string& key, std::uint32_t& value, std::int64_t max = kMaxCount) {
  if (auto number = section.integer(key, 1, max)) value = static_cast<std::uint32_t>(*number);
}

void read_name(TomlSection& file, const std::string& key, Experiment& e) {
  if (auto name = file.text(key)) e.name = *name;
  if (is_plain_name(e.name)) return;
  file.fail(key, "expected letters, digits, \".\", \"_\" and \"-\" (the run directory is called so), got \"" +
                     printable(e.name) + "\"");
}

void read_source(TomlSection& section, const std::string& key, Experiment& e) {
  const auto source = section.text(key);
  if (source && source->empty()) section.fail(key, std::string(kNoSource) + "\"\"");
  if (source) e.data.source = path_of(*source);
}

std::string write_source(const Experiment& e) {
  if (e.data.rows) return quoted(std::string(kOwnCode));
  return e.data.source.empty() ? "" : quoted(text_of_path(e.data.source));
}

void check_copies(const Experiment& e) {
  if (!e.run.copies) return;
  if (*e.run.copies < 1 || *e.run.copies > 2) {
    throw ConfigError("[run] copies: expected 1 or 2, got " + std::to_string(*e.run.copies));
  }
  if (*e.run.copies == 2 && !e.run.durable) {
    throw ConfigError("[run] copies: expected durable = true with 2 copies, which are files, got durable = false");
  }
}

void check_partitions(const Experiment& e) {
  if (e.data.partitions) at_least_1(*e.data.partitions, "[data] partitions");
}

void check_validation(const Experiment& e) {
  if (!e.data.validation) return;
  const data::Validation& validation = *e.data.validation;
  if (validation.kind == data::Validation::Kind::tail && validation.rows < 1) {
    throw ConfigError("[data] validation: expected a tail of at least one row, got " + std::to_string(validation.rows));
  }
  if (validation.kind == data::Validation::Kind::fraction && !(validation.share > 0 && validation.share < 1)) {
    throw ConfigError("[data] validation: expected 0 < fraction < 1, got " + shortest(validation.share));
  }
}

void read_validation(TomlSection& section, const std::string& key, Experiment& e) {
  const toml::node* node = section.node(key);
  if (node == nullptr) return;
  if (const auto text = node->value_exact<std::string>(); text == "file") {
    e.data.validation = data::Validation::file();
  } else if (text == "none") {
    e.data.validation = data::Validation::none();
  } else if (auto table = node->is_table() ? section.section(key) : std::nullopt) {
    const auto tail = table->integer("tail", 1, kMaxInt);
    const auto fraction = table->number("fraction");
    const bool stratified = table->boolean("stratified").value_or(false);
    table->finish();
    if (tail.has_value() == fraction.has_value()) section.fail(key, "expected either tail or fraction");
    if (fraction && !(*fraction > 0 && *fraction < 1)) section.fail(key, "expected 0 < fraction < 1");
    if (tail && stratified) section.fail(key, "expected stratified beside fraction, got it beside tail");
    e.data.validation = tail ? data::Validation::tail(*tail) : data::Validation::fraction(*fraction, stratified);
  } else {
    section.fail(key, R"(expected "file", "none", { tail = N } or { fraction = F }, got )" + type_of(*node));
  }
}

std::string write_validation(const Experiment& e) {
  if (!e.data.validation) return {};
  switch (e.data.validation->kind) {
    case data::Validation::Kind::none:
      return "\"none\"";
    case data::Validation::Kind::file:
      return "\"file\"";
    case data::Validation::Kind::tail:
      return "{ tail = " + std::to_string(e.data.validation->rows) + " }";
    case data::Validation::Kind::fraction:
      return "{ fraction = " + to_text(Value(e.data.validation->share)) +
             (e.data.validation->stratified ? ", stratified = true }" : " }");
  }
  return {};
}

data::ColumnPlace read_column(TomlSection& section, const std::string& key, const toml::node& node) {
  if (node.is_integer()) return node.ref<std::int64_t>();
  if (node.is_string()) return node.ref<std::string>();
  section.fail(key, "expected a column's number or name, or a list of them, got " + type_of(node));
}

void read_label(TomlSection& section, const std::string& key, Experiment& e) {
  const toml::node* label = section.node(key);
  if (label == nullptr) return;
  std::vector<data::ColumnPlace> columns;
  if (const toml::array* list = label->as_array(); list != nullptr) {
    for (const toml::node& node : *list) columns.push_back(read_column(section, key, node));
    if (columns.empty()) section.fail(key, "expected at least one column, got an empty list");
  } else {
    columns.push_back(read_column(section, key, *label));
  }
  if (columns.size() > 1)
    e.data.label = columns;
  else
    std::visit([&](const auto& column) { e.data.label = column; }, columns[0]);
}

std::string write_label(const Experiment& e) {
  std::string text;
  const std::vector<data::ColumnPlace> columns = data::label_columns(e.data.label);
  for (const data::ColumnPlace& column : columns) {
    const auto* place = std::get_if<std::int64_t>(&column);
    text += (text.empty() ? "" : ", ") +
            (place != nullptr ? std::to_string(*place) : quoted(std::get<std::string>(column)));
  }
  return columns.size() == 1 ? text : "[" + text + "]";
}

void check_label(const Experiment& e) {
  if (data::label_columns(e.data.label).empty()) {
    throw ConfigError("[data] label: expected at least one column, got an empty list");
  }
}

void read_target(TomlSection& section, const std::string& key, Experiment& e) {
  if (const auto text = word(section, key, target_names())) e.data.target = data::target_kind_from_name(*text);
}

// What a loss with a name learns; null for an application's.
const nn::LossRow* loss_row(const Experiment& e) {
  const bool is_own = e.model.loss.own() != nullptr || e.model.loss.is_missing();
  return is_own ? nullptr : &nn::find_loss(e.model.loss.name());
}

void check_target(const Experiment& e) {
  const nn::LossRow* loss = loss_row(e);
  if (!e.data.target || loss == nullptr || loss->output == nn::Output::Input) return;
  if (nn::target_kind(loss->output) == *e.data.target) return;
  const bool wants_numbers = *e.data.target == data::TargetKind::numbers;
  throw ConfigError("[data] target: expected what the loss learns, got \"" + std::string(data::name(*e.data.target)) +
                    "\" and loss = \"" + std::string(loss->name) + "\"; write loss = " +
                    (wants_numbers ? "\"mse\", \"mae\" or another loss of numbers" : "\"cross_entropy\""));
}

// The fault of the first word that the table does not have; empty if there is none.
std::string columns_fault(const data::ColumnWords& columns) {
  const Names words = names(data::column_rules());
  for (const auto& [column, word] : columns) {
    if (std::ranges::find(words, word) != words.end()) continue;
    return quoted(column) + ": unknown value \"" + printable(word) + "\"" + hint(word, words);
  }
  return {};
}

void read_columns(TomlSection& section, const std::string& key, Experiment& e) {
  const toml::node* node = section.node(key);
  if (node == nullptr) return;
  const toml::table* columns = node->as_table();
  if (columns == nullptr) section.fail(key, "expected { COLUMN = \"WORD\", .. }, got " + type_of(*node));
  e.data.columns.clear();
  for (const auto& [column, word] : *columns) {
    const auto text = word.value_exact<std::string>();
    if (!text) section.fail(key, quoted(std::string(column.str())) + ": expected a word, got " + type_of(word));
    e.data.columns[std::string(column.str())] = *text;
  }
  if (const std::string fault = columns_fault(e.data.columns); !fault.empty()) section.fail(key, fault);
}

std::string write_columns(const Experiment& e) {
  std::string text;
  for (const auto& [column, word] : e.data.columns) {
    const std::string name = is_bare_key(column) ? column : quoted(column);
    text += (text.empty() ? "{ " : ", ") + name + " = " + quoted(word);
  }
  return text.empty() ? "" : text + " }";
}

void check_columns(const Experiment& e) {
  if (const std::string fault = columns_fault(e.data.columns); !fault.empty()) {
    throw ConfigError("[data] columns: " + fault);
  }
}

void read_missing(TomlSection& section, const std::string& key, Experiment& e) {
  const auto text = word(section, key, missing_names());
  if (!text) return;
  e.data.missing = find_row(data::missing_rules(), *text, "[data] missing").missing;
}

void read_categories(TomlSection& section, const std::string& key, Experiment& e) {
  const auto text = word(section, key, categories_names());
  if (text) e.data.categories = find_row(data::category_rules(), *text, "[data] categories").categories;
}

void read_separator(TomlSection& section, const std::string& key, Experiment& e) {
  const auto text = section.text(key);
  if (!text) return;
  e.data.separator = data::separator_from(*text);
  if (!e.data.separator)
    section.fail(key, "unknown value \"" + printable(*text) + "\"" + hint(*text, separator_names()));
}

// The fault of a scale with which no run can compute; empty if there is none.
std::string scale_fault(const data::Scale& scale) {
  if (std::isfinite(scale.offset) && std::isfinite(scale.factor)) return {};
  return "expected [offset, factor], two finite numbers, got [" + shortest(scale.offset) + ", " +
         shortest(scale.factor) + "]";
}

void check_scale(const Experiment& e) {
  if (!e.data.scale) return;
  const std::string fault = scale_fault(*e.data.scale);
  if (!fault.empty()) throw ConfigError("[data] scale: " + fault);
}

void read_scale(TomlSection& section, const std::string& key, Experiment& e) {
  const toml::node* node = section.node(key);
  if (node == nullptr) return;
  const toml::array* scale = node->as_array();
  if (scale == nullptr || scale->size() != 2 || !(*scale)[0].is_number() || !(*scale)[1].is_number()) {
    section.fail(key, "expected [offset, factor]: x -> (x - offset) * factor");
  }
  e.data.scale = data::Scale{*(*scale)[0].value<double>(), *(*scale)[1].value<double>()};
  if (const std::string fault = scale_fault(*e.data.scale); !fault.empty()) section.fail(key, fault);
}

std::string write_scale(const Experiment& e) {
  if (!e.data.scale) return {};
  return "[" + to_text(Value(e.data.scale->offset)) + ", " + to_text(Value(e.data.scale->factor)) + "]";
}

void check_context(const Experiment& e) {
  if (!e.data.context || (*e.data.context >= 1 && *e.data.context <= data::kMostContext)) return;
  throw ConfigError("[data] context: expected 1 to " + std::to_string(data::kMostContext) + " characters, got " +
                    std::to_string(*e.data.context));
}

void read_family(TomlSection& section, const std::string& key, Experiment& e) {
  const auto family = section.text(key);
  if (!family) return;
  e.model.family = *family;
  try {
    nn::FamilyRegistry().find(*family);
  } catch (const ConfigError& error) {
    section.fail(key, without_place(error.what()));
  }
}

void check_model(const Experiment& e) {
  const int models = (e.model.family.empty() ? 0 : 1) + (e.model.layers.empty() ? 0 : 1) + (e.model.builder ? 1 : 0);
  if (models != 1) {
    throw ConfigError(std::string("[model] expected exactly one of family (such as \"mlp\") and layers, got ") +
                      (models == 0 ? "neither" : "both"));
  }
  if (!e.model.family.empty()) nn::FamilyRegistry().find(e.model.family);
}

// The fault of a loss that no run can have; empty if there is none.
std::string loss_fault(const NameOr<nn::Loss>& loss) {
  if (loss.name() == kOwnCode) return {};
  const Names valid = loss_names();
  const std::string_view name = std::string_view(loss.name()).substr(0, loss.name().find(' '));
  if (std::ranges::find(valid, name) != valid.end()) {
    try {
      nn::loss_by_name(loss.name());
      return {};
    } catch (const ConfigError& error) {
      return error.what();
    }
  }
  return "unknown value \"" + printable(loss.name()) + "\"" + hint(loss.name(), valid);
}

void read_loss(TomlSection& section, const std::string& key, Experiment& e) {
  if (auto loss = section.text(key)) e.model.loss = *loss;
  if (const std::string fault = loss_fault(e.model.loss); !fault.empty()) section.fail(key, fault);
}

void read_metrics(TomlSection& section, const std::string& key, Experiment& e) {
  const auto texts = section.texts(key);
  if (!texts) {
    const nn::LossRow* loss = loss_row(e);
    if (loss == nullptr) return;
    const Names words = nn::default_metrics(loss->output);
    e.model.metrics.assign(words.begin(), words.end());
    return;
  }
  e.model.metrics.clear();
  const Names valid = metric_names();
  for (const std::string& text : *texts) {
    if (text != kOwnCode && std::ranges::find(valid, text) == valid.end()) {
      section.fail(key, "unknown value \"" + printable(text) + "\"" + hint(text, valid));
    }
    e.model.metrics.emplace_back(text);
  }
}

std::string write_metrics(const Experiment& e) {
  Names all;
  for (const NameOr<nn::Metric>& metric : e.model.metrics) all.push_back(metric.name());
  return list(all);
}

void check_own_metric(const nn::Metric& metric) {
  const bool is_word = !metric.name.empty() && std::ranges::all_of(metric.name, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_';
  });
  const std::string got = ", got \"" + printable(metric.name) + "\"";
  if (!is_word) throw ConfigError("[model] metrics: expected a name of letters, digits and \"_\"" + got);
  if (!metric.sums) throw ConfigError("[model] metrics: expected a metric with `sums`" + got + " without");
}

// A metric with a name must measure what the loss learns.
void check_measured(const nn::MetricRow& metric, const Experiment& e) {
  const nn::LossRow* loss = loss_row(e);
  if (loss == nullptr || nn::measures(metric, loss->output)) return;
  throw ConfigError("[model] metrics: \"" + std::string(metric.name) + "\" does not measure what loss = \"" +
                    std::string(loss->name) + "\" learns: write metrics = " + list(nn::default_metrics(loss->output)));
}

void check_metrics(const Experiment& e) {
  constexpr std::size_t kMost = 1000;  // they travel with each result
  if (e.model.metrics.size() > kMost) throw ConfigError("[model] metrics: expected at most 1,000");
  std::set<std::string> known;
  for (const NameOr<nn::Metric>& metric : e.model.metrics) {
    if (metric.is_missing()) continue;
    if (metric.own() == nullptr) check_measured(find_row(nn::metrics(), metric.name(), "[model] metrics"), e);
    if (metric.own() != nullptr) check_own_metric(*metric.own());
    const std::string& name = metric.own() != nullptr ? metric.own()->name : metric.name();
    if (!known.insert(name).second) {
      throw ConfigError("[model] metrics: expected each name once, got \"" + name + "\" again");
    }
  }
}

// The row of the metric at `place` among those beside the accuracy; null if there is none, or if the application brings
// it.
const nn::MetricRow* own_row(const Experiment& e, std::size_t place) {
  for (const NameOr<nn::Metric>& metric : e.model.metrics) {
    if (is_accuracy(metric) || place-- != 0) continue;
    const auto row = std::ranges::find(nn::metrics(), metric.name(), &nn::MetricRow::name);
    return row == nn::metrics().end() ? nullptr : &*row;
  }
  return nullptr;
}

void read_objective(TomlSection& section, const std::string& key, Experiment& e) {
  const auto objective = section.text(key);
  if (!objective) return;
  for (std::size_t place = 0; place < e.model.metrics.size(); ++place) {
    const nn::MetricRow* row = own_row(e, place);
    if (row == nullptr || row->name != *objective) continue;
    e.search.objective = Objective::own(row->higher_is_better, place, *objective);
    return;
  }
  if (*objective != "accuracy" &&
      std::ranges::find(nn::metrics(), *objective, &nn::MetricRow::name) != nn::metrics().end()) {
    section.fail(key, "expected a metric that is measured, and [model] metrics does not name \"" + *objective + "\"");
  }
  try {
    e.search.objective = parse_objective(*objective);
  } catch (const ConfigError& error) {
    section.fail(key, without_place(error.what()));
  }
}

std::string write_objective(const Experiment& e) {
  Objective objective = e.objective();
  const nn::MetricRow* row = objective.kind == Objective::Own ? own_row(e, objective.place) : nullptr;
  const bool is_row = row != nullptr && row->higher_is_better == objective.higher_is_better;
  objective.own_name = is_row ? row->name : "";  // a name of the application means nothing to who reads the file
  return quoted(to_string(objective));
}

void check_source(const Experiment& e) {
  if (e.data.source.empty() && !e.data.rows) throw ConfigError("[data] source: " + std::string(kNoSource) + "nothing");
}

bool is_common(std::string_view name);

void check_method(const Experiment& e) {
  for (const auto& [name, value] : e.search.settings.entries()) {
    if (is_common(name)) throw ConfigError("[search] settings: expected keys of the method, got \"" + name + "\"");
  }
  const bool is_own = e.search.make || e.search.method == kOwnCode;
  check_settings(is_own ? nullptr : &find_method(e.search.method), e.search.settings, e.search.stop);
}

void read_stop(TomlSection& section, const std::string& key, Experiment& e) {
  const auto texts = section.texts(key);
  if (!texts) return;
  const Names valid = stop_names();
  for (const std::string& text : *texts) {
    if (std::ranges::find(valid, text) == valid.end()) {
      section.fail(key, "unknown value \"" + printable(text) + "\"" + hint(text, valid));
    }
  }
  e.search.stop = *texts;
}

void check_policy(const Experiment& e) {
  const std::string& name = e.run.policy.name();
  if (!name.empty() && name != kOwnCode) find_policy(name);
}

void read_choices(TomlSection& section, const std::string& key, Experiment& e) {
  const auto texts = section.texts(key);
  if (!texts) return;
  const Names valid = choice_names();
  if (texts->empty()) section.fail(key, "expected at least one strategy, got an empty list");
  for (const std::string& text : *texts) {
    if (std::ranges::find(valid, text) != valid.end()) continue;
    section.fail(key, "unknown value \"" + printable(text) + "\"" + hint(text, valid));
  }
  e.run.choose_from = *texts;
}

void check_choices(const Experiment& e) {
  std::set<std::string> known;
  for (const std::string& name : e.run.choose_from) {
    find_row(strategies(), name, "[run] choose_from");
    if (known.insert(name).second) continue;
    throw ConfigError("[run] choose_from: expected each strategy once, got \"" + name + "\" again");
  }
}

// Of `auto`, each strategy that it may choose says at the start whether this run can have it.
void check_strategy(const Experiment& e) {
  if (e.run.strategy.is_missing() || is_auto(e.run.strategy)) return;  // only the application, or the run, can say
  checked_strategy(e);
}

void check_batchnorm(const Experiment& e) {
  if (!e.run.device.starts_with("cuda") || !synchronises_batchnorm(e)) return;
  refuse_synchronised_on("[run] batchnorm", "device = \"" + e.run.device + "\"");
}

void check_task_data(const Experiment& e) {
  if (!e.run.task_data || !is_auto(e.run.strategy)) return;
  throw ConfigError(
      "[run] task_data: expected none with strategy = \"auto\", whose times are those of nodes that have all "
      "rows, got " +
      write_choice(task_data_names(), e.run.task_data) + "; write strategy = \"task_parallel\"");
}

void check_task_cache(const Experiment& e) {
  const bool has_cache = e.run.task_data == TaskData::Cache;
  if (has_cache == (e.run.task_cache_bytes > 0)) return;
  throw ConfigError(
      has_cache
          ? "[run] task_cache_bytes: expected at least 1 with task_data = \"cache\", got 0; write how "
            "many bytes a worker may keep, or task_data = \"remote\""
          : "[run] task_cache_bytes: expected task_data = \"cache\" beside it, got " +
                (e.run.task_data ? write_choice(task_data_names(), e.run.task_data) : std::string("no task_data")));
}

// Whether the strategy is, or may become, a parameter server.
bool may_have_server(const Experiment& e) {
  return e.run.strategy.name() == kParameterServer ||
         (is_auto(e.run.strategy) && std::ranges::find(e.run.choose_from, kParameterServer) != e.run.choose_from.end());
}

// What an asynchronous server cannot be combined with.
void check_mode(const Experiment& e) {
  const ReplicaOptions& replicas = e.run.replicas;
  if (replicas.mode.value_or(ServerMode::Sync) == ServerMode::Sync || !may_have_server(e)) return;
  if (is_auto(e.run.strategy)) {
    throw ConfigError(
        "[run] mode: expected \"sync\" with strategy = \"auto\", whose times are those of the synchronous server, got "
        "\"async\"; write strategy = \"parameter_server\"");
  }
  const auto refuse = [](const std::string& key, const std::string& expected, const std::string& got) {
    throw ConfigError(key + ": expected " + expected + " with mode = \"async\", got " + got +
                      "; leave it out, or write mode = \"sync\"");
  };
  if (replicas.servers.value_or(1) != 1) {
    refuse("[run] servers", "1 (one server has the optimizer)", std::to_string(*replicas.servers));
  }
  if (replicas.lr_scale.value_or(LrScale::None) != LrScale::None) {
    refuse("[run] lr_scale", "\"none\" (each update is of one batch)",
           write_choice(lr_scale_names(), replicas.lr_scale));
  }
  if (replicas.batchnorm.value_or(BatchNormStatistics::Replica) != BatchNormStatistics::Replica) {
    refuse("[run] batchnorm", "\"replica\" (each replica computes alone)",
           write_choice(batchnorm_names(), replicas.batchnorm));
  }
  if (e.model.grad_scaler) {
    refuse("[model] grad_scaler", "false (gradients have the scales of different updates)", "true");
  }
}

// Whether the strategy averages weights, or may become one that does.
bool may_average(const Experiment& e) {
  if (!is_auto(e.run.strategy)) return replicas_of(e) == Replicas::ShareWeights;
  return std::ranges::any_of(e.run.choose_from, [](const std::string& name) {
    return find_row(strategies(), name, "[run] choose_from").make()->replicas() == Replicas::ShareWeights;
  });
}

void check_average_passes(const Experiment& e) {
  const ReplicaOptions& replicas = e.run.replicas;
  at_least_1(replicas.average_passes.value_or(1), "[run] average_passes");
  if (replicas.average_passes.value_or(1) == 1 || !may_average(e)) return;
  const std::string passes = std::to_string(*replicas.average_passes);
  if (replicas.average_every) {
    throw ConfigError("[run] average_every: expected one of average_every and average_passes, got average_every = " +
                      std::to_string(*replicas.average_every) + " and average_passes = " + passes +
                      "; leave one of them out");
  }
  if (is_auto(e.run.strategy)) {
    throw ConfigError(
        "[run] average_passes: expected 1 with strategy = \"auto\", which compares strategies whose epochs are one "
        "pass over the rows, got " +
        passes + "; write strategy = \"averaging\"");
  }
}

void check_word(const char* key, const std::string& word, const Names& words) {
  if (std::ranges::find(words, word) != words.end()) return;
  throw ConfigError(std::string(key) + ": unknown value \"" + printable(word) + "\"" + hint(word, words));
}

void check_optimizer(const Experiment& e) {
  const std::string& name = e.model.optimizer.name();
  if (name.empty()) return;
  if (name != kOwnCode) check_word("[model] optimizer", name, optimizer_names());
  for (const auto& [hyperparameter, dimension] : e.search.space) {
    if (hyperparameter != "optimizer") continue;
    throw ConfigError("[model] optimizer: expected one place that names the optimizer, got \"" + name +
                      "\" here and the hyperparameter `optimizer` in [search.space]");
  }
}

void check_mixup(const Experiment& e) {
  if (e.model.mixup >= 0 && e.model.mixup <= nn::kMostMixup) return;
  throw ConfigError("[model] mixup: expected a number from 0 to 1,000, got " + shortest(e.model.mixup));
}

void check_ema(const Experiment& e) {
  if (e.model.ema >= 0 && e.model.ema < 1) return;
  throw ConfigError("[model] ema: expected a decay from 0 to below 1, got " + shortest(e.model.ema));
}

void check_swa_start(const Experiment& e) {
  if (e.model.swa_start == 0) return;
  if (e.model.ema > 0) {
    throw ConfigError(
        "[model] swa_start: expected one average of the weights, got swa_start = " + std::to_string(e.model.swa_start) +
        " beside ema = " + shortest(e.model.ema) + "; leave one of the two out");
  }
  if (e.model.swa_start <= e.search.epochs) return;
  throw ConfigError("[model] swa_start: expected an epoch from 1 to the last one, " + std::to_string(e.search.epochs) +
                    " ([search] epochs), got " + std::to_string(e.model.swa_start));
}

void check_swa_lr(const Experiment& e) {
  if (!e.model.swa_lr) return;
  const std::string got = shortest(*e.model.swa_lr);
  if (!std::isfinite(*e.model.swa_lr) || *e.model.swa_lr < 0) {
    throw ConfigError("[model] swa_lr: expected a learning rate of at least 0, got " + got);
  }
  if (e.model.swa_start > 0) return;
  throw ConfigError("[model] swa_lr: expected swa_start beside it, the epoch from which on it anneals, got swa_lr = " +
                    got + " without; write swa_start = 5 or another epoch");
}

// Settings of the annealing mean nothing without it.
void check_swa_setting(const Experiment& e, const char* key, const std::string& value) {
  if (value.empty() || e.model.swa_lr) return;
  throw ConfigError("[model] " + std::string(key) +
                    ": expected swa_lr beside it, the learning rate to which it anneals, got " + key + " = " + value +
                    " without; write swa_lr = 0.05 or another rate");
}

std::string write_anneal(const Experiment& e) { return write_choice(anneal_names(), e.model.swa_anneal); }
void check_anneal_epochs(const Experiment& e) {
  check_swa_setting(e, "swa_anneal_epochs", write_count(e.model.swa_anneal_epochs));
}
void check_anneal(const Experiment& e) { check_swa_setting(e, "swa_anneal", write_anneal(e)); }

void check_device(const Experiment& e) {
  if (!is_device_word(e.run.device)) check_word("[run] device", e.run.device, device_names());
}

// ---- the table

using E = Experiment;
using S = TomlSection;
using K = const std::string;

constexpr std::array kKeys = {
    ExperimentKey{"", "name", "text", "", "", "\"cifar\"",
                  "The name of the run: letters, digits, `.`, `_` and `-`. `hop run` calls the run directory after it.",
                  nullptr, read_name, [](const E& e) { return quoted(e.name); },
                  [](const E& e) {
                    if (is_plain_name(e.name)) return;
                    throw ConfigError(
                        "name: expected letters, digits, \".\", \"_\" and \"-\" (the run directory is called so), "
                        "got \"" +
                        printable(e.name) + "\"");
                  }},
    ExperimentKey{"", "seed", "integer", "", "", "2026", "Everything random is a function of it.", nullptr,
                  [](S& s, K& key, E& e) {
                    if (auto seed = s.integer(key, 0, kMaxInt)) e.seed = static_cast<std::uint64_t>(*seed);
                  },
                  [](const E& e) { return std::to_string(e.seed); },
                  [](const E& e) {
                    if (e.seed > kMaxInt) throw ConfigError("seed: expected at most 2^63 - 1");
                  }},

    ExperimentKey{
        "data", "source", "text", "", "none: it must be given", "\"data/cifar10\"",
        "A folder of `hop data import`, a CSV file, a UTF-8 text (its name ends in `.txt`), a folder of raw files of "
        "a known format, or `glyphs`, which is generated. A relative path starts from the folder in which `hop run` is "
        "called, and not from the folder of this file. A path that is no UTF-8 is written as a `file://` address with "
        "`%XX`. In C++ also "
        "`data.rows`: tensors or a `RowSource`.",
        nullptr, read_source, [](const E& e) { return write_source(e); }, check_source},
    ExperimentKey{
        "data", "partitions", "integer", "", "4, or as the source is partitioned", "8",
        "How many partitions the rows are dealt to. A model visits each of them once in every pass over the rows.",
        nullptr,
        [](S& s, K& key, E& e) {
          if (auto n = s.integer(key, 1, kMaxCount)) e.data.partitions = static_cast<std::uint32_t>(*n);
        },
        [](const E& e) { return e.data.partitions ? std::to_string(*e.data.partitions) : ""; }, check_partitions},
    ExperimentKey{
        "data", "validation", "`\"file\"`, `\"none\"`, `{ tail = N }` or `{ fraction = F }`", "rows",
        "the source's own test rows; without them a tenth of the rows, of a text the last tenth", "{ tail = 4000 }",
        "The rows that are set aside to measure models: the source's own, the last N, or a share at random. "
        "With `stratified = true` beside `fraction`, the same share of each class. The rows of a text overlap, "
        "so of random ones the models know every label from training.",
        nullptr, read_validation, write_validation, check_validation},
    ExperimentKey{"data", "label", "integer or text, or a list", "", "", "\"species\"",
                  "CSV: the column of the labels, by its place (from 0; negative: from the back) or its name. A list: "
                  "several numbers to predict; answers stand in the order of the file's columns, with their names.",
                  nullptr, read_label, write_label, check_label},
    ExperimentKey{"data", "target", "one of", "", "as the loss wants it", "\"number\"",
                  "What labels are: classes, or numbers to predict. A loss with a name decides; for an application's "
                  "loss, labels with a fraction are numbers.",
                  target_names, read_target,
                  [](const E& e) { return e.data.target ? quoted(std::string(data::name(*e.data.target))) : ""; },
                  check_target},
    ExperimentKey{"data", "header", "true or false", "", "found out by looking", "true",
                  "CSV: whether the first line is a header.", nullptr,
                  [](S& s, K& key, E& e) { e.data.header = s.boolean(key); },
                  [](const E& e) { return e.data.header ? flag(*e.data.header) : ""; }, nullptr},
    ExperimentKey{"data", "columns", "`{ COLUMN = WORD, .. }`", "", "every column holds numbers, scaled as `standard`",
                  "{ age = \"minmax\", id = \"drop\", zip = \"category\" }",
                  "CSV: what columns are, each by its name in the header or its place. The words stand below. A column "
                  "of which nothing is said is a category if its numbers have leading zeros (`01067`), and left out if "
                  "hardly one of them comes twice.",
                  nullptr, read_columns, write_columns, check_columns},
    ExperimentKey{
        "data", "missing", "one of", "", "`median`", "\"indicator\"",
        "CSV: what becomes of a missing value (nothing, `NA`, `NaN`, `null`, `?`, ..) in a column of numbers. "
        "In a category it is a word of its own.",
        missing_names, read_missing,
        [](const E& e) { return e.data.missing ? quoted(std::string(name(*e.data.missing))) : ""; }, nullptr},
    ExperimentKey{"data", "categories", "one of", "", "`one_hot`", "\"index\"",
                  "CSV: how the words of `category` columns become features. The words stand below.", categories_names,
                  read_categories,
                  [](const E& e) { return e.data.categories ? quoted(std::string(name(*e.data.categories))) : ""; },
                  nullptr},
    ExperimentKey{"data", "separator", "the character, or one of", "", "found in the first lines, anew in each file",
                  "\"semicolon\"",
                  "CSV: what stands between the cells of a line. A first line `sep=;`, as for Excel, names it and is "
                  "no row. A number has a point for its decimals, whatever the "
                  "separator.",
                  separator_names, read_separator,
                  [](const E& e) {
                    return e.data.separator ? quoted(std::string(data::name_of_separator(*e.data.separator))) : "";
                  },
                  [](const E& e) {
                    if (!e.data.separator) return;
                    data::parse_separator(std::string(1, *e.data.separator), "[data] separator");
                  }},
    ExperimentKey{"data", "context", "integer", "characters", "`32`", "64",
                  "Text: a row is so many characters, as indices (i32) into the characters of the training text, and "
                  "its label is the next character. The first layer is `embedding $outputs SIZE`.",
                  nullptr,
                  [](S& s, K& key, E& e) {
                    if (auto context = s.integer(key, 1, data::kMostContext)) e.data.context = *context;
                  },
                  [](const E& e) { return e.data.context ? std::to_string(*e.data.context) : ""; }, check_context},
    ExperimentKey{
        "data", "scale", "[offset, factor]", "", "fitted on the training rows", "[0.5, 2.0]",
        "Each feature x enters the model as (x - offset) * factor; indices of words and characters are never scaled.",
        nullptr, read_scale, write_scale, check_scale},

    ExperimentKey{"model", "family", "one of", "", "none: family or layers must be given", "\"mlp\"",
                  "An architecture that ships with Hopscotch. In C++ also `model.builder`.", family_names, read_family,
                  [](const E& e) { return e.model.family.empty() ? "" : quoted(e.model.family); }, check_model},
    ExperimentKey{"model", "layers", "list of texts", "", "none: family or layers must be given",
                  "[\"flatten\", \"linear $hidden\", \"relu\", \"linear $outputs\"]",
                  "The layers of the model. `$name` takes the value of a hyperparameter; `$outputs` (or `$classes`) is "
                  "the number of classes, or of numbers to predict. With categories = \"index\" the first layer is "
                  "`embed SIZE`: a vector of that size for each category, beside the numbers.",
                  nullptr,
                  [](S& s, K& key, E& e) {
                    if (auto layers = s.texts(key)) e.model.layers = *layers;
                  },
                  [](const E& e) { return e.model.layers.empty() ? "" : list(e.model.layers); }, nullptr},
    ExperimentKey{
        "model", "loss", "one of", "", "", "\"cross_entropy\"",
        "The loss that training minimises. `cross_entropy` learns classes, `elbo` and `adversarial` the input, the "
        "others learn "
        "numbers: the model then has an output for each label column. `mse`, `mae`, `huber` and `quantile` see labels "
        "scaled to mean 0 and standard deviation 1 (fitted on the training rows); metrics and predictions "
        "are in the label's own unit. Settings may follow the name: `\"cross_entropy class_weights=1,5 "
        "label_smoothing=0.1\"`. In C++ also a function (output, target) -> mean loss.",
        loss_names, read_loss, [](const E& e) { return quoted(e.model.loss.name()); },
        [](const E& e) {
          const std::string fault = loss_fault(e.model.loss);
          if (!fault.empty()) throw ConfigError("[model] loss: " + fault);
        }},
    ExperimentKey{"model", "metrics", "list of", "", "", "[\"accuracy\"]",
                  "What is measured on the validation set beside the loss. With `elbo` and `adversarial` there is "
                  "nothing else; losses "
                  "of numbers other than `bce` have the default "
                  "`[\"rmse\", \"mae\", \"r2\"]`. In C++ also metrics of the application, with a direction.",
                  metric_names, read_metrics, write_metrics, check_metrics},
    ExperimentKey{"model", "optimizer", "one of", "", "the hyperparameter `optimizer` names one", "\"adam\"",
                  "The optimizer of all models; then the hyperparameter `optimizer` names none. In C++ also a maker.",
                  optimizer_names,
                  [](S& s, K& key, E& e) {
                    if (auto optimizer = word(s, key, optimizer_names(), true)) e.model.optimizer = *optimizer;
                  },
                  [](const E& e) { return e.model.optimizer.name().empty() ? "" : quoted(e.model.optimizer.name()); },
                  check_optimizer},
    ExperimentKey{
        "model", "mixup", "number from 0 to 1,000", "", "0: rows as they are", "0.2",
        "Models train on mixtures of two rows of a batch: l x + (1 - l) x', with the loss l loss(y) + (1 - l) "
        "loss(y'), where l is drawn from Beta(mixup, mixup) for each batch (Zhang et al., 2018). They are "
        "validated on rows as they are. For images and numbers; indices cannot be mixed.",
        nullptr,
        [](S& s, K& key, E& e) {
          if (auto alpha = s.number(key)) e.model.mixup = *alpha;
        },
        [](const E& e) { return e.model.mixup == 0 ? "" : to_text(Value(e.model.mixup)); }, check_mixup},
    ExperimentKey{
        "model", "ema", "number from 0 to below 1", "", "0: no average", "0.999",
        "The decay of an exponential moving average of the weights: after each step a <- ema a + (1 - ema) w, after "
        "the "
        "first one a <- w. Validation, `hop predict` and `hop export` use the averages; training goes on with the "
        "weights. The averages are a part of the model's state, so they hop and are resumed with it, and with strategy "
        "= \"averaging\" they are averaged when the weights are. Running statistics are those of the weights.",
        nullptr,
        [](S& s, K& key, E& e) {
          if (auto decay = s.number(key)) e.model.ema = *decay;
        },
        [](const E& e) { return e.model.ema == 0 ? "" : to_text(Value(e.model.ema)); }, check_ema},
    ExperimentKey{
        "model", "swa_start", "integer", "epoch", "no average", "5",
        "Stochastic weight averaging (Izmailov et al., 2018): the epoch, counted from 1, from which on the weights at "
        "the end of each epoch are averaged, all equally. From the end of that epoch on, validation, `hop predict` and "
        "`hop export` use the averages; training goes on with the weights. The averages and their count are a part of "
        "the model's state, so they hop and are resumed with it. Running statistics are those of the weights. Not "
        "beside `ema`. With `swa_lr` the learning rate anneals from this epoch on.",
        nullptr, [](S& s, K& key, E& e) { count(s, key, e.model.swa_start); },
        [](const E& e) { return e.model.swa_start == 0 ? "" : std::to_string(e.model.swa_start); }, check_swa_start},
    ExperimentKey{
        "model", "swa_lr", "number, at least 0", "", "the schedule goes on", "0.05",
        "With `swa_start`: the learning rate to which the models anneal, as with PyTorch's SWALR, and which then "
        "stays. Each epoch has one rate: epoch `swa_start` that of the schedule at its first step, each later epoch "
        "one that is nearer to `swa_lr`. A step that `grad_scaler` leaves out does not count, so the next epoch's rate "
        "comes a step later. [run] lr_scale multiplies it as it multiplies `lr`.",
        nullptr,
        [](S& s, K& key, E& e) {
          if (auto lr = s.number(key)) e.model.swa_lr = *lr;
        },
        [](const E& e) { return e.model.swa_lr ? to_text(Value(*e.model.swa_lr)) : ""; }, check_swa_lr},
    ExperimentKey{"model", "swa_anneal_epochs", "integer", "epochs", "`10`", "5",
                  "With `swa_lr`: how many epochs after epoch `swa_start` the learning rate is `swa_lr`. 0: from epoch "
                  "`swa_start` on.",
                  nullptr, [](S& s, K& key, E& e) { read_count(s, key, e.model.swa_anneal_epochs, 0); },
                  [](const E& e) { return write_count(e.model.swa_anneal_epochs); }, check_anneal_epochs},
    ExperimentKey{"model", "swa_anneal", "one of", "", "`\"cos\"`", "\"linear\"",
                  "With `swa_lr`: whether the learning rate anneals along half a cosine or in a line.", anneal_names,
                  [](S& s, K& key, E& e) { read_choice(s, key, anneal_names(), e.model.swa_anneal); }, write_anneal,
                  check_anneal},
    ExperimentKey{
        "model", "grad_scaler", "true or false", "", "`false`", "true",
        "Whether the loss is scaled before the backward pass, for [run] precision = \"f16\", in which small gradients "
        "are 0: PyTorch's GradScaler with its defaults. The scale begins at 65,536. A step with an infinite or NaN "
        "gradient changes nothing and halves the scale; 2,000 good steps in a row double it. The scale is a part of "
        "the "
        "model's state, so it hops and is resumed with it; with strategy = \"averaging\" it is that of the first "
        "replica.",
        nullptr, [](S& s, K& key, E& e) { e.model.grad_scaler = s.boolean(key).value_or(e.model.grad_scaler); },
        [](const E& e) { return e.model.grad_scaler ? flag(true) : ""; }, nullptr},

    ExperimentKey{"search", "method", "one of", "", "", "\"random\"",
                  "How configurations are chosen from [search.space]. In C++ also `search.make`.", method_names,
                  [](S& s, K& key, E& e) {
                    if (auto method = word(s, key, method_names(), true)) e.search.method = *method;
                  },
                  [](const E& e) { return quoted(e.search.make ? std::string(kOwnCode) : e.search.method); },
                  check_method},
    ExperimentKey{"search", "epochs", "integer", "epochs", "", "8", "How long a model trains at most.", nullptr,
                  [](S& s, K& key, E& e) { count(s, key, e.search.epochs); },
                  [](const E& e) { return std::to_string(e.search.epochs); },
                  [](const E& e) { at_least_1(e.search.epochs, "[search] epochs"); }},
    ExperimentKey{"search", "stop", "list of", "", "no rule", "[\"patience\", \"median\"]",
                  "Early stopping beside the method: a model stops where one of these rules says so.", stop_names,
                  read_stop, [](const E& e) { return e.search.stop.empty() ? "" : list(e.search.stop); }, nullptr},
    ExperimentKey{
        "search",
        "objective", "one of", "",
        "the first of [model] metrics (`\"valid_accuracy\"` for accuracy); `\"valid_loss\"` without metrics; "
        "`\"train_loss\"` where no rows are set aside",
        "\"valid_loss\"",
        "The metric that ranks the models: one of these, or a name of [model] metrics. A metric that the "
        "application brings is `highest_own_K` or `lowest_own_K`: K is its place among the metrics beside the "
        "accuracy, and the first one has no `_K`.",
        objective_words, read_objective, write_objective, nullptr},
    ExperimentKey{"search", "keep", "one of", "", "", "\"best\"",
                  "Which state of a model is its answer: in the leaderboard, for `hop predict` and for `hop export`. "
                  "`last`: the one after its last epoch. `best`: the one after its best epoch by the objective, which "
                  "is kept beside the last one. Each better state is copied to the run directory before the model "
                  "trains on.",
                  keep_names,
                  [](S& s, K& key, E& e) {
                    if (auto keep = word(s, key, keep_names()))
                      e.search.keep = *keep == "best" ? StateFile::Best : StateFile::Last;
                  },
                  [](const E& e) { return quoted(e.search.keep == StateFile::Best ? "best" : "last"); }, nullptr},

    ExperimentKey{"run", "strategy", "one of", "", "", "\"task_parallel\"",
                  "How the models and the partitions meet: docs/strategies.md. `auto`: the run measures, and chooses "
                  "one before it trains. In C++ also a maker of a `Strategy`.",
                  strategy_names,
                  [](S& s, K& key, E& e) {
                    if (auto strategy = word(s, key, strategy_names(), true)) e.run.strategy = *strategy;
                  },
                  [](const E& e) { return quoted(e.run.strategy.name()); }, check_strategy},
    ExperimentKey{
        "run", "choose_from", "list of", "", "`[\"hopping\", \"task_parallel\"]`, whose models have the same bits",
        "[\"hopping\", \"allreduce\"]",
        "With strategy = \"auto\": the strategies among which the run chooses. A later one is chosen only if "
        "it is predicted to be faster by more than 5 %. `allreduce`, `averaging` and `parameter_server` train "
        "other models than `hopping`: with them, bits and scores depend on the choice.",
        choice_names, read_choices, [](const E& e) { return e.run.choose_from.empty() ? "" : list(e.run.choose_from); },
        check_choices},
    ExperimentKey{
        "run", "strategy_choice", "text", "", "none", "\"hopping: ..\"",
        "Written by `hop run` with strategy = \"auto\" into the experiment.toml of the run directory: why the "
        "strategy that stands there was chosen. A run that begins forgets it.",
        nullptr,
        [](S& s, K& key, E& e) {
          if (auto text = s.text(key)) e.run.strategy_choice = *text;
        },
        [](const E& e) { return e.run.strategy_choice.empty() ? "" : quoted(e.run.strategy_choice); }, nullptr},
    ExperimentKey{
        "run", "task_data", "one of", "", "each node has all rows from the start", "\"remote\"",
        "With strategy = \"task_parallel\": each node has only the partitions that it would own with `hopping`, and "
        "gets "
        "the others over the network, within a unit each while the pass before it trains. `replicate`: once, to its "
        "disk. `remote`: "
        "for each pass anew. `cache`: as `remote`, but the first ones stay in memory, up to task_cache_bytes. The bits "
        "are the same.",
        task_data_names, [](S& s, K& key, E& e) { read_choice(s, key, task_data_names(), e.run.task_data); },
        [](const E& e) { return write_choice(task_data_names(), e.run.task_data); }, check_task_data},
    ExperimentKey{"run", "task_cache_bytes", "integer", "bytes", "0", "1000000000",
                  "With task_data = \"cache\": how many bytes of other nodes' rows a worker keeps in memory.", nullptr,
                  [](S& s, K& key, E& e) {
                    if (const auto bytes = s.integer(key, 1, kMaxInt))
                      e.run.task_cache_bytes = static_cast<std::uint64_t>(*bytes);
                  },
                  [](const E& e) { return e.run.task_cache_bytes == 0 ? "" : std::to_string(e.run.task_cache_bytes); },
                  check_task_cache},
    ExperimentKey{
        "run", "group", "integer", "partitions", "1", "2",
        "With strategy = \"hopping\": how many neighbouring partitions train a model together. Their owners share "
        "gradients in each step, as with `allreduce`; then the model hops to the next ones. For fewer models than "
        "partitions. Bits depend on it.",
        nullptr, [](S& s, K& key, E& e) { read_count(s, key, e.run.replicas.group); },
        [](const E& e) { return write_count(e.run.replicas.group); },
        [](const E& e) {
          const std::uint32_t group = e.run.replicas.group.value_or(1);
          at_least_1(group, "[run] group");
          if (group == 1 || !is_auto(e.run.strategy)) return;
          throw ConfigError("[run] group: expected 1 with strategy = \"auto\", got " + std::to_string(group) +
                            ": groups have other bits than what `auto` compares hopping with; write strategy = "
                            "\"hopping\"");
        }},
    ExperimentKey{"run", "batch", "one of", "", "`\"per_replica\"`", "\"global\"",
                  "What batch_size counts with a strategy that has replicas: the rows of each replica in a step, or of "
                  "all replicas of a unit together. Then it must be a multiple of their number.",
                  batch_names, [](S& s, K& key, E& e) { read_choice(s, key, batch_names(), e.run.replicas.batch); },
                  [](const E& e) { return write_choice(batch_names(), e.run.replicas.batch); }, nullptr},
    ExperimentKey{
        "run", "lr_scale", "one of", "", "`\"none\"`", "\"linear\"",
        "By how much a strategy with p replicas multiplies the learning rate: by 1, by p, or by the square root of p.",
        lr_scale_names, [](S& s, K& key, E& e) { read_choice(s, key, lr_scale_names(), e.run.replicas.lr_scale); },
        [](const E& e) { return write_choice(lr_scale_names(), e.run.replicas.lr_scale); }, nullptr},
    ExperimentKey{
        "run", "batchnorm", "one of", "", "`\"replica\"`", "\"synchronised\"",
        "With a strategy whose replicas share gradients: the rows whose statistics BatchNorm layers take while "
        "training. `replica`: those of the replica's own batch. `synchronised`: those of all replicas of the step "
        "together, as PyTorch's SyncBatchNorm, so a step is one of all these rows; for small batches. Replicas wait "
        "for each other at each such layer, forward and backward. On the CPU.",
        batchnorm_names, [](S& s, K& key, E& e) { read_choice(s, key, batchnorm_names(), e.run.replicas.batchnorm); },
        [](const E& e) { return write_choice(batchnorm_names(), e.run.replicas.batchnorm); }, check_batchnorm},
    ExperimentKey{
        "run", "reduce_exchange", "one of", "", "`\"direct\"`", "\"ring\"",
        "With strategy = \"allreduce\" and several workers: how they share gradients. `direct`: each owns a part, and "
        "adds in a fixed tree over the partitions. `ring`: as Horovod and DistributedDataParallel over Gloo, with as "
        "many bytes. `halving_doubling`: as MPI libraries, with as many bytes and fewer messages one after the other "
        "than a ring. With both, from three workers on, the bits of the models depend on the number of workers.",
        reduce_exchange_names,
        [](S& s, K& key, E& e) { read_choice(s, key, reduce_exchange_names(), e.run.replicas.reduce_exchange); },
        [](const E& e) { return write_choice(reduce_exchange_names(), e.run.replicas.reduce_exchange); }, nullptr},
    ExperimentKey{
        "run", "mode", "one of", "", "`\"sync\"`", "\"async\"",
        "With strategy = \"parameter_server\": when the server applies gradients. `sync`: those of a step together, as "
        "their mean. `async`: each one when it comes, in an update of its own; the journal remembers the order, and "
        "the "
        "bits are a function of it.",
        mode_names, [](S& s, K& key, E& e) { read_choice(s, key, mode_names(), e.run.replicas.mode); },
        [](const E& e) { return write_choice(mode_names(), e.run.replicas.mode); }, check_mode},
    ExperimentKey{
        "run", "servers", "integer", "", "1", "2",
        "With strategy = \"parameter_server\" and several workers: how many of them add up gradients for all. Each has "
        "an equal part of the weights. Bits do not depend on it. With mode = \"async\" it is 1.",
        nullptr, [](S& s, K& key, E& e) { read_count(s, key, e.run.replicas.servers); },
        [](const E& e) { return write_count(e.run.replicas.servers); },
        [](const E& e) { at_least_1(e.run.replicas.servers.value_or(1), "[run] servers"); }},
    ExperimentKey{
        "run", "staleness", "integer", "steps", "0; with mode = \"async\" no bound", "1",
        "With strategy = \"parameter_server\": how many steps late gradients are applied. With 1, those of a step are "
        "applied when those of the next step are computed. The last ones are applied at the end of the epoch. With "
        "mode = "
        "\"async\": by how many batches a replica may be ahead of the slowest one before it waits.",
        nullptr, [](S& s, K& key, E& e) { read_count(s, key, e.run.replicas.staleness, 0, kMostStaleness); },
        [](const E& e) { return write_count(e.run.replicas.staleness); },
        [](const E& e) {
          const std::uint32_t steps = e.run.replicas.staleness.value_or(0);
          if (steps > 0 && may_have_server(e) && e.model.grad_scaler) {
            throw ConfigError(
                "[run] staleness: expected 0 with [model] grad_scaler, because late gradients have an older scale, "
                "got " +
                std::to_string(steps));
          }
          if (steps <= kMostStaleness) return;
          throw ConfigError("[run] staleness: expected 0 to " + std::to_string(kMostStaleness) + " steps, got " +
                            std::to_string(steps));
        }},
    ExperimentKey{
        "run", "average_every", "integer", "steps", "once per epoch", "16",
        "With strategy = \"averaging\": after how many steps the weights are averaged. At the end of an epoch "
        "they always are.",
        nullptr, [](S& s, K& key, E& e) { read_count(s, key, e.run.replicas.average_every); },
        [](const E& e) { return write_count(e.run.replicas.average_every); },
        [](const E& e) { at_least_1(e.run.replicas.average_every.value_or(1), "[run] average_every"); }},
    ExperimentKey{
        "run", "average_passes", "integer", "passes", "1", "2",
        "With strategy = \"averaging\": how often each replica passes over its partition before the weights are "
        "averaged (the local epochs of federated averaging). A model is one model again only after an average, so an "
        "epoch of the search is that many passes over the rows: for 8 passes with average_passes = 2 write epochs = 4. "
        "`hop compare` divides the epochs for you. Excludes average_every.",
        nullptr, [](S& s, K& key, E& e) { read_count(s, key, e.run.replicas.average_passes); },
        [](const E& e) { return write_count(e.run.replicas.average_passes); }, check_average_passes},
    ExperimentKey{
        "run", "average_state", "one of", "", "`\"average\"`", "\"keep\"",
        "With strategy = \"averaging\": what becomes of the optimizer's momentum and moments. `average`: they are "
        "averaged with the weights. `keep`: each replica keeps its own until the epoch ends. `reset`: they are zero "
        "again.",
        average_state_names,
        [](S& s, K& key, E& e) { read_choice(s, key, average_state_names(), e.run.replicas.average_state); },
        [](const E& e) { return write_choice(average_state_names(), e.run.replicas.average_state); }, nullptr},
    ExperimentKey{"run", "order", "one of", "", "", "\"free\"",
                  "What the bits of a model are a function of. `fixed`: of this file alone; each model goes round the "
                  "partitions. `free`: of the journal, which remembers where the policy sent the model.",
                  order_names,
                  [](S& s, K& key, E& e) {
                    if (auto order = word(s, key, order_names()))
                      e.run.order = *order == "fixed" ? Order::Fixed : Order::Free;
                  },
                  [](const E& e) { return quoted(e.run.order == Order::Fixed ? "fixed" : "free"); }, nullptr},
    ExperimentKey{
        "run", "policy", "one of", "",
        "`\"rotation\"` for order = \"fixed\", `\"greedy\"` for order = \"free\", `\"queue\"` for strategy = "
        "\"task_parallel\" and for those whose units are whole epochs of replicas",
        "\"greedy\"",
        "Who goes where next. With order = \"fixed\" it only decides who goes first on a worker. In C++ also a "
        "maker of a `Policy`.",
        policy_names,
        [](S& s, K& key, E& e) {
          if (auto policy = word(s, key, policy_names(), true)) e.run.policy = *policy;
        },
        [](const E& e) { return e.run.policy.name().empty() ? "" : quoted(e.run.policy.name()); }, check_policy},
    ExperimentKey{
        "run", "workers", "integer", "", "", "4",
        "How many workers train. With strategy = \"hopping\" at most as many as partitions, which they share.", nullptr,
        [](S& s, K& key, E& e) { count(s, key, e.run.workers); },
        [](const E& e) { return std::to_string(e.run.workers); },
        [](const E& e) { at_least_1(e.run.workers, "[run] workers"); }},
    ExperimentKey{"run", "workers_per_process", "integer", "", "", "4",
                  "How many workers of `hop run` begin in one process. On a GPU their models train side by side, each "
                  "on a stream of its own.",
                  nullptr, [](S& s, K& key, E& e) { count(s, key, e.run.workers_per_process); },
                  [](const E& e) { return std::to_string(e.run.workers_per_process); },
                  [](const E& e) { at_least_1(e.run.workers_per_process, "[run] workers_per_process"); }},
    ExperimentKey{"run", "threads_per_worker", "integer", "threads", "", "2",
                  "On how many threads a unit computes. Bits depend on it.", nullptr,
                  [](S& s, K& key, E& e) { count(s, key, e.run.threads_per_worker, 1024); },
                  [](const E& e) { return std::to_string(e.run.threads_per_worker); },
                  [](const E& e) { at_least_1(e.run.threads_per_worker, "[run] threads_per_worker"); }},
    ExperimentKey{"run", "device", "`cuda:N`, or one of", "", "", "\"cpu\"",
                  "What workers compute on. `auto`: a GPU if one answers. `cuda`: the GPUs of the machine in turn.",
                  device_names,
                  [](S& s, K& key, E& e) {
                    if (auto device = s.text(key)) e.run.device = *device;
                  },
                  [](const E& e) { return quoted(e.run.device); }, check_device},
    ExperimentKey{"run", "durable", "true or false", "", "", "false",
                  "`false`: states live in memory only, for measurements; the run cannot be resumed.", nullptr,
                  [](S& s, K& key, E& e) { e.run.durable = s.boolean(key).value_or(e.run.durable); },
                  [](const E& e) { return flag(e.run.durable); }, nullptr},
    ExperimentKey{"run", "capture", "true or false", "", "", "false",
                  "Record each training step once and replay it. The bits are the same.", nullptr,
                  [](S& s, K& key, E& e) { e.run.capture = s.boolean(key).value_or(e.run.capture); },
                  [](const E& e) { return flag(e.run.capture); }, nullptr},
    ExperimentKey{"run", "precision", "one of", "", "", "\"bf16\"",
                  "Of the products of f32 numbers. Bits depend on it.", precision_names,
                  [](S& s, K& key, E& e) {
                    if (auto precision = word(s, key, precision_names())) e.run.precision = *precision;
                  },
                  [](const E& e) { return quoted(e.run.precision); },
                  [](const E& e) { check_word("[run] precision", e.run.precision, precision_names()); }},
    ExperimentKey{"run", "transport", "one of", "", "", "\"tcp\"", "How the processes of one machine talk.",
                  transport_names,
                  [](S& s, K& key, E& e) {
                    if (auto transport = word(s, key, transport_names())) {
                      e.run.transport = *transport == "unix" ? LocalTransport::Unix : LocalTransport::Tcp;
                    }
                  },
                  [](const E& e) { return quoted(e.run.transport == LocalTransport::Unix ? "unix" : "tcp"); }, nullptr},
    ExperimentKey{
        "run", "copies", "1 or 2", "places", "2 with `--listen`, else 1", "2",
        "On how many workers a model's newest state lies. With 2, a node may be lost with its disk, and only what was "
        "not copied yet is trained again. The bits are the same.",
        nullptr,
        [](S& s, K& key, E& e) {
          if (auto copies = s.integer(key, 1, 2)) e.run.copies = static_cast<std::uint32_t>(*copies);
        },
        [](const E& e) { return e.run.copies ? std::to_string(*e.run.copies) : ""; }, check_copies},
    ExperimentKey{"run", "patience", "number from 1 to 1,000,000", "seconds", "60, or as `hop run --patience` says",
                  "120.0", "How long a worker may stand still, at least, before it is started anew.", nullptr,
                  [](S& s, K& key, E& e) {
                    if (auto patience = s.number(key)) e.run.patience = *patience;
                  },
                  [](const E& e) { return e.run.patience ? to_text(Value(*e.run.patience)) : ""; },
                  [](const E& e) {
                    if (e.run.patience) check_patience("[run] patience", *e.run.patience);
                  }},
};

// Whether [search] has a key of this name for every method.
bool is_common(std::string_view name) {
  return name == "space" || std::ranges::any_of(kKeys, [name](const ExperimentKey& key) {
           return key.section == "search" && key.name == name;
         });
}

// A search of the application may read any key.
void read_own_settings(TomlSection& section, Config& settings) {
  for (const auto& [key, node] : section.table()) {
    const std::string name(key.str());
    if (is_common(name)) continue;
    const std::optional<Value> value = to_value(*section.node(name));
    if (!value) section.fail(name, "expected a number, a string or a boolean, got " + type_of(*section.node(name)));
    settings.set(name, *value);
  }
}

// Keys that only some methods and stopping rules read.
void read_settings(TomlSection& section, Config& settings) {
  std::set<std::string> seen;
  const auto read = [&](std::span<const SearchKey> keys) {
    for (const SearchKey& key : keys) {
      const std::string name(key.name);
      if (!seen.insert(name).second) continue;
      if (key.type == SearchKey::Type::Number) {
        if (auto value = section.number(name)) settings.set(name, *value);
      } else if (auto whole =
                     section.integer(name, static_cast<std::int64_t>(key.min), static_cast<std::int64_t>(key.max))) {
        settings.set(name, *whole);
      }
    }
  };
  for (const MethodRow& method : methods()) read(method.keys);
  for (const StopRuleRow& rule : stop_rules()) read(rule.keys);
  read(common_stop_keys());
}

}  // namespace

std::span<const ExperimentKey> experiment_keys() { return kKeys; }

void read_keys(TomlSection& section, std::string_view name, Experiment& experiment) {
  for (const ExperimentKey& key : kKeys) {
    if (key.section == name) key.read(section, std::string(key.name), experiment);
  }
  if (name != "search") return;
  const bool is_own = experiment.search.method == kOwnCode;
  is_own ? read_own_settings(section, experiment.search.settings) : read_settings(section, experiment.search.settings);
}

std::string write_keys(std::string_view section, const Experiment& experiment) {
  std::string text;
  for (const ExperimentKey& key : kKeys) {
    if (key.section != section) continue;
    const std::string value = key.write(experiment);
    if (!value.empty()) text += std::string(key.name) + " = " + value + "\n";
  }
  if (section == "search") {
    const std::span<const Config::Entry> settings = experiment.search.settings.entries();
    const std::map<std::string, Value> by_name(settings.begin(), settings.end());  // a table of TOML has no order
    for (const auto& [name, value] : by_name) {
      text += (is_bare_key(name) ? name : quoted(name)) + " = " + to_text(value) + "\n";
    }
  }
  return text;
}

}  // namespace hop::hopper
