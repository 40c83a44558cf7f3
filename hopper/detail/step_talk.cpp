#include "hopper/detail/step_talk.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace hop::hopper {

StepTalk::StepTalk(const Group& group, const std::vector<std::optional<double>>& shares) : group_(group) {
  if (group_.wire == nullptr) return;
  replicas_.resize(group_.wire->members());
  for (std::size_t r = 0; r < shares.size(); ++r) {
    if (shares[r]) ++replicas_[group_.owners[r]];
  }
  with_rows_ = static_cast<std::uint32_t>(replicas_.size() - std::ranges::count(replicas_, std::size_t{0}));
  while (first_ < replicas_.size() && !has_rows(first_)) ++first_;
}

// A round in which the first member with rows says `word` to those without.
std::shared_ptr<GroupRound> StepTalk::round_saying(std::uint64_t word) const {
  auto round = std::make_shared<GroupRound>(group_.wire->members());
  if (self() != first_) return round;
  for (std::uint32_t rank = 0; rank < group_.wire->members(); ++rank) {
    if (has_rows(rank)) continue;
    round->out[rank] = AlignedBuffer(sizeof word);
    std::memcpy(round->out[rank].data(), &word, sizeof word);
  }
  return round;
}

StepTalk::Numbers StepTalk::swap(const Numbers& own) {
  if (with_rows_ < 2) return own;
  const std::size_t width = own.front().size() * sizeof(double);
  const auto round = round_saying(1);
  for (std::uint32_t rank = 0; rank < group_.wire->members(); ++rank) {
    if (rank == self() || !has_rows(rank)) continue;
    round->in[rank] = AlignedBuffer(replicas_[rank] * width);
    round->out[rank] = AlignedBuffer(own.size() * width);
    for (std::size_t i = 0; i < own.size(); ++i) std::memcpy(round->out[rank].data() + i * width, own[i].data(), width);
  }
  group_.wire->swap(round);
  Numbers all;  // owners do not decrease, so members are in the order of their replicas
  for (std::uint32_t rank = 0; rank < group_.wire->members(); ++rank) {
    for (std::size_t i = 0; i < replicas_[rank]; ++i) {
      if (rank == self()) {
        all.push_back(own[i]);
        continue;
      }
      all.emplace_back(own.front().size());
      std::memcpy(all.back().data(), std::as_const(round->in[rank]).data() + i * width, width);
    }
  }
  return all;
}

void StepTalk::finish() {
  if (with_rows_ < 2 || with_rows_ == replicas_.size()) return;
  if (has_rows(self())) return group_.wire->swap(round_saying(0));
  std::uint64_t goes_on = 1;
  while (goes_on != 0) {
    const auto round = std::make_shared<GroupRound>(group_.wire->members());
    round->in[first_] = AlignedBuffer(sizeof goes_on);
    group_.wire->swap(round);
    std::memcpy(&goes_on, std::as_const(round->in[first_]).data(), sizeof goes_on);
  }
}

}  // namespace hop::hopper
