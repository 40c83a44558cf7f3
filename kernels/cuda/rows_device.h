// A row of a matrix and the threads that share it. An operation on a row (softmax, layer norm) is written once, as a
// function object that takes a Row. This header decides by the row's length alone which threads hold it:
//
//   up to 16 values           16 lanes; two rows per warp
//   up to 1,024 (f64: 512)    one warp: reductions are shuffles, no barrier, no shared memory. If the length is not a
//                             multiple of 16 bytes, up to 256
//   up to 4,096               one block of 256 threads
//   up to 8,192               one block of 512 threads, in f32 and if the length is a multiple of 16 bytes. Two such
//                             blocks share a multiprocessor, so that one loads while the other one adds. So a thread
//                             has 64 registers. A body that needs more (kKeepsMuch) reads the row anew
//   longer                    one block of 512 threads that reads the row anew for every pass: from HBM the first time,
//                             from the L2 cache after that
//
// In all cases but the last the row stays in registers from its one load to its one store. A thread's values lie in
// packs of 16 bytes if the length allows. The tree of a reduction follows from this: each thread combines its values in
// order, then come the trees of reduce_device.h. So the bits depend on the values and the length, not on addresses.
#pragma once

#include <cstdint>

#include "kernels/cuda/access_device.h"
#include "kernels/cuda/reduce_device.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda {

/// kLanes neighbouring lanes of a warp share a row.
template <int kLanes>
struct LaneGroup {
  static constexpr int kThreads = kLanes;  ///< threads that share a row
  static constexpr int kBlock = 128;  ///< threads per block: enough warps to fill a multiprocessor with small blocks
  static __device__ int rank() { return static_cast<int>(threadIdx.x) % kLanes; }
  static __device__ std::int64_t row() {
    return static_cast<std::int64_t>(blockIdx.x) * (kBlock / kLanes) + static_cast<int>(threadIdx.x) / kLanes;
  }
  template <class Op, class T>
  static __device__ T reduce(T value) {
    return warp_reduce<Op, kLanes>(value);
  }
};

/// All threads of a block share a row.
template <int kCount>
struct BlockGroup {
  static constexpr int kThreads = kCount;
  static constexpr int kBlock = kCount;
  static __device__ int rank() { return static_cast<int>(threadIdx.x); }
  static __device__ std::int64_t row() { return static_cast<std::int64_t>(blockIdx.x); }
  template <class Op, class T>
  static __device__ T reduce(T value) {
    return block_reduce<Op, kCount>(value);
  }
};

/// A vector that all rows share, read where it is used; `otherwise` if the vector is null.
template <class T>
struct Shared {
  const T* from;
  T otherwise;
};

/// The common part of both kinds of rows. Spare lanes of the last warp have a row of length 0: they must stay for the
/// warp's shuffles.
template <class Group>
class RowPlace {
 public:
  __device__ RowPlace(std::int64_t rows, std::int64_t length)
      : index_(Group::row()), true_length_(length), length_(index_ < rows ? length : 0) {}
  __device__ std::int64_t index() const { return index_; }
  __device__ std::int64_t length() const { return true_length_; }
  __device__ bool exists() const { return length_ != 0; }
  /// True for one thread per row, which writes the values that a row has once.
  __device__ bool leads() const { return exists() && Group::rank() == 0; }

 protected:
  std::int64_t index_, true_length_, length_;
};

/// A row whose values stay in registers: thread t of the group holds packs t, t + group, t + 2 group, .. of kWidth.
template <class T, class Group_, int kWidth, int kValues>
class HeldRow : public RowPlace<Group_> {
 public:
  using Group = Group_;
  /// The blocks per multiprocessor that the compiler is asked to plan for. By default it plans for more, and spills
  /// doubles to memory.
  static constexpr int kBlocks = Group::kBlock > 256 ? 2 : 1;
  struct Values {
    T value[kValues];
    __device__ T operator[](int i) const { return value[i]; }
  };

  __device__ HeldRow(std::int64_t rows, std::int64_t length, bool aligned)
      : RowPlace<Group>(rows, length), aligned_(aligned) {}

  /// The position in the row of the thread's value i.
  __device__ int position(int i) const { return (i / kWidth * Group::kThreads + Group::rank()) * kWidth + i % kWidth; }
  /// This row of a matrix.
  __device__ Values read(const T* matrix) const { return read_from(matrix + this->index_ * this->length_); }
  /// A vector that all rows share; `otherwise` if the vector is null.
  __device__ Values read_vector(const T* vector, T otherwise) const { return read_from(vector, otherwise); }

  /// Combines f(i) over the row; the whole group gets the result.
  template <class Op, class F>
  __device__ T reduce(const F& f) const {
    T result = Op::template identity<T>();
#pragma unroll
    for (int i = 0; i < kValues; ++i) {
      if (position(i) < this->length_) result = Op::combine(result, f(i));
    }
    return Group::template reduce<Op>(result);
  }
  /// Writes f(i, value of each shared vector ..) to this row of a matrix. Of the shared vectors a thread holds one pack
  /// at a time.
  template <class F, class... V>
  __device__ void write(T* matrix, const F& f, const V&... vectors) const {
    T* row = matrix + this->index_ * this->length_;
#pragma unroll
    for (int first = 0; first < kValues; first += kWidth) {
      if (position(first) >= this->length_) continue;
      const auto write_pack = [&](const auto&... shared) {
        Packet<T, kWidth> packet;
#pragma unroll
        for (int i = 0; i < kWidth; ++i) packet.v[i] = f(first + i, shared.v[i]...);
        store(row + position(first), packet, aligned_);
      };
      write_pack(pack_of(vectors, first)...);
    }
  }

