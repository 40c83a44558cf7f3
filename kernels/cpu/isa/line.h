// The one elementwise loop: a line of elements in blocks of one vector register, tails in a padded block. So every
// element goes through the same instructions, and its bits depend on its value alone. For sources under
// kernels/cpu/isa/.
#pragma once

#include "kernels/cpu/isa/pack_math.h"
#include "kernels/cpu/line_internal.h"
#include "kernels/elementwise_apply_internal.h"

namespace hop::kernels::HOP_ISA {

using rows::Mask;
using rows::Pack;
using rows::Part;

template <class T>
inline constexpr int kBlock = rows::kPackBytes / static_cast<int>(sizeof(T));  ///< elements per block
inline constexpr std::int64_t kBuffer = 256;                                   ///< elements converted at a time

/// An input as the blocks read it: `step` elements per block, or 0 for one block of copies of a constant.
template <class T>
struct Stream {
  const T* at;
  std::int64_t step;
};

/// Calls body(const T* const in[N], Out* out) for each whole block of n elements, and body(in, out, rest) for the last
/// part.
template <class T, class Out, int N, class Body>
HOP_INLINE void for_each_block(const Stream<T> (&streams)[N], Out* out, std::int64_t n, const Body& body) {
  const T* in[N];
  for (int k = 0; k < N; ++k) in[k] = streams[k].at;
  std::int64_t i = 0;
  for (; i + kBlock<T> <= n; i += kBlock<T>) {
    body(in, out + i);
    for (int k = 0; k < N; ++k) in[k] += streams[k].step;
  }
  if (i < n) body(in, out + i, n - i);
}

/// Elements first .. first + count - 1 of input k, as contiguous T.
template <class T>
HOP_INLINE void convert_input(const Line& line, int k, std::int64_t first, std::int64_t count, T* to) {
  convert_line(line.dtype[k], line.in[k] + first * line.stride[k], line.stride[k], dtype_of<T>(),
               reinterpret_cast<std::byte*>(to), sizeof(T), count);
}

/// Runs `body` over a line. Inputs that are not contiguous T are converted on the way.
template <class T, class Out, int N, class Body>
HOP_INLINE void run_line(const Line& line, const Body& body) {
  alignas(64) T constants[N][kBlock<T>];
  alignas(64) T buffers[N][kBuffer];
  Stream<T> streams[N];
  std::int64_t part = line.n;
  for (int k = 0; k < N; ++k) {
    if (line.stride[k] == 0) {
      convert_input(line, k, 0, 1, constants[k]);
      for (int j = 1; j < kBlock<T>; ++j) constants[k][j] = constants[k][0];
      streams[k] = {constants[k], 0};
    } else if (line.dtype[k] == dtype_of<T>() && line.stride[k] == sizeof(T)) {
      streams[k] = {reinterpret_cast<const T*>(line.in[k]), kBlock<T>};
    } else {
      streams[k] = {buffers[k], kBlock<T>};
      part = kBuffer;
    }
  }
  auto* out = reinterpret_cast<Out*>(line.out);
  for (std::int64_t first = 0; first < line.n; first += part) {
    const std::int64_t count = line.n - first < part ? line.n - first : part;
    for (int k = 0; k < N; ++k) {
      if (streams[k].at == buffers[k]) convert_input(line, k, first, count, buffers[k]);
    }
    for_each_block(streams, out + first, count, body);
    for (int k = 0; k < N; ++k) {
      if (streams[k].at != buffers[k] && streams[k].step != 0) streams[k].at += count;
    }
  }
}

template <class... Count>
HOP_INLINE void store(Pack y, float* out, Count... count) {
  y.store(out, count...);
}
HOP_INLINE void store(Mask y, bool* out, std::int64_t count = rows::kLanes) {
  const auto bytes = rows::truth_bytes(y);
  __builtin_memcpy(out, &bytes, static_cast<std::size_t>(count));
}

/// One block of a row's function. Floats go through packs; other types element by element, which the compiler turns
/// into vectors where it can.
template <class Row, Part part, class T, class Out>
struct Block {
  static constexpr int N = rows::input_count<Row, part>();
  Row row;

  template <class... Count>
  HOP_INLINE void operator()(const T* const* in, Out* out, Count... count) const {
    if constexpr (std::is_same_v<T, float>) {
      Pack x[N];
      for (int k = 0; k < N; ++k) x[k] = Pack::load(in[k], count...);
      store(rows::apply<Row, part>(row, x), out, count...);
    } else {
      elements(in, out, count...);
    }
  }

 private:
  HOP_INLINE void elements(const T* const* in, Out* out, std::int64_t count = kBlock<T>) const {
    for (std::int64_t j = 0; j < count; ++j) {
      T x[N];
      for (int k = 0; k < N; ++k) x[k] = in[k][j];
      if constexpr (std::is_same_v<Out, bool>)
        out[j] = rows::apply<Row, part>(row, x) != 0;
      else
        out[j] = rows::apply<Row, part>(row, x);
    }
  }
};

/// The loop of one function of one row in T, giving Out.
template <class Row, Part part, class T, class Out>
void row_line(const Line& line, const void* row) {
  using RowBlock = Block<Row, part, T, Out>;
  run_line<T, Out, RowBlock::N>(line, RowBlock{*static_cast<const Row*>(row)});
}

}  // namespace hop::kernels::HOP_ISA
