// Head by head, a block of queries at a time. The products read queries, keys and values where they lie; only the keys
// (and on the way back the values) are transposed first, once per head. Scratch memory: the transposed keys and one
// block of scores for each thread (with dropout also their random words), so it grows with the keys, not with queries
// times keys. A head belongs to one thread and its sums run in one order, so bits do not depend on the number of
// threads.
#include "kernels/attention_operations.h"

#include <algorithm>

#include "kernels/capture_internal.h"
#include "kernels/cpu/as_internal.h"
#include "kernels/cpu/attention_loops_internal.h"
#include "kernels/cpu/gemm_loops_internal.h"
#include "kernels/cpu/parallel_internal.h"
#include "kernels/cpu/random_address_internal.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kQueries = 64;  // of a block

std::int64_t in_sixteens(std::int64_t n) { return (n + kPackedColumns - 1) / kPackedColumns * kPackedColumns; }

/// The heads of an operand (N, heads, rows, columns).
struct Heads {
  std::byte* data = nullptr;
  std::int64_t sample = 0, head = 0, row = 0;  ///< strides in elements

  Heads() = default;
  explicit Heads(const Tensor& x)
      : data(x.raw_data()), sample(x.strides()[0]), head(x.strides()[1]), row(x.strides()[2]) {}
  template <class T>
  T* at(std::int64_t n, std::int64_t h) const {
    return as<T>(data) + n * sample + h * head;
  }
};

struct Sizes {
  std::int64_t samples, heads, queries, keys, depth, columns;  ///< N, heads, L, S, E, D
  std::int64_t padded_keys;
  double scale;
  bool is_causal;
  double dropout;
  RandomAddress address;

  explicit Sizes(const AttentionInputs& in)
      : samples(in.q.size(0)),
        heads(in.q.size(1)),
        queries(in.q.size(2)),
        keys(in.k.size(2)),
        depth(in.q.size(3)),
        columns(in.v.size(3)),
        padded_keys(in_sixteens(keys)),
        scale(in.scale),
        is_causal(in.is_causal),
        dropout(in.dropout),
        address(in.address) {}

  std::int64_t block() const { return std::min(kQueries, queries); }
  /// The block of queries from `first` on, and the keys that one of them sees.
  ScoreRows rows(std::int64_t first) const {
    const std::int64_t count = std::min(kQueries, queries - first);
    return {count, is_causal ? std::min(keys, first + count) : keys, padded_keys, first, is_causal};
  }

  /// The random words of a block: of its weights, and of the three before them with which a Philox block may begin.
  std::int64_t words() const { return dropout == 0 ? 0 : block() * keys + 3; }
  /// Makes the words of the weights that `rows` of head `h` of sample `n` have. `to` has room for words().
  template <class T>
  ScoreDrop<T> make_words(std::int64_t n, std::int64_t h, const ScoreRows& rows, std::uint32_t* to) const {
    const Address plain = now(address);
    const std::int64_t begin = ((n * heads + h) * queries + rows.first_query) * keys, aligned = begin / 4 * 4;
    const auto make = [&](std::int64_t from, std::int64_t end) {
      from = from / 4 * 4;
      HOP_PICK(random_words)(plain, static_cast<std::uint64_t>(from), to + (from - aligned), end - from);
    };
    if (is_causal) {
      for (std::int64_t r = 0; r < rows.count; ++r) make(begin + r * keys, begin + r * keys + rows.seen(r));
    } else {
      make(begin, begin + rows.count * keys);
    }
    return {to + (begin - aligned), keys, static_cast<float>(dropout), static_cast<T>(1 / (1 - dropout))};
  }
};

/// A matrix whose columns lie side by side, as the right factor of products: its last columns are copied if they do not
/// fill sixteen.
template <class T>
struct Right {
  const T* data;
  std::int64_t row, rows, columns;
  T* rest;

  void prepare() const {
    const std::int64_t last = columns % kPackedColumns;
    if (last != 0) HOP_PICK(pack_rest<T>)(data + columns - last, row, rows, last, rest);
  }
};

