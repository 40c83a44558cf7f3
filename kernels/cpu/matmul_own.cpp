// Products in our own loops: which factor gives the rows, which the columns, and which is packed first.
#include <algorithm>

#include "kernels/capture_internal.h"
#include "kernels/cpu/gemm_loops_internal.h"
#include "kernels/cpu/parallel_internal.h"
#include "kernels/cpu/product_internal.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 19;  // multiply-adds per thread's turn

/// A product in our loops, and the part that has to be packed first.
template <class T>
struct OwnProduct {
  Gemm<T> gemm;
  enum class Pack { nothing, rest, turned } pack;
  const T* from;  // b's rest (k, n % 16), or the factor to transpose (columns, k)
  std::int64_t from_row, columns;
  T* packed;

  void operator()() const {
    if (pack == Pack::turned) HOP_PICK(pack_turned<T>)(from, from_row, gemm.k, columns, packed);
    if (pack == Pack::rest) HOP_PICK(pack_rest<T>)(from, from_row, gemm.k, columns, packed);
    const std::int64_t blocks = (gemm.m + kGemmRows - 1) / kGemmRows;
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / (kGemmRows * gemm.n * gemm.k));
    parallel_for(blocks, grain, [&](std::int64_t begin, std::int64_t end) {
      HOP_PICK(gemm_rows<T>)(gemm, begin, end);
    });
  }
};

/// y (m, n) = a b + bias. If b is transposed, one factor is transposed first: b if it is the smaller one; otherwise a,
/// and the product is y^T = b^T a^T.
template <class T>
class OwnProductMaker {
 public:
  explicit OwnProductMaker(const Product& p)
      : p_(p),
        turns_y_(p.b.transposed && p.n > p.m),
        packs_turned_(turns_y_ ? !p.a.transposed : p.b.transposed),
        rows_(turns_y_ ? p.n : p.m),
        columns_(turns_y_ ? p.m : p.n) {
    const std::int64_t width = packs_turned_ ? (columns_ + kPackedColumns - 1) / kPackedColumns * kPackedColumns
                               : columns_ % kPackedColumns == 0 ? 0
                                                                : kPackedColumns;
    packed_row_ = width;
    if (width * p.k != 0) packed_ = Storage(static_cast<std::size_t>(width * p.k) * sizeof(T), Device::cpu());
  }

  OwnProduct<T> make(const T* a, const T* b, T* y) const {
    OwnProduct<T> own{};
    Gemm<T>& g = own.gemm;
    g.m = rows_, g.n = columns_, g.k = p_.k;
    g.bias = p_.bias.defined() ? p_.bias.template data<T>() : nullptr;
    g.bias_of_rows = turns_y_;
    g.c = y, g.c_row = turns_y_ ? 1 : p_.n, g.c_column = turns_y_ ? p_.n : 1;
    const T* left = turns_y_ ? b : a;   // rows of the product
    const T* right = turns_y_ ? a : b;  // its columns
    const bool left_by_columns = turns_y_ ? false : p_.a.transposed;
    g.a = left, g.a_row = left_by_columns ? 1 : p_.k, g.a_column = left_by_columns ? rows_ : 1;
    own.packed = packed_ ? reinterpret_cast<T*>(packed_.data()) : nullptr;
    if (packs_turned_) {
      own.pack = OwnProduct<T>::Pack::turned;
      own.from = right, own.from_row = p_.k, own.columns = columns_;
      g.b = own.packed, g.b_row = packed_row_;
      g.rest = own.packed + columns_ / kPackedColumns * kPackedColumns, g.rest_row = packed_row_;
    } else {
      own.pack = columns_ % kPackedColumns == 0 ? OwnProduct<T>::Pack::nothing : OwnProduct<T>::Pack::rest;
      own.columns = columns_ % kPackedColumns;
      own.from = right + columns_ - own.columns, own.from_row = columns_;
      g.b = right, g.b_row = columns_;
      g.rest = own.packed, g.rest_row = kPackedColumns;
    }
    return own;
  }

 private:
  const Product& p_;
  bool turns_y_;       // y^T is computed
  bool packs_turned_;  // the factor that gives the columns lies along k
  std::int64_t rows_, columns_, packed_row_;
  Storage packed_;
};

template <class T>
void multiply(const Product& p) {
  const OwnProductMaker<T> maker(p);
  for_each_matrix<T>(p, [&](const T* a, const T* b, T* y) { launch(maker.make(a, b, y)); });
}

}  // namespace

void multiply_in_loops(const Product& p) { p.y.dtype() == DType::f32 ? multiply<float>(p) : multiply<double>(p); }

}  // namespace hop::kernels::cpu
