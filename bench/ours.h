// Our side of every comparison that runs inside one process.
#pragma once

#include "bench/serve.h"

namespace hop::bench {

/// `train NET OPTIMIZER BATCH VARIANT`: one training step per repetition; gives the loss. Optimizers: sgd (momentum
/// 0.9), adam. Variants: eager, captured.
/// `memory NET OPTIMIZER BATCH VARIANT`: gives the bytes that such steps take; see memory.h.
/// `operation add|mul|relu forward|recorded|backward VARIANT`: on 16 elements; see ours_operations.cpp.
/// `hop send|receive ours|default|large ADDRESS BYTES`: a state between two processes; see ours_hop.cpp.
/// `exchange direct|ring RANK BYTES ADDRESS...`: a step of a mean of gradients at one of as many processes as
/// addresses; see ours_exchange.cpp.
Work our_work(const std::vector<std::string>& what);

Work our_training(const std::vector<std::string>& what);
Work our_memory(const std::vector<std::string>& what);
Work our_operation(const std::vector<std::string>& what);
Work our_hop(const std::vector<std::string>& what);
Work our_exchange(const std::vector<std::string>& what);

}  // namespace hop::bench
