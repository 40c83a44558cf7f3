#include "nn/optim/carried_plateau.h"

#include <bit>

#include "kernels/copy.h"

namespace hop::optim {

CarriedPlateau::CarriedPlateau(Optimizer& optimizer, ReduceLROnPlateauOptions options)
    : optimizer_(optimizer),
      options_(options),
      memory_(kernels::zeros({4}, DType::i64, optimizer.step_tensor().device())) {
  write({.state = ReduceLROnPlateau(optimizer_, options_).state()});
  optimizer_.carry("plateau", memory_);
}

void CarriedPlateau::set_options(ReduceLROnPlateauOptions options) {
  static_cast<void>(ReduceLROnPlateau(optimizer_, options));  // refuses what is out of range
  options_ = options;
}

CarriedPlateau::Memory CarriedPlateau::read() const {
  const Tensor here = kernels::to_device(memory_, Device::cpu());
  const std::int64_t* const words = here.data<std::int64_t>();
  return {{std::bit_cast<double>(words[0]), words[1], words[2]}, words[3]};
}

void CarriedPlateau::write(const Memory& memory) {
  const Tensor here = Tensor::from<std::int64_t>(
      {std::bit_cast<std::int64_t>(memory.state.best), memory.state.bad_epochs, memory.state.cooldown, memory.lowered},
      {4});
  kernels::copy_(memory_, kernels::to_device(here, memory_.device()));
}

double CarriedPlateau::rate(double first) const {
  double rate = first, before = 0;
  for (std::int64_t k = read().lowered; k > 0 && rate != before; --k) {  // any number may stand in a file
    before = rate;
    rate = lowered_rate(rate, options_);
  }
  return rate;
}

bool CarriedPlateau::step(double metric, double first) {
  Memory memory = read();
  optimizer_.set_lr(rate(first));
  ReduceLROnPlateau plateau(optimizer_, options_);
  plateau.set_state(memory.state);
  const bool is_lowered = plateau.step(metric);
  write({plateau.state(), memory.lowered + (is_lowered ? 1 : 0)});
  return is_lowered;
}

}  // namespace hop::optim
