// The declarations that readers and editors see say what the table says. Judged by the text of the whole page.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/autograd/elementwise_page.h"
#include "tests/source_tree.h"

namespace hop {
namespace {

TEST(ElementwiseFunctions, AreDeclaredAsTheTableSays) {
  const std::filesystem::path path = source_directory() / "autograd" / "elementwise_functions.h";
  if (std::getenv("HOP_WRITE_PAGES") != nullptr) std::ofstream(path) << elementwise_functions();
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), elementwise_functions()) << "write the page anew: HOP_WRITE_PAGES=1, see its first lines";
}

}  // namespace
}  // namespace hop
