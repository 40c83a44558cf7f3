#include "cli/line_pipe.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>

namespace hop::cli {
namespace {

using ::testing::HasSubstr;

class LinePipeTest : public ::testing::Test {
 protected:
  LinePipeTest() { EXPECT_EQ(::pipe2(ends_, O_CLOEXEC), 0); }
  ~LinePipeTest() override {
    for (const int end : ends_) {
      if (end >= 0) ::close(end);
    }
  }
  int in() const { return ends_[1]; }
  void close_end(int end) { ::close(std::exchange(ends_[end], -1)); }
  // All that is written until the writing end is closed.
  std::string read() const {
    std::string all;
    char bytes[4096];
    for (ssize_t n = 0; (n = ::read(ends_[0], bytes, sizeof bytes)) > 0;)
      all.append(bytes, static_cast<std::size_t>(n));
    return all;
  }

 private:
  int ends_[2] = {-1, -1};
};

TEST_F(LinePipeTest, WritesEveryLineInOrder) {
  {
    LinePipe pipe(in(), {});
    pipe.write("first");
    pipe.latest("half way");
    pipe.write("second");
    pipe.latest("done");
  }
  close_end(1);
  EXPECT_EQ(read(), "first\nhalf way\nsecond\ndone\n");
}

// A pipe holds 64 KiB. The rest waits in memory, and of the lines that replace each other only the newest.
TEST_F(LinePipeTest, NeverMakesARunWaitForAReader) {
  constexpr std::ptrdiff_t kLines = 20'000;
  auto pipe = std::make_unique<LinePipe>(in(), std::function<void()>());
  for (std::ptrdiff_t i = 0; i < kLines; ++i) pipe->write("an epoch of a model");
  for (int i = 0; i < 20'000; ++i) pipe->latest("progress " + std::to_string(i));
  std::future<std::string> text = std::async(std::launch::async, [this] { return read(); });
  pipe.reset();
  close_end(1);
  const std::string all = text.get();
  EXPECT_THAT(all, HasSubstr("progress 19999\n"));
  EXPECT_EQ(std::ranges::count(all, 'h'), kLines);
  EXPECT_LT(std::ranges::count(all, '\n'), 2 * kLines);
}

TEST_F(LinePipeTest, TellsOnceThatNobodyReads) {
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  close_end(0);
  std::atomic<int> told = 0;
  {
    LinePipe pipe(in(), [&told] { ++told; });
    pipe.write("first");
    while (told == 0) ::usleep(1000);
    pipe.write("second");
    pipe.latest("third");
  }
  std::signal(SIGPIPE, before);
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace hop::cli
