// Warp operations over the executor's meetings. Each is a pure function of the values of the lanes in the mask. A value
// taken from a lane that has ended or is not in the mask is undefined in CUDA; here all its bits are set: NaN, -1.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>

#include "kernels/simt/executor.h"

namespace hop::simt {

/// Types that CUDA can shuffle: numbers of 4 and 8 bytes.
template <class T>
concept Shuffled = (std::integral<T> || std::floating_point<T>)&&(sizeof(T) == 4 || sizeof(T) == 8);

template <class T>
std::uint64_t to_bits(T value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}
template <class T>
T from_bits(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// The value that lane `source` brought to the meeting.
template <Shuffled T>
T shuffle(const char* operation, unsigned mask, T value, unsigned source, const Location& where) {
  const Combine take = [](const std::uint64_t* values, unsigned, unsigned, std::uint64_t from) { return values[from]; };
  return from_bits<T>(warp_meeting(operation, mask, to_bits(value), source, take, where));
}

/// A 32-bit reduction over the lanes of the meeting, in lane order.
template <class T, class Op>
T reduce(const char* operation, unsigned mask, T value, const Location& where) {
  const Combine fold = [](const std::uint64_t* values, unsigned present, unsigned, std::uint64_t) {
    const int first = std::countr_zero(present);
    T result = from_bits<T>(values[first]);
    for (int lane = first + 1; lane < 32; ++lane) {
      if ((present >> lane & 1U) != 0) result = Op{}(result, from_bits<T>(values[lane]));
    }
    return to_bits(result);
  };
  return from_bits<T>(warp_meeting(operation, mask, to_bits(value), 0, fold, where));
}

/// The lanes whose predicate is not 0.
inline unsigned ballot(const char* operation, unsigned mask, bool predicate, const Location& where) {
  const Combine collect = [](const std::uint64_t* values, unsigned present, unsigned, std::uint64_t) {
    std::uint64_t lanes = 0;
    for (unsigned lane = 0; lane < 32; ++lane) lanes |= (present >> lane & 1U & values[lane]) << lane;
    return lanes;
  };
  return static_cast<unsigned>(warp_meeting(operation, mask, predicate ? 1 : 0, 0, collect, where));
}

template <class T>
concept Word = std::same_as<T, int> || std::same_as<T, unsigned>;
struct Add {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<unsigned>(a) + static_cast<unsigned>(b));  // wraps, as on a GPU
  }
};
struct Min {
  template <class T>
  T operator()(T a, T b) const {
    return b < a ? b : a;
  }
};
struct Max {
  template <class T>
  T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};
struct And {
  unsigned operator()(unsigned a, unsigned b) const { return a & b; }
};
struct Or {
  unsigned operator()(unsigned a, unsigned b) const { return a | b; }
};
struct Xor {
  unsigned operator()(unsigned a, unsigned b) const { return a ^ b; }
};

}  // namespace hop::simt

// ---- Barrier

inline void __syncwarp(unsigned mask = 0xffffffffU, hop::simt::Location where = hop::simt::Location::current()) {
  const hop::simt::Combine nothing = [](const std::uint64_t*, unsigned, unsigned, std::uint64_t) -> std::uint64_t {
    return 0;
  };
  hop::simt::warp_meeting("__syncwarp", mask, 0, 0, nothing, where);
}

// ---- Shuffles. `width` (2, 4, .. 32) cuts the warp into segments; a source outside the segment is the lane itself.
// Lane arithmetic as in the PTX ISA, `shfl.sync`.

