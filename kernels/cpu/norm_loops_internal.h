// The vectorised loops of the normalisations. T is float or double. weight and bias may be null: 1 and 0.
#pragma once

#include <cstdint>

#include "kernels/cpu/isa_internal.h"

namespace hop::kernels {

/// x (batch, channels, size), contiguous unless said otherwise. Layer norm: one channel, each of the `batch` rows has
/// statistics of its own.
struct NormShape {
  std::int64_t batch, channels, size;
};

/// Inputs of both directions.
template <class T>
struct NormInputs {
  NormShape shape;
  const T* x;
  const T* weight;
  const T* bias;
};

/// Statistics, written by the forward loops and read by all others; rstd = 1 / sqrt(var + eps).
template <class T>
struct NormStatistics {
  T* mean;
  T* rstd;
  T* var = nullptr;  // written by batch norm alone
};

/// A BatchNormTail: y = relu(normalised + residual).
template <class T>
struct NormTail {
  const T* residual = nullptr;  // or null
  bool relu = false;
};
/// The gradient of a BatchNormTail. With y, dresidual is written. Without y, relu's input is computed again from x.
template <class T>
struct NormTailGrad {
  bool relu;
  const T* y;
  T* dresidual;
};

template <class T>
struct NormGradients {
  T* dx;
  T* dweight;
  T* dbias;
};

HOP_EACH_ISA(
    /// Rows begin..end-1 of (batch, size); weight and bias (size).
    template <class T> void layer_norm_rows(const NormInputs<T>& in, double eps, NormStatistics<T> out, T* y,
                                            std::int64_t begin, std::int64_t end);
    template <class T> void layer_norm_grad_rows(const NormInputs<T>& in, const T* g, NormStatistics<T> given, T* dx,
                                                 std::int64_t begin, std::int64_t end);
    /// dweight and dbias, blocks begin..end-1 of sixteen columns.
    template <class T> void layer_norm_grad_columns(const NormInputs<T>& in, const T* g, NormStatistics<T> given,
                                                    NormGradients<T> out, std::int64_t begin, std::int64_t end);
    /// Channels begin..end-1; weight and bias (channels).
    template <class T> void batch_norm_channels(const NormInputs<T>& in, double eps, const NormTail<T>& tail,
                                                NormStatistics<T> out, T* y, std::int64_t begin, std::int64_t end);
    template <class T> void batch_norm_apply_channels(const NormInputs<T>& in, NormStatistics<T> given, T* y,
                                                      std::int64_t begin, std::int64_t end);
    /// dweight and dbias may be null; dx, or the tail's dresidual, may be g.
    template <class T>
    void batch_norm_grad_channels(const NormInputs<T>& in, const T* g, const NormTailGrad<T>& tail,
                                  NormStatistics<T> given, NormGradients<T> out, std::int64_t begin, std::int64_t end);

    // The same functions with the channels innermost, x (batch size, channels), and the same bits. First the functions
    // that sum, over channels begin..end-1, then the functions that compute values, over rows begin..end-1.
    template <class T> void batch_norm_column_statistics(const NormInputs<T>& in, double eps, NormStatistics<T> out,
                                                         std::int64_t begin, std::int64_t end);
    template <class T> void batch_norm_rows(const NormInputs<T>& in, const NormTail<T>& tail, NormStatistics<T> given,
                                            T* y, std::int64_t begin, std::int64_t end);
    /// sums.dbias = the sums of g, sums.dweight = those of g xhat, for g behind the tail. Writes dresidual.
    template <class T>
    void batch_norm_grad_columns(const NormInputs<T>& in, const T* g, const NormTailGrad<T>& tail,
                                 NormStatistics<T> given, NormGradients<T> sums, std::int64_t begin, std::int64_t end);
    template <class T>
    void batch_norm_grad_rows(const NormInputs<T>& in, const T* g, const NormTailGrad<T>& tail, NormStatistics<T> given,
                              NormGradients<T> sums, std::int64_t begin, std::int64_t end);)

}  // namespace hop::kernels
