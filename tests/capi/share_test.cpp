// A data set that two C programs write. (tests/data/share_test.cpp judges the bytes.)
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "capi/hop_c.h"
#include "data/dataset.h"
#include "tests/temporary_folder.h"

namespace hop {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr const char* kSchema = R"({"shape": [2], "classes": 2, "partitions": 2, "name": "shared"})";
constexpr const char* kDigest = "00112233445566778899aabbccddeeff";

// Lists of parts, joined to one.
std::string joined(const std::string& one, const std::string& other) {
  return one.substr(0, one.size() - 1) + "," + other.substr(1);
}

class CShare : public ::testing::Test {
 protected:
  ~CShare() override {
    for (hop_share* share : shares_) hop_share_close(share);
  }
  hop_share* open(const std::string& folder) {
    EXPECT_EQ(hop_share_open((folder_ / folder).c_str(), kSchema, &shares_.emplace_back()), HOP_OK) << hop_last_error();
    return shares_.back();
  }
  // Three rows that begin with `first`.
  static hop_status append(hop_share* share, std::int64_t partition, float first) {
    const float features[] = {first, 1, first + 1, 2, first + 2, 4};
    const std::int64_t labels[] = {0, 1, 1};
    const hop_rows rows{.count = 3,
                        .features = features,
                        .feature_bytes = sizeof features,
                        .labels = labels,
                        .label_bytes = sizeof labels,
                        .weights = nullptr};
    return hop_share_append(share, partition, &rows);
  }
  static std::string measured(hop_share* share) {
    const char* parts = nullptr;
    EXPECT_EQ(hop_share_measure(share, &parts), HOP_OK) << hop_last_error();
    return parts;
  }
  static std::string written(hop_share* share, const std::string& parts, const char* digest) {
    const char* files = nullptr;
    EXPECT_EQ(hop_share_write(share, parts.c_str(), digest, &files), HOP_OK) << hop_last_error();
    return files;
  }
  TemporaryFolder folder_;
  std::vector<hop_share*> shares_;
};

TEST_F(CShare, TwoSharesAreOneDataSet) {
  hop_share* one = open("one");
  hop_share* other = open("other");
  ASSERT_EQ(append(one, 0, 1), HOP_OK) << hop_last_error();
  ASSERT_EQ(append(one, HOP_VALIDATION, 7), HOP_OK);
  ASSERT_EQ(append(other, 1, 20), HOP_OK);
  ASSERT_EQ(append(other, 1, 30), HOP_OK);
  const std::string first = measured(one), second = measured(other);
  char digest[33] = "";
  ASSERT_EQ(hop_share_digest(kSchema, joined(first, second).c_str(), digest), HOP_OK) << hop_last_error();
  const std::string parts = joined(written(one, first, digest), written(other, second, digest));
  const char* manifest = nullptr;
  ASSERT_EQ(hop_share_manifest(kSchema, parts.c_str(), &manifest), HOP_OK) << hop_last_error();
  for (const char* folder : {"one", "other"}) std::ofstream(folder_ / folder / "manifest.json") << manifest;

  const data::Dataset here = data::Dataset::open(folder_ / "one", data::Files::present);
  EXPECT_EQ(here.name(), "shared");
  EXPECT_EQ(here.digest().hex(), digest);
  EXPECT_EQ(here.rows(), 9);
  EXPECT_EQ(here.partition(PartitionId(0)).rows(), 3);
  EXPECT_EQ(here.validation().rows(), 3);
  EXPECT_FALSE(here.has_partition(PartitionId(1)));
  const data::Dataset there = data::Dataset::open(folder_ / "other", data::Files::present);
  EXPECT_EQ(there.partition(PartitionId(1)).rows(), 6);
}

TEST_F(CShare, WhatIsWrongIsSaid) {
  hop_share* share = open("wrong");
  EXPECT_EQ(append(share, 2, 0), HOP_ERROR_ARGUMENT);
  EXPECT_THAT(hop_last_error(), HasSubstr("expected a partition below 2 or HOP_VALIDATION, got 2"));
  EXPECT_EQ(append(share, -2, 0), HOP_ERROR_ARGUMENT);
  ASSERT_EQ(append(share, 1, 0), HOP_OK);
  const std::string parts = measured(share);
  char digest[33] = "";
  EXPECT_EQ(hop_share_digest(kSchema, parts.c_str(), digest), HOP_ERROR_DATA);
  EXPECT_THAT(hop_last_error(), HasSubstr("got none in partition 0"));
  const char* text = nullptr;
  EXPECT_EQ(hop_share_write(share, parts.c_str(), "no digest", &text), HOP_ERROR_DATA);
  EXPECT_EQ(hop_share_write(open("empty"), parts.c_str(), kDigest, &text), HOP_ERROR_DATA);
  EXPECT_THAT(hop_last_error(), HasSubstr("the parts that hop_share_measure gave"));
  EXPECT_EQ(hop_share_measure(nullptr, &text), HOP_ERROR_ARGUMENT);
  EXPECT_EQ(hop_share_digest("{}", "[]", digest), HOP_ERROR_CONFIG);
  hop_share_close(nullptr);
}

TEST_F(CShare, AnEmptyShareHasNoParts) { EXPECT_EQ(measured(open("nothing")), "[]"); }

}  // namespace
}  // namespace hop
