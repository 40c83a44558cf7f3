// Words in messages: the suggestion for a mistake, and the text that a message may hold.
#include "base/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace hop {
namespace {

using std::string_view;

TEST(Nearest, IsTheSmallestEditDistanceAndTheFirstOfEquals) {
  const std::vector<std::string> names{"epochs", "seed", "workers", "worker"};
  EXPECT_EQ(nearest("epoch", names), "epochs");
  EXPECT_EQ(nearest("wrkers", names), "workers");
  EXPECT_EQ(nearest("worke", names), "worker");
  EXPECT_EQ(nearest("seed", names), "seed");
}

TEST(Nearest, TakesTheSameWordInOtherLettersFirst) {
  const std::vector<std::string> names{"Ages", "age", "Target", "label"};
  EXPECT_EQ(nearest("Age", names), "age");
  EXPECT_EQ(nearest("AGES", names), "Ages");
  EXPECT_EQ(nearest("target", names), "Target") << "before our word for another library's";
  EXPECT_EQ(nearest("agess", names), "Ages");
}

TEST(Nearest, SuggestsNothingThatIsMostlyWrong) {
  const std::vector<std::string> names{"relu", "softmax"};
  EXPECT_EQ(nearest("transformer", names), "");
  EXPECT_EQ(nearest("x", std::vector<std::string>{"b", "a"}), "");
  EXPECT_EQ(nearest("x", std::vector<std::string>{}), "");
  EXPECT_EQ(nearest(std::string(100'000, 'r'), names), "");
}

TEST(Nearest, KnowsTheWordsOfOtherLibraries) {
  const std::vector<std::string> keys{"lr", "batch_size", "weight_decay", "optimizer"};
  EXPECT_EQ(nearest("learning_rate", keys), "lr");
  EXPECT_EQ(nearest("adamw_lr", keys), "lr");
  EXPECT_EQ(nearest("bs", keys), "batch_size");
  EXPECT_EQ(nearest("mse_loss", std::vector<std::string>{"bce", "mse"}), "mse");
  EXPECT_EQ(nearest("cross_entropy_loss", std::vector<std::string>{"cross", "cross_entropy"}), "cross_entropy");
  EXPECT_EQ(nearest("l2", keys), "weight_decay");
  EXPECT_EQ(nearest("gpu", std::vector<std::string>{"auto", "cpu", "cuda"}), "cuda");
  EXPECT_EQ(nearest("dense", std::vector<std::string>{"conv2d", "linear"}), "linear");
  EXPECT_EQ(nearest("dense", keys), "") << "another library's word counts where ours is valid";
  EXPECT_EQ(nearest("gpu", std::vector<std::string>{"workers", "device"}), "device") << "a word may stand for several";
  EXPECT_EQ(nearest("MSELoss", std::vector<std::string>{"mae", "mse"}), "mse");
  EXPECT_EQ(nearest("Learning-Rate", keys), "lr");
  EXPECT_EQ(nearest("hidden_layer_sizes", std::vector<std::string>{"depth", "hidden"}), "hidden");
  EXPECT_EQ(nearest("random_state", std::vector<std::string>{"name", "seed"}), "seed");
}

TEST(Hint, NamesTheNearestOrListsTheValidOnes) {
  const std::vector<std::string> names{"grid", "random"};
  EXPECT_EQ(hint("gird", names), "; did you mean \"grid\"?");
  EXPECT_EQ(hint("bayesian", names), "; valid are grid and random");
  EXPECT_EQ(hint("bayesian", std::vector<std::string>{"grid"}), "; valid is grid");
  EXPECT_EQ(hint("x", std::vector<std::string>{}), "");
  std::vector<std::string> many;
  for (int i = 0; i < 40; ++i) many.push_back("name" + std::to_string(i));
  EXPECT_THAT(hint("transformer", many), testing::EndsWith("name11 and 28 more"));
}

TEST(Shortest, ReadsBack) {
  EXPECT_EQ(shortest(0.1), "0.1");
  EXPECT_EQ(shortest(1e-7), "1e-07");
  EXPECT_EQ(shortest(std::numeric_limits<double>::max()), "1.7976931348623157e+308");
}

TEST(Utf8, IsWhatRfc3629Allows) {
  for (const string_view good : {string_view(""), string_view("a"), string_view("\xC3\xA9"),
                                 string_view("\xE2\x82\xAC"), string_view("\xF0\x9F\x98\x80"), string_view("\0", 1)}) {
    EXPECT_TRUE(is_utf8(good)) << printable(good);
  }
  for (const string_view bad :
       {string_view("\xE9"), string_view("caf\xE9 "), string_view("\xC0\xAF"),  // overlong
        string_view("\xE0\x80\xAF"), string_view("\xED\xA0\x80"),               // a surrogate
        string_view("\xF4\x90\x80\x80"), string_view("\xFF"), string_view("\x80"), string_view("\xE2\x82")}) {
    EXPECT_FALSE(is_utf8(bad)) << printable(bad);
  }
}

TEST(Utf8, CharactersHaveACodePointAndASize) {
  const auto is = [](std::string_view text, std::uint32_t code, std::size_t bytes) {
    const Utf8Character character = first_character(text);
    return character.code == code && character.bytes == bytes;
  };
  EXPECT_TRUE(is("az", 0x61, 1));
  EXPECT_TRUE(is(string_view("\0", 1), 0, 1));
  EXPECT_TRUE(is("\xC3\xA9z", 0xE9, 2));
  EXPECT_TRUE(is("\xE2\x82\xACz", 0x20AC, 3));
  EXPECT_TRUE(is("\xF0\x9F\x98\x80z", 0x1F600, 4));
  EXPECT_TRUE(is("\xE2\x82", 0, 0));
  EXPECT_TRUE(is("\x80", 0, 0));
}

TEST(Printable, LeavesNothingThatATerminalObeys) {
  EXPECT_EQ(printable("caf\xC3\xA9"), "caf\xC3\xA9");
  EXPECT_EQ(printable("\x1b[2J\n\xE9\x7F"), "\\x1b[2J\\n\\xe9\\x7f");
  EXPECT_EQ(printable("abcdef", 4), "abcd... (2 bytes more)");
  EXPECT_TRUE(is_utf8(printable("\xC3\xA9\xC3\xA9\xC3\xA9", 3)));
}

TEST(PlainName, StaysInItsFolder) {
  for (const char* good : {"cifar", "a-1", "run.2", "_x", "0"}) EXPECT_TRUE(is_plain_name(good)) << good;
  for (const char* bad :
       {"", ".", "..", ".hidden", "-n", "../x", "a/b", "/x", "a b", "a\n", "a\x1b", "caf\xC3\xA9", "a:b", "~"}) {
    EXPECT_FALSE(is_plain_name(bad)) << bad;
  }
  EXPECT_FALSE(is_plain_name(std::string(200, 'a')));
  EXPECT_FALSE(is_plain_name(string_view("a\0b", 3)));
}

}  // namespace
}  // namespace hop
