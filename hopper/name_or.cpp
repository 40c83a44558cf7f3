#include "hopper/name_or.h"

namespace hop::hopper {

void refuse_missing(std::string_view where) {
  throw ConfigError(std::string(where) + ": \"" + std::string(kOwnCode) +
                    "\" stands for an object of the application, which no file holds; go on from the application, "
                    "with the same object: hopper::resume(directory, options, experiment)");
}

}  // namespace hop::hopper
