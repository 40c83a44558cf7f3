// Attention in tiles, f32 and f64: y_i = sum_j w_ij v_j with w_ij = exp(s_ij) / sum_j exp(s_ij), s_ij = scale q_i k_j.
// Long because the way there and the way back share their tiles, and because both are explained.
//
// The matrix of all s_ij would be written and read several times, L S values each time, and it is the largest thing in
// a transformer's step. So it is never made. A block owns a few queries and walks over tiles of 32 keys, which its
// threads bring to shared memory together:
//
//            keys of the tile: one per lane
//            k_0  k_1  ..  k_31
//      q_0  [ s    s        s  ]    a warp owns some rows. Lane j computes s_ij, a dot product of columns that lie in
//      q_1  [ s    s        s  ]    shared memory, and the warp has the row's maximum and sum after five shuffles each.
//
// The sum of a row is complete only after the last tile, so the row keeps what it has seen so far: the maximum m, the
// sum l of exp(s - m), and y, the sum of exp(s - m) v. When a tile brings a larger maximum, l and y are multiplied by
// exp(m_old - m_new) (Milakov & Gimelshein, "Online normalizer calculation for softmax", 2018). At the end y / l is the
// row, and log_sum = m + log l is all that the way back needs: w_ij = exp(s_ij - log_sum_i) (Dao et al.,
// "FlashAttention", 2022).
//
// For y the lanes change their job: lane c holds columns c, c + 32, .. of y and adds w_ij v_j for the 32 keys one after
// the other; each w_ij comes by a shuffle from the lane that computed it. So all sums run in the order of the keys, in
// every grid.
//
// The way back. With D_i = sum(g_i y_i) and ds_ij = scale w_ij (g_i v_j - D_i):
//
//   dq_i = sum_j ds_ij k_j          rows are queries, tiles are keys
//   dk_j = sum_i ds_ij q_i          rows are keys, tiles are queries
//   dv_j = sum_i w_ij g_i
//
// Both walks are one kernel, Slopes: a row brings two vectors, a tile brings two per lane, their dot products are s and
// g v, and the results are sums over the tiles. Nobody adds to another's sum, so there are no atomics.
//
// With dropout, w_ij is multiplied by m_ij = 0 or 1 / (1 - p) on its way into y and dv, and g_i v_j on its way into
// ds_ij; D_i = sum_j w_ij m_ij g_i v_j is still sum(g_i y_i). m_ij is a function of the random address and of the
// element's number in (N, heads, L, S), so every kernel makes it again: some 50 integer instructions for each w_ij.
#include <cmath>
#include <string>

#include "base/error.h"
#include "kernels/attention_operations.h"
#include "kernels/cuda/on_device.h"
#include "kernels/cuda/operands_internal.h"
#include "kernels/cuda/random_device.h"
#include "kernels/cuda/reduce_device.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda {
namespace {

using std::exp;  // the overloads for numbers
using std::log;

constexpr int kWarps = 4, kBlock = 32 * kWarps;
constexpr int kTile = 32;                           // rows of a tile: one per lane
constexpr int kForwardRows = 4, kBackwardRows = 2;  // of a warp, so that a block's shared memory stays below 48 KB

/// The heads of an operand (N, heads, rows, columns); strides in elements.
template <class T>
struct Heads {
  T* data;
  std::int64_t sample, head, row;
  int columns;

  explicit Heads(const Tensor& x)
      : data(x.data<T>()),
        sample(x.strides()[0]),
        head(x.strides()[1]),
        row(x.strides()[2]),
        columns(static_cast<int>(x.size(3))) {}
  /// Row 0 of the block's head.
  __device__ T* at(int heads) const {
    const std::int64_t n = blockIdx.y / static_cast<unsigned>(heads), h = blockIdx.y % static_cast<unsigned>(heads);
    return data + n * sample + h * head;
  }
};

struct Sizes {
  int heads, queries, keys;
  double scale;
  bool is_causal;
  double dropout;
  RandomAddress address;

  explicit Sizes(const AttentionInputs& in)
      : heads(static_cast<int>(in.q.size(1))),
        queries(static_cast<int>(in.q.size(2))),
        keys(static_cast<int>(in.k.size(2))),
        scale(in.scale),
        is_causal(in.is_causal),
        dropout(in.dropout),
        address(in.address) {}
  __device__ bool sees(int query, int key) const {
    return query < queries && key < keys && (!is_causal || key <= query);
  }
};

/// Drops the weights of the block's head.
template <class T>
struct Drop {
  RandomAddress address;
  std::uint64_t first;  // the number of the head's first weight
  int keys;
  float p;
  T scale;

