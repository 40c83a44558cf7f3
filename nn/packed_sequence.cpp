// Packing and padding select rows: the host makes the list of their numbers, and one gather does the rest.
#include "nn/packed_sequence.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "autograd/ops.h"
#include "nn/detail/host_integers.h"

namespace hop::nn {
namespace {

using detail::host_integers;
using Integers = std::vector<std::int64_t>;

constexpr const char* kPack = "pack_padded_sequence";

std::string expected(const char* op) { return "[" + std::string(op) + "] expected "; }

Tensor as_tensor(const Integers& numbers, Device device = Device::cpu()) {
  return Tensor::from<std::int64_t>(numbers, {static_cast<std::int64_t>(numbers.size())}, device);
}

/// (a, b, *) as (a b, *).
Tensor joined(const Tensor& x) { return flatten(x, 0, 1); }

/// (a b, *) as (a, b, *).
Tensor split_in(const Tensor& x, std::int64_t a, std::int64_t b) {
  std::vector<std::int64_t> sizes = {a, b};
  for (int d = 1; d < x.dim(); ++d) sizes.push_back(x.size(d));
  return reshape(x, Shape(sizes));
}

Tensor rows_of(const Tensor& x, const Integers& rows) { return index_select(x, 0, as_tensor(rows, x.device())); }

void check_lengths(const char* op, const Integers& lengths, std::int64_t sequences, std::int64_t steps) {
  if (static_cast<std::int64_t>(lengths.size()) != sequences) {
    throw ShapeError(expected(op) + std::to_string(sequences) + " lengths, one for each sequence, got " +
                     std::to_string(lengths.size()));
  }
  for (const std::int64_t length : lengths) {
    if (length >= 1 && length <= steps) continue;
    throw IndexError(expected(op) + "lengths from 1 to " + std::to_string(steps) + ", got " + std::to_string(length));
  }
}

/// The steps of x, and its sequences. Throws ShapeError unless there are some of both.
std::pair<std::int64_t, std::int64_t> steps_and_sequences(const char* op, const Tensor& x, bool batch_first) {
  kernels::expect_defined(op, x);
  if (x.dim() < 2 || x.size(0) == 0 || x.size(1) == 0) {
    throw ShapeError(expected(op) + (batch_first ? "(N, T, *)" : "(T, N, *)") + " with N > 0 and T > 0, got " +
                     x.shape().to_string());
  }
  return batch_first ? std::pair{x.size(1), x.size(0)} : std::pair{x.size(0), x.size(1)};
}

/// The sequences, the longest first; those of one length stay in their order.
Integers longest_first(const Integers& lengths) {
  Integers order(lengths.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater{}, [&](std::int64_t n) { return lengths[static_cast<std::size_t>(n)]; });
  return order;
}

/// How many sequences have each step.
Integers sizes_by_step(const Integers& lengths) {
  Integers sizes(static_cast<std::size_t>(*std::ranges::max_element(lengths)));
  for (const std::int64_t length : lengths) {
    for (std::int64_t t = 0; t < length; ++t) ++sizes[static_cast<std::size_t>(t)];
  }
  return sizes;
}

/// The length of each packed sequence, in its packed order.
Integers packed_lengths(const char* op, const PackedSequence& x) {
  const Integers sizes = host_integers(op, "batch_sizes", x.batch_sizes);
  kernels::expect_defined(op, x.data);
  const bool grows = !std::ranges::is_sorted(sizes, std::greater{});
  if (sizes.empty() || grows || sizes.back() < 1 || x.data.dim() < 1 ||
      std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}) != x.data.size(0)) {
    throw ShapeError(expected(op) + "batch_sizes above 0 that do not grow and whose sum is the number of rows of " +
                     "data, got " + std::to_string(sizes.size()) + " of them for data " + x.data.describe());
  }
  Integers lengths(static_cast<std::size_t>(sizes[0]));
  for (const std::int64_t size : sizes) {
    for (std::int64_t n = 0; n < size; ++n) ++lengths[static_cast<std::size_t>(n)];
  }
  return lengths;
}

/// Calls f(t, n, row) for each row of packed sequences: step t of sequence n, in their packed order.
template <class F>
void for_each_row(const Integers& lengths, const F& f) {
  std::int64_t row = 0;
  for (std::int64_t t = 0; t < lengths[0]; ++t) {
    for (std::int64_t n = 0; n < static_cast<std::int64_t>(lengths.size()); ++n) {
      if (lengths[static_cast<std::size_t>(n)] > t) f(t, n, row++);
    }
  }
}

