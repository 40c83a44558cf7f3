#include "hopper/detail/group_talk.h"

#include <cstring>
#include <memory>
#include <utility>

#include "kernels/copy.h"

namespace hop::hopper {
namespace {

std::size_t bytes_of(const Tensor& x) { return static_cast<std::size_t>(x.numel()) * size_of(x.dtype()); }

}  // namespace

std::size_t bytes_of(const std::vector<Tensor>& tensors) {
  std::size_t bytes = 0;
  for (const Tensor& x : tensors) bytes += bytes_of(x);
  return bytes;
}

void read_values(const std::vector<Tensor>& tensors, std::byte* to) {
  for (const Tensor& x : tensors) {
    if (x.numel() == 0) continue;
    const Tensor host = kernels::contiguous(kernels::to_device(x, Device::cpu()));
    std::memcpy(to, host.raw_data(), bytes_of(x));
    to += bytes_of(x);
  }
}

void write_values(const std::vector<Tensor>& tensors, const std::byte* from) {
  for (const Tensor& x : tensors) {
    if (x.numel() == 0) continue;
    const Tensor host = Tensor::empty(x.shape(), x.dtype());
    std::memcpy(host.raw_data(), from, bytes_of(x));
    kernels::copy_(x, kernels::to_device(host, x.device()));
    from += bytes_of(x);
  }
}

std::vector<std::vector<double>> swap_numbers(const Group& group, const std::vector<std::vector<double>>& own,
                                              const std::vector<std::size_t>& counts) {
  GroupWire& wire = *group.wire;
  std::vector<std::size_t> of_member(wire.members());
  for (std::size_t r = 0; r < counts.size(); ++r) of_member[group.owners[r]] += counts[r];
  const auto round = std::make_shared<GroupRound>(wire.members());
  std::vector<double> said;
  for (const std::vector<double>& numbers : own) said.insert(said.end(), numbers.begin(), numbers.end());
  for (std::uint32_t rank = 0; rank < wire.members(); ++rank) {
    if (rank == wire.rank()) continue;
    round->out[rank] = AlignedBuffer(said.size() * sizeof(double));
    round->in[rank] = AlignedBuffer(of_member[rank] * sizeof(double));
    if (!said.empty()) std::memcpy(round->out[rank].data(), said.data(), round->out[rank].size());
  }
  wire.swap(round);
  std::vector<std::vector<double>> all;
  std::vector<std::size_t> taken(of_member.size());
  for (std::size_t r = 0; r < counts.size(); ++r) {
    const std::uint32_t owner = group.owners[r];
    const double* from = owner == wire.rank() ? said.data() : reinterpret_cast<const double*>(round->in[owner].data());
    from += std::exchange(taken[owner], taken[owner] + counts[r]);
    all.emplace_back(from, from + counts[r]);
  }
  return all;
}

bool is_true_of_any(const Group& group, bool own) {
  GroupWire& wire = *group.wire;
  const auto round = std::make_shared<GroupRound>(wire.members());
  round->follows_work = true;
  std::uint64_t word = own ? 1 : 0;
  for (std::uint32_t rank = 0; rank < wire.members(); ++rank) {
    if (rank == wire.rank()) continue;
    round->in[rank] = AlignedBuffer(sizeof word);
    round->out[rank] = AlignedBuffer(sizeof word);
    std::memcpy(round->out[rank].data(), &word, sizeof word);
  }
  wire.swap(round);
  for (std::uint32_t rank = 0; rank < wire.members(); ++rank) {
    if (rank == wire.rank()) continue;
    std::memcpy(&word, round->in[rank].data(), sizeof word);
    own = own || word != 0;
  }
  return own;
}

void take_from(const Group& group, std::uint32_t rank, const std::vector<Tensor>& tensors) {
  GroupWire& wire = *group.wire;
  const auto round = std::make_shared<GroupRound>(wire.members());
  if (rank != wire.rank()) {
    round->in[rank] = AlignedBuffer(bytes_of(tensors));
  } else {
    for (std::uint32_t to = 0; to < wire.members(); ++to) {
      if (to == rank) continue;
      round->out[to] = AlignedBuffer(bytes_of(tensors));
      read_values(tensors, round->out[to].data());
    }
  }
  wire.swap(round);
  if (rank != wire.rank()) write_values(tensors, std::as_const(round->in[rank]).data());
}

}  // namespace hop::hopper
