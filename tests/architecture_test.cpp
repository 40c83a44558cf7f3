// The tree keeps the rules of the house, and each rule is seen to catch a tree that breaks it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/architecture.h"
#include "tests/source_tree.h"
#include "tests/temporary_folder.h"

namespace hop::architecture {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A project of a few files in a folder of its own, gone when the test ends.
class FakeTree : public testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  std::vector<SourceFile> tree() const { return read_tree(root_.path()); }
  Violations missing() const { return missing_files(read_pages(root_.path()), read_paths(root_.path())); }

 private:
  TemporaryFolder root_;
};

std::set<std::string> public_headers() {
  std::ifstream list(HOP_PUBLIC_HEADERS);
  std::set<std::string> headers;
  for (std::string line; std::getline(list, line);) headers.insert(line);
  return headers;
}

TEST(Architecture, IncludesPointDownwards) {
  EXPECT_THAT(includes_from_above(read_tree(source_directory())), IsEmpty());
}

TEST(Architecture, PublicHeadersShowNoOtherLibrary) {
  ASSERT_TRUE(public_headers().contains("base/error.h"));
  EXPECT_THAT(private_things_in_public(read_tree(source_directory()), public_headers()), IsEmpty());
}

TEST(Architecture, MembersOfPublicStructsHaveInitialisers) {
  EXPECT_THAT(members_without_initialiser(read_tree(source_directory()), public_headers()), IsEmpty());
}

TEST(Architecture, LongFilesSayWhy) { EXPECT_THAT(long_without_reason(read_tree(source_directory())), IsEmpty()); }

TEST(Architecture, NothingIsChosenWithinAnAwait) {
  EXPECT_THAT(choices_in_awaits(read_tree(source_directory())), IsEmpty());
}

TEST(Architecture, PagesNameFilesThatExist) {
  const fs::path root = source_directory();
  const std::vector<SourceFile> pages = read_pages(root);
  ASSERT_GE(pages.size(), 10U);
  EXPECT_THAT(missing_files(pages, read_paths(root)), IsEmpty());
}

TEST(Architecture, NamesOfTheFirstDayAreNamesOfTheCode) {
  const fs::path root = source_directory();
  const std::vector<SourceFile> pages = read_pages(root);
  const auto house = std::ranges::find(pages, "docs/house.md", &SourceFile::path);
  ASSERT_NE(house, pages.end());
  EXPECT_THAT(unknown_names(*house, read_tree(root)), IsEmpty());
}

TEST(Architecture, ThePageOfReliabilityNamesTestsThatExist) {
  SourceFile page{"docs/reliability.md", {}};
  std::ifstream text(source_directory() / page.path);
  for (std::string line; std::getline(text, line);) page.lines.push_back(line);
  ASSERT_GT(page.lines.size(), 100U);
  EXPECT_THAT(tests_that_are_not_there(page, read_tree(source_directory())), IsEmpty());
}

TEST_F(FakeTree, MayIncludeItselfAndWhatLiesBelow) {
  write("nn/layers/linear.cpp", "#include \"nn/module.h\"\n#include \"base/error.h\"\n#include <vector>\n");
  write("hopper/worker.cpp", "#include \"net/frame.h\"\n#include \"nn/module.h\"\n");
  EXPECT_THAT(includes_from_above(tree()), IsEmpty());
}

TEST_F(FakeTree, MayNotIncludeAHigherFloor) {
  write("tensor/tensor.cpp", "#include \"tensor/tensor.h\"\n\n#include \"autograd/graph.h\"\n");
  EXPECT_THAT(includes_from_above(tree()),
              ElementsAre(HasSubstr("tensor/tensor.cpp:3: tensor includes autograd/graph.h")));
}

TEST_F(FakeTree, MayNotIncludeAHigherFloorUnderItsInstalledName) {
  write("base/hash.cpp", "#include <hopscotch/nn/module.h>\n");
  EXPECT_THAT(includes_from_above(tree()), ElementsAre(HasSubstr("base/hash.cpp:1:")));
}

