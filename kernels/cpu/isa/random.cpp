// Philox4x32-10 on many counters at once, in the layout that tensor/random.h defines one counter at a time.
#include "kernels/cpu/random_internal.h"

#include "kernels/cpu/isa/pack.h"
#include "kernels/cpu/isa/shuffle.h"
#include "kernels/cpu/isa/uniform.h"

namespace hop::kernels::HOP_ISA {
namespace {

using Words = std::uint64_t __attribute__((vector_size(rows::kPackBytes)));  // one 32-bit word in each 64-bit lane
constexpr int kBlocks = rows::kPackBytes / 8;                                // counters per vector
constexpr int kChains = 4;                   // vectors at once: they hide each other's latency
constexpr int kRun = 4 * kBlocks * kChains;  // words at once

#ifdef __AVX512F__
HOP_INLINE Words multiply(Words a, Words b) { return Words(_mm512_mul_epu32(__m512i(a), __m512i(b))); }
// Block i stands in lane 2 i or, from the middle on, in lane 2 i + 1: so interleaving two vectors puts blocks in order.
constexpr Words kLaneBlocks = {0, 4, 1, 5, 2, 6, 3, 7};
#else
HOP_INLINE Words multiply(Words a, Words b) { return Words(_mm256_mul_epu32(__m256i(a), __m256i(b))); }
constexpr Words kLaneBlocks = {0, 2, 1, 3};
#endif
constexpr auto kFirstHalf = [](int lane) { return lane / 2 * 2 + lane % 2 * kBlocks; };
constexpr auto kSecondHalf = [](int lane) { return lane / 2 * 2 + 1 + lane % 2 * kBlocks; };

/// The kRun words of blocks block, block + 1, .. The upper half of a lane is garbage until the end, and no step reads
/// it.
HOP_INLINE void philox_run(const Address& address, std::uint64_t block, std::uint32_t* words) {
  Words a[kChains], b[kChains], c[kChains], d[kChains];
  for (int j = 0; j < kChains; ++j) {
    const Words counter = kLaneBlocks + (block + static_cast<std::uint64_t>(kBlocks * j));
    a[j] = counter;
    b[j] = Words{} + address.draw;
    c[j] = Words{} + address.step;
    d[j] = (address.step >> 32) | (counter >> 32 << 16);
  }
  std::uint64_t key0 = address.key & 0xFFFFFFFF, key1 = address.key >> 32;
  for (int round = 0; round < 10; ++round) {
    for (int j = 0; j < kChains; ++j) {
      const Words p = multiply(a[j], Words{} + 0xD2511F53U);
      const Words q = multiply(c[j], Words{} + 0xCD9E8D57U);
      a[j] = (q >> 32) ^ b[j] ^ key0;
      b[j] = q;
      c[j] = (p >> 32) ^ d[j] ^ key1;
      d[j] = p;
    }
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  for (int j = 0; j < kChains; ++j) {
    const Words ab = (a[j] & 0xFFFFFFFFU) | b[j] << 32, cd = (c[j] & 0xFFFFFFFFU) | d[j] << 32;
    const Words first = shuffled(ab, cd, kFirstHalf), second = shuffled(ab, cd, kSecondHalf);
    __builtin_memcpy(words + 4 * kBlocks * j, &first, sizeof first);
    __builtin_memcpy(words + 4 * kBlocks * j + 2 * kBlocks, &second, sizeof second);
  }
}

/// f(i, count, words) for runs of at most kRun elements.
template <class F>
HOP_INLINE void for_each_run(const Address& address, std::uint64_t first, std::int64_t n, const F& f) {
  alignas(64) std::uint32_t words[kRun];
  for (std::int64_t i = 0; i < n; i += kRun) {
    philox_run(address, (first + static_cast<std::uint64_t>(i)) / 4, words);
    if (n - i >= kRun)
      f(i, std::int64_t{kRun}, words);  // a constant count: vectors
    else
      f(i, n - i, words);
  }
}

template <class T>
HOP_INLINE void dropout_loop(const Address& address, std::uint64_t first, float p, T scale, const T* x, T* y,
                             std::int64_t n) {
  for_each_run(
      address, first,
      n, [=](std::int64_t i, std::int64_t count, const std::uint32_t* words) __attribute__((always_inline)) {
        for (std::int64_t j = 0; j < count; ++j) {
          const T kept = x[i + j] * scale;
          y[i + j] = uniform01(words[j]) < p ? T{0} : kept;
        }
      });
}

}  // namespace

void random_words(Address address, std::uint64_t first, std::uint32_t* to, std::int64_t n) {
  for_each_run(
      address, first,
      n, [=](std::int64_t i, std::int64_t count, const std::uint32_t* words) __attribute__((always_inline)) {
        __builtin_memcpy(to + i, words, static_cast<std::size_t>(count) * sizeof *words);
      });
}

void uniform(Address address, std::uint64_t first, float low, float high, float* y, std::int64_t n) {
  const float range = high - low, last = __builtin_nextafterf(high, low);  // rounding may reach high
  for_each_run(
      address, first,
      n, [=](std::int64_t i, std::int64_t count, const std::uint32_t* words) __attribute__((always_inline)) {
        for (std::int64_t j = 0; j < count; ++j) {
          const float value = low + uniform01(words[j]) * range;
          y[i + j] = value < last ? value : last;
        }
      });
}

void dropout(Address address, std::uint64_t first, float p, float scale, const float* x, float* y, std::int64_t n) {
  dropout_loop(address, first, p, scale, x, y, n);
}
void dropout(Address address, std::uint64_t first, float p, double scale, const double* x, double* y, std::int64_t n) {
  dropout_loop(address, first, p, scale, x, y, n);
}

}  // namespace hop::kernels::HOP_ISA