 private:
  __device__ Packet<T, kWidth> pack_of(const Shared<T>& vector, int first) const {
    if (vector.from != nullptr && position(first) < this->length_)
      return load<kWidth>(vector.from + position(first), aligned_);
    Packet<T, kWidth> packet;
#pragma unroll
    for (int i = 0; i < kWidth; ++i) packet.v[i] = vector.otherwise;
    return packet;
  }
  __device__ Values read_from(const T* from, T otherwise = T{0}) const {
    Values values;
#pragma unroll
    for (int first = 0; first < kValues; first += kWidth) {
      const auto packet = pack_of({from, otherwise}, first);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) values.value[first + i] = packet.v[i];
    }
    return values;
  }

  bool aligned_;
};

/// A row that is too long for registers: `i` is the position itself, and every read goes to memory.
template <class T, class Group_>
class StreamedRow : public RowPlace<Group_> {
 public:
  using Group = Group_;
  static constexpr int kBlocks = 1;  ///< as in HeldRow
  struct Values {
    const T* from;
    T otherwise;
    __device__ T operator[](std::int64_t i) const { return from == nullptr ? otherwise : from[i]; }
  };

  __device__ StreamedRow(std::int64_t rows, std::int64_t length, bool) : RowPlace<Group>(rows, length) {}
  __device__ std::int64_t position(std::int64_t i) const { return i; }
  __device__ Values read(const T* matrix) const { return {matrix + this->index_ * this->length_, T{0}}; }
  __device__ Values read_vector(const T* vector, T otherwise) const { return {vector, otherwise}; }

  template <class Op, class F>
  __device__ T reduce(const F& f) const {
    T result = Op::template identity<T>();
#pragma unroll 4
    for (std::int64_t i = Group::rank(); i < this->length_; i += Group::kThreads) result = Op::combine(result, f(i));
    return Group::template reduce<Op>(result);
  }
  template <class F, class... V>
  __device__ void write(T* matrix, const F& f, const V&... vectors) const {
    T* row = matrix + this->index_ * this->length_;
#pragma unroll 4
    for (std::int64_t i = Group::rank(); i < this->length_; i += Group::kThreads)
      row[i] = f(i, (vectors.from == nullptr ? vectors.otherwise : vectors.from[i])...);
  }
};

/// Calls body(row) for every row of a matrix (rows, length); see launch_rows.
template <class Row, class Body>
__global__ void __launch_bounds__(Row::Group::kBlock, Row::kBlocks)
    for_each_row(Body body, std::int64_t rows, std::int64_t length, bool aligned) {
  body(Row(rows, length, aligned));
}

/// Queues body(row) for `rows` rows of `length` values. `aligned`: all matrices and vectors are aligned to 16 bytes.
template <class T, class Body>
void launch_rows(std::int64_t rows, std::int64_t length, bool aligned, const Body& body) {
  constexpr int kWidth = kPerAccess<T>, kMany = 128 / static_cast<int>(sizeof(T));
  const auto run = [&]<class Row>(Row*) {
    using Group = typename Row::Group;
    launch(for_each_row<Row, Body>, dim3(blocks_for(rows, Group::kBlock / Group::kThreads)), dim3(Group::kBlock), 0,
           current_stream(), body, rows, length, aligned);
  };
  using Warp = LaneGroup<32>;
  using Block = BlockGroup<256>;
  using LargeBlock = BlockGroup<512>;
  if (length <= 16) return run(static_cast<HeldRow<T, LaneGroup<16>, 1, 1>*>(nullptr));
  const bool packs = length % kWidth == 0;
  // Sixteen doubles a thread would spill.
  constexpr bool kHoldsMore = sizeof(T) <= 4 && !requires { Body::kKeepsMuch; };
  if (length > (kHoldsMore && packs ? LargeBlock::kThreads : Block::kThreads) * 16)
    return run(static_cast<StreamedRow<T, LargeBlock>*>(nullptr));
  if (packs) {
    if (length <= Warp::kThreads * 8) return run(static_cast<HeldRow<T, Warp, kWidth, 8>*>(nullptr));
    if (length <= Warp::kThreads * kMany) return run(static_cast<HeldRow<T, Warp, kWidth, kMany>*>(nullptr));
    if (length <= Block::kThreads * 16) return run(static_cast<HeldRow<T, Block, kWidth, 16>*>(nullptr));
    if constexpr (kHoldsMore) return run(static_cast<HeldRow<T, LargeBlock, kWidth, 16>*>(nullptr));
  }
  if (length <= Warp::kThreads * 8) return run(static_cast<HeldRow<T, Warp, 1, 8>*>(nullptr));
  run(static_cast<HeldRow<T, Block, 1, 16>*>(nullptr));
}

}  // namespace hop::kernels::cuda