  __device__ explicit Drop(const Sizes& z)
      : address(now(z.address)),
        first(std::uint64_t{blockIdx.y} * static_cast<unsigned>(z.queries) * static_cast<unsigned>(z.keys)),
        keys(z.keys),
        p(static_cast<float>(z.dropout)),
        scale(static_cast<T>(1 / (1 - z.dropout))) {}
  /// x, a weight or its gradient, dropped or scaled.
  __device__ T operator()(int query, int key, T x) const {
    if (p == 0) return x;
    const std::uint64_t i =
        first + static_cast<std::uint64_t>(query) * static_cast<unsigned>(keys) + static_cast<unsigned>(key);
    return uniform01(word_of(address, i)) < p ? T{0} : x * scale;
  }
};

/// `kRows` rows of `kColumns` columns in shared memory, zeros where the operand has none. One column more than there
/// are keeps lanes that read one column of 32 rows on 32 banks.
template <class T, int kRows, int kColumns>
struct Rows {
  T values[kRows][kColumns + 1];

  /// By all threads of the block; the caller sets the barriers.
  __device__ void load(const T* from, std::int64_t row, int columns, int first, int rows) {
    for (int i = static_cast<int>(threadIdx.x); i < kRows * kColumns; i += kBlock) {
      const int r = i / kColumns, c = i % kColumns;
      values[r][c] = first + r < rows && c < columns ? from[(first + r) * row + c] : T{0};
    }
  }
};

/// sum[r] = the dot product of the warp's row r and the lane's row of a tile.
template <class T, int kOwn, int kAll, int kColumns>
__device__ inline void dot_products(const Rows<T, kAll, kColumns>& own, const Rows<T, kTile, kColumns>& tile,
                                    int columns, T (&sum)[kOwn]) {
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int r = 0; r < kOwn; ++r) sum[r] = 0;
  for (int c = 0; c < columns; ++c) {
    const T value = tile.values[lane][c];
#pragma unroll
    for (int r = 0; r < kOwn; ++r) sum[r] += own.values[warp * kOwn + r][c] * value;
  }
}

/// sum[k] += factor_j tile_j[lane + 32 k] for the 32 rows j of a tile; lane j has factor_j.
template <class T, int kColumns>
__device__ inline void add_rows(T factor, const Rows<T, kTile, kColumns>& tile, T (&sum)[kColumns / 32]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll 4
  for (int j = 0; j < kTile; ++j) {
    const T f = __shfl_sync(kAllLanes, factor, j);
#pragma unroll
    for (int k = 0; k < kColumns / 32; ++k) sum[k] += f * tile.values[j][lane + 32 * k];
  }
}

template <class T, int kColumns>
__device__ inline void store_row(T* to, int columns, const T (&values)[kColumns / 32], T factor) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int k = 0; k < kColumns / 32; ++k) {
    if (lane + 32 * k < columns) to[lane + 32 * k] = values[k] * factor;
  }
}

/// Grid: x = groups of queries, y = heads of all samples. Floor: q, k, v and y once each; k and v come again from L2
/// for every group of 16 queries.
template <class T, int kColumns>
__global__ void __launch_bounds__(kBlock)
    attention_kernel(Sizes z, Heads<const T> q, Heads<const T> k, Heads<const T> v, Heads<T> y, T* log_sum) {
  constexpr int kOwn = kForwardRows, kAll = kOwn * kWarps;
  __shared__ Rows<T, kAll, kColumns> queries;
  __shared__ Rows<T, kTile, kColumns> keys, values;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int first = static_cast<int>(blockIdx.x) * kAll;
  queries.load(q.at(z.heads), q.row, q.columns, first, z.queries);

  const Drop<T> drop(z);
  T max[kOwn], total[kOwn] = {}, sum[kOwn][kColumns / 32] = {};
#pragma unroll
  for (int r = 0; r < kOwn; ++r) max[r] = Max::identity<T>();
  const int end = z.is_causal && first + kAll < z.keys ? first + kAll : z.keys;
  for (int at = 0; at < end; at += kTile) {
    __syncthreads();  // all have used the tile before
    keys.load(k.at(z.heads), k.row, k.columns, at, z.keys);
    values.load(v.at(z.heads), v.row, v.columns, at, z.keys);
    __syncthreads();
    T s[kOwn];
    dot_products<T, kOwn>(queries, keys, q.columns, s);
#pragma unroll
    for (int r = 0; r < kOwn; ++r) {
      const bool sees = z.sees(first + warp * kOwn + r, at + lane);
      const T score = sees ? s[r] * static_cast<T>(z.scale) : Max::identity<T>();
      const T larger = Max::combine(max[r], warp_reduce<Max>(score));
      const bool is_blind = larger == Max::identity<T>();  // the row has seen no key yet
      const T keep = is_blind ? T{1} : exp(max[r] - larger), weight = sees ? exp(score - larger) : T{0};
      total[r] = total[r] * keep + warp_reduce<Add>(weight);
#pragma unroll
      for (T& value : sum[r]) value *= keep;
      const T kept = sees ? drop(first + warp * kOwn + r, at + lane, weight) : T{0};
      add_rows<T, kColumns>(kept, values, sum[r]);
      max[r] = larger;
    }
  }
#pragma unroll
  for (int r = 0; r < kOwn; ++r) {
    const int query = first + warp * kOwn + r;
    if (query >= z.queries) continue;
    store_row<T, kColumns>(y.at(z.heads) + query * y.row, y.columns, sum[r], T{1} / total[r]);
    if (lane == 0) log_sum[std::int64_t{blockIdx.y} * z.queries + query] = max[r] + log(total[r]);
  }
}

