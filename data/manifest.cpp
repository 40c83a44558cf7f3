#include <algorithm>
#include <charconv>
#include <utility>

#include "base/error.h"
#include "base/json_depth_internal.h"
#include "base/words.h"
#include "data/entry_json_internal.h"
#include "data/manifest_internal.h"

namespace hop::data {
namespace {

constexpr const char* kFormat = "hopscotch data set";
constexpr int kVersion = 1;

Json encode(const Provenance& provenance) {
  Json files = Json::array();
  for (const SourceFile& file : provenance.files) {
    files.push_back({{"name", file.name}, {"bytes", file.bytes}, {"digest", file.digest.hex()}});
  }
  Json json = {{"format", provenance.format}, {"files", files},
               {"label", provenance.label},   {"validation", provenance.validation},
               {"seed", provenance.seed},     {"shuffled", provenance.shuffled},
               {"notes", provenance.notes}};
  if (!provenance.columns.empty()) json["columns"] = provenance.columns;
  if (!provenance.missing.empty()) json["missing"] = provenance.missing;
  if (!provenance.categories.empty()) json["categories"] = provenance.categories;
  return json;
}

Provenance decode_provenance(const Json& json) {
  Provenance provenance{.format = json.at("format"),
                        .label = json.at("label"),
                        .validation = json.at("validation"),
                        .seed = whole<std::uint64_t>(json.at("seed")),
                        .shuffled = json.at("shuffled")};
  for (const Json& file : json.at("files")) {
    const Digest digest = file.contains("digest") ? parse_digest(file.at("digest")) : Digest{};
    provenance.files.push_back({file.at("name"), whole<std::uint64_t>(file.at("bytes")), digest});
  }
  if (json.contains("notes")) provenance.notes = json.at("notes").get<std::vector<std::string>>();
  provenance.columns = json.value("columns", "");
  provenance.missing = json.value("missing", "");
  provenance.categories = json.value("categories", "");
  return provenance;
}

Manifest decode(const Json& json) {
  check(json.at("format") == kFormat, std::string("expected \"format\": \"") + kFormat + "\"");
  check(json.at("version") == kVersion,
        "expected \"version\": " + std::to_string(kVersion) + ", got " + json.at("version").dump());
  Manifest manifest;
  manifest.name = json.at("name");
  manifest.rows = whole(json.at("rows"));
  for (const Json& column : json.at("columns")) manifest.columns.push_back(decode_column(column));
  manifest.target = decode_target(json);
  manifest.digest = parse_digest(json.at("digest"));
  for (const Json& entry : json.at("partitions")) manifest.partitions.push_back(decode_entry(entry));
  if (!json.at("validation").is_null()) manifest.validation = decode_entry(json.at("validation"));
  manifest.scale = decode_scaling(json);
  manifest.table = decode_table_of(json);
  manifest.provenance = decode_provenance(json.at("provenance"));
  return manifest;
}

void check_sums(const Manifest& manifest) {
  check(!manifest.partitions.empty(), "expected at least one partition");
  std::int64_t rows = 0;
  for (const PartitionEntry& entry : manifest.partitions) {
    check(!__builtin_add_overflow(rows, entry.rows, &rows), "expected partitions of fewer than 2^63 rows in all");
  }
  check(rows == manifest.rows,
        "expected partitions of " + std::to_string(manifest.rows) + " rows in all, got " + std::to_string(rows));
  const std::size_t columns = manifest.columns.size();
  check((columns == 2 || (columns == 3 && manifest.columns[2] == weight_column())) &&
            manifest.columns[0].name == kFeatureColumn && manifest.columns[1].name == kLabelColumn,
        "expected the columns \"x\" and \"y\", and perhaps \"w\" of one f32 per row");
  manifest.scale.check(manifest.columns[0].shape);
  check_table(manifest.table, manifest.columns[0], manifest.scale);
  check(!manifest.table || manifest.table->has_weights() == (columns == 3),
        "expected a column \"w\" where the table has weights, and only there");
  check(manifest.target.kind == TargetKind::classes || manifest.columns[1] == manifest.target.column(),
        "expected a column \"y\" of as many f32 as there are numbers to predict");
}

}  // namespace

Digest parse_digest(const std::string& hex) {
  Digest digest;
  const auto half = [&hex](std::size_t at, std::uint64_t& value) {
    const char* end = hex.data() + at + 16;
    return std::from_chars(hex.data() + at, end, value, 16).ptr == end;
  };
  check(hex.size() == 32 && half(0, digest.high) && half(16, digest.low),
        "expected 32 hex digits, got \"" + hex + "\"");
  return digest;
}

Json encode(const PartitionEntry& entry) {
  return {{"file", entry.file}, {"rows", entry.rows}, {"bytes", entry.bytes}, {"digest", entry.digest.hex()}};
}

PartitionEntry decode_entry(const Json& json) {
  PartitionEntry entry{json.at("file"), whole(json.at("rows")), whole<std::uint64_t>(json.at("bytes")),
                       parse_digest(json.at("digest"))};
  // A name, not a path: a manifest cannot point out of its folder.
  check(is_plain_name(entry.file), "expected the name of a file in the folder, got \"" + printable(entry.file) + "\"");
  check(entry.rows >= 1, "expected at least one row in " + entry.file);
  return entry;
}

std::string name_in_manifest(const std::filesystem::path& file) {
  constexpr std::size_t kLongest = 4096;
  return printable(file.filename().string(), kLongest);
}

std::string to_json(const Manifest& manifest) {
  const Target& target = manifest.target;
  Json columns = Json::array();
  for (const Column& column : manifest.columns) columns.push_back(encode(column));
  Json partitions = Json::array();
  for (const PartitionEntry& entry : manifest.partitions) partitions.push_back(encode(entry));
  Json json = {{"format", kFormat},
               {"version", kVersion},
               {"name", manifest.name},
               {"kind", kind_in_json(target)},
               {"rows", manifest.rows},
               {"columns", columns},
               {"classes", target.classes},
               {"class_names", target.class_names},
               {"digest", manifest.digest.hex()},
               {"partitions", partitions},
               {"validation", manifest.validation ? encode(*manifest.validation) : Json()},
               {"provenance", encode(manifest.provenance)}};
  encode(manifest.scale, json);
  if (target.kind == TargetKind::numbers) json["targets"] = encode(target.columns);
  encode(manifest.table, json);
  try {
    return json.dump(2) + "\n";
  } catch (const Json::exception& error) {  // a class name that is not UTF-8
    throw DataError(std::string("[dataset] cannot be written to the manifest: ") + error.what());
  }
}

Manifest parse_manifest(const std::string& text, const std::filesystem::path& file) {
  try {
    check_json_depth(text);
    Manifest manifest = decode(Json::parse(text));
    check_sums(manifest);
    return manifest;
  } catch (const std::exception& error) {  // JSON's own errors, or ours
    throw DataError(std::string("[dataset] ") + error.what() + " (" + file.string() + ")");
  }
}

}  // namespace hop::data
