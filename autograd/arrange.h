// Cutting, joining, turning and repeating, differentiable and of any dtype. A negative `dim` counts from the back; all
// throw IndexError for a dimension out of range.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace hop {

/// torch.split: views of `split_size` along `dim`, in order; the last one may be smaller. If the size of `dim` is 0,
/// there is one view without elements. Throws ShapeError for x of shape (), for more than 2^24 views, and unless
/// split_size > 0 (0 is allowed for a `dim` of size 0).
std::vector<Tensor> split(const Tensor& x, std::int64_t split_size, std::int64_t dim = 0);
/// Views of the given sizes along `dim`. Throws ShapeError unless they are at least 0 and their sum is the size of
/// `dim`, and for more than 2^24.
std::vector<Tensor> split(const Tensor& x, const std::vector<std::int64_t>& sizes, std::int64_t dim = 0);
/// torch.chunk: at most `chunks` views along `dim`, all of one size but the last, which may be smaller: 7 in 4 chunks
/// are 2, 2, 2, 1, and 5 in 4 chunks are 2, 2, 1. Throws ShapeError for x of shape (), for more than 2^24 views, and
/// unless chunks > 0.
std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, std::int64_t dim = 0);
/// torch.unbind: the n views x[0], .., x[n - 1] along `dim`, without that dimension. Throws ShapeError for x of shape
/// () and for more than 2^24 views.
std::vector<Tensor> unbind(const Tensor& x, std::int64_t dim = 0);
/// torch.concat: another name of cat().
Tensor concat(std::span<const Tensor> parts, std::int64_t dim = 0);
Tensor concat(std::initializer_list<Tensor> parts, std::int64_t dim = 0);

/// torch.flip: the elements in reverse order along each of `dims`. x itself if there is nothing to turn (PyTorch
/// copies). Cost: one gather per dimension. Throws IndexError for a dimension named twice.
Tensor flip(const Tensor& x, const Dims& dims);
/// torch.roll: moves element i to i + shift along a dimension; what leaves at one end comes in at the other. Without
/// `dims` the elements roll as one row, in row-major order. x itself if nothing moves (PyTorch copies). Throws
/// ShapeError unless there is one shift per dimension (exactly one shift without `dims`).
Tensor roll(const Tensor& x, const Dims& shifts, const Dims& dims = {});
/// torch.Tensor.repeat: (A, B) -> (2 A, 3 B) for repeats (2, 3), and (2, A, 3 B) for (2, 1, 3). Throws ShapeError for
/// fewer repeats than dimensions or a negative one.
Tensor repeat(const Tensor& x, const Dims& repeats);
/// torch.tile: repeat(), where missing repeats count as 1: (A, B) -> (A, 3 B) for (3).
Tensor tile(const Tensor& x, const Dims& repeats);
/// torch.repeat_interleave for one number: each element `repeats` times in a row, (a, b) -> (a, a, b, b), along `dim`.
/// Without `dim` x is flattened first. Throws ShapeError for negative repeats, and for x of shape () with a `dim`.
Tensor repeat_interleave(const Tensor& x, std::int64_t repeats);
Tensor repeat_interleave(const Tensor& x, std::int64_t repeats, std::int64_t dim);
/// torch.repeat_interleave for a number of each element: (a, b) and repeats (1, 2) give (a, b, b). `repeats` is i64 or
/// i32, (n) for the n elements along `dim`, or of one value for all. The host reads it: it waits for the device. Throws
/// StateError while a step is captured, ShapeError for another size or a negative number, DtypeError.
Tensor repeat_interleave(const Tensor& x, const Tensor& repeats);
Tensor repeat_interleave(const Tensor& x, const Tensor& repeats, std::int64_t dim);

/// torch.diagonal: the elements (.., i, i + offset) of dimensions dim1 and dim2, as a new last dimension: (A, B, C) ->
/// (C, min(A, B)) by default. A view if the strides of x allow one, otherwise a copy (PyTorch: always a view). Throws
/// ShapeError for fewer than two dimensions, IndexError if dim1 and dim2 are the same.
Tensor diagonal(const Tensor& x, std::int64_t offset = 0, std::int64_t dim1 = 0, std::int64_t dim2 = 1);

/// The order of the first two dimensions of a grid: (rows, columns) as in a matrix, or (y, x) as in a picture.
enum class MeshIndexing : std::uint8_t { ij, xy };
/// torch.meshgrid: n vectors of sizes S1, .., Sn -> n views of shape (S1, .., Sn); result i has vector i along
/// dimension i. With `xy` the first two dimensions are swapped. A tensor of shape () counts as a vector of one value.
/// Throws ShapeError for no vector, for one of more dimensions, and for more than 8 vectors; DtypeError if the dtypes
/// differ.
std::vector<Tensor> meshgrid(std::span<const Tensor> vectors, MeshIndexing indexing = MeshIndexing::ij);
std::vector<Tensor> meshgrid(std::initializer_list<Tensor> vectors, MeshIndexing indexing = MeshIndexing::ij);

}  // namespace hop
