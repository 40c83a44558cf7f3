#include "hopper/strategy/halving_doubling_mean.h"

#include <bit>
#include <utility>

namespace hop::hopper {

HalvingDoublingMean::HalvingDoublingMean(Tensor values, std::vector<Tensor> firsts, Group group)
    : MemberMean(std::move(values), std::move(firsts), std::move(group)), places_(std::bit_floor(members())) {}

// Of a member that is folded: the place of the member behind it.
std::uint32_t HalvingDoublingMean::place_of(std::uint32_t member) const {
  return is_of_a_pair(member) ? member / 2 : member - folded();
}

std::uint32_t HalvingDoublingMean::member_at(std::uint32_t place) const {
  return place < folded() ? 2 * place + 1 : place + folded();
}

// The elements that the member at this place adds up after the halvings with smaller distances, and has complete before
// the doublings with them.
MemberMean::Chunk HalvingDoublingMean::held(std::uint32_t place, std::uint32_t distance) const {
  std::uint32_t begin = 0, size = places_;
  for (std::uint32_t d = 1; d < distance; d *= 2) {
    size /= 2;
    if ((place & d) != 0) begin += size;
  }
  return chunks(begin, begin + size, places_);
}

// Whether a member has values of those whose sum lies at this place after the halvings with smaller distances.
bool HalvingDoublingMean::has_values_near(std::uint32_t place, std::uint32_t distance) const {
  const std::uint32_t begin = place & ~(distance - 1);
  for (std::uint32_t p = begin; p < begin + distance; ++p) {
    if (has_values(member_at(p)) || (p < folded() && has_values(2 * p))) return true;
  }
  return false;
}

void HalvingDoublingMean::add_alone(Sums& sums) {
  const auto values_or_null = [](const std::vector<float>& values, bool has_values) {
    return has_values ? values.data() : nullptr;
  };
  for (std::uint32_t even = 0; even < 2 * folded(); even += 2) {
    std::vector<float>& odd_sum = sums[even + 1];
    join(odd_sum, values_or_null(sums[even], has_values(even)), values_or_null(odd_sum, has_values(even + 1)));
  }
  for (std::uint32_t d = 1; d < places_; d *= 2) {
    for (std::uint32_t place = 0; place < places_; place += 2 * d) {
      std::vector<float>&low = sums[member_at(place)], &high = sums[member_at(place + d)];
      join(low, values_or_null(low, has_values_near(place, d)), values_or_null(high, has_values_near(place + d, d)));
    }
  }
  join(sum(all()), sums[member_at(0)].data(), nullptr);
}

void HalvingDoublingMean::exchange() {
  if (folded() > 0) fold();
  for (std::uint32_t d = 1; d < places_; d *= 2) halve(d);
  for (std::uint32_t d = places_ / 2; d > 0; d /= 2) double_up(d);
  if (folded() > 0) unfold();
}

void HalvingDoublingMean::fold() {
  if (!is_of_a_pair(self())) return rest();
  if (is_folded(self())) return pass(whole(self() + 1, self() == first_member()), {}, Join::Keep);
  const std::uint32_t even = self() - 1;
  pass({}, whole(even, even == first_member()), join_of(has_values(even), has_values(self()), true));
}

void HalvingDoublingMean::halve(std::uint32_t distance) {
  if (is_folded(self())) return rest();
  const std::uint32_t place = place_of(self()), other = place ^ distance;
  const Message out{.member = member_at(other), .chunk = held(other, 2 * distance), .has_flag = true};
  const Message in{.member = member_at(other), .chunk = held(place, 2 * distance), .has_flag = true};
  pass(out, in, join_of(has_values_near(other, distance), has_values_near(place, distance), other < place));
}

// The tensors of the first replica begin at the place of their owner, and are at twice as many places after each round.
void HalvingDoublingMean::double_up(std::uint32_t distance) {
  if (is_folded(self())) return rest();
  const std::uint32_t place = place_of(self()), other = place ^ distance, first = place_of(first_member());
  const auto has_firsts = [&](std::uint32_t p) { return ((p ^ first) & (2 * distance - 1)) == 0; };
  const Message out{.member = member_at(other), .chunk = held(place, 2 * distance), .has_firsts = has_firsts(place)};
  const Message in{.member = member_at(other), .chunk = held(other, 2 * distance), .has_firsts = has_firsts(other)};
  pass(out, in, Join::Replace);
}

void HalvingDoublingMean::unfold() {
  if (!is_of_a_pair(self())) return rest();
  if (is_folded(self())) {
    pass({}, whole(self() + 1, self() != first_member()), Join::Replace);
  } else {
    pass(whole(self() - 1, self() - 1 != first_member()), {}, Join::Keep);
  }
}

// Others exchange.
void HalvingDoublingMean::rest() { pass({}, {}, Join::Keep); }

}  // namespace hop::hopper
