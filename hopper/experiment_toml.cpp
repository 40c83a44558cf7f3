// From TOML to an Experiment. DESIGN.md, section 3, is the contract of the keys.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <system_error>

#include "base/error.h"
#include "base/words.h"
#include "hopper/build_model.h"
#include "hopper/detail/toml_section.h"
#include "hopper/experiment.h"
#include "nn/config_text.h"
#include "nn/model.h"
#include "nn/spec.h"

namespace hop::hopper {
namespace {

constexpr std::int64_t kMaxInt = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMaxCount = 1 << 20;

// One of a few words; the error names the nearest.
template <std::size_t N>
std::optional<std::size_t> choice(TomlSection& section, std::string_view key, const std::array<std::string, N>& words) {
  const std::optional<std::string> word = section.text(key);
  if (!word) return std::nullopt;
  for (std::size_t i = 0; i < N; ++i) {
    if (words[i] == *word) return i;
  }
  section.fail(key, "unknown value \"" + *word + "\"" + hint(*word, words));
}

void read_validation(TomlSection& section, data::DataOptions& data) {
  const toml::node* node = section.node("validation");
  if (node == nullptr) return;
  if (const auto text = node->value_exact<std::string>(); text == "file") {
    data.validation = data::Validation::file();
  } else if (text == "none") {
    data.validation = data::Validation::none();
  } else if (auto table = node->is_table() ? section.section("validation") : std::nullopt) {
    const auto tail = table->integer("tail", 1, kMaxInt);
    const auto fraction = table->number("fraction");
    table->finish();
    if (tail.has_value() == fraction.has_value()) section.fail("validation", "expected either tail or fraction");
    if (fraction && !(*fraction > 0 && *fraction < 1)) section.fail("validation", "expected 0 < fraction < 1");
    data.validation = tail ? data::Validation::tail(*tail) : data::Validation::fraction(*fraction);
  } else {
    section.fail("validation", R"(expected "file", "none", { tail = N } or { fraction = F }, got )" + type_of(*node));
  }
}

void read_data(TomlSection section, data::DataOptions& data) {
  if (auto source = section.text("source")) {
    data.source = *source;
    if (data.source.empty()) {
      section.fail("source",
                   "expected a folder of `hop data import`, a CSV file, a folder of raw files or \"glyphs\", got \"\"");
    }
  }
  if (auto partitions = section.integer("partitions", 1, kMaxCount))
    data.partitions = static_cast<std::uint32_t>(*partitions);
  read_validation(section, data);
  if (const toml::node* label = section.node("label")) {
    if (label->is_integer())
      data.label = label->ref<std::int64_t>();
    else if (label->is_string())
      data.label = label->ref<std::string>();
    else
      section.fail("label", "expected a column's number or name, got " + type_of(*label));
  }
  data.header = section.boolean("header");
  if (const toml::node* node = section.node("scale")) {
    const toml::array* scale = node->as_array();
    if (scale == nullptr || scale->size() != 2 || !(*scale)[0].is_number() || !(*scale)[1].is_number()) {
      section.fail("scale", "expected [offset, factor]: x -> (x - offset) * factor");
    }
    data.scale = data::Scale{*(*scale)[0].value<double>(), *(*scale)[1].value<double>()};
  }
  section.finish();
}

// "[model] expected a family": where the place is said in front, the operation's name says nothing more.
std::string without_place(const std::string& message) {
  const std::size_t end = message.find("] ");
  return message.starts_with('[') && end != std::string::npos ? message.substr(end + 2) : message;
}

void read_model(TomlSection section, ModelOptions& model) {
  if (auto family = section.text("family")) {
    model.family = *family;
    try {
      nn::FamilyRegistry().find(*family);
    } catch (const ConfigError& error) {
      section.fail("family", without_place(error.what()));
    }
  }
  if (auto layers = section.texts("layers")) model.layers = *layers;
  if (auto loss = section.text("loss")) {
    static constexpr std::array<std::string_view, 1> kLosses = {"cross_entropy"};
    model.loss = *loss;
    if (*loss != kLosses[0]) {
      section.fail("loss", "expected \"cross_entropy\", the only one so far, got \"" + printable(*loss) + "\"" +
                               did_you_mean(*loss, kLosses));
    }
  }
  section.finish();
}

Range read_range(TomlSection& section) {
  Range range;
  const auto min = section.number("min"), max = section.number("max");
  static const std::array<std::string, 2> kScales = {"linear", "log"}, kTypes = {"float", "int"};
  const auto scale = choice(section, "scale", kScales), type = choice(section, "type", kTypes);
  section.finish();
  if (!min) section.fail("min", "missing");
  if (!max) section.fail("max", "missing");
  if (*min > *max)
    section.fail("min", "expected at most max, got min = " + shortest(*min) + ", max = " + shortest(*max));
  range.min = *min;
  range.max = *max;
  range.scale = scale.value_or(0) == 1 ? Scale::Log : Scale::Linear;
  range.type = type.value_or(0) == 1 ? NumberType::Int : NumberType::Float;
  return range;
}

Dimension read_dimension(TomlSection& section, const std::string& name) {
  const toml::node* node = section.node(name);
  if (node->is_table()) {
    auto table = section.section(name);
    return read_range(*table);
  }
  const auto finite = [&](const Value& value) {
    const auto* number = std::get_if<double>(&value);
    if (number != nullptr && !std::isfinite(*number)) {
      section.fail(name, "expected finite numbers, got " + shortest(*number));
    }
    return value;
  };
  if (auto value = to_value(*node)) return Choices{finite(*value)};
  Choices choices;
  const toml::array* list = node->as_array();
  if (list == nullptr) section.fail(name, "expected a value, a list of values or { min, max }, got " + type_of(*node));
  for (const toml::node& element : *list) {
    auto value = to_value(element);
    if (!value) section.fail(name, "expected a list of numbers, strings or booleans, got " + type_of(element));
    choices.push_back(finite(*value));
  }
  if (choices.empty()) section.fail(name, "expected at least one value");
  return choices;
}

// toml++ sorts keys by name; the order in the file is the order of the grid. Overrides come last.
std::vector<std::string> keys_in_file_order(const toml::table& table) {
  std::vector<std::pair<toml::source_position, std::string>> keys;
  for (const auto& [key, node] : table) {
    toml::source_position at = key.source().begin;
    if (!at) at = {std::numeric_limits<toml::source_index>::max(), 0};
    keys.emplace_back(at, key.str());
  }
  std::stable_sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (auto& [at, name] : keys) names.push_back(std::move(name));
  return names;
}

// Whether the model or its training needs whole numbers for a name: a layer takes 2 for it, but not 1.5.
bool wants_integer(const ModelOptions& model, const std::string& name) {
  static constexpr std::array<std::string_view, 5> kIntegers = {"batch_size", "step_size", "t_max", "hidden", "depth"};
  if (!model.family.empty() || model.layers.empty()) return std::ranges::find(kIntegers, name) != kIntegers.end();
  for (const std::string& layer : model.layers) {
    const auto takes = [&](const char* value) {
      nn::ConfigText values = {{"classes", "2"}};
      for (const std::string& other : names_in_layer(layer)) values[other] = "1";
      values[name] = value;
      const std::array<std::string, 1> text = {nn::substitute(layer, values)};
      try {
        nn::parse_spec(text);
        return true;
      } catch (const ConfigError&) {
        return false;
      }
    };
    const std::vector<std::string> names = names_in_layer(layer);
    if (std::ranges::find(names, name) != names.end() && takes("2") && !takes("1.5")) return true;
  }
  return std::ranges::find(kIntegers, name) - kIntegers.begin() < 3;
}

void check_names(const TomlSection& space, const Experiment& experiment) {
  const ModelOptions& model = experiment.model;
  if (model.family.empty() && model.layers.empty()) return;  // the application's code reads what it likes
  const std::vector<std::string> valid = names_read(model);
  for (const auto& [name, dimension] : experiment.search.space) {
    if (std::ranges::find(valid, name) == valid.end()) {
      space.fail(name, "nothing reads this name" + hint(name, std::span<const std::string>(valid)));
    }
    if (!wants_integer(model, name)) continue;
    const auto* range = std::get_if<Range>(&dimension);
    if (range != nullptr && range->type == NumberType::Float) {
      space.fail(name, "expected whole numbers, got a range of all numbers; add type = \"int\"");
    }
    if (range != nullptr) continue;
    for (const Value& value : std::get<Choices>(dimension)) {
      if (const auto* number = std::get_if<double>(&value)) {
        space.fail(name, "expected a whole number, got " + to_text(*number));
      }
    }
  }
}

void read_search(TomlSection section, SearchOptions& search) {
  static const std::array<std::string, 2> kMethods = {"grid", "random"};
  if (auto method = choice(section, "method", kMethods)) search.method = static_cast<SearchMethod>(*method);
  if (auto epochs = section.integer("epochs", 1, kMaxCount)) search.epochs = static_cast<std::uint32_t>(*epochs);
  if (auto samples = section.integer("samples", 1, kMaxCount)) search.samples = static_cast<std::uint32_t>(*samples);
  if (auto objective = section.text("objective")) {
    try {
      search.objective = parse_objective(*objective);
    } catch (const ConfigError& error) {
      section.fail("objective", error.what());
    }
  }
  if (auto space = section.section("space")) {
    for (const std::string& name : keys_in_file_order(space->table())) {
      search.space.emplace_back(name, read_dimension(*space, name));
    }
  }
  section.finish();
}

void read_run(TomlSection section, RunSettings& run) {
  if (auto strategy = section.text("strategy")) run.strategy = *strategy;
  static const std::array<std::string, 2> kOrders = {"fixed", "free"}, kTransports = {"unix", "tcp"};
  if (auto order = choice(section, "order", kOrders)) run.order = *order == 0 ? Order::Fixed : Order::Free;
  if (auto workers = section.integer("workers", 1, kMaxCount)) run.workers = static_cast<std::uint32_t>(*workers);
  if (auto threads = section.integer("threads_per_worker", 1, 1024)) {
    run.threads_per_worker = static_cast<std::uint32_t>(*threads);
  }
  if (auto device = section.text("device")) run.device = *device;
  if (auto durable = section.boolean("durable")) run.durable = *durable;
  if (auto capture = section.boolean("capture")) run.capture = *capture;
  if (auto patience = section.number("patience")) run.patience = *patience;
  if (auto precision = section.text("precision")) run.precision = *precision;
  if (auto transport = choice(section, "transport", kTransports)) {
    run.transport = *transport == 0 ? LocalTransport::Unix : LocalTransport::Tcp;
  }
  section.finish();
}

// `search.space.lr=[0.1]`: the right side is TOML, or else a plain word.
void apply_override(toml::table& root, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) throw ConfigError("--set: expected key=value, got \"" + text + "\"");
  const std::string path = text.substr(0, equals), value = text.substr(equals + 1);
  toml::table parsed;
  try {
    parsed = toml::parse("value = " + value);
  } catch (const toml::parse_error&) {
    parsed.insert("value", value);
  }
  toml::table* table = &root;
  std::size_t begin = 0;
  for (std::size_t dot = path.find('.'); dot != std::string::npos; begin = dot + 1, dot = path.find('.', begin)) {
    const std::string part = path.substr(begin, dot - begin);
    if (!table->contains(part)) table->insert(part, toml::table{});
    table = table->get(part)->as_table();
    if (table == nullptr)
      throw ConfigError("--set: \"" + path + "\" does not name a key: \"" + part + "\" is no table");
  }
  const std::string key = path.substr(begin);
  parsed.get("value")->visit([&](auto& node) { table->insert_or_assign(key, node); });
}

}  // namespace

