#include "hopper/strategy/task_parallel.h"

namespace hop::hopper {

std::shared_ptr<const Strategy> task_parallel() {
  static const std::shared_ptr<const Strategy> the_one = std::make_shared<TaskParallel>(false);
  return the_one;
}

std::shared_ptr<const Strategy> scattered_tasks() {
  static const std::shared_ptr<const Strategy> the_one = std::make_shared<TaskParallel>(true);
  return the_one;
}

}  // namespace hop::hopper
