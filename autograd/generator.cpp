#include "autograd/generator.h"

#include "autograd/rerun.h"
#include "base/error.h"
#include "base/hash.h"
#include "kernels/capture.h"

namespace hop {

Generator::Generator(std::uint64_t seed) : seed_(seed), key_(hash64(seed, "generator")) {}

RandomAddress Generator::next() {
  if (is_capturing()) {
    throw StateError(
        "[generator] expected no capture, because every replay would draw the same numbers; draw in a module, from "
        "next_random()");
  }
  const auto draw = [](void* generator) {
    auto& self = *static_cast<Generator*>(generator);
    return RandomAddress{.key = self.key_, .step = self.draws_++};
  };
  return autograd::drawn(draw, this);
}

}  // namespace hop
