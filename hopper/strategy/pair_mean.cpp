#include "hopper/strategy/pair_mean.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "hopper/detail/group_talk.h"
#include "hopper/strategy/mean_internal.h"

namespace hop::hopper {
namespace {

ByteView view_of(const Tensor& x) { return {x.raw_data(), static_cast<std::size_t>(x.numel()) * sizeof(float)}; }

}  // namespace

bool PairMean::fits(const Group& group, DType sums) {
  return group.wire->members() == 2 && group.servers == 0 && sums == DType::f32 && has_a_node_each(group.owners, 2);
}

PairMean::PairMean(std::vector<Tensor> values, std::vector<Tensor> firsts, Group group)
    : StreamedMean(values, std::move(firsts), std::move(group)), GroupStream(2), sum_bytes_(bytes_of(values)) {
  overwrites = true;
}

void PairMean::prepare() {
  own_end_ = std::make_shared<AlignedBuffer>(firsts_from(self()) + kFlagBytes);
  their_end_ = AlignedBuffer(firsts_from(other()) + kFlagBytes);
  in[other()].bytes = (sum(other()).exists ? sum_bytes_ : 0) + their_end_.size();
}

bool PairMean::exchange(bool is_lost) {
  if (own_end_->size() > kFlagBytes) read_values(firsts(), own_end_->data());
  std::uint64_t flag = is_lost ? 1 : 0;
  std::memcpy(own_end_->data() + own_end_->size() - kFlagBytes, &flag, kFlagBytes);
  std::vector<Part>& parts = out[other()];
  parts.clear();
  if (sum(self()).exists) {
    for (const Tensor& x : own_sum()) parts.push_back({view_of(x), std::make_shared<Tensor>(x)});
  }
  parts.push_back({own_end_->span(), own_end_});

  wire().stream(*this);

  if (!sum(other()).exists) {
    for (std::size_t i = 0; i < means().size(); ++i) {
      write_mean(i, 0, nullptr, static_cast<std::size_t>(means()[i].numel()));
    }
  }
  if (their_end_.size() > kFlagBytes) write_values(firsts(), their_end_.data());
  std::memcpy(&flag, their_end_.data() + their_end_.size() - kFlagBytes, kFlagBytes);
  return is_lost || flag != 0;
}

void PairMean::take(std::span<const ByteView> pieces, std::uint64_t at) {
  const ByteView piece = pieces[other()];
  if (sum(other()).exists) {
    std::uint64_t begin = 0;  // of a tensor in the sum
    for (std::size_t i = 0; i < means().size(); ++i) {
      const std::uint64_t end = begin + view_of(means()[i]).size();
      const std::uint64_t from = std::max(begin, at), to = std::min(end, at + piece.size());
      if (from < to) {
        write_mean(i, (from - begin) / sizeof(float), reinterpret_cast<const float*>(piece.data() + (from - at)),
                   (to - from) / sizeof(float));
      }
      begin = end;
    }
  }
  copy_end(piece, at, in[other()].bytes - their_end_.size(), their_end_.data());
}

// Some elements of the mean. The sum of a member without rows adds nothing. Both members run the same loop over the
// same sides, so that even the sum of two NaN has the same bits. The mean may be written where the own values lie.
void PairMean::write_mean(std::size_t tensor, std::size_t begin, const float* theirs, std::size_t elements) const {
  if (elements == 0) return;
  const Sum &mine = sum(self()), &other_one = sum(other());
  float* const mean = means()[tensor].data<float>() + begin;
  const float* const own = mine.exists ? own_sum()[tensor].data<float>() + begin : nullptr;
  if (own == nullptr || theirs == nullptr) {
    const float* const only = own != nullptr ? own : theirs;
    const float factor = own != nullptr ? mine.factor : other_one.factor;
    return for_each_element(elements, [=](std::size_t k) { mean[k] = only[k] * factor; });
  }
  const bool is_left = self() == 0;
  const float *const left = is_left ? own : theirs, *const right = is_left ? theirs : own;
  const float of_left = is_left ? mine.factor : other_one.factor, of_right = is_left ? other_one.factor : mine.factor;
  for_each_element(elements, [=](std::size_t k) { mean[k] = left[k] * of_left + right[k] * of_right; });
}

}  // namespace hop::hopper