Integers inverse(const Integers& order) {
  Integers places(order.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    places[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  return places;
}

/// The place among packed sequences of each sequence from before the packing.
Integers places_of(const char* op, const PackedSequence& x, std::size_t sequences) {
  if (x.unsorted_indices.defined()) return host_integers(op, "unsorted_indices", x.unsorted_indices);
  Integers same(sequences);
  std::iota(same.begin(), same.end(), 0);
  return same;
}

Integers select(const Integers& from, const Integers& places) {
  Integers selected;
  for (const std::int64_t place : places) selected.push_back(from.at(static_cast<std::size_t>(place)));
  return selected;
}

}  // namespace

PackedSequence pack_padded_sequence(const Tensor& x, const std::vector<std::int64_t>& lengths,
                                    const PackOptions& options) {
  const auto [steps, sequences] = steps_and_sequences(kPack, x, options.batch_first);
  if (is_capturing()) throw StateError(expected(kPack) + "no capture: the host reads lengths");
  check_lengths(kPack, lengths, sequences, steps);
  if (options.enforce_sorted && !std::ranges::is_sorted(lengths, std::greater{})) {
    throw IndexError(expected(kPack) + "lengths that do not grow, the longest sequence first; with .enforce_sorted = " +
                     "false the sequences are sorted here");
  }
  const Integers order = longest_first(lengths), sorted = select(lengths, order);
  Integers rows;
  for_each_row(sorted, [&](std::int64_t t, std::int64_t n, std::int64_t) {
    const std::int64_t sequence = order[static_cast<std::size_t>(n)];
    rows.push_back(options.batch_first ? sequence * steps + t : t * sequences + sequence);
  });
  PackedSequence packed{.data = rows_of(joined(x), rows), .batch_sizes = as_tensor(sizes_by_step(lengths))};
  if (!options.enforce_sorted) {
    packed.sorted_indices = as_tensor(order, x.device());
    packed.unsorted_indices = as_tensor(inverse(order), x.device());
  }
  return packed;
}

PackedSequence pack_padded_sequence(const Tensor& x, const Tensor& lengths, const PackOptions& options) {
  return pack_padded_sequence(x, host_integers(kPack, "lengths", lengths), options);
}

PaddedSequence pad_packed_sequence(const PackedSequence& x, const PadOptions& options) {
  constexpr const char* kOp = "pad_packed_sequence";
  const Integers packed = packed_lengths(kOp, x), places = places_of(kOp, x, packed.size());
  const std::int64_t longest = packed[0], steps = options.total_length == 0 ? longest : options.total_length;
  const auto sequences = static_cast<std::int64_t>(packed.size());
  if (steps < longest) {
    throw ShapeError(expected(kOp) + "a total_length of at least " + std::to_string(longest) + ", got " +
                     std::to_string(steps));
  }
  const Integers before = inverse(places);
  const std::int64_t padding = x.data.size(0);  // the row behind the data
  Integers rows(static_cast<std::size_t>(steps * sequences), padding);
  for_each_row(packed, [&](std::int64_t t, std::int64_t n, std::int64_t row) {
    const std::int64_t sequence = before[static_cast<std::size_t>(n)];
    rows[static_cast<std::size_t>(options.batch_first ? sequence * steps + t : t * sequences + sequence)] = row;
  });
  const Tensor last = full_like(slice(x.data, 0, 0, 1), options.padding_value);
  const Tensor output = rows_of(cat({x.data, last}), rows);
  return {options.batch_first ? split_in(output, sequences, steps) : split_in(output, steps, sequences),
          as_tensor(select(packed, places))};
}

Tensor pad_sequence(std::span<const Tensor> sequences, const PadOptions& options) {
  constexpr const char* kOp = "pad_sequence";
  if (sequences.empty()) throw ShapeError(expected(kOp) + "at least one sequence, got none");
  std::int64_t longest = 0;
  for (const Tensor& x : sequences) {
    kernels::expect_defined(kOp, x);
    if (x.dim() == 0) throw ShapeError(expected(kOp) + "sequences (T, *), got " + x.shape().to_string());
    longest = std::max(longest, x.size(0));
  }
  std::vector<Tensor> padded;
  for (const Tensor& x : sequences) {
    std::vector<std::int64_t> sizes = {longest - x.size(0)};
    for (int d = 1; d < x.dim(); ++d) sizes.push_back(x.size(d));
    padded.push_back(sizes[0] == 0 ? x : cat({x, full(Shape(sizes), options.padding_value, x.dtype(), x.device())}));
  }
  return stack(padded, options.batch_first ? 0 : 1);
}

PackedSequence pack_sequence(std::span<const Tensor> sequences, const PackOptions& options) {
  const Tensor padded = pad_sequence(sequences);
  Integers lengths;
  for (const Tensor& x : sequences) lengths.push_back(x.size(0));
  return pack_padded_sequence(padded, lengths, {.enforce_sorted = options.enforce_sorted});
}

std::vector<Tensor> unpack_sequence(const PackedSequence& x) {
  const PaddedSequence padded = pad_packed_sequence(x);
  return unpad_sequence(padded.output, padded.lengths);
}

std::vector<Tensor> unpad_sequence(const Tensor& x, const Tensor& lengths, bool batch_first) {
  constexpr const char* kOp = "unpad_sequence";
  const auto [steps, sequences] = steps_and_sequences(kOp, x, batch_first);
  const Integers counts = host_integers(kOp, "lengths", lengths);
  check_lengths(kOp, counts, sequences, steps);
  std::vector<Tensor> alone;
  for (std::int64_t n = 0; n < sequences; ++n)
    alone.push_back(slice(hop::select(x, batch_first ? 0 : 1, n), 0, 0, counts[static_cast<std::size_t>(n)]));
  return alone;
}

}  // namespace hop::nn
