#include "tests/source_tree.h"

namespace hop {

std::filesystem::path source_directory() { return HOP_SOURCE_DIR; }

}  // namespace hop
