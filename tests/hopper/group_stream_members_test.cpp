// Streams and means of more than two members, over their connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hopper/detail/replica_mean.h"
#include "kernels/copy.h"
#include "kernels/view.h"
#include "tensor/random.h"
#include "tests/hopper/many_members.h"
#include "tests/hopper/streams.h"

namespace hop::hopper {
namespace {

std::uint32_t seed_of(std::uint32_t from, std::uint32_t to) { return 100 * from + to; }

// Keeps all that comes, and has places for the first bytes of it.
struct Kept final : GroupStream {
  explicit Kept(std::uint32_t members) : GroupStream(members), got(members), places(members) {}
  void comes(std::uint32_t from, std::size_t bytes, std::size_t in_place) {
    got[from].resize(bytes);
    places[from] = std::make_shared<Bytes>(in_place);
    in[from] = {bytes, *places[from], places[from]};
  }
  void goes(std::uint32_t to, const Bytes& bytes) {
    const auto kept = std::make_shared<Bytes>(bytes);
    out[to] = {{*kept, kept}};
  }
  void take(std::span<const ByteView> pieces, std::uint64_t at) override {
    for (std::size_t from = 0; from < pieces.size(); ++from) {
      const std::size_t all = got[from].size(), left = all - std::min<std::size_t>(all, at);
      ASSERT_EQ(pieces[from].size(), std::min(left, kPieceBytes)) << "from " << from << " at " << at;
      std::ranges::copy(pieces[from], got[from].begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(all, at)));
    }
  }
  std::vector<Bytes> got;
  std::vector<std::shared_ptr<Bytes>> places;
};

// Each member says another number of bytes to each other one, and nothing to some.
TEST(StreamsOfManyMembers, BringEachMembersBytesInStepAndToTheirPlaces) {
  constexpr std::uint32_t kMembers = 4;
  const auto size_of = [](std::uint32_t from, std::uint32_t to, int round) -> std::size_t {
    const std::size_t sizes[] = {0, 1, kPieceBytes, 2 * kPieceBytes + 8, kPieceBytes / 2, 3 * kPieceBytes - 1, 0, 64};
    return sizes[(3 * from + 5 * to + static_cast<std::uint32_t>(round)) % std::size(sizes)];
  };
  ManyMembers members(kMembers);
  members.run([&](std::uint32_t rank) {
    for (int round = 0; round < 8; ++round) {
      Kept stream(kMembers);
      for (std::uint32_t r = 0; r < kMembers; ++r) {
        if (r == rank) continue;
        const std::size_t comes = size_of(r, rank, round);
        stream.comes(r, comes, round % 2 == 0 ? comes - comes / 3 : 0);
        stream.goes(r, pattern(size_of(rank, r, round), seed_of(rank, r)));
      }
      if (round % 4 == 3) members[rank].expect(stream);
      members[rank].stream(stream);
      for (std::uint32_t r = 0; r < kMembers; ++r) {
        if (r == rank) continue;
        const Bytes expected = pattern(size_of(r, rank, round), seed_of(r, rank));
        EXPECT_EQ(stream.got[r], expected) << r << " to " << rank << ", round " << round;
        const Bytes& place = *stream.places[r];
        EXPECT_TRUE(std::equal(place.begin(), place.end(), expected.begin())) << "the first bytes";
      }
    }
  });
}

// The CRCs of a stream are those of its bytes, wherever bytes lay in the stream before.
TEST(StreamsOfManyMembers, TakeOneMemoryToSeveralMembers) {
  constexpr std::size_t kBytes = 3 * kPieceBytes + 8;
  ManyMembers members(4);
  members.run([&](std::uint32_t rank) {
    const auto own = std::make_shared<Bytes>(kBytes);
    for (std::uint32_t round = 0; round < 3; ++round) {
      *own = pattern(kBytes, seed_of(rank, round));
      Kept stream(4);
      for (std::uint32_t r = 0; r < 4; ++r) {
        if (r == rank) continue;
        stream.comes(r, kBytes, kBytes);
        stream.out[r] = {{*own, own}};
      }
      members[rank].stream(stream);
      for (std::uint32_t r = 0; r < 4; ++r) {
        if (r == rank) continue;
        EXPECT_EQ(stream.got[r], pattern(kBytes, seed_of(r, round))) << r << " to " << rank;
      }
    }
  });
}

// What a member got in one stream goes on in the next one.
class PassedOn : public ::testing::Test {
 protected:
  static constexpr std::size_t kBytes = 2 * kPieceBytes + 8;
  static constexpr std::uint32_t kMembers = 3;

