// A mean over replicas whose bits do not depend on who computes it.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace hop::hopper {

/// The weighted mean of the values that some tensors have at one replica after the other:
///
///   TreeMean mean({gradients});
///   for (each replica) {
///     ...                         // leaves its values in `gradients`
///     mean.add(rows / all_rows);  // or mean.skip(), for a replica that has no rows
///   }
///   mean.finish();                // gradients = sum of share * values
///
/// The replicas are the leaves of a fixed binary tree. A node over n of them adds the sum of its first 2^k leaves and
/// the sum of the others, where 2^k is the largest power of two below n. A child without values adds nothing. So the
/// bits are a function of values and shares. A worker that has all leaves below a node may send their sum alone.
///
/// Memory: for n replicas at most log2(n) + 1 copies of the tensors, in the dtype of the sums.
class TreeMean {
 public:
  /// `sums`: the dtype in which products and sums are rounded, f32 or f64. With f64 the mean of equal f32 values is
  /// this value, for every number of replicas. Throws DtypeError for other dtypes, and for tensors that are not
  /// floating.
  explicit TreeMean(std::vector<Tensor> values, DType sums = DType::f32);

  /// The tensors have the values of the next replica now, which count `share`.
  void add(double share);
  /// The next replica has no values.
  void skip();
  /// Writes the sum into the tensors and begins anew. Without an add() they stay as they are.
  void finish();
  /// As finish(), but leaves the tensors alone: the sums, in their own dtype; empty without an add(). The next add()
  /// may overwrite them.
  std::vector<Tensor> take();
  /// Forgets the replicas so far.
  void begin();

  /// Bytes of the tensors, each rounded up to 64: what one replica gives away.
  std::uint64_t bytes() const;

 private:
  using Sums = std::vector<Tensor>;
  struct Node {
    std::uint64_t leaves;
    Sums sums;  // empty: no leaf had values
  };
  Sums take_place();
  void push(Node node);
  void join_last();

  std::vector<Tensor> values_;
  DType dtype_;
  std::vector<Node> nodes_;  // from left to right, each with fewer leaves than the one before
  std::vector<Sums> free_;
};

}  // namespace hop::hopper
