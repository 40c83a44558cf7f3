// What the members of a group tell each other besides means over replicas. Internal to Hopscotch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "hopper/strategy/group_wire.h"
#include "tensor/tensor.h"

namespace hop::hopper {

/// The values of tensors on any device, one tensor after the other without gaps.
std::size_t bytes_of(const std::vector<Tensor>& tensors);
void read_values(const std::vector<Tensor>& tensors, std::byte* to);
void write_values(const std::vector<Tensor>& tensors, const std::byte* from);

/// All members call each of these at the same time. They throw as GroupWire::swap.

/// Gives the numbers of the own replicas (`own`, in their order) to all members, and returns those of all replicas.
/// `counts`: how many each replica of the group has.
std::vector<std::vector<double>> swap_numbers(const Group& group, const std::vector<std::vector<double>>& own,
                                              const std::vector<std::size_t>& counts);
/// Whether `own` is true at some member. The members come to it after work of any length.
bool is_true_of_any(const Group& group, bool own);
/// The tensors become those of the member of this rank.
void take_from(const Group& group, std::uint32_t rank, const std::vector<Tensor>& tensors);

}  // namespace hop::hopper