TEST_F(FakeTree, MayNotIncludeTheFloorBesideIt) {
  write("autograd/ops.h", "#  include \"data/loader.h\"\n");
  write("data/loader.h", "#include \"autograd/ops.h\"\n");
  write("net/frame.h", "#include \"tensor/tensor.h\"\n");
  write("tensor/tensor.h", "#include \"net/frame.h\"\n");
  EXPECT_EQ(includes_from_above(tree()).size(), 4U);
}

TEST_F(FakeTree, MayNotIncludeByAPathThatDoesNotStartAtTheRoot) {
  write("nn/module.cpp", "#include \"module.h\"\n#include \"../tensor/tensor.h\"\n");
  EXPECT_EQ(includes_from_above(tree()).size(), 2U);
}

TEST_F(FakeTree, PublicHeaderMayNotNameAnotherLibrary) {
  write("net/a.h", "#pragma once\n#include <boost/asio.hpp>\n");
  write("data/b.h", "#pragma once\nnamespace flatbuffers { class Table; }\n");
  write("nn/c.h", "#pragma once\nnlohmann::json describe();  // as JSON\n");
  write("nn/d.h", "#pragma once\n#include <string>\n// built on dnnl::memory\nstd::string describe();\n");
  EXPECT_THAT(private_things_in_public(tree(), {"net/a.h", "data/b.h", "nn/c.h", "nn/d.h"}),
              ElementsAre(HasSubstr("data/b.h:2: a public header names flatbuffers"), HasSubstr("net/a.h:2:"),
                          HasSubstr("nn/c.h:2: a public header names nlohmann::")));
}

TEST_F(FakeTree, PublicHeaderMayNotIncludeAPrivateOne) {
  write("nn/spec.h", "#pragma once\n#include \"nn/json_internal.h\"\n#include \"nn/module.h\"\n");
  write("nn/json_internal.h", "#pragma once\n#include <nlohmann/json.hpp>\n");
  EXPECT_THAT(private_things_in_public(tree(), {"nn/spec.h", "nn/module.h"}), ElementsAre(HasSubstr("nn/spec.h:2:")));
}

TEST_F(FakeTree, PublicHeaderIsIncludedOnce) {
  write("nn/module.h", "class Module;\n");
  EXPECT_THAT(private_things_in_public(tree(), {"nn/module.h"}), ElementsAre(HasSubstr("#pragma once")));
}

TEST_F(FakeTree, MemberOfAPublicStructNeedsAnInitialiser) {
  write(
      "nn/a.h",
      "#pragma once\nstruct Options {\n  int good = 1;\n  std::string bad;  ///< has none\n  std::string fine{};\n"
      "  char comma = ',';\n"
      "  std::function<void(int)>\n      long_one;\n  double both{}, second;\n  void call();\n  const int& reference;\n"
      "  static int count;\n  struct Inner {\n    int ours;\n  };\n  int body() const {\n    int local;\n  }\n};\n");
  write("nn/b.h",
        "#pragma once\nnamespace detail {\nstruct Spare {\n  int n;\n};\n}  // namespace detail\nstruct Built {\n  "
        "explicit Built(int n);\n  int n;\n};\nclass Hidden {\n  int n;\n};\n");
  write("nn/private.h", "#pragma once\nstruct Options {\n  int n;\n};\n");
  EXPECT_THAT(members_without_initialiser(tree(), {"nn/a.h", "nn/b.h"}),
              ElementsAre(HasSubstr("nn/a.h:4: std::string bad"), HasSubstr("nn/a.h:7:"), HasSubstr("nn/a.h:9:")));
}

TEST_F(FakeTree, PageMayNameFilesByTheEndOfTheirPaths) {
  write("nn/layers/linear.h", "");
  write("nn/layers/linear.cpp", "");
  write("build/made.cpp", "");
  write("docs/a.md",
        "`nn/layers/linear.h`, `layers/linear.cpp`, `linear.{h,cpp}`, `layers/*.h`, `nn/layers/`, `x.h`\n");
  write("README.md", "[a](docs/a.md) ![b](docs/b.svg) [web](https://x.y/z.md)\n```\n`none.h`\n```\n`results.json`\n");
  write("docs/b.svg", "");
  EXPECT_THAT(missing(), IsEmpty());
}

