// docs/experiment-file.md, made from the tables. Internal to Hopscotch.
#pragma once

#include <string>

namespace hop::hopper {

/// The whole page: every key, the names that may stand there, defaults, units and examples.
std::string experiment_page();

}  // namespace hop::hopper