/// c (m, n) = a b, or += a b.
template <class T>
struct Left {
  const T* data;
  std::int64_t row, column, rows;
};
template <class T>
void multiply(const Left<T>& a, const Right<T>& b, T* c, std::int64_t c_row, bool adds = false) {
  const Gemm<T> gemm{a.rows, b.columns,      b.rows,  a.data, a.row, a.column, b.data, b.row,
                     b.rest, kPackedColumns, nullptr, false,  c,     c_row,    1,      adds};
  HOP_PICK(gemm_rows<T>)(gemm, 0, (a.rows + kGemmRows - 1) / kGemmRows);
}
/// c (rows, n) = a turned, where `turned` is a transposed matrix from pack_turned.
template <class T>
void multiply_turned(const Left<T>& a, const T* turned, std::int64_t depth, std::int64_t n, std::int64_t padded, T* c) {
  const Gemm<T> gemm{
      a.rows, n,       depth, a.data, a.row,  a.column, turned, padded, turned + n / kPackedColumns * kPackedColumns,
      padded, nullptr, false, c,      padded, 1,        false};
  HOP_PICK(gemm_rows<T>)(gemm, 0, (a.rows + kGemmRows - 1) / kGemmRows);
}

/// Consecutive parts of one thread's memory. With null it only measures.
template <class T>
class Scratch {
 public:
  explicit Scratch(T* data) : data_(data) {}
  std::uint32_t* take_words(std::int64_t n) {
    return reinterpret_cast<std::uint32_t*>(take((n * 4 + std::int64_t{sizeof(T)} - 1) / std::int64_t{sizeof(T)}));
  }
  T* take(std::int64_t n) {
    T* const part = data_ == nullptr ? nullptr : data_ + taken_;
    taken_ += in_sixteens(n);
    return part;
  }
  std::int64_t taken() const { return taken_; }

 private:
  T* data_;
  std::int64_t taken_ = 0;
};

template <class T>
struct Forward {
  Sizes z;
  Heads q, k, v, y;
  T* log_sum;

  /// What a thread needs, from `data` on.
  struct Room {
    T *keys, *values_rest, *scores;
    std::uint32_t* words;
    std::int64_t size;
    Room(const Sizes& z, T* data) {
      Scratch<T> scratch(data);
      keys = scratch.take(z.depth * z.padded_keys);
      values_rest = scratch.take(z.keys * kPackedColumns);
      scores = scratch.take(z.block() * z.padded_keys);
      words = scratch.take_words(z.words());
      size = scratch.taken();
    }
  };

  void operator()(std::int64_t n, std::int64_t h, const Room& room) const {
    const T scale = static_cast<T>(z.scale);
    HOP_PICK(pack_turned<T>)(k.at<T>(n, h), k.row, z.depth, z.keys, room.keys);
    const Right<T> all_values{v.at<T>(n, h), v.row, z.keys, z.columns, room.values_rest};
    all_values.prepare();
    for (std::int64_t first = 0; first < z.queries; first += kQueries) {
      const ScoreRows rows = z.rows(first);
      multiply_turned<T>({q.at<T>(n, h) + first * q.row, q.row, 1, rows.count}, room.keys, z.depth, rows.keys,
                         z.padded_keys, room.scores);
      HOP_PICK(attention_weights<T>)(rows, scale, room.scores, log_sum + (n * z.heads + h) * z.queries + first);
      if (z.dropout > 0) HOP_PICK(attention_drop<T>)(rows, z.make_words<T>(n, h, rows, room.words), room.scores);
      Right<T> values = all_values;
      values.rows = rows.keys;
      multiply<T>({room.scores, z.padded_keys, 1, rows.count}, values, y.at<T>(n, h) + first * y.row, y.row);
    }
  }
};

template <class T>
struct Backward {
  Sizes z;
  Heads g, q, k, v, y, dq, dk, dv;
  const T* log_sum;

  struct Room {
    T *keys, *values, *keys_rest, *queries_rest, *slopes_rest, *weights, *slopes;
    std::uint32_t* words;
    std::int64_t size;
    Room(const Sizes& z, T* data) {
      Scratch<T> scratch(data);
      keys = scratch.take(z.depth * z.padded_keys);
      values = scratch.take(z.columns * z.padded_keys);
      keys_rest = scratch.take(z.keys * kPackedColumns);
      queries_rest = scratch.take(z.block() * kPackedColumns);
      slopes_rest = scratch.take(z.block() * kPackedColumns);
      weights = scratch.take(z.block() * z.padded_keys);
      slopes = scratch.take(z.block() * z.padded_keys);
      words = scratch.take_words(z.words());
      size = scratch.taken();
    }
  };

  void operator()(std::int64_t n, std::int64_t h, const Room& room) const {
    HOP_PICK(pack_turned<T>)(k.at<T>(n, h), k.row, z.depth, z.keys, room.keys);
    HOP_PICK(pack_turned<T>)(v.at<T>(n, h), v.row, z.columns, z.keys, room.values);
    const Right<T> all_keys{k.at<T>(n, h), k.row, z.keys, z.depth, room.keys_rest};
    all_keys.prepare();
    clear(dk, n, h, z.depth);
    clear(dv, n, h, z.columns);
    for (std::int64_t first = 0; first < z.queries; first += kQueries) block(n, h, z.rows(first), all_keys, room);
  }