Experiment parse_experiment(std::string_view text, std::string_view origin, std::span<const std::string> overrides,
                            ModelBuilder builder) {
  toml::table root;
  try {
    root = toml::parse(text, origin);
  } catch (const toml::parse_error& error) {
    throw ConfigError(std::string(origin) + ":" + std::to_string(error.source().begin.line) + ": " +
                      std::string(error.description()));
  }
  for (const std::string& override_text : overrides) apply_override(root, override_text);

  Experiment experiment;
  TomlSection file(root, "", origin);
  if (auto name = file.text("name")) {
    experiment.name = *name;
    if (!is_plain_name(*name)) {
      file.fail("name", "expected letters, digits, \".\", \"_\" and \"-\" (the run directory is called so), got \"" +
                            printable(*name) + "\"");
    }
  }
  if (auto seed = file.integer("seed", 0, kMaxInt)) experiment.seed = static_cast<std::uint64_t>(*seed);
  if (auto section = file.section("data")) read_data(*section, experiment.data);
  if (auto section = file.section("model")) read_model(*section, experiment.model);
  if (auto section = file.section("search")) read_search(*section, experiment.search);
  if (auto section = file.section("run")) read_run(*section, experiment.run);
  file.finish();
  if (auto search = file.section("search")) {
    if (auto space = search->section("space")) check_names(*space, experiment);
  }
  experiment.data.seed = experiment.seed;
  const bool named = !experiment.model.family.empty() || !experiment.model.layers.empty();
  if (!named) experiment.model.builder = std::move(builder);
  try {
    experiment.check();
  } catch (const ConfigError& error) {
    throw ConfigError(std::string(origin) + ": " + error.what());
  }
  return experiment;
}

Experiment load_experiment(const std::string& path, std::span<const std::string> overrides) {
  if (std::error_code ignored; std::filesystem::is_directory(path, ignored)) {
    const bool holds_run = std::filesystem::exists(std::filesystem::path(path) / "experiment.toml", ignored);
    throw ConfigError(path + " is a directory; an experiment file (TOML) is wanted" +
                      (holds_run ? "; to go on with the run there: hop resume " + path : ""));
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) throw ConfigError(path + ": cannot be read: " + std::generic_category().message(errno));
  std::ostringstream text;
  text << file.rdbuf();
  return parse_experiment(text.str(), path, overrides);
}

}  // namespace hop::hopper
