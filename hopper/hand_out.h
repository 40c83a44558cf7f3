// The partitions of a data set, on their way to the nodes that will own them.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "data/dataset.h"

namespace hop::hopper {

/// The partitions of each of `nodes` nodes: those that its worker owns in a run of as many workers, and with `replicas`
/// those of the next replicas - 1 workers, too. In order. Throws ConfigError unless replicas <= nodes <= partitions.
std::vector<std::vector<PartitionId>> nodes_partitions(std::uint32_t partitions, std::uint32_t nodes,
                                                       std::uint32_t replicas = 1);

/// The place that a folder was handed out for; none if it was not. Throws DataError.
std::optional<WorkerId> handed_out_for(const std::filesystem::path& folder);

/// Writes a folder for each node: its partitions, the validation rows, the manifest, and the place that it is meant
/// for. Throws ConfigError, DataError.
void hand_out(const data::Dataset& dataset, std::span<const std::filesystem::path> folders, std::uint32_t replicas = 1);

}  // namespace hop::hopper
