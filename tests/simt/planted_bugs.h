// Kernels with a bug planted, each beside its correct twin: `bug` says which is launched. What the executor must find,
// and must not find.
#pragma once

#include "kernels/cuda/language.h"

namespace hop::kernels::cuda {

/// y_i = x_{i+1}, through shared memory; the bug leaves out the barrier between store and load. n <= 256.
void rotate(bool bug, const float* x, float* y, int n);
/// y_i = a_{i+1} + b_{i+1}, through one buffer used twice; the bug leaves out the barrier before it is used again.
void rotate_twice(bool bug, const float* a, const float* b, float* y, int n);
/// y_i = x_{31-i} within one warp, through shared memory; the bug leaves out __syncwarp.
void reverse_warp(bool bug, const float* x, float* y);
/// y_i = i for i < n; the bug takes i <= n.
void iota(bool bug, float* y, int n);
/// y_i = i for i < n, written from i = 0; the bug starts at -1.
void iota_from_below(bool bug, float* y, int n);
/// y_i = i, each block its own 64; the bug has every block write the first 64.
void iota_of_blocks(bool bug, float* y, int blocks);
/// counter = number of threads; the bug adds without an atomic.
void count_threads(bool bug, unsigned* counter, int blocks);
/// y_i = sum of the 16 lanes of i's half warp; the bug names the lower half's mask in both halves.
void half_warp_sums(bool bug, const float* x, float* y);
/// y = sum of 32 lanes; the bug's mask leaves out the upper half, whose values it still takes.
void sum_beyond_mask(bool bug, const float* x, float* y);
/// y_0 = sum of n lanes that hold 1; the bug lets lanes >= n end before the shuffles instead of adding 0. n < 32.
void sum_of_some(bool bug, float* y, int n);
/// 64 threads meet; the bug has half of them meet at another line.
void meet(bool bug, float* y);
/// One warp shuffles; the bug sends lane 5 to a barrier instead.
void shuffle_without_lane_5(bool bug, float* y);
/// Copies n <= 64 floats through dynamic shared memory for n floats; the bug stores one more.
void copy_through_shared(bool bug, const float* x, float* y, int n);
/// y = a value of shared memory that was written; the bug reads one that was not.
void read_shared(bool bug, float* y);
/// y = 1; the bug throws std::runtime_error("no such thing on a GPU") in thread 3.
void set_one(bool bug, float* y);

}  // namespace hop::kernels::cuda
