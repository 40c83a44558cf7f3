#include "hopper/strategy/ring_mean.h"

#include <utility>

namespace hop::hopper {

RingMean::RingMean(Tensor values, std::vector<Tensor> firsts, Group group)
    : MemberMean(std::move(values), std::move(firsts), std::move(group)) {}

// Whether one of the first `steps` members on the way of a chunk has values.
bool RingMean::has_values_between(std::uint32_t chunk, std::uint32_t steps) const {
  for (std::uint32_t step = 0; step < steps; ++step) {
    if (has_values(before(chunk, step + 1))) return true;
  }
  return false;
}

void RingMean::add_alone(Sums& sums) {
  for (std::uint32_t c = 0; c < members(); ++c) {
    const Chunk range = chunk(c);
    const std::span<float> part = sum(range);
    for (std::uint32_t step = 0; step < members(); ++step) {
      const std::uint32_t member = before(c, step + 1);
      const float* const own = sums[member].data() + range.begin;
      join(part, has_values_between(c, step) ? part.data() : nullptr, has_values(member) ? own : nullptr);
    }
  }
}

void RingMean::exchange() {
  reduce_scatter();
  all_gather();
}

// In round s a member sends the chunk that began s members behind it, and gets the next one.
void RingMean::reduce_scatter() {
  for (std::uint32_t step = 0; step + 1 < members(); ++step) {
    const std::uint32_t going = behind(self(), step + 1), coming = behind(self(), step + 2);
    const Message out{.member = before(self()), .chunk = chunk(going), .has_flag = true};
    const Message in{.member = behind(self()), .chunk = chunk(coming), .has_flag = true};
    pass(out, in, join_of(has_values_between(coming, step + 1), has_values(self()), true));
  }
}

// In round s a member sends the chunk that is complete s members behind it. The tensors of the first replica travel
// from their owner with the chunk.
void RingMean::all_gather() {
  const std::uint32_t distance = before(first_member(), self());  // rounds before this member has the tensors
  for (std::uint32_t step = 0; step + 1 < members(); ++step) {
    const Message out{.member = before(self()),
                      .chunk = chunk(behind(self(), step)),
                      .has_firsts = step == distance,
                      .is_passed_on = step > 0};
    const Message in{
        .member = behind(self()), .chunk = chunk(behind(self(), step + 1)), .has_firsts = step + 1 == distance};
    pass(out, in, Join::Replace);
  }
}

}  // namespace hop::hopper
