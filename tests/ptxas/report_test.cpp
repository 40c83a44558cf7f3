// No kernel spills, and none keeps arrays in local memory but for a reason that stands here.
#include "tests/ptxas/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <iterator>

namespace hop::ptxas {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<Allowance> kAllowed = {
    {"rows::Sin", 40, "the exact reduction of angles beyond 10^5 indexes a table of 2 / pi (CUDA's slow path)"},
    {"rows::Cos", 40, "as Sin"},
    {"rows::Tan", 40, "as Sin"},
    {"normal_kernel", 40, "as Sin: Box-Muller takes a cosine"},
};

constexpr std::string_view kTwoKernels = R"(ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_ZN3hop7kernels4cuda3addIfEEvPT_i' for 'sm_80'
ptxas info    : Function properties for _ZN3hop7kernels4cuda3addIfEEvPT_i
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 30 registers, used 1 barriers, 8192 bytes smem, 400 bytes cmem[0]
ptxas info    : Compile time = 10.450 ms
ptxas info    : Compiling entry function '_ZN3hop7kernels4cuda3mulEPf' for 'sm_90'
ptxas info    : Function properties for _ZN3hop7kernels4cuda3mulEPf
    16 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 255 registers, used 0 barriers
)";

std::string read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(PtxasReport, IsReadKernelByKernel) {
  const auto kernels = parse(kTwoKernels);
  ASSERT_EQ(kernels.size(), 2U);
  EXPECT_EQ(kernels[0].name, "add<float>");
  EXPECT_EQ(kernels[0].arch, "sm_80");
  EXPECT_EQ(kernels[0].registers, 30);
  EXPECT_EQ(kernels[0].shared_bytes, 8192);
  EXPECT_EQ(kernels[1].name, "mul");
  EXPECT_EQ(kernels[1].stack_bytes, 16);
  EXPECT_EQ(kernels[1].spill_bytes, 12);
  EXPECT_THAT(table(kernels), HasSubstr("30/8192\t-\tadd<float>"));
}

TEST(PtxasReport, ThatBreaksOffIsAnError) {
  EXPECT_THROW(parse(kTwoKernels.substr(0, kTwoKernels.rfind("ptxas info"))), std::runtime_error);
}

TEST(PtxasReport, ComplainsAboutSpillsAlways) {
  EXPECT_THAT(complaints(parse(kTwoKernels), {{"mul", 1000, "even so"}}), ElementsAre("mul for sm_90 spills 12 bytes"));
}

TEST(PtxasReport, ComplainsAboutAStackFrameThatNobodyExcused) {
  const std::vector<Kernel> kernels = {{"sine", "sm_90", 20, 0, 32, 0}};
  EXPECT_THAT(complaints(kernels, {}), ElementsAre(HasSubstr("stack frame of 32 bytes")));
  EXPECT_THAT(complaints(kernels, {{"sine", 16, "less"}}), ElementsAre(HasSubstr("stack frame of 32 bytes")));
  EXPECT_THAT(complaints(kernels, {{"sine", 32, "a table"}}), IsEmpty());
}

TEST(PtxasReport, OurKernelsNeitherSpillNorIndexLocalMemory) {
  std::ifstream list(HOP_PTXAS_REPORTS);
  std::vector<Kernel> kernels;
  for (std::string path; std::getline(list, path);) {
    SCOPED_TRACE(path);
    const auto of_file = parse(read(path));
    EXPECT_FALSE(of_file.empty()) << "a .cu file without a kernel, or without its report";
    kernels.insert(kernels.end(), of_file.begin(), of_file.end());
  }
  ASSERT_FALSE(kernels.empty());
  std::cout << table(kernels);
  EXPECT_THAT(complaints(kernels, kAllowed), IsEmpty());
}

}  // namespace
}  // namespace hop::ptxas
