// The mean that the benchmark times, between members in this process, over TCP.
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

#include "base/error.h"
#include "bench/fill.h"
#include "bench/ours.h"
#include "bench/plain_socket.h"

namespace hop::bench {
namespace {

// What each member says after some steps. `bytes`: of the gradients.
std::vector<double> samples(const std::string& way, std::uint32_t members, std::uint32_t bytes, int steps) {
  std::vector<std::string> addresses;
  for (std::uint32_t i = 0; i < members; ++i) {
    addresses.push_back("tcp:127.0.0.1:" + std::to_string(PlainSocket::free_port()));
  }
  std::vector<Work> works;
  for (std::uint32_t rank = 0; rank < members; ++rank) {
    std::vector<std::string> what = {"exchange", way, std::to_string(rank), std::to_string(bytes)};
    what.insert(what.end(), addresses.begin(), addresses.end());
    works.push_back(our_exchange(what));
  }
  std::vector<std::future<double>> running;
  for (const Work& work : works)
    running.push_back(std::async(std::launch::async, [&work, steps] { return work(steps); }));
  std::vector<double> all;
  for (std::future<double>& one : running) all.push_back(one.get());
  return all;
}

// Each member begins with another stream of the formula.
double sample_of_mean(std::uint32_t members, std::uint32_t elements) {
  const std::uint32_t stride = elements / 1000 + 1;
  double sum = 0;
  for (std::uint32_t k = 0; k * stride < elements; ++k) {
    double mean = 0;
    for (std::uint32_t rank = 0; rank < members; ++rank) mean += double{uniform(10 + rank, k * stride)} / members;
    sum += (k + 1) * mean * mean;
  }
  return sum;
}

TEST(BenchExchange, IsTheMeanOfAllMembersAfterEachStep) {
  for (const std::string way : {"direct", "ring"}) {
    for (const std::uint32_t members : {2U, 3U}) {
      for (const std::uint32_t bytes : {4096U, 1U << 20}) {
        SCOPED_TRACE(way + ", " + std::to_string(members) + " members, " + std::to_string(bytes) + " bytes");
        const double expected = sample_of_mean(members, bytes / 4);
        for (const int steps : {1, 3}) {
          for (const double sample : samples(way, members, bytes, steps))
            EXPECT_NEAR(sample, expected, 1e-5 * expected);
        }
      }
    }
  }
}

TEST(BenchExchange, TakesNoOtherWay) {
  EXPECT_THROW(our_exchange({"exchange", "gloo", "0", "64", "tcp:127.0.0.1:1"}), ConfigError);
}

}  // namespace
}  // namespace hop::bench
