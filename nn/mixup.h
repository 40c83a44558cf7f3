// Mixup: training on mixtures of rows instead of rows. H. Zhang, M. Cisse, Y. Dauphin, D. Lopez-Paz, "mixup: Beyond
// Empirical Risk Minimization", ICLR 2018.
//
//   const nn::Mixed mixed = mixup.mix(batch.x, batch.y);
//   const Tensor loss = mixed.loss(loss_of, model(mixed.x));
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "nn/loss.h"
#include "nn/module.h"

namespace hop::nn {

/// A larger alpha would mix all rows half and half.
inline constexpr double kMostMixup = 1000;

/// A batch of mixtures: share x[i] + (1 - share) x[partner of i], with both labels.
struct Mixed {
  Tensor x{};      ///< like the rows
  Tensor y{};      ///< the labels of the rows
  Tensor other{};  ///< the labels of their partners
  Tensor share{};  ///< () f32, from 0 to 1: how much of a mixture is the row

  /// share loss(output, y) + (1 - share) loss(output, other).
  Tensor loss(const Loss& loss_of, const Tensor& output) const;
};

/// Mixes the rows of a batch. The share is drawn from Beta(alpha, alpha), once for a batch. The partner of row i is row
/// i + k of the batch, round its end, with k drawn evenly from 0 .. N - 1: batches are in a random order already, so
/// each other row is the partner with the same probability, as with the paper's permutation.
///
/// Both numbers are made by operations on the device from the random address of the step (Module::set_random_source,
/// begin_step), so a captured step draws anew in each replay. They lie at draws that no layer reaches: a model with the
/// same source draws the same numbers with and without mixup.
class Mixup : public Module {
 public:
  /// Throws ConfigError unless 0 < alpha <= kMostMixup.
  explicit Mixup(double alpha);

  /// x (N, ..) floating; y (N, ..) of any dtype. Throws ShapeError unless both have the same N >= 1.
  Mixed mix(const Tensor& x, const Tensor& y);
  std::string type_name() const override { return "Mixup"; }
  std::string extra_repr() const override;

 private:
  Tensor share_of(const Tensor& uniform) const;

  double alpha_;
  Buffer quantiles_;  // f32 (cells + 1): see beta_quantiles()
};

/// The values below which Beta(alpha, alpha) lies with the probabilities 1 / cells, 2 / cells, .. For alpha <= 1 the
/// first and the last one are 0 and 1. For alpha > 1 hardly any number lies there: they stand in for the tails, so that
/// numbers that are even between two neighbours have the mean 1/2 and (to 0.3 %) the variance of Beta(alpha, alpha).
/// `cells` is even and at least 4.
std::vector<double> beta_quantiles(double alpha, std::size_t cells);

}  // namespace hop::nn