/// D: a warp per query. Grid: x = groups of 4 queries, y = heads of all samples.
template <class T>
__global__ void __launch_bounds__(kBlock) shares_kernel(Sizes z, Heads<const T> g, Heads<const T> y, T* shares) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int query = static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / 32;
  T sum = 0;
  for (int c = lane; query < z.queries && c < g.columns; c += 32)
    sum += g.at(z.heads)[query * g.row + c] * y.at(z.heads)[query * y.row + c];
  sum = warp_reduce<Add>(sum);
  if (lane == 0 && query < z.queries) shares[std::int64_t{blockIdx.y} * z.queries + query] = sum;
}

/// The two vectors of rows or of tiles, and how many there are: of queries q and g, of keys k and v.
template <class T>
struct Pair {
  Heads<const T> first, second;
  int count;
};

/// With kOfQueries rows are queries, tiles are keys, and out_first is dq. Otherwise rows are keys, tiles are queries,
/// out_first is dk and out_second dv. Grid: x = groups of rows, y = heads of all samples.
template <class T, int kColumns, bool kOfQueries>
__global__ void __launch_bounds__(kBlock) slopes_kernel(Sizes z, Pair<T> own, Pair<T> other, const T* log_sum,
                                                        const T* shares, Heads<T> out_first, Heads<T> out_second) {
  constexpr int kOwn = kBackwardRows, kAll = kOwn * kWarps;
  __shared__ Rows<T, kAll, kColumns> own_first, own_second;
  __shared__ Rows<T, kTile, kColumns> tile_first, tile_second;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int first = static_cast<int>(blockIdx.x) * kAll;
  const std::int64_t head = std::int64_t{blockIdx.y} * z.queries;
  own_first.load(own.first.at(z.heads), own.first.row, own.first.columns, first, own.count);
  own_second.load(own.second.at(z.heads), own.second.row, own.second.columns, first, own.count);

  const Drop<T> drop(z);
  T sum_first[kOwn][kColumns / 32] = {}, sum_second[kOwn][kColumns / 32] = {};
  const int begin = z.is_causal && !kOfQueries ? first / kTile * kTile : 0;
  const int end = z.is_causal && kOfQueries && first + kAll < other.count ? first + kAll : other.count;
  for (int at = begin; at < end; at += kTile) {
    __syncthreads();  // all have used the tile before
    tile_first.load(other.first.at(z.heads), other.first.row, other.first.columns, at, other.count);
    tile_second.load(other.second.at(z.heads), other.second.row, other.second.columns, at, other.count);
    __syncthreads();
    T s[kOwn], gv[kOwn];
    dot_products<T, kOwn>(own_first, tile_first, own.first.columns, s);
    dot_products<T, kOwn>(own_second, tile_second, own.second.columns, gv);
#pragma unroll
    for (int r = 0; r < kOwn; ++r) {
      const int row = first + warp * kOwn + r;
      const int query = kOfQueries ? row : at + lane, key = kOfQueries ? at + lane : row;
      T weight = 0, slope = 0;
      if (z.sees(query, key)) {
        const T scale = static_cast<T>(z.scale);
        weight = exp(s[r] * scale - log_sum[head + query]);
        slope = scale * weight * (drop(query, key, gv[r]) - shares[head + query]);
        if constexpr (!kOfQueries) weight = drop(query, key, weight);
      }
      add_rows<T, kColumns>(slope, tile_first, sum_first[r]);
      if constexpr (!kOfQueries) add_rows<T, kColumns>(weight, tile_second, sum_second[r]);
    }
  }
#pragma unroll
  for (int r = 0; r < kOwn; ++r) {
    const int row = first + warp * kOwn + r;
    if (row >= own.count) continue;
    store_row<T, kColumns>(out_first.at(z.heads) + row * out_first.row, out_first.columns, sum_first[r], T{1});
    if constexpr (!kOfQueries)
      store_row<T, kColumns>(out_second.at(z.heads) + row * out_second.row, out_second.columns, sum_second[r], T{1});
  }
}

