#include <gtest/gtest.h>

#include "base/build_id_internal.h"
#include "base/words.h"

namespace hop {
namespace {

TEST(Printable, LeavesPlainAndForeignTextAlone) {
  for (const std::string text : {"", "loss is nan", "Zürich 学習 \xF0\x9F\x90\x87", "a\\nb"})
    EXPECT_EQ(printable(text), text);
}

TEST(Printable, EscapesWhateverATerminalWouldObey) {
  EXPECT_EQ(printable("\x1b[2J\x1b]0;owned\x07"), "\\x1b[2J\\x1b]0;owned\\x07");
  EXPECT_EQ(printable("two\nlines\tand\rmore"), "two\\nlines\\tand\\x0dmore");
  EXPECT_EQ(printable(std::string_view("\0\x7f", 2)), "\\x00\\x7f");
  EXPECT_EQ(printable("\xC2\x9B"
                      "2J"),
            "\\x9b"
            "2J")
      << "an escape sequence may also begin with U+009B";
  EXPECT_EQ(printable("\xE2\x80\xAE"
                      "gpj"),
            "\\u202egpj")
      << "turns the direction of writing";
  for (unsigned code = 0; code < 0xA0; ++code) {
    if (code == 0x20) code = 0x7F;
    std::string text(1, static_cast<char>(code));
    if (code >= 0x80) text.insert(0, "\xC2");
    EXPECT_EQ(printable(text).front(), '\\') << code;
  }
}

TEST(Printable, EscapesBytesThatAreNoUtf8) {
  EXPECT_EQ(printable("caf\xE9"), "caf\\xe9");
  EXPECT_EQ(printable("\xC0\xAF"), "\\xc0\\xaf") << "an overlong form";
  EXPECT_EQ(printable("\xED\xA0\x80"), "\\xed\\xa0\\x80") << "half a surrogate pair";
  EXPECT_EQ(printable("\xF4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond the last character";
  EXPECT_EQ(printable("\xE2\x82"), "\\xe2\\x82") << "cut off";
}

TEST(Printable, IsIdempotentAndBounded) {
  const std::string wild = "\x1b[31m\xff and " + std::string(100'000, 'x');
  const std::string tame = printable(wild, 1000);
  EXPECT_LT(tame.size(), 1100U);
  EXPECT_NE(tame.find(" bytes more)"), std::string::npos);
  EXPECT_EQ(printable(tame, 2000), tame);
  EXPECT_LT(printable(std::string(1000, '\x01'), 100).size(), 130U) << "of what is written, not of what is read";
}

TEST(BuildId, IsThatOfThisProgram) {
  EXPECT_EQ(build_id().size(), 16U);
  EXPECT_EQ(build_id().find_first_not_of("0123456789abcdef"), std::string::npos) << build_id();
}

}  // namespace
}  // namespace hop
