// One instruction set for all members of a run: the lowest, as long as nobody has trained.
#include "hopper/detail/isa_agreement.h"

#include <gtest/gtest.h>

#include <vector>

namespace hop::hopper {
namespace {

using Answer = IsaAgreement::Answer;

const std::string kV3 = "x86-64-v3", kV4 = "x86-64-v4";

TEST(IsaAgreement, IsTheLowestOfThoseThatCameBeforeTheFirstLease) {
  IsaAgreement run(kV4, {});
  EXPECT_EQ(run.meet(kV4), Answer::Fits);
  EXPECT_EQ(run.meet(kV3), Answer::LowersAll);
  EXPECT_EQ(run.isa(), kV3);
  EXPECT_EQ(run.meet(kV3), Answer::Fits);
  EXPECT_EQ(run.meet(kV4), Answer::MustLower);
}

TEST(IsaAgreement, IsNotHigherThanTheCoordinators) {
  IsaAgreement run(kV3, {});
  EXPECT_EQ(run.meet(kV4), Answer::MustLower);
  EXPECT_EQ(run.isa(), kV3);
}

TEST(IsaAgreement, StaysOnceUnitsAreLeased) {
  IsaAgreement run(kV4, {});
  run.settle();
  EXPECT_EQ(run.meet(kV3), Answer::TooLow);
  EXPECT_EQ(run.isa(), kV4);
  EXPECT_EQ(run.meet(kV4), Answer::Fits);
}

TEST(IsaAgreement, OfAResumedRunIsThatOfItsJournal) {
  const std::vector<std::string> arithmetic{"", kV3 + ", oneDNN 2.6.3"};
  IsaAgreement run(kV4, arithmetic);
  EXPECT_TRUE(run.is_settled());
  EXPECT_EQ(run.isa(), kV3);
  EXPECT_EQ(run.meet(kV4), Answer::MustLower);
  EXPECT_FALSE(IsaAgreement(kV4, std::vector<std::string>{"", ""}).is_settled());
}

}  // namespace
}  // namespace hop::hopper
