#include "hopper/hand_out.h"

#include <fstream>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "hopper/strategy/spread.h"

namespace hop::hopper {
namespace {

constexpr const char* kPlaceFile = "worker";

}  // namespace

std::vector<std::vector<PartitionId>> nodes_partitions(std::uint32_t partitions, std::uint32_t nodes,
                                                       std::uint32_t replicas) {
  if (nodes == 0 || nodes > partitions || replicas == 0 || replicas > nodes) {
    throw ConfigError("[data] expected 1 <= replicas <= nodes <= partitions, got " + std::to_string(replicas) +
                      " replicas, " + std::to_string(nodes) + " nodes and " + std::to_string(partitions) +
                      " partitions");
  }
  const Spread spread{partitions, nodes};
  std::vector<std::vector<PartitionId>> of_nodes(nodes);
  for (std::uint32_t q = 0; q < partitions; ++q) {
    const std::uint32_t owner = spread.owner(PartitionId(q)).value;
    for (std::uint32_t r = 0; r < replicas; ++r) of_nodes[(owner + nodes - r) % nodes].emplace_back(q);
  }
  return of_nodes;
}

void hand_out(const data::Dataset& dataset, std::span<const std::filesystem::path> folders, std::uint32_t replicas) {
  const auto nodes = static_cast<std::uint32_t>(folders.size());
  const auto of_nodes = nodes_partitions(dataset.partition_count(), nodes, replicas);
  for (std::size_t n = 0; n < folders.size(); ++n) {
    data::copy_part(dataset, of_nodes[n], folders[n]);
    write_file_atomically(folders[n] / kPlaceFile, as_bytes(std::to_string(n) + "\n"), raise<DataError>);
  }
}

std::optional<WorkerId> handed_out_for(const std::filesystem::path& folder) {
  std::ifstream file(folder / kPlaceFile);
  if (!file) return std::nullopt;
  WorkerId place;
  if (file >> place.value) return place;
  throw DataError("[data] expected the number of a worker in " + (folder / kPlaceFile).string());
}

}  // namespace hop::hopper