template <hop::simt::Shuffled T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              hop::simt::Location where = hop::simt::Location::current()) {
  const unsigned within = static_cast<unsigned>(width) - 1;
  const unsigned from = (hop::simt::lane() & ~within) | (static_cast<unsigned>(source) & within);
  return hop::simt::shuffle("__shfl_sync", mask, value, from, where);
}
template <hop::simt::Shuffled T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 hop::simt::Location where = hop::simt::Location::current()) {
  const unsigned within = static_cast<unsigned>(width) - 1, lane = hop::simt::lane();
  const unsigned from = delta > (lane & within) ? lane : lane - delta;
  return hop::simt::shuffle("__shfl_up_sync", mask, value, from, where);
}
template <hop::simt::Shuffled T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   hop::simt::Location where = hop::simt::Location::current()) {
  const unsigned within = static_cast<unsigned>(width) - 1, lane = hop::simt::lane();
  const unsigned from = delta > within - (lane & within) ? lane : lane + delta;
  return hop::simt::shuffle("__shfl_down_sync", mask, value, from, where);
}
template <hop::simt::Shuffled T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                  hop::simt::Location where = hop::simt::Location::current()) {
  const unsigned within = static_cast<unsigned>(width) - 1, lane = hop::simt::lane();
  const unsigned other = (lane ^ static_cast<unsigned>(lane_mask)) & 31U;
  const unsigned from = other > (lane | within) ? lane : other;
  return hop::simt::shuffle("__shfl_xor_sync", mask, value, from, where);
}

// ---- Votes

inline unsigned __ballot_sync(unsigned mask, int predicate,
                              hop::simt::Location where = hop::simt::Location::current()) {
  return hop::simt::ballot("__ballot_sync", mask, predicate != 0, where);
}
inline int __any_sync(unsigned mask, int predicate, hop::simt::Location where = hop::simt::Location::current()) {
  return hop::simt::ballot("__any_sync", mask, predicate != 0, where) != 0;
}
inline int __all_sync(unsigned mask, int predicate, hop::simt::Location where = hop::simt::Location::current()) {
  return hop::simt::ballot("__all_sync", mask, predicate == 0, where) == 0;
}
/// The lanes of the mask that brought the same value.
template <hop::simt::Shuffled T>
unsigned __match_any_sync(unsigned mask, T value, hop::simt::Location where = hop::simt::Location::current()) {
  const hop::simt::Combine same = [](const std::uint64_t* values, unsigned present, unsigned lane, std::uint64_t) {
    std::uint64_t lanes = 0;
    for (unsigned other = 0; other < 32; ++other) {
      if ((present >> other & 1U) != 0 && values[other] == values[lane]) lanes |= std::uint64_t{1} << other;
    }
    return lanes;
  };
  return static_cast<unsigned>(
      hop::simt::warp_meeting("__match_any_sync", mask, hop::simt::to_bits(value), 0, same, where));
}

// ---- Reductions (compute capability 8.0 and above)

template <hop::simt::Word T>
T __reduce_add_sync(unsigned mask, T value, hop::simt::Location where = hop::simt::Location::current()) {
  return hop::simt::reduce<T, hop::simt::Add>("__reduce_add_sync", mask, value, where);
}
template <hop::simt::Word T>
T __reduce_min_sync(unsigned mask, T value, hop::simt::Location where = hop::simt::Location::current()) {
  return hop::simt::reduce<T, hop::simt::Min>("__reduce_min_sync", mask, value, where);
}
template <hop::simt::Word T>
T __reduce_max_sync(unsigned mask, T value, hop::simt::Location where = hop::simt::Location::current()) {
  return hop::simt::reduce<T, hop::simt::Max>("__reduce_max_sync", mask, value, where);
}
inline unsigned __reduce_and_sync(unsigned mask, unsigned value,
                                  hop::simt::Location where = hop::simt::Location::current()) {
  return hop::simt::reduce<unsigned, hop::simt::And>("__reduce_and_sync", mask, value, where);
}
inline unsigned __reduce_or_sync(unsigned mask, unsigned value,
                                 hop::simt::Location where = hop::simt::Location::current()) {
  return hop::simt::reduce<unsigned, hop::simt::Or>("__reduce_or_sync", mask, value, where);
}
inline unsigned __reduce_xor_sync(unsigned mask, unsigned value,
                                  hop::simt::Location where = hop::simt::Location::current()) {
  return hop::simt::reduce<unsigned, hop::simt::Xor>("__reduce_xor_sync", mask, value, where);
}
