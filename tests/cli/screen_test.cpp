#include "cli/screen.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>

namespace hop::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe2(ends_, O_CLOEXEC), 0); }
  ~Pipe() {
    ::close(ends_[0]);
    if (ends_[1] >= 0) ::close(ends_[1]);
  }
  int in() const { return ends_[1]; }
  // All that has been written until now.
  std::string read() {
    ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    std::string all;
    char bytes[4096];
    for (ssize_t n = 0; (n = ::read(ends_[0], bytes, sizeof bytes)) > 0;)
      all.append(bytes, static_cast<std::size_t>(n));
    return all;
  }

 private:
  int ends_[2] = {-1, -1};
};

TEST(Screen, WritesNoticesInOrderAndTheLatestProgress) {
  Pipe pipe;
  {
    Screen screen(/*repaints=*/false, pipe.in());
    screen.notice("first");
    screen.notice("second");
    screen.show({"half way"});
  }
  const std::string text = pipe.read();
  EXPECT_LT(text.find("first\n"), text.find("second\n"));
  EXPECT_THAT(text, HasSubstr("half way\n"));
}

TEST(Screen, PaintsABlockOverTheOneBefore) {
  Pipe pipe;
  {
    Screen screen(/*repaints=*/true, pipe.in());
    screen.show({"one", "two"});
    std::string text;
    while (text.empty()) text = pipe.read();
    EXPECT_THAT(text, Not(HasSubstr("A"))) << "nothing to go back over yet";
    screen.notice("a worker was lost");
    screen.show({"three", "four"});
  }
  const std::string text = pipe.read();
  EXPECT_THAT(text, HasSubstr("\x1b[2A\x1b[2Ka worker was lost\n"));
  EXPECT_THAT(text, HasSubstr("three\n\x1b[2Kfour\n"));
}

// A terminal after Ctrl-S, a pipe into a program that does something else.
TEST(Screen, NeverMakesARunWaitForAReader) {
  Pipe pipe;
  const auto begin = std::chrono::steady_clock::now();
  {
    Screen screen(/*repaints=*/false, pipe.in());
    for (int i = 0; i < 100'000; ++i) {
      screen.notice("worker 0 was lost between two units: killed by signal 9");
      screen.show({std::string(100, 'x')});
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30)) << "nor its end";
  EXPECT_GE(pipe.read().size(), 4096U);
}

}  // namespace
}  // namespace hop::cli
