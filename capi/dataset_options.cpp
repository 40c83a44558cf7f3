#include "capi/dataset_options.h"

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/json_depth_internal.h"
#include "base/whole_number_internal.h"
#include "base/words.h"

namespace hop::capi {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMostElements = 1 << 24;  // of a row
constexpr std::int64_t kMostClasses = 1'000'000;

[[noreturn]] void refuse(const std::string& key, const std::string& expected, const Json& got) {
  throw ConfigError("[schema] " + key + ": expected " + expected + ", got " +
                    printable(got.dump(-1, ' ', false, Json::error_handler_t::replace)));
}

std::int64_t whole(const std::string& key, const Json& json, std::int64_t least, std::int64_t most) {
  const std::optional<std::int64_t> number = whole_number<std::int64_t>(json);
  if (!number || *number < least || *number > most) {
    refuse(key, "a whole number from " + std::to_string(least) + " to " + std::to_string(most), json);
  }
  return *number;
}

double number(const std::string& key, const Json& json) {
  if (!json.is_number() || !std::isfinite(json.get<double>())) refuse(key, "a number", json);
  return json.get<double>();
}

bool flag(const std::string& key, const Json& json) {
  if (!json.is_boolean()) refuse(key, "true or false", json);
  return json.get<bool>();
}

std::string text(const std::string& key, const Json& json) {
  if (!json.is_string()) refuse(key, "a text", json);
  return json.get<std::string>();
}

std::vector<std::string> texts(const std::string& key, const Json& json) {
  if (!json.is_array() || json.empty()) refuse(key, "a list of texts", json);
  std::vector<std::string> all;
  for (const Json& each : json) all.push_back(text(key, each));
  return all;
}

Shape shape(const std::string& key, const Json& json) {
  if (!json.is_array() || json.empty() || json.size() > 7) refuse(key, "a list of 1 to 7 sizes", json);
  Shape sizes;
  std::int64_t elements = 1;
  for (const Json& size : json) {
    sizes.push_back(whole(key, size, 1, kMostElements));
    elements *= sizes.back();
    if (elements > kMostElements) refuse(key, "at most " + std::to_string(kMostElements) + " elements in a row", json);
  }
  return sizes;
}

DType dtype(const std::string& key, const Json& json) {
  for (const DType each : {DType::f32, DType::f64, DType::i64, DType::i32, DType::u8}) {
    if (json == name(each)) return each;
  }
  refuse(key, "f32, f64, i64, i32 or u8", json);
}

data::Scale scale(const std::string& key, const Json& json) {
  if (!json.is_array() || json.size() != 2) refuse(key, "[offset, factor]", json);
  return {number(key, json[0]), number(key, json[1])};
}

data::Validation validation(const std::string& key, const Json& json) {
  if (json == "none") return data::Validation::none();
  if (json.is_object() && json.size() == 1 && json.contains("tail")) {
    return data::Validation::tail(whole(key, json["tail"], 1, UINT32_MAX));
  }
  const bool has_more = json.is_object() && json.contains("stratified");
  const bool is_fraction = json.is_object() && json.contains("fraction") && json.size() == (has_more ? 2 : 1);
  if (!is_fraction) refuse(key, R"("none", {"tail": n} or {"fraction": f, "stratified": true})", json);
  const double share = number(key, json["fraction"]);
  if (share <= 0 || share >= 1) refuse(key, "a fraction between 0 and 1", json);
  return data::Validation::fraction(share, has_more && flag(key, json["stratified"]));
}

struct Key {
  std::string_view name;
  void (*read)(DatasetOptions& options, const std::string& key, const Json& json);
};
constexpr Key kKeys[] = {
    {"dtype", [](DatasetOptions& o, const std::string& k, const Json& j) { o.dtype = dtype(k, j); }},
    {"shape", [](DatasetOptions& o, const std::string& k, const Json& j) { o.shape = shape(k, j); }},
    {"classes",
     [](DatasetOptions& o, const std::string& k, const Json& j) { o.classes = whole(k, j, 2, kMostClasses); }},
    {"class_names", [](DatasetOptions& o, const std::string& k, const Json& j) { o.class_names = texts(k, j); }},
    {"numbers", [](DatasetOptions& o, const std::string& k, const Json& j) { o.numbers = texts(k, j); }},
    {"weights", [](DatasetOptions& o, const std::string& k, const Json& j) { o.has_weights = flag(k, j); }},
    {"name", [](DatasetOptions& o, const std::string& k, const Json& j) { o.write.name = text(k, j); }},
    {"partitions", [](DatasetOptions& o, const std::string& k,
                      const Json& j) { o.write.partitions = static_cast<std::uint32_t>(whole(k, j, 1, 1 << 20)); }},
    {"validation",
     [](DatasetOptions& o, const std::string& k, const Json& j) { o.write.validation = validation(k, j); }},
    {"seed", [](DatasetOptions& o, const std::string& k,
                const Json& j) { o.write.seed = static_cast<std::uint64_t>(whole(k, j, 0, INT64_MAX)); }},
    {"shuffle", [](DatasetOptions& o, const std::string& k, const Json& j) { o.write.shuffle = flag(k, j); }},
    {"scale", [](DatasetOptions& o, const std::string& k, const Json& j) { o.write.scale = scale(k, j); }},
};

const Key& find(const std::string& name) {
  std::vector<std::string_view> names;
  for (const Key& key : kKeys) {
    if (key.name == name) return key;
    names.push_back(key.name);
  }
  throw ConfigError("[schema] unknown key \"" + printable(name) + "\"" +
                    hint(name, std::span<const std::string_view>(names)));
}

void settle_labels(DatasetOptions& options) {
  const auto named = static_cast<std::int64_t>(options.class_names.size());
  if (!options.numbers.empty() && (named > 0 || options.classes > 0)) {
    throw ConfigError("[schema] expected classes or numbers to predict, got both");
  }
  if (!options.numbers.empty()) return;
  if (options.classes == 0) options.classes = named;
  if (options.classes < 2 || (named > 0 && named != options.classes)) {
    throw ConfigError("[schema] expected classes (2 or more), class_names or numbers, got classes = " +
                      std::to_string(options.classes) + " and " + std::to_string(named) + " class_names");
  }
}

}  // namespace

DatasetOptions parse_dataset_options(std::string_view text) {
  if (is_deep_json(text))
    throw ConfigError("[schema] expected a JSON object of texts, numbers and lists, got a deep one");
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw ConfigError("[schema] expected a JSON object, got " + printable(text));
  DatasetOptions options;
  for (const auto& [key, value] : json.items()) find(key).read(options, key, value);
  if (options.shape.empty()) throw ConfigError("[schema] shape: expected the sizes of a row, got none");
  settle_labels(options);
  return options;
}

}  // namespace hop::capi
