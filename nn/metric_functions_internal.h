// The functions behind the table of metrics: sums over the rows of a batch, and the values that the sums of a whole set
// give (nn::Metric). Weights (N) are f64; undefined ones count each row once. Internal to Hopscotch.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/reduce.h"
#include "tensor/tensor.h"

namespace hop::nn::metric_functions {

inline Tensor sum_over(std::int64_t dim, const Tensor& x) { return kernels::sum(x, std::span(&dim, 1)); }

/// x (N) or (N, k), each row times its weight, in f64; x as it is without weights.
Tensor weighted(const Tensor& x, const Tensor& weights);

// ---- classes: scores (N, C), target (N) i64. Where probabilities (N, k) are allowed, the target is (N, k).

/// -> (): rows whose largest score is that of their class; with probabilities, rows with all columns right.
Tensor hits(const Tensor& output, const Tensor& target, const Tensor& weights);
/// -> (): rows in which fewer than K scores are above that of their class.
template <int K>
Tensor hits_of_top(const Tensor& scores, const Tensor& target, const Tensor& weights);
/// -> (3 C): per class its rows, the rows that the model assigns to it, and the hits.
Tensor counts_by_class(const Tensor& scores, const Tensor& target, const Tensor& weights);
double mean_f1(std::span<const double> counts, std::int64_t rows);
double mean_recall(std::span<const double> counts, std::int64_t rows);
/// -> (): -log of the probability that the model gives to the class; with probabilities, the mean over the columns.
Tensor surprise(const Tensor& output, const Tensor& target, const Tensor& weights);
double exponential_of_mean(std::span<const double> sums, std::int64_t rows);

/// -> (c, 2, bins) as (n): per column how many negatives and how many positives have a score in each bin. c is 1 for
/// scores of two classes, C for more (each class against the rest), and k for probabilities.
Tensor histogram_of_scores(const Tensor& output, const Tensor& target, const Tensor& weights);
double mean_area_under_curve(std::span<const double> histogram, std::int64_t rows);

// ---- numbers: answers and target (N, k). Computed in f64; the values are means over the columns.

Tensor absolute_errors(const Tensor& answer, const Tensor& target, const Tensor& weights);
Tensor squared_errors(const Tensor& answer, const Tensor& target, const Tensor& weights);
/// -> (3 k): per column the squared errors, the numbers, and their squares.
Tensor errors_and_moments(const Tensor& answer, const Tensor& target, const Tensor& weights);
double mean_error(std::span<const double> sums, std::int64_t rows);
double mean_root(std::span<const double> sums, std::int64_t rows);
double mean_r2(std::span<const double> sums, std::int64_t rows);

}  // namespace hop::nn::metric_functions
