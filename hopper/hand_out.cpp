#include "hopper/hand_out.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "base/input_file.h"
#include "hopper/strategy/spread.h"

namespace hop::hopper {
namespace {

constexpr const char* kPlaceFile = "worker";

// Before the first folder is filled: a call that fails leaves nothing that the next one would have to clear away.
void check_folders(std::span<const std::filesystem::path> folders) {
  namespace fs = std::filesystem;
  std::map<fs::path, fs::path> known;  // without links, in the order of the tree; and as it was written
  for (const fs::path& folder : folders) {
    if (folder.empty()) throw ConfigError("[data] expected a folder for each node, got \"\"");
    std::error_code unknown;
    const fs::path whole = fs::absolute(folder);  // the canonical path of a folder that is not there may be relative
    fs::path real = fs::weakly_canonical(whole, unknown);
    if (unknown) real = whole;  // a link that leads nowhere: check_vacant_folder() says where
    if (!known.emplace(without_trailing_slash(real), folder).second) {
      throw ConfigError("[data] expected a folder of its own for each node, got " + folder.string() + " twice");
    }
    try {
      data::check_vacant_folder(folder);
    } catch (const DataError& error) {
      throw DataError(std::string(error.what()) + "; nothing was written");
    }
  }
  for (auto outer = known.begin(), inner = std::next(outer); inner != known.end(); outer = inner++) {
    const bool is_inside = std::ranges::mismatch(outer->first, inner->first).in1 == outer->first.end();
    if (!is_inside) continue;
    throw ConfigError("[data] expected a folder of its own for each node, got " + inner->second.string() +
                      ", which lies in " + outer->second.string());
  }
}

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
  check_folders(folders);
  for (std::size_t n = 0; n < folders.size(); ++n) {
    data::copy_part(dataset, of_nodes[n], folders[n]);
    write_file_atomically(folders[n] / kPlaceFile, as_bytes(std::to_string(n) + "\n"), raise<DataError>);
  }
}

std::optional<WorkerId> handed_out_for(const std::filesystem::path& folder) {
  expect_file(folder / kPlaceFile, raise<DataError>);
  std::ifstream file(folder / kPlaceFile);
  if (!file) return std::nullopt;
  WorkerId place;
  if (file >> place.value) return place;
  throw DataError("[data] expected the number of a worker in " + (folder / kPlaceFile).string());
}

}  // namespace hop::hopper
