#include "hopper/detail/feature_range.h"

#include <algorithm>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "base/words.h"
#include "data/row_scaling.h"
#include "hopper/build_model.h"
#include "nn/loss.h"

namespace hop::hopper {
namespace {

std::string range_of(const nn::LossRow& loss) {
  return "from " + shortest(loss.least) + " to " + shortest(loss.greatest) + " for loss = \"" + std::string(loss.name) +
         '"';
}

std::string feature_title(const data::Dataset& dataset, std::size_t feature) {
  const auto& table = dataset.manifest().table;
  const std::string name = table ? table->feature_names().at(feature) : "";
  return name.empty() ? "feature " + std::to_string(feature) : "column \"" + printable(name) + "\"";
}

// Every training row of this node. (Of validation rows, a few may lie a little outside of what training rows have.)
void check_rows(const nn::LossRow& loss, const data::Scaling& fitted, const data::Dataset& dataset) {
  constexpr double kRounding = 1e-4;
  const double least = loss.least - kRounding, greatest = loss.greatest + kRounding;
  const data::RowScaling scaling(fitted);
  const std::int64_t width = dataset.feature_shape().numel();
  std::vector<float> scaled(static_cast<std::size_t>(width));
  const auto check = [&]<class T>(const data::Partition& partition, T) {
    using Wide = std::conditional_t<data::scaling_dtype(dtype_of<T>()) == DType::f64, double, float>;
    const auto* row = reinterpret_cast<const T*>(partition.column(0).data());
    for (std::int64_t r = 0; r < partition.rows(); ++r, row += width) {
      scaling.apply<Wide>(row, scaled.data(), width);
      const auto outside = std::ranges::find_if(scaled, [&](float x) { return !(x >= least && x <= greatest); });
      if (outside == scaled.end()) continue;
      throw ConfigError("[data] columns: expected features " + range_of(loss) + ", got " + shortest(*outside) + " in " +
                        feature_title(dataset, static_cast<std::size_t>(outside - scaled.begin())) +
                        "; for a CSV file write columns = { NAME = \"minmax\" } with the name of each column of "
                        "numbers, otherwise scale = [offset, factor]");
    }
  };
  for (std::uint32_t q = 0; q < dataset.partition_count(); ++q) {
    if (!dataset.has_partition(PartitionId(q))) continue;
    const data::Partition partition = dataset.partition(PartitionId(q), data::Verify::no);
    visit_dtype(dataset.feature_dtype(), [&]<class T>(T zero) { check(partition, zero); });
  }
}

// Bytes that are scaled alike, as those of images: their range is known without the rows.
bool has_known_range(const data::Scaling& scaling, const data::Dataset& dataset) {
  return dataset.feature_dtype() == DType::u8 && !scaling.is_per_column();
}

// A bound takes each feature for a probability, and a generator ends with tanh.
void check_range(const nn::LossRow& loss, const data::Scaling& scaling) {
  const data::Scale& scale = scaling.all();
  const auto scaled = [&](double byte) { return (byte - scale.offset) * scale.factor + 0.0; };  // no -0
  const auto [least, greatest] = std::minmax({scaled(0), scaled(255)});
  if (least >= loss.least - 1e-6 && greatest <= loss.greatest + 1e-6) return;
  const double factor = (loss.greatest - loss.least) / 255;
  throw ConfigError("[data] scale: expected features " + range_of(loss) + ", got " + shortest(least) + " to " +
                    shortest(greatest) + "; write scale = [" + shortest(0 - loss.least / factor) + ", " +
                    shortest(factor) + "]");
}

}  // namespace

void check_feature_range(const Experiment& experiment, const data::Dataset& dataset) {
  const data::Scaling scaling = scaling_of(experiment, dataset);
  if (has_known_range(scaling, dataset)) check_range(nn::find_loss(experiment.model.loss.name()), scaling);
}

void check_features(const Experiment& experiment, const data::Dataset& dataset) {
  const data::Scaling scaling = scaling_of(experiment, dataset);
  if (!has_known_range(scaling, dataset)) check_rows(nn::find_loss(experiment.model.loss.name()), scaling, dataset);
}

}  // namespace hop::hopper
