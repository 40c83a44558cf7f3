// manifest.json of a data set (data/dataset.h): its columns, their scales, its partitions.
#include "data/manifest_internal.h"
#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

using namespace data;

void run(ByteView input) {
  const Manifest manifest = parse_manifest(text_of(input), "manifest.json");
  const std::string text = to_json(manifest);
  require(to_json(parse_manifest(text, "again")) == text, "a manifest is the same after another trip");
  for (const Column& column : manifest.columns) require(column.shape.numel() >= 0, "a row has a size");
}

Manifest sample(DType dtype, const Shape& shape, Scaling scale) {
  return {.name = "toy",
          .rows = 5,
          .columns = {{"x", dtype, shape}, {"y", DType::i64, {}}},
          .target = {.classes = 2, .class_names = {"no", "yes"}},
          .digest = {1, 2},
          .partitions = {{"part-00000.hopd", 3, 8192, {3, 4}}, {"part-00001.hopd", 2, 8192, {5, 6}}},
          .validation = PartitionEntry{"valid.hopd", 1, 8192, {7, 8}},
          .scale = std::move(scale),
          .provenance = {.format = "csv",
                         .files = {{"toy.csv", 100, {9, 10}}},
                         .label = "kind",
                         .validation = "fraction 0.1",
                         .seed = 7,
                         .notes = {"the first record is the header"}}};
}

Manifest regression() {
  Manifest manifest = sample(DType::f32, {2}, Scale{});
  manifest.target = {.kind = TargetKind::numbers, .columns = {{"price", {100, 0.25}, -3, 200}, {"rent", {7, 0}, 7, 7}}};
  manifest.columns[1] = manifest.target.column();
  return manifest;
}

Manifest weighted() {
  Manifest manifest = regression();
  manifest.columns.push_back(weight_column());
  return manifest;
}

std::vector<std::string> seeds() {
  return {to_json(regression()), to_json(weighted()), to_json(sample(DType::u8, {1, 4, 4}, Scale{0, 1.0 / 255})),
          to_json(sample(DType::f32, {2}, Scaling({{"width", {0.5, 2}}, {"height", {1e-3, 0}}})))};
}

}  // namespace

constinit const Target kManifest{"manifest", run, seeds};

}  // namespace hop::fuzz
