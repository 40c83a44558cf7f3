#include "hopper/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "hopper/detail/config_json.h"

namespace hop::hopper {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

const Config kConfig{{"lr", 0.001}, {"width", std::int64_t{16}}, {"optimizer", "adam"}, {"nesterov", true}};

TEST(Config, GivesValuesByNameAndType) {
  EXPECT_EQ(kConfig.number("lr"), 0.001);
  EXPECT_EQ(kConfig.integer("width"), 16);
  EXPECT_EQ(kConfig.number("width"), 16.0);
  EXPECT_EQ(kConfig.text("optimizer"), "adam");
  EXPECT_TRUE(kConfig.boolean("nesterov"));
}

TEST(Config, FallsBackOnlyWhereTheNameIsMissing) {
  EXPECT_EQ(kConfig.number("momentum", 0.9), 0.9);
  EXPECT_EQ(kConfig.integer("width", 3), 16);
  EXPECT_EQ(kConfig.text("family", "mlp"), "mlp");
  EXPECT_THROW(kConfig.integer("optimizer", 3), ConfigError);
}

TEST(Config, NamesTheKeyAndTheNearestOneWhenThereIsNone) {
  EXPECT_THAT([] { kConfig.number("optimiser"); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("`optimiser`"), HasSubstr("nearest key: `optimizer`"))));
}

TEST(Config, NamesTheKeyAndBothTypesWhenTheTypeIsWrong) {
  EXPECT_THAT([] { kConfig.integer("lr"); },
              ThrowsMessage<ConfigError>("[config] expected an integer for `lr`, got a number (0.001)"));
}

TEST(Config, ReplacesAValueInPlace) {
  Config config = kConfig;
  config.set("width", 2.5);
  EXPECT_EQ(config.to_text(), "lr=0.001 width=2.5 optimizer=\"adam\" nesterov=true");
}

TEST(Config, WritesJsonInTheOrderOfInsertion) {
  EXPECT_EQ(kConfig.to_json(), R"({"lr": 0.001, "width": 16, "optimizer": "adam", "nesterov": true})");
  EXPECT_EQ(Config{}.to_json(), "{}");
}

TEST(Config, RefusesAWholeNumberInJsonThatItCannotHold) {
  EXPECT_EQ(config_from_json(R"({"seed": 9223372036854775807})").integer("seed"), 9223372036854775807);
  EXPECT_THAT([] { config_from_json(R"({"seed": 18446744073709551615})"); },
              ThrowsMessage<ConfigError>(HasSubstr("seed: expected a whole number below 2^63")));
}

TEST(Value, KeepsItsTypeAndItsBitsInText) {
  EXPECT_EQ(to_text(1.0), "1.0");
  EXPECT_EQ(to_text(std::int64_t{1}), "1");
  EXPECT_EQ(to_text(0.1), "0.1");
  EXPECT_EQ(to_text(1e-300), "1e-300");
  for (const double value : {1.0 / 3, 1e22, 5e-324, 123456789.125, -0.0, 1e100}) {
    const double back = std::strtod(to_text(value).c_str(), nullptr);
    EXPECT_EQ(std::memcmp(&back, &value, sizeof value), 0) << to_text(value);
  }
}

TEST(Value, RefusesWhatJsonCannotSay) {
  EXPECT_THROW(to_text(std::numeric_limits<double>::quiet_NaN()), ConfigError);
  EXPECT_THROW(to_text(std::numeric_limits<double>::infinity()), ConfigError);
}

TEST(Value, EscapesText) { EXPECT_EQ(to_text(std::string("a\"b\\c\n")), R"("a\"b\\c\u000a")"); }

}  // namespace
}  // namespace hop::hopper
