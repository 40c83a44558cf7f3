// What packing, padding and the recurrent layers ask of a PackedSequence.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/packed_sequence.h"

namespace hop::nn::detail {

/// The integers of x (N), which `what` names in an error. Throws ShapeError, DtypeError; StateError while a step is
/// captured, because replays would not read them again.
std::vector<std::int64_t> host_integers(const std::string& op, const char* what, const Tensor& x);

/// x.batch_sizes. Throws ShapeError unless they are above 0, do not grow, and their sum is the number of rows of
/// `data`, which is x.data or what hooks made of it.
std::vector<std::int64_t> batch_sizes_of(const std::string& op, const PackedSequence& x, const Tensor& data);

/// x with both orders, or with none. PyTorch makes one from the other, too. Throws ShapeError unless they are (N).
PackedSequence with_both_orders(const std::string& op, PackedSequence x, std::int64_t sequences);

}  // namespace hop::nn::detail
