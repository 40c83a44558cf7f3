// Sequences of several lengths, as torch.nn.utils.rnn has them: padded to one length, or packed without the padding for
// LSTM, GRU and RNN.
//
//   const auto packed = nn::pack_padded_sequence(x, {7, 3, 5}, {.batch_first = true, .enforce_sorted = false});
//   const auto [output, state] = lstm(packed);
//   const auto [y, lengths] = nn::pad_packed_sequence(output, {.batch_first = true});   // in the order of x
//
// The host reads lengths and batch sizes. So while a step is captured, all of these functions but pad_sequence() throw
// StateError, and so does a layer that gets a PackedSequence. Not there: padding_side, PackedSequence.to().
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace hop::nn {

/// N sequences without padding, the longest one first: the first step of all, the second step of all that have one,
/// and so on.
struct PackedSequence {
  Tensor data{};              ///< (sum of the lengths, *)
  Tensor batch_sizes{};       ///< (T) i64 on the CPU: how many sequences have step t, the largest number first
  Tensor sorted_indices{};    ///< (N) i64: where the sequences stood before; undefined if they stood like this
  Tensor unsorted_indices{};  ///< (N) i64: the inverse; if only one of the two is there, the other is made from it
};

struct PackOptions {
  bool batch_first = false;    ///< x is (N, T, *) instead of (T, N, *)
  bool enforce_sorted = true;  ///< throws unless the longest sequence is first; otherwise the sequences are sorted
};

struct PadOptions {
  bool batch_first = false;
  double padding_value = 0;
  std::int64_t total_length = 0;  ///< of the result, at least the longest sequence; 0: the longest sequence
};

struct PaddedSequence {
  Tensor output{};   ///< (T, N, *), or (N, T, *) with batch_first
  Tensor lengths{};  ///< (N) i64 on the CPU
};

/// The first lengths[n] steps of sequence n of x (T, N, *). Throws ShapeError for another x or another number of
/// lengths, IndexError for lengths outside 1..T or, with enforce_sorted, lengths that grow; DtypeError.
PackedSequence pack_padded_sequence(const Tensor& x, const Tensor& lengths, const PackOptions& options = {});
PackedSequence pack_padded_sequence(const Tensor& x, const std::vector<std::int64_t>& lengths,
                                    const PackOptions& options = {});
/// The inverse: in the order from before the packing, with `padding_value` behind shorter sequences. Throws ShapeError
/// for a total_length below the longest sequence.
PaddedSequence pad_packed_sequence(const PackedSequence& x, const PadOptions& options = {});

/// Sequences (T_n, *) in one tensor (T, N, *), where T is the longest. Throws ShapeError for no sequences and for
/// sequences whose steps differ in shape. total_length is not read.
Tensor pad_sequence(std::span<const Tensor> sequences, const PadOptions& options = {});
/// Packs sequences (T_n, *) with T_n > 0. batch_first is not read.
PackedSequence pack_sequence(std::span<const Tensor> sequences, const PackOptions& options = {});
/// The sequences (T_n, *), in the order from before the packing.
std::vector<Tensor> unpack_sequence(const PackedSequence& x);
/// The first lengths[n] steps of each sequence of x (T, N, *), or (N, T, *) with batch_first. Throws IndexError for
/// lengths outside 0..T.
std::vector<Tensor> unpad_sequence(const Tensor& x, const Tensor& lengths, bool batch_first = false);

}  // namespace hop::nn