  // Sends `bytes` to the member before and returns what comes from the one behind.
  Kept pass(std::uint32_t rank, std::shared_ptr<Bytes> bytes, bool is_passed_on) {
    Kept stream(kMembers);
    stream.comes((rank + 1) % kMembers, kBytes, kBytes);
    stream.out[(rank + kMembers - 1) % kMembers] = {{*bytes, bytes, is_passed_on}};
    members_[rank].stream(stream);
    return stream;
  }
  ManyMembers members_{kMembers};
};

TEST_F(PassedOn, ArrivesAsItCame) {
  members_.run([&](std::uint32_t rank) {
    auto bytes = std::make_shared<Bytes>(pattern(kBytes, rank));
    for (std::uint32_t round = 0; round < 5; ++round) {
      const Kept stream = pass(rank, bytes, round > 0);
      const std::uint32_t from = (rank + 1) % kMembers;
      EXPECT_EQ(stream.got[from], pattern(kBytes, (rank + 1 + round) % kMembers)) << rank << ", round " << round;
      bytes = stream.places[from];
    }
  });
}

TEST_F(PassedOn, MayChangeIfNobodySaysThatItIsAsItCame) {
  members_.run([&](std::uint32_t rank) {
    auto bytes = std::make_shared<Bytes>(pattern(kBytes, rank));
    for (std::uint32_t round = 0; round < 3; ++round) {
      bytes->front() = static_cast<std::byte>(round);
      const Kept stream = pass(rank, bytes, false);
      const std::uint32_t from = (rank + 1) % kMembers;
      EXPECT_EQ(stream.got[from].front(), static_cast<std::byte>(round));
      bytes = stream.places[from];
    }
  });
}

TEST_F(PassedOn, IsRefusedIfItIsNotAsItCame) {
  members_.run([&](std::uint32_t rank) {
    const Kept stream = pass(rank, std::make_shared<Bytes>(pattern(kBytes, rank)), false);
    const auto bytes = stream.places[(rank + 1) % kMembers];
    bytes->front() ^= std::byte{1};
    try {
      pass(rank, bytes, true);
      ADD_FAILURE() << "a changed byte came through";
    } catch (const MemberLost& error) {
      EXPECT_THAT(error.what(), ::testing::AnyOf(::testing::HasSubstr("expected a chunk with CRC-32C"),
                                                 ::testing::HasSubstr("[net] lost"), ::testing::HasSubstr("got 0")));
    }
  });
}

// Member 0 has half of what it waits for. When stream() has thrown, the place is the caller's alone.
TEST(StreamsOfManyMembers, LeaveTheirPlacesAloneWhenAMemberIsLost) {
  constexpr std::size_t kBytes = 8 * kPieceBytes;
  ManyMembers members(3);
  std::atomic<int> gone = 0;
  members.run([&](std::uint32_t rank) {
    Kept stream(3);
    for (std::uint32_t r = 0; r < 3; ++r) {
      if (r == rank) continue;
      stream.comes(r, kBytes, kBytes);
      stream.goes(r, pattern(kBytes, rank));
    }
    if (rank == 2) {
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
      while (members[0].payload_sent() < kBytes / 2 && std::chrono::steady_clock::now() < end)
        std::this_thread::yield();
      return members[rank].fail("killed");
    }
    EXPECT_THROW(members[rank].stream(stream), MemberLost);
    for (const auto& place : stream.places) {
      if (place) std::ranges::fill(*place, std::byte{7});
    }
    ++gone;
    while (gone < 2) std::this_thread::yield();
    for (const auto& place : stream.places) {
      if (!place) continue;
      EXPECT_EQ(std::ranges::count(*place, std::byte{7}), static_cast<std::ptrdiff_t>(place->size()));
    }
  });
}

struct Job {
  std::uint32_t members;
  std::vector<std::uint32_t> owners;
  std::int64_t values;
  ReduceExchange exchange = ReduceExchange::Direct;
  std::uint32_t servers = 0;
  bool is_transposed = false;  // the values do not lie in their order
};

// Zeros, one behind the other or with a number between them.
Tensor place_of(const Job& job) {
  return job.is_transposed ? kernels::slice(kernels::zeros({job.values, 2}), 1, 1, 2) : kernels::zeros({job.values, 1});
}

// Values of many sizes, so that another order of additions gives other bits.
void fill(const Tensor& place, int step, std::size_t replica) {
  PhiloxStream random({.key = 1000 * static_cast<std::uint64_t>(step) + replica});
  const Tensor values = kernels::zeros(place.shape());
  for (std::int64_t k = 0; k < place.numel(); ++k) {
    values.data<float>()[k] = static_cast<float>((random.uniform() - 0.5) * (k % 3 == 0 ? 1e4 : 1e-2));
  }
  kernels::copy_(place, values);
}

// In step 1 the first replica has no rows, in step 2 the last one alone has some.
std::vector<std::optional<double>> shares_of(const Job& job, int step) {
  std::vector<std::optional<double>> shares;
  for (std::size_t r = 0; r < job.owners.size(); ++r) {
    const bool has_rows = step == 0 || (step == 1 ? r > 0 : r + 1 == job.owners.size());
    shares.push_back(has_rows ? std::optional(0.1 * static_cast<double>(r + 1)) : std::nullopt);
  }
  return shares;
}

// One step of the replicas that the group owns. Returns whether a loss is lost.
bool take_step(ReplicaMean& mean, const Group& group, const Job& job, const Tensor& place, const Tensor& buffer,
               int step, bool is_lost) {
  const auto shares = shares_of(job, step);
  mean.begin(shares);
  if (step % 2 == 0) mean.expect();
  for (std::size_t r = 0; r < shares.size(); ++r) {
    if (!group.owns(r)) continue;
    if (!shares[r]) {
      mean.skip();
      continue;
    }
    fill(place, step, r);
    kernels::fill_(buffer, 10.0 * static_cast<double>(r) + step);
    mean.add(*shares[r]);
  }
  return mean.finish(is_lost);
}

void expect_the_bits_of_one_worker(const Job& job) {
  ManyMembers members(job.members);
  members.run([&](std::uint32_t rank) {
    const Group together{
        .wire = &members[rank], .owners = job.owners, .exchange = job.exchange, .servers = job.servers};
    const Group alone{.owners = job.owners, .exchange = job.exchange};
    const Tensor place = place_of(job), of_one = kernels::zeros({job.values, 1});
    const Tensor buffer = kernels::zeros({3}), buffer_of_one = kernels::zeros({3});
    ReplicaMean mean({place}, {buffer}, DType::f32), expected({of_one}, {buffer_of_one}, DType::f32);
    mean.join(together);
    expected.join(alone);
    for (int step = 0; step < 3; ++step) {
      EXPECT_EQ(take_step(mean, together, job, place, buffer, step, step == 1 && rank == 0), step == 1);
      take_step(expected, alone, job, of_one, buffer_of_one, step, false);
      const Tensor got = kernels::contiguous(place);
      EXPECT_EQ(std::memcmp(got.raw_data(), of_one.raw_data(), static_cast<std::size_t>(job.values) * 4), 0)
          << "step " << step << " at rank " << rank;
      EXPECT_EQ(buffer.data<float>()[2], buffer_of_one.data<float>()[2]) << "of the first replica";
    }
  });
}

constexpr std::int64_t kPiece = std::int64_t{kPieceBytes} / 4;

TEST(MeansOfManyMembers, HaveTheBitsOfOneWorker) {
  const std::vector<Job> jobs{{3, {0, 1, 2}, 7 * kPiece + 16},
                              {3, {0, 0, 1, 1, 2}, 3 * kPiece},
                              {4, {0, 1, 2, 3}, 8 * kPiece + 33},
                              {5, {0, 1, 2, 3, 4}, 100},
                              {4, {0, 1, 2, 3}, 16},
                              {3, {0, 1, 1, 2, 2}, 5 * kPiece + 3},
                              {3, {0, 1, 2}, 1}};
  for (const Job& job : jobs) {
    for (const auto exchange : {ReduceExchange::Direct, ReduceExchange::Ring, ReduceExchange::HalvingDoubling}) {
      SCOPED_TRACE(std::to_string(job.members) + " members, " + std::to_string(job.owners.size()) + " replicas, " +
                   std::to_string(job.values) + " values, exchange " + std::to_string(static_cast<int>(exchange)));
      Job with = job;
      with.exchange = exchange;
      expect_the_bits_of_one_worker(with);
    }
  }
}

TEST(MeansOfManyMembers, HaveTheBitsOfOneWorkerWhereOnlySomeServe) {
  for (const std::uint32_t servers : {1U, 2U}) {
    expect_the_bits_of_one_worker({3, {0, 0, 1, 2}, 3 * kPiece + 5, ReduceExchange::Direct, servers});
  }
}

// They are sent from a copy, and the mean is copied back.
TEST(MeansOfManyMembers, HaveTheBitsOfOneWorkerWhereTheValuesLieApart) {
  for (const auto exchange : {ReduceExchange::Direct, ReduceExchange::HalvingDoubling}) {
    expect_the_bits_of_one_worker({3, {0, 1, 2}, 2 * kPiece + 7, exchange, 0, true});
  }
}

}  // namespace
}  // namespace hop::hopper
