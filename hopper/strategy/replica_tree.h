// The fixed tree over replicas, as a shape: which sums a member of a group can make alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hop::hopper {

/// A node of the tree: the replicas `first` to `first + leaves - 1`, all computed by the member `owner`.
struct TreeNode {
  std::size_t first = 0, leaves = 0;
  std::uint32_t owner = 0;
  bool operator==(const TreeNode&) const = default;
};

/// How many of the n > 1 leaves below a node lie below its first child: the largest power of two below n.
std::size_t leaves_of_first_child(std::size_t n);

/// The largest nodes whose replicas have one owner, in order. `owners`: of each replica; equal ones are neighbours. For
/// owners of 1, 2 and 5 replicas: {0, 1}, {1, 1}, {2, 1} and {3, 1}, {4, 4}.
std::vector<TreeNode> largest_nodes(std::span<const std::uint32_t> owners);

/// Whether each of so many members owns one of these nodes (StreamedMean).
bool has_a_node_each(std::span<const std::uint32_t> owners, std::uint32_t members);

/// Whether two members own one of these nodes each (PairMean). Of replicas that lie evenly on two members: if their
/// number, or the number after it, is a power of two.
bool is_pair(std::span<const std::uint32_t> owners);

}  // namespace hop::hopper
