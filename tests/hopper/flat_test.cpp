// Described structs as FlatBuffers: what the bytes of another program, older, newer or hostile, may do to a reader.
// (schema_test.cpp has flatc judge the bytes; messages_test.cpp and journal_test.cpp have the structs of the hopper.)
#include "hopper/detail/flat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/ids.h"
#include "tests/hopper/described.h"

namespace hop::hopper::flat {
namespace {

using hop::hopper::testing::undescribed;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

enum class Colour : std::uint8_t { Red, Green, Blue };

struct Inner {
  ModelId model{};
  bool operator==(const Inner&) const = default;
  static void describe(auto& m, auto&& field) { field("model", m.model); }
};
struct Old {
  double number = 7;
  bool operator==(const Old&) const = default;
  static void describe(auto& m, auto&& field) { field("number", m.number); }
};
struct New {
  double number = 7;
  std::uint32_t count = 7;
  Colour colour = Colour::Green;
  std::optional<std::uint32_t> maybe = 7;
  std::optional<Inner> inner = Inner{};
  std::string text = "seven";
  Digest digest{7, 7};
  std::vector<double> numbers{7};
  std::vector<Inner> inners{{}};
  Config config{{"seven", std::int64_t{7}}};
  bool operator==(const New&) const = default;
  static void describe(auto& m, auto&& field) {
    field("number", m.number);
    field("count", m.count);
    field("colour", m.colour, Colour::Green);
    field("maybe", m.maybe);
    field("inner", m.inner);
    field("text", m.text);
    field("digest", m.digest);
    field("numbers", m.numbers);
    field("inners", m.inners);
    field("config", m.config);
  }
};
template <class T>
struct Needs {
  double number = 0;
  T part{};
  static void describe(auto& m, auto&& field) { field("number", m.number), field("part", m.part); }
};
struct Maybes {
  std::optional<double> none{}, zero{};
  static void describe(auto& m, auto&& field) { field("none", m.none), field("zero", m.zero); }
};
struct Liar {  // has a text where New has its configuration
  std::string text{};
  static void describe(auto& m, auto&& field) {
    double absent = 0;
    for (int i = 0; i < 9; ++i) field("absent", absent);
    field("text", m.text);
  }
};
struct Forgetful {
  bool first = false;
  double second = 0;
  bool third = false;
  static void describe(auto& m, auto&& field) { field("first", m.first), field("second", m.second); }
};

AlignedBuffer aligned(ByteView bytes) {
  AlignedBuffer copy(bytes.size());
  std::ranges::copy(bytes, copy.data());
  return copy;
}
template <class T>
T read(ByteView bytes, std::uint32_t max_tables = 100) {
  return decode<T>(aligned(bytes).span(), max_tables);
}

TEST(Flat, GivesEveryFieldBack) {
  const New given = testing::filled<New>();
  EXPECT_EQ(read<New>(encode(given)), given);
  EXPECT_NE(given, New{});
}

TEST(Flat, ReadsZeroEmptyOrNoneWhereOlderBytesHaveNoField) {
  const New expected{.number = 0.5,
                     .count = 0,
                     .colour = Colour::Red,
                     .maybe = {},
                     .inner = {},
                     .text = {},
                     .digest = {},
                     .numbers = {},
                     .inners = {},
                     .config = {}};
  EXPECT_EQ(read<New>(encode(Old{0.5})), expected);
}

TEST(Flat, PassesOverTheFieldsOfNewerBytes) { EXPECT_EQ(read<Old>(encode(New{.number = 0.5})), Old{0.5}); }

TEST(Flat, TellsZeroFromNone) {
  const auto back = read<Maybes>(encode(Maybes{.none = {}, .zero = 0}));
  EXPECT_EQ(back.none, std::nullopt);
  EXPECT_EQ(back.zero, 0.0);
}

TEST(Flat, KeepsNumbersThatAreNone) {
  EXPECT_TRUE(std::isnan(read<Old>(encode(Old{std::numeric_limits<double>::quiet_NaN()})).number));
  EXPECT_EQ(read<Old>(encode(Old{-std::numeric_limits<double>::infinity()})).number,
            -std::numeric_limits<double>::infinity());
}

TEST(Flat, NamesAPartThatMustBeThereAndIsMissing) {
  const std::vector<std::byte> bytes = encode(Old{0.5});
  EXPECT_THAT([&] { read<Needs<Inner>>(bytes); },
              ThrowsMessage<BadTable>(HasSubstr("expected the part part, got none")));
  using Nonce = std::array<std::uint64_t, 4>;
  EXPECT_THAT([&] { read<Needs<Nonce>>(bytes); },
              ThrowsMessage<BadTable>(HasSubstr("expected the part part, got none")));
  using Either = std::variant<Inner, Old>;
  EXPECT_THAT([&] { read<Needs<Either>>(bytes); },
              ThrowsMessage<BadTable>(HasSubstr("expected the part part, got none")));
}

TEST(Flat, TellsTheMembersOfAUnionApartAndRefusesOneThatItDoesNotKnow) {
  using Wide = std::variant<Inner, Old, New>;
  using Narrow = std::variant<Inner, Old>;
  const auto back = read<Needs<Narrow>>(encode(Needs<Wide>{0.5, Old{0.25}}));
  EXPECT_EQ(std::get<Old>(back.part), Old{0.25});
  EXPECT_THAT(
      [] {
        read<Needs<Narrow>>(encode(Needs<Wide>{0.5, New{}}));
      },
      ThrowsMessage<BadTable>(HasSubstr("unknown part 3")));
}

TEST(Flat, RefusesAnEnumeratorBeyondTheLastOne) {
  EXPECT_EQ(read<New>(encode(New{.colour = Colour::Green})).colour, Colour::Green);
  EXPECT_THAT([] { read<New>(encode(New{.colour = Colour::Blue})); },
              ThrowsMessage<BadTable>(HasSubstr("unknown colour 2")));
}

TEST(Flat, RefusesAConfigurationThatIsNone) { EXPECT_THROW(read<New>(encode(Liar{"[1, 2]"})), BadTable); }

TEST(Flat, StopsAtTooManyTables) {
  const New many{.inners = std::vector<Inner>(10)};
  EXPECT_EQ(read<New>(encode(many), 12), many) << "itself, `inner`, and ten";
  EXPECT_THROW(read<New>(encode(many), 11), BadTable);
}

// (A sanitizer would see a read beyond the end. The fuzz targets `message` and `journal` go further.)
TEST(Flat, ReadsDamagedBytesAsAnotherValueOrRefusesThem) {
  const std::vector<std::byte> whole = encode(testing::filled<New>());
  int refused = 0;
  const auto try_to_read = [&](ByteView bytes) {
    try {
      read<New>(bytes);
    } catch (const BadTable&) {
      ++refused;
    }
  };
  for (std::size_t size = 0; size < whole.size(); ++size) try_to_read(ByteView(whole).first(size));
  EXPECT_GT(refused, static_cast<int>(whole.size() / 2));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int bit : {1, 16, 128}) {
      std::vector<std::byte> damaged = whole;
      damaged[at] ^= static_cast<std::byte>(bit);
      try_to_read(damaged);
    }
  }
}

TEST(Described, FindsAMemberThatWasForgotten) {
  EXPECT_THAT(undescribed<New>(), IsEmpty());
  EXPECT_THAT(undescribed<Forgetful>(), ElementsAre(2));
}

}  // namespace
}  // namespace hop::hopper::flat
