// Other learning rates for parts of a model, as for a backbone that is trained already and a new head.
#pragma once

#include <string_view>

#include "nn/optim/optimizer.h"

namespace hop::optim {

/// From now on the learning rate of each parameter is multiplied by the factor of the part that it belongs to (by
/// ParameterSegment::lr_scale). `text` names parts of the module and their factors, as in "backbone=0.1, head=2". A
/// part is all parameters whose names begin with its words: "layer4" has "layer4.0.weight", not "layer40.weight". A
/// part of a part may have a factor of its own, which then holds in place of the whole's. Throws ConfigError for
/// another text, a factor that is not at least 0, a part that stands twice, one that has no parameter, and for
/// LBFGS, whose step is one for all parameters.
void scale_parts(Optimizer& optimizer, std::string_view text);

}  // namespace hop::optim
