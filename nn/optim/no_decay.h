// Which parameters the weight decay leaves alone.
#pragma once

#include <string>
#include <vector>

#include "nn/module.h"
#include "nn/optim/optimizer.h"

namespace hop::optim {

/// The parameters that programs for Transformers keep out of the weight decay, by their names in named_parameters():
/// all parameters of norms (BatchNorm, LayerNorm, GroupNorm, InstanceNorm, RMSNorm), and those whose last name has
/// "bias" in it ("bias", "bias_ih_l0", "in_proj_bias"). Embeddings and other tables are not among them. It is what
/// get_decay_parameter_names() of Hugging Face's Trainer leaves out; PyTorch itself has no such function.
std::vector<std::string> parameters_without_decay(nn::Module& module);

/// From now on `optimizer`, which updates parameters of `module`, decays all but parameters_without_decay(): it sets
/// their ParameterSegment::weight_decay_scale to 0. Parameters that the optimizer does not have are skipped.
void keep_from_decay(Optimizer& optimizer, nn::Module& module);

}  // namespace hop::optim