 private:
  void clear(const Heads& x, std::int64_t n, std::int64_t h, std::int64_t columns) const {
    for (std::int64_t i = 0; i < z.keys; ++i) std::fill_n(x.at<T>(n, h) + i * x.row, columns, T{0});
  }

  void block(std::int64_t n, std::int64_t h, const ScoreRows& rows, Right<T> keys, const Room& room) const {
    const T scale = static_cast<T>(z.scale);
    const std::int64_t first = rows.first_query, padded = z.padded_keys;
    const T *const from_q = q.at<T>(n, h) + first * q.row, *const from_g = g.at<T>(n, h) + first * g.row;
    multiply_turned<T>({from_q, q.row, 1, rows.count}, room.keys, z.depth, rows.keys, padded, room.weights);
    HOP_PICK(attention_weights_again<T>)
    (rows, scale, room.weights, log_sum + (n * z.heads + h) * z.queries + first);
    multiply_turned<T>({from_g, g.row, 1, rows.count}, room.values, z.columns, rows.keys, padded, room.slopes);
    ScoreDrop<T> drop{};
    if (z.dropout > 0) {
      drop = z.make_words<T>(n, h, rows, room.words);
      HOP_PICK(attention_drop<T>)(rows, drop, room.slopes);
    }
    const RowPairs<T> pairs{from_g, y.at<T>(n, h) + first * y.row, g.row, y.row, z.columns};
    HOP_PICK(attention_score_grads<T>)(rows, scale, room.weights, pairs, room.slopes);
    if (z.dropout > 0) HOP_PICK(attention_drop<T>)(rows, drop, room.weights);

    const Right<T> queries{from_q, q.row, rows.count, z.depth, room.queries_rest},
        slopes{from_g, g.row, rows.count, z.columns, room.slopes_rest};
    queries.prepare();
    slopes.prepare();
    keys.rows = rows.keys;
    multiply<T>({room.weights, 1, padded, rows.keys}, slopes, dv.at<T>(n, h), dv.row, true);
    multiply<T>({room.slopes, 1, padded, rows.keys}, queries, dk.at<T>(n, h), dk.row, true);
    multiply<T>({room.slopes, padded, 1, rows.count}, keys, dq.at<T>(n, h) + first * dq.row, dq.row);
  }
};

/// Launches `work` for all heads. Each thread's turn has a room of its own.
template <class T, class Work>
void for_heads(const Work& work) {
  using Room = typename Work::Room;
  const std::int64_t heads = work.z.samples * work.z.heads;
  const std::int64_t turns = std::min<std::int64_t>(heads, compute_threads());
  const std::int64_t room_size = Room(work.z, nullptr).size;
  const Storage memory(static_cast<std::size_t>(turns * room_size) * sizeof(T), Device::cpu());
  launch([work, heads, turns, room_size, data = memory.data()] {
    parallel_for(turns, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t turn = begin; turn < end; ++turn) {
        const Room room(work.z, as<T>(data) + turn * room_size);
        for (std::int64_t i = turn * heads / turns; i < (turn + 1) * heads / turns; ++i)
          work(i / work.z.heads, i % work.z.heads, room);
      }
    });
  });
}

template <class F>
void visit_floating(const Tensor& x, const F& f) {
  x.dtype() == DType::f32 ? f(float{}) : f(double{});
}

bool fits(const AttentionInputs&) { return true; }

void attention(const Tensor&, const AttentionInputs& in, const AttentionResult& result) {
  visit_floating(in.q, [&]<class T>(T) {
    for_heads<T>(
        Forward<T>{Sizes(in), Heads(in.q), Heads(in.k), Heads(in.v), Heads(result.y), result.log_sum.data<T>()});
  });
}

void attention_grad(const Tensor& g, const AttentionInputs& in, const AttentionResult& result,
                    const AttentionGrads& grads) {
  visit_floating(g, [&]<class T>(T) {
    for_heads<T>(Backward<T>{Sizes(in), Heads(g), Heads(in.q), Heads(in.k), Heads(in.v), Heads(result.y),
                             Heads(grads.q), Heads(grads.k), Heads(grads.v), result.log_sum.data<T>()});
  });
}

}  // namespace
}  // namespace hop::kernels::cpu

namespace hop::kernels {

const AttentionOperations AttentionOperations::cpu = {
    .fits = cpu::fits,
    .attention = cpu::attention,
    .attention_grad = cpu::attention_grad,
};

}  // namespace hop::kernels