TEST_F(FakeTree, PageMayNotNameAMissingFile) {
  write("nn/layers/linear.h", "");
  write("build/made.cpp", "");
  write("README.md", "\n`inear.h` `made.cpp`\n`layers/linear.{h,cpp}` `nn/lay/`\n");
  write("docs/a.md", "[b](docs/a.md) `*.cpp`\n`examples/none.toml`\n");
  EXPECT_THAT(
      missing(),
      ElementsAre(HasSubstr("README.md:2: no file inear.h"), HasSubstr("README.md:2: no file made.cpp"),
                  HasSubstr("README.md:3: no file layers/linear.cpp"), HasSubstr("README.md:3: no file nn/lay/"),
                  HasSubstr("docs/a.md:1: no file *.cpp"), HasSubstr("docs/a.md:2: no file examples/none.toml"),
                  HasSubstr("docs/a.md:1: no file docs/docs/a.md to link to")));
}

TEST_F(FakeTree, PageNamesOnlyWordsOfTheSources) {
  write("nn/a.h", "struct Linear { int rows; };\n");
  const SourceFile page{"docs/house.md", {"`Linear::rows` in `nn/a.h`,", "`x_operations`, `find_x`, `Linear::row`"}};
  EXPECT_THAT(unknown_names(page, tree()), ElementsAre(HasSubstr("docs/house.md:2: no source has row")));
}

TEST_F(FakeTree, LongFileNeedsItsReasonNearTheTop) {
  std::string body;
  for (int i = 0; i < 350; ++i) body += "//\n";
  write("nn/just_right.cpp", body);
  write("nn/explained.cpp", "// Long because it is one table.\n" + body);
  write("nn/too_late.cpp", body + "// Long because nobody cut it.\n");
  write("bench/silent.cpp", "//\n" + body);
  EXPECT_THAT(long_without_reason(tree()),
              ElementsAre(HasSubstr("bench/silent.cpp:1: 351 lines"), HasSubstr("nn/too_late.cpp:1: 351 lines")));
}

TEST_F(FakeTree, NothingIsChosenWithinAnAwait) {
  write("net/a.cpp",
        "co_await send(to, is_kept ? kept : nullptr);\n"
        "co_await send(to,\n    is_kept ? kept\n : nullptr);\n"
        "const auto what = is_kept ? kept : nullptr;\nco_await send(to, what);\n"
        "co_await send(to, \"why?\");  // really?\n"
        "co_await on_disk([&] { return is_kept ? a : b; });\n"
        "co_await send(Head{1}, is_kept ? kept : nullptr);\n"
        "const bool x = is_kept ? (co_await a(), true) : false;\n");
  EXPECT_THAT(choices_in_awaits(tree()),
              ElementsAre(HasSubstr("net/a.cpp:1:"), HasSubstr("net/a.cpp:2:"), HasSubstr("net/a.cpp:9:")));
}

TEST_F(FakeTree, APageNamesTestsAndTheirFilesAsTheyAre) {
  write("tests/net/door_test.cpp", "TEST(Door, Opens) {\nTEST_F(Room,\n       HasAWindow) {\n");
  const auto found = [&](const std::string& line) {
    return tests_that_are_not_there({"docs/page.md", {"", line}}, tree());
  };
  EXPECT_THAT(found("| a door | `Door.Opens`, `Room.Has*`, `Door.Op...`, `tests/net/door_test.cpp`, `x.Y` |"),
              IsEmpty());
  EXPECT_THAT(found("`Door.Open`"), ElementsAre("docs/page.md:2: names the test Door.Open, which is not there"));
  EXPECT_THAT(found("`Room.HasAD*` `tests/net/room_test.cpp`"),
              ElementsAre(HasSubstr("Room.HasAD*"), HasSubstr("tests/net/room_test.cpp")));
}

}  // namespace
}  // namespace hop::architecture
