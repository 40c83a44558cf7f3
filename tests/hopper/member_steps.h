// Steps of the members of a group, for means whose order of additions depends on the members.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "hopper/strategy/member_mean.h"
#include "kernels/copy.h"
#include "tensor/random.h"
#include "tests/hopper/local_group.h"

namespace hop::hopper {

using Values = std::vector<float>;

struct Step {
  std::vector<Values> values{};  // of each replica
  std::vector<double> shares{};
  std::vector<bool> has_rows{};
};

/// Values of many sizes, so that another order of additions gives other bits. The last replica has rows.
inline Step draw(std::uint32_t replicas, std::size_t size, std::uint64_t key) {
  PhiloxStream random({.key = key});
  Step step;
  for (std::uint32_t r = 0; r < replicas; ++r) {
    step.has_rows.push_back(r + 1 == replicas || random.uniform() < 0.7);
    step.shares.push_back(random.uniform());
    Values& values = step.values.emplace_back(size);
    for (float& x : values) x = static_cast<float>((random.uniform() - 0.5) * (random.uniform() < 0.5 ? 1e6 : 1e-3));
  }
  return step;
}

inline Step draw_with_all_rows(std::uint32_t replicas, std::size_t size, std::uint64_t key) {
  Step step = draw(replicas, size, key);
  step.has_rows.assign(replicas, true);
  return step;
}

inline Values values_of(const Tensor& t) { return {t.data<float>(), t.data<float>() + t.numel()}; }

/// The tree over some replicas; nothing if none has rows. Its bits are judged by tests of TreeMean.
inline std::optional<Values> sum_of(const Step& step, std::size_t begin, std::size_t end) {
  const Tensor place = kernels::zeros({static_cast<std::int64_t>(step.values.front().size())});
  TreeMean mean({place});
  bool is_any = false;
  for (std::size_t r = begin; r < end; ++r) {
    if (!step.has_rows[r]) {
      mean.skip();
      continue;
    }
    std::copy(step.values[r].begin(), step.values[r].end(), place.data<float>());
    mean.add(step.shares[r]);
    is_any = true;
  }
  mean.finish();
  return is_any ? std::optional(values_of(place)) : std::nullopt;
}

/// The sum of each member's own replicas.
inline std::vector<std::optional<Values>> sums_of(const Step& step, const std::vector<std::uint32_t>& owners,
                                                  std::uint32_t members) {
  std::vector<std::optional<Values>> sums;
  for (std::uint32_t m = 0; m < members; ++m) {
    const auto begin = std::ranges::lower_bound(owners, m), end = std::ranges::upper_bound(owners, m);
    sums.push_back(
        sum_of(step, static_cast<std::size_t>(begin - owners.begin()), static_cast<std::size_t>(end - owners.begin())));
  }
  return sums;
}

inline std::size_t first_with_rows(const Step& step) {
  return static_cast<std::size_t>(std::ranges::find(step.has_rows, true) - step.has_rows.begin());
}

/// One step of a member, or of a worker that has all replicas. The last of three numbers in `buffer` becomes the number
/// of the first own replica with rows.
inline bool take_part(MemberMean& mean, const Step& step, const Group& group, const Tensor& place,
                      const Tensor& buffer) {
  mean.begin(step.has_rows);
  bool is_first = true;
  for (std::size_t r = 0; r < step.values.size(); ++r) {
    if (!group.owns(r)) continue;
    if (!step.has_rows[r]) {
      mean.skip();
      continue;
    }
    if (std::exchange(is_first, false)) buffer.data<double>()[2] = static_cast<double>(r);
    std::copy(step.values[r].begin(), step.values[r].end(), place.data<float>());
    mean.add(step.shares[r]);
  }
  return mean.finish(false);
}

}  // namespace hop::hopper
