// Connectionist temporal classification: a sequence of labels for a longer sequence of frames, of which nobody says
// which frame belongs to which label.
#pragma once

#include <cstdint>

#include "autograd/reduction.h"
#include "tensor/tensor.h"

namespace hop {

struct CTCLossOptions {
  std::int64_t blank = 0;  ///< the class that stands for "no label"
  /// The mean is that of the losses, each divided by the number of its labels (at least 1).
  Reduction reduction = Reduction::mean;
  bool zero_infinity = false;  ///< infinite losses count as 0 and have the gradient 0
};

/// torch.nn.functional.ctc_loss: -log of the probability that the frames spell the labels, repeats and blanks left out
/// (Graves et al. 2006), by the sums over all paths forward and backward. log_probabilities (T, N, C), as log_softmax
/// gives them; targets (N, S), of which the first target_lengths[n] count, or all in one row (sum of target_lengths);
/// both lengths (N). Or without a batch: (T, C), (S), () and (). All but the first are integers, on any device. Losses
/// (N) or (); one is infinite where its frames are too few. The gradient is the exact one of log_probabilities.
/// (PyTorch's is that of the logits behind them: behind log_softmax() the two are the same.) It cannot be
/// differentiated again: AutogradError. The sums are computed on the host in f64; a GPU's tensors are copied there and
/// back, which waits. Throws ShapeError, DtypeError; IndexError for a length, a label or a blank out of range, and for
/// a label that is the blank (PyTorch counts it); StateError while a step is captured.
Tensor ctc_loss(const Tensor& log_probabilities, const Tensor& targets, const Tensor& input_lengths,
                const Tensor& target_lengths, const CTCLossOptions& options = {});

}  // namespace hop
