// The models that a last batch of one row would stop.
#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/grad_mode.h"
#include "base/error.h"
#include "hopper/build_model.h"
#include "kernels/copy.h"
#include "nn/detail/replica_statistics.h"

namespace hop::hopper {
namespace {

// A partition whose last batch has one row.
struct OneRow {
  std::size_t partition = 0;
  bool is_alone = true;  // no other replica meets it in its BatchNorm layers
};

// One that is alone, if there is one.
std::optional<OneRow> find_one_row(const Experiment& experiment, std::int64_t batch, const data::Dataset& dataset) {
  const std::vector<data::PartitionEntry>& partitions = dataset.manifest().partitions;
  const bool meets = synchronises_batchnorm(experiment);
  const auto side_by_side = meets ? static_cast<std::size_t>(passes_of_a_unit(experiment, dataset)) : 1;
  std::optional<OneRow> found;
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    const std::int64_t before = partitions[i].rows - 1;  // the rows before its last one
    if (before < 0 || before % batch != 0) continue;
    const std::size_t first = i / side_by_side * side_by_side, end = std::min(first + side_by_side, partitions.size());
    const auto others = std::count_if(partitions.begin() + static_cast<std::ptrdiff_t>(first),
                                      partitions.begin() + static_cast<std::ptrdiff_t>(end),
                                      [before](const data::PartitionEntry& p) { return p.rows > before; });
    if (others == 1) return OneRow{i, true};
    if (!found) found = OneRow{i, false};
  }
  return found;
}

// Stands for another replica with the same rows.
class Twin final : public kernels::ReplicaTalk {
 public:
  const std::vector<std::vector<double>>& share(std::vector<double> own) override { return both_ = {own, own}; }

 private:
  std::vector<std::vector<double>> both_;
};

}  // namespace

// Runs the model instead of inspecting it, because users' modules may need two rows for reasons of their own.
void check_last_batches(nn::Module& module, const Experiment& experiment, const Config& config,
                        const data::Dataset& dataset) {
  const std::int64_t batch = batch_rows(experiment, config, dataset);
  const std::optional<OneRow> found = find_one_row(experiment, batch, dataset);
  if (!found) return;
  Shape one_row = {1};
  for (const std::int64_t size : dataset.feature_shape()) one_row.push_back(size);
  module.train();
  const NoGradGuard no_grad;
  const nn::detail::ReplicaStatistics statistics(found->is_alone ? nullptr : std::make_shared<Twin>());
  std::vector<std::pair<Tensor, Tensor>> buffers;  // each with its values, because running statistics change
  for (const nn::NamedTensor& buffer : module.named_buffers())
    buffers.emplace_back(buffer.tensor, kernels::clone(buffer.tensor));
  try {
    module(kernels::zeros(one_row, DType::f32));
    for (const auto& [buffer, values] : buffers) kernels::copy_(buffer, values);
  } catch (const ShapeError& error) {
    throw ConfigError("[search.space] batch_size: " + std::to_string(batch) +
                      " leaves a last batch of one row, which the model cannot be trained with (partition " +
                      std::to_string(found->partition) + " has " +
                      std::to_string(dataset.manifest().partitions[found->partition].rows) + " rows): " + error.what());
  }
}

}  // namespace hop::hopper
