// What programs say of their rows: the options of a data set, through the C library (capi/dataset_options.h), and the
// parts that several machines have measured and written (data/share.h).
#include "data/share.h"

#include "capi/dataset_options.h"
#include "capi/stored_rows.h"
#include "data/manifest_internal.h"
#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

void run_options(ByteView input) {
  const capi::DatasetOptions options = capi::parse_dataset_options(as_text(input));
  const capi::StoredRows rows(options, folder() / "scratch");
  require(rows.rows() == 0 && rows.feature_shape().numel() > 0, "a row has a size");
  require((rows.number_names().size() > 0) != (rows.classes() > 0), "rows have classes or numbers to predict");
}

// A line of options, then the parts.
void run_share(ByteView input) {
  const std::string_view text = as_text(input), first = text.substr(0, text.find('\n'));
  const std::vector<data::MeasuredPart> parts = data::parse_parts(text.substr(std::min(first.size() + 1, text.size())));
  require(data::parse_parts(data::to_json(parts)) == parts, "parts are the same after another trip");
  const capi::DatasetOptions options = capi::parse_dataset_options(first);
  const capi::StoredRows kind(options, std::filesystem::path());
  const Digest digest = data::digest_of_parts(kind, options.write, parts);
  const std::string manifest = data::manifest_of_parts(kind, options.write, parts);
  require(data::parse_manifest(manifest, "manifest.json").digest == digest, "a manifest that is written can be read");
}

std::string shared(const std::string& options, std::span<const std::int64_t> rows) {
  std::vector<data::MeasuredPart> parts;
  const capi::StoredRows kind(capi::parse_dataset_options(options), std::filesystem::path());
  const data::Moments moments{.count = 3, .mean = 0.5, .squares = 2, .low = -1, .high = 1};
  const auto features = static_cast<std::size_t>(kind.feature_shape().numel());
  for (std::uint32_t q = 0; q < rows.size(); ++q) {
    const bool is_validation = q + 1 == rows.size();
    data::MeasuredPart& part = parts.emplace_back(
        data::MeasuredPart{.index = is_validation ? data::kValidationIndex : q, .rows = rows[q], .content = {q, 7}});
    if (!is_validation) {
      part.features.assign(features, moments);
      part.numbers.assign(kind.number_names().size(), moments);
    }
    part.file = data::PartitionEntry{"part-" + std::to_string(q) + ".hopd", rows[q], 8192, {q, 9}};
  }
  return options + "\n" + data::to_json(parts);
}

std::vector<std::string> share_seeds() {
  const std::int64_t rows[] = {3, 2, 1};
  return {shared(R"({"shape": [2], "classes": 2, "partitions": 2})", rows),
          shared(R"({"shape": [1], "numbers": ["pay", "rent"], "weights": true, "partitions": 2, "scale": [1, 0.5]})",
                 rows)};
}

}  // namespace

constinit const Target kDatasetOptions{"dataset_options", run_options};
constinit const Target kShare{"share", run_share, share_seeds};

}  // namespace hop::fuzz
