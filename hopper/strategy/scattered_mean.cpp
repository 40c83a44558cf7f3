#include "hopper/strategy/scattered_mean.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "hopper/detail/group_talk.h"
#include "hopper/strategy/mean_internal.h"

namespace hop::hopper {
namespace {

constexpr std::size_t kColumn = 2048;  // elements that are added at a time: they stay in the first cache

// Members that are no servers have empty parts.
std::vector<std::size_t> edges_of_parts(std::size_t elements, const Group& group) {
  const std::size_t members = group.wire->members();
  const std::size_t servers = group.servers == 0 ? members : std::min<std::size_t>(members, group.servers);
  std::vector<std::size_t> edges = edges_of(elements, servers);
  edges.resize(members + 1, elements);
  return edges;
}

}  // namespace

ScatteredMean::Reduce::Reduce(ScatteredMean& owner) : GroupStream(owner.members()), mean(owner) {}
ScatteredMean::Gather::Gather(ScatteredMean& owner) : GroupStream(owner.members()), mean(owner) {}

bool ScatteredMean::fits(const std::vector<Tensor>& values, const Group& group, DType sums) {
  return values.size() == 1 && sums == DType::f32 && group.wire->members() > 1 &&
         has_a_node_each(group.owners, group.wire->members());
}

ScatteredMean::ScatteredMean(Tensor values, std::vector<Tensor> firsts, Group group)
    : StreamedMean({values}, std::move(firsts), group),
      edges_(edges_of_parts(static_cast<std::size_t>(values.numel()), group)),
      reduce_(*this),
      gather_(*this),
      inputs_(members()),
      columns_(members(), std::vector<float>(kColumn)) {}

MutableByteView ScatteredMean::part_of(const Tensor& block, std::uint32_t rank) const {
  return {block.raw_data() + edges_[rank] * sizeof(float), bytes_of_part(rank)};
}

void ScatteredMean::prepare() {
  for (std::uint32_t rank = 0; rank < members(); ++rank) {
    if (rank != self()) reduce_.in[rank].bytes = (sum(rank).exists ? bytes_of_part(self()) : 0) + kFlagBytes;
  }
}

bool ScatteredMean::exchange(bool is_lost) {
  is_lost_ = is_lost;
  reduce_scatter();
  all_gather();
  return is_lost_;
}

void ScatteredMean::reduce_scatter() {
  const std::uint64_t flag = is_lost_ ? 1 : 0;
  own_flag_ = std::make_shared<AlignedBuffer>(kFlagBytes);
  std::memcpy(own_flag_->data(), &flag, kFlagBytes);
  const bool exists = sum(self()).exists;
  const auto block = exists ? std::make_shared<Tensor>(own_sum().front()) : nullptr;
  bool is_alone = exists;  // nobody else has rows
  for (std::uint32_t rank = 0; rank < members(); ++rank) {
    if (rank == self()) continue;
    reduce_.out[rank].clear();
    if (exists) reduce_.out[rank].push_back({part_of(*block, rank), block});
    reduce_.out[rank].push_back({own_flag_->span(), own_flag_});
    is_alone = is_alone && !sum(rank).exists;
  }
  wire().stream(reduce_);
  if (is_alone) add_up(std::vector<ByteView>(members()), 0, bytes_of_part(self()) / sizeof(float));
}

// Behind the values each member says whether its loss is lost.
void ScatteredMean::Reduce::take(std::span<const ByteView> pieces, std::uint64_t at) {
  std::size_t most = 0;  // bytes of values, of the members that have some
  for (std::uint32_t rank = 0; rank < pieces.size(); ++rank) {
    const std::uint64_t flag_at = in[rank].bytes - kFlagBytes, end = at + pieces[rank].size();
    if (pieces[rank].empty()) continue;
    if (at < flag_at) most = static_cast<std::size_t>(std::min(end, flag_at) - at);
    for (std::uint64_t k = std::max(at, flag_at); k < end; ++k) {
      mean.is_lost_ = mean.is_lost_ || pieces[rank][static_cast<std::size_t>(k - at)] != std::byte{0};
    }
  }
  if (most > 0) mean.add_up(pieces, static_cast<std::size_t>(at) / sizeof(float), most / sizeof(float));
}

// Elements `at` of the own part and so on. `pieces`: of the others' sums.
void ScatteredMean::add_up(std::span<const ByteView> pieces, std::size_t at, std::size_t elements) {
  float* const to = means().front().data<float>() + edges_[self()] + at;
  const float* const own = sum(self()).exists ? own_sum().front().data<float>() + edges_[self()] + at : nullptr;
  for (std::size_t begin = 0; begin < elements; begin += kColumn) {
    const std::size_t size = std::min(kColumn, elements - begin);
    for (std::uint32_t rank = 0; rank < members(); ++rank) {
      const float* const values = rank == self() ? own : reinterpret_cast<const float*>(pieces[rank].data());
      inputs_[rank] = sum(rank).exists ? values + begin : nullptr;
    }
    const std::size_t leaves = nodes().back().first + nodes().back().leaves, of_left = leaves_of_first_child(leaves);
    std::uint32_t rank = 0;
    const Term left = fold(of_left, rank, 0, size);
    const Term right = fold(leaves - of_left, rank, 1, size);
    write_sum(left, right, to + begin, size);
  }
}

// The sum over the leaves of a node of the tree. It may lie in the column of its depth. `rank`: of the first member
// below it, then the one behind the last.
ScatteredMean::Term ScatteredMean::fold(std::size_t leaves, std::uint32_t& rank, std::size_t depth,
                                        std::size_t elements) {
  if (nodes()[rank].leaves == leaves) {
    const Term leaf{inputs_[rank], sum(rank).factor};
    ++rank;
    return leaf;
  }
  const std::size_t of_left = leaves_of_first_child(leaves);
  const Term left = fold(of_left, rank, depth, elements);
  const Term right = fold(leaves - of_left, rank, depth + 1, elements);
  if (left.values == nullptr || right.values == nullptr) return left.values != nullptr ? left : right;
  write_sum(left, right, columns_[depth].data(), elements);
  return {columns_[depth].data(), 1};
}

// `to` may be where a term lies.
void ScatteredMean::write_sum(const Term& left, const Term& right, float* to, std::size_t elements) {
  if (left.values != nullptr && right.values != nullptr) {
    return for_each_element(
        elements, [=](std::size_t k) { to[k] = left.values[k] * left.factor + right.values[k] * right.factor; });
  }
  const Term only = left.values != nullptr ? left : right;
  for_each_element(elements, [=](std::size_t k) { to[k] = only.values[k] * only.factor; });
}

void ScatteredMean::all_gather() {
  const auto block = std::make_shared<Tensor>(means().front());
  own_firsts_ = std::make_shared<AlignedBuffer>(firsts_from(self()));
  if (!own_firsts_->empty()) read_values(firsts(), own_firsts_->data());
  for (std::uint32_t rank = 0; rank < members(); ++rank) {
    if (rank == self()) continue;
    gather_.out[rank] = {{part_of(*block, self()), block}, {own_firsts_->span(), own_firsts_}};
    gather_.in[rank] = {bytes_of_part(rank) + firsts_from(rank), part_of(*block, rank), block};
    if (firsts_from(rank) > 0) their_firsts_ = AlignedBuffer(firsts_from(rank));
  }
  wire().stream(gather_);
  for (std::uint32_t rank = 0; rank < members(); ++rank) {
    if (rank != self() && firsts_from(rank) > 0) write_values(firsts(), their_firsts_.data());
  }
}

// The mean lies in its place already.
void ScatteredMean::Gather::take(std::span<const ByteView> pieces, std::uint64_t at) {
  for (std::uint32_t rank = 0; rank < pieces.size(); ++rank) {
    if (mean.firsts_from(rank) > 0) copy_end(pieces[rank], at, mean.bytes_of_part(rank), mean.their_firsts_.data());
  }
}

}  // namespace hop::hopper