dim3 grid_of(const AttentionInputs& in, std::int64_t rows, int per_block) {
  return {static_cast<unsigned>((rows + per_block - 1) / per_block),
          static_cast<unsigned>(in.q.size(0) * in.q.size(1))};
}

template <class T, int kColumns>
void run(const AttentionInputs& in, const AttentionResult& result) {
  launch(attention_kernel<T, kColumns>, grid_of(in, in.q.size(2), kForwardRows * kWarps), kBlock, 0, current_stream(),
         Sizes(in), Heads<const T>(in.q), Heads<const T>(in.k), Heads<const T>(in.v), Heads<T>(result.y),
         result.log_sum.data<T>());
}

template <class T, int kColumns>
void run_grad(const Tensor& g, const AttentionInputs& in, const AttentionResult& result, const AttentionGrads& grads) {
  const Sizes z(in);
  const Tensor shares = Tensor::empty(result.log_sum.shape(), g.dtype(), g.device());
  launch(shares_kernel<T>, grid_of(in, z.queries, kWarps), kBlock, 0, current_stream(), z, Heads<const T>(g),
         Heads<const T>(result.y), shares.data<T>());
  const Pair<T> queries{Heads<const T>(in.q), Heads<const T>(g), z.queries},
      keys{Heads<const T>(in.k), Heads<const T>(in.v), z.keys};
  constexpr int kRows = kBackwardRows * kWarps;
  launch(slopes_kernel<T, kColumns, true>, grid_of(in, z.queries, kRows), kBlock, 0, current_stream(), z, queries, keys,
         result.log_sum.data<T>(), shares.data<T>(), Heads<T>(grads.q), Heads<T>(grads.q));
  launch(slopes_kernel<T, kColumns, false>, grid_of(in, z.keys, kRows), kBlock, 0, current_stream(), z, keys, queries,
         result.log_sum.data<T>(), shares.data<T>(), Heads<T>(grads.k), Heads<T>(grads.v));
}

std::int64_t widest(const AttentionInputs& in) { return std::max(in.q.size(3), in.v.size(3)); }

/// A block's shared memory holds rows of 128 floats or 64 doubles; a grid has 65,535 heads at most.
bool fits(const AttentionInputs& in) {
  return widest(in) <= (in.q.dtype() == DType::f32 ? 128 : 64) && in.q.size(0) * in.q.size(1) <= 65535;
}

/// Calls f(zero of the dtype, the columns that a kernel is made for).
template <class F>
void visit(const AttentionInputs& in, const F& f) {
  visit_floating(in.q, [&]<class T>(T) {
    if (widest(in) <= 32)
      f(T{}, std::integral_constant<int, 32>{});
    else if (widest(in) <= 64)
      f(T{}, std::integral_constant<int, 64>{});
    else if constexpr (sizeof(T) == 4)
      f(T{}, std::integral_constant<int, 128>{});
  });
}

void attention(const Tensor&, const AttentionInputs& in, const AttentionResult& result) {
  visit(in, [&]<class T, int kColumns>(T, std::integral_constant<int, kColumns>) { run<T, kColumns>(in, result); });
}

void attention_grad(const Tensor& g, const AttentionInputs& in, const AttentionResult& result,
                    const AttentionGrads& grads) {
  visit(in, [&]<class T, int kColumns>(T, std::integral_constant<int, kColumns>) {
    run_grad<T, kColumns>(g, in, result, grads);
  });
}

}  // namespace
}  // namespace hop::kernels::cuda

namespace hop::kernels {

const AttentionOperations AttentionOperations::cuda = {
    .fits = cuda::fits,
    .attention = cuda::on_device<cuda::attention>,
    .attention_grad = cuda::on_device<cuda::attention_grad>,
};

}  // namespace hop::kernels
