#include "hopper/strategy/replica_tree.h"

#include <algorithm>
#include <bit>

namespace hop::hopper {
namespace {

void add_nodes(std::span<const std::uint32_t> owners, std::size_t first, std::size_t leaves,
               std::vector<TreeNode>& nodes) {
  const auto below = owners.subspan(first, leaves);
  if (std::ranges::all_of(below, [&](std::uint32_t owner) { return owner == below.front(); })) {
    nodes.push_back({first, leaves, below.front()});
    return;
  }
  const std::size_t left = leaves_of_first_child(leaves);
  add_nodes(owners, first, left, nodes);
  add_nodes(owners, first + left, leaves - left, nodes);
}

}  // namespace

std::size_t leaves_of_first_child(std::size_t n) { return std::bit_floor(n - 1); }

std::vector<TreeNode> largest_nodes(std::span<const std::uint32_t> owners) {
  std::vector<TreeNode> nodes;
  if (!owners.empty()) add_nodes(owners, 0, owners.size(), nodes);
  return nodes;
}

bool has_a_node_each(std::span<const std::uint32_t> owners, std::uint32_t members) {
  const std::vector<TreeNode> nodes = largest_nodes(owners);
  return nodes.size() == members && std::ranges::adjacent_find(nodes, {}, &TreeNode::owner) == nodes.end();
}

bool is_pair(std::span<const std::uint32_t> owners) { return has_a_node_each(owners, 2); }

}  // namespace hop::hopper
