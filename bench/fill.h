// The numbers that every side of a comparison starts from: a formula instead of a file, so that each program, in
// whatever language, makes the same weights and batches by itself. Knows no library. bench/peers/pytorch.py has it
// again.
#pragma once

#include <cmath>
#include <cstdint>

namespace hop::bench {

/// Element i of the sequence `stream`: 32 well-mixed bits ("lowbias32", Chris Wellons, 2018).
inline std::uint32_t mixed(std::uint32_t stream, std::uint32_t i) {
  std::uint32_t x = i * 2654435761U + stream * 40503U + 12345U;
  x = (x ^ (x >> 16)) * 0x7feb352dU;
  x = (x ^ (x >> 15)) * 0x846ca68bU;
  return x ^ (x >> 16);
}

/// In [-1, 1), a multiple of 2^-23: exact in float.
inline float uniform(std::uint32_t stream, std::uint32_t i) {
  return static_cast<float>(mixed(stream, i) >> 8) / 8388608.0F - 1.0F;
}

/// Initial values. Weights of linear and convolution layers (2 dimensions or more) are uniform within 1 / sqrt(inputs
/// of one output); the scale of a normalisation is 1, every bias 0. `index` is the place of the parameter in its model.
inline void fill_parameter(float* values, std::int64_t count, std::int64_t outputs, int dims, bool is_bias,
                           std::uint32_t index) {
  const auto bound = static_cast<float>(1 / std::sqrt(static_cast<double>(count / outputs)));
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] = dims >= 2 ? bound * uniform(100 + index, static_cast<std::uint32_t>(i)) : is_bias ? 0.0F : 1.0F;
  }
}

inline void fill_stream(float* values, std::int64_t count, std::uint32_t stream) {
  for (std::int64_t i = 0; i < count; ++i) values[i] = uniform(stream, static_cast<std::uint32_t>(i));
}

inline void fill_input(float* values, std::int64_t count) { fill_stream(values, count, 1); }
inline void fill_target(float* values, std::int64_t count) { fill_stream(values, count, 2); }

/// Indices 1 .. words, as a table's categories are.
inline void fill_words(float* values, std::int64_t count, std::uint32_t words) {
  for (std::int64_t i = 0; i < count; ++i)
    values[i] = static_cast<float>(mixed(5, static_cast<std::uint32_t>(i)) % words + 1);
}

/// 0 or 1.
inline void fill_clicks(float* values, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) values[i] = static_cast<float>(mixed(3, static_cast<std::uint32_t>(i)) % 2);
}

inline void fill_labels(std::int64_t* labels, std::int64_t count, std::uint32_t classes) {
  for (std::int64_t i = 0; i < count; ++i) labels[i] = mixed(3, static_cast<std::uint32_t>(i)) % classes;
}

}  // namespace hop::bench
