// Philox4x32-10 on many counters at once, in the layout that tensor/random.h defines one counter at a time.
#include "kernels/cpu/random_internal.h"

namespace hop::kernels::HOP_ISA {
namespace {

constexpr int kBlocks = 16;  // counters at once
constexpr int kWords = 4 * kBlocks;

// words[4 j + k] = word k of block `block + j`. The loops over j become vector instructions.
inline void philox_blocks(const Address& address, std::uint64_t block, std::uint32_t* words) {
  std::uint32_t a[kBlocks], b[kBlocks], c[kBlocks], d[kBlocks];
  for (int j = 0; j < kBlocks; ++j) {
    const std::uint64_t counter = block + static_cast<std::uint64_t>(j);
    a[j] = static_cast<std::uint32_t>(counter);
    b[j] = address.draw;
    c[j] = static_cast<std::uint32_t>(address.step);
    d[j] = static_cast<std::uint32_t>(address.step >> 32) | static_cast<std::uint32_t>(counter >> 32) << 16;
  }
  auto key0 = static_cast<std::uint32_t>(address.key), key1 = static_cast<std::uint32_t>(address.key >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int j = 0; j < kBlocks; ++j) {
      const std::uint64_t p = std::uint64_t{0xD2511F53} * a[j];
      const std::uint64_t q = std::uint64_t{0xCD9E8D57} * c[j];
      a[j] = static_cast<std::uint32_t>(q >> 32) ^ b[j] ^ key0;
      b[j] = static_cast<std::uint32_t>(q);
      c[j] = static_cast<std::uint32_t>(p >> 32) ^ d[j] ^ key1;
      d[j] = static_cast<std::uint32_t>(p);
    }
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  for (int j = 0; j < kBlocks; ++j) {
    words[4 * j] = a[j];
    words[4 * j + 1] = b[j];
    words[4 * j + 2] = c[j];
    words[4 * j + 3] = d[j];
  }
}

inline float uniform(std::uint32_t word) { return static_cast<float>(static_cast<std::int32_t>(word >> 8)) * 0x1p-24F; }

// f(i, count, words) for runs of at most kWords elements.
template <class F>
inline void for_each_run(const Address& address, std::uint64_t first, std::int64_t n, const F& f) {
  alignas(64) std::uint32_t words[kWords];
  for (std::int64_t i = 0; i < n; i += kWords) {
    philox_blocks(address, (first + static_cast<std::uint64_t>(i)) / 4, words);
    if (n - i >= kWords)
      f(i, std::int64_t{kWords}, words);  // a constant count: vectors
    else
      f(i, n - i, words);
  }
}

template <class T>
inline void dropout(const Address& address, std::uint64_t first, float p, T scale, const T* x, T* y, std::int64_t n) {
  for_each_run(address, first, n, [=](std::int64_t i, std::int64_t count, const std::uint32_t* words) {
    for (std::int64_t j = 0; j < count; ++j) {
      const T kept = x[i + j] * scale;
      y[i + j] = uniform(words[j]) < p ? T{0} : kept;
    }
  });
}

}  // namespace

void uniform_words(Address address, std::uint64_t first, float low, float high, float* y, std::int64_t n) {
  const float range = high - low, last = __builtin_nextafterf(high, low);  // rounding may reach high
  for_each_run(address, first, n, [=](std::int64_t i, std::int64_t count, const std::uint32_t* words) {
    for (std::int64_t j = 0; j < count; ++j) {
      const float value = low + uniform(words[j]) * range;
      y[i + j] = value < last ? value : last;
    }
  });
}

void dropout_words(Address address, std::uint64_t first, float p, float scale, const float* x, float* y,
                   std::int64_t n) {
  dropout(address, first, p, scale, x, y, n);
}
void dropout_words(Address address, std::uint64_t first, float p, double scale, const double* x, double* y,
                   std::int64_t n) {
  dropout(address, first, p, scale, x, y, n);
}

}  // namespace hop::kernels::HOP_ISA
