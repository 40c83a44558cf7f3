#include "hopper/strategy/hopping.h"

namespace hop::hopper {

std::shared_ptr<const Strategy> hopping() {
  static const std::shared_ptr<const Strategy> the_one = std::make_shared<Hopping>();
  return the_one;
}

}  // namespace hop::hopper
