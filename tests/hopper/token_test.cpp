// The secret of a run on its way to a worker process.
#include "hopper/detail/token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>

#include "base/error.h"

namespace hop::hopper {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::ThrowsMessage;

int pipe_with(const std::string& text) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  EXPECT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  return ends[0];
}

TEST(Token, GoesThroughAPipeOnce) {
  const std::string token = make_token();
  EXPECT_THAT(token, MatchesRegex("[0-9a-f]{32}"));
  EXPECT_NE(token, make_token());
  const Descriptor pipe = token_pipe(token);
  EXPECT_GT(pipe.get(), kTokenDescriptor);
  const int again = ::dup(pipe.get());
  EXPECT_EQ(take_token(::dup(pipe.get())), token);
  EXPECT_THAT([&] { take_token(again); }, ThrowsMessage<RunError>(HasSubstr("got something else")));
}

TEST(Token, IsNotTakenFromAnotherPipe) {
  for (const std::string text :
       {"", "0123456789abcdef", "0123456789abcdef0123456789abcdeX", "-----------------------"}) {
    EXPECT_THAT([&] { take_token(pipe_with(text)); }, ThrowsMessage<RunError>(HasSubstr("got something else"))) << text;
  }
  EXPECT_THAT([] { take_token(-1); }, ThrowsMessage<RunError>(HasSubstr("got none; workers are started by")));
}

}  // namespace
}  // namespace hop::hopper
