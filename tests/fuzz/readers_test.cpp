// Every source that reads bytes of others stands in a table here, with the fuzz target that gives it such bytes, or
// with the reason why it needs none. A source reads bytes of others if it parses JSON, TOML or FlatBuffers, opens a
// file for reading, or declares a function that takes bytes, a text or a path and is named after a reader's verb.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "tests/fuzz/fuzz.h"
#include "tests/source_tree.h"

namespace hop::fuzz {
namespace {

namespace fs = std::filesystem;

struct Reader {
  std::string_view source;       ///< without its ending
  std::string_view target = {};  ///< the fuzz target that reaches it
  std::string_view reason = {};  ///< why there is none
};

constexpr std::string_view kKernel = "the operating system's own files";
constexpr std::string_view kOwn = "a text that this process has just made";

constexpr Reader kReaders[] = {
    {"base/children_usage", {}, kKernel},
    {"base/process_usage", {}, kKernel},
    {"capi/dataset_options", "dataset_options"},
    {"capi/model", {}, kOwn},
    {"cli/compare", {}, kKernel},
    {"cli/event_lines", {}, kOwn},
    {"cli/export", {}, "compares the first line of a file with the one it would write"},
    {"cli/job_file", "job"},
    {"cli/network_option", "job"},
    {"cli/report", {}, "prints a file that the target `results` has found to be current"},
    {"cli/simulate", {}, "takes two numbers of a file that the target `results` has found to be current"},
    {"cli/worker", {}, kKernel},
    {"data/dataset", "manifest"},
    {"data/entry_json", "share"},
    {"data/formats/cifar", "cifar"},
    {"data/formats/csv", "csv"},
    {"data/formats/csv_line", "csv"},
    {"data/formats/csv_rows", "rows"},
    {"data/formats/csv_separator", "experiment"},
    {"data/formats/csv_table", "csv"},
    {"data/formats/format", {}, "counts the cells of a text's first lines, as `csv` and `text` do behind it"},
    {"data/formats/idx", "idx"},
    {"data/formats/npy", "npy"},
    {"data/formats/npy_array", "npy"},
    {"data/formats/text", "text"},
    {"data/manifest", "manifest"},
    {"data/mapped_file", {}, "looks at no byte"},
    {"data/partition", "partition"},
    {"data/partition_header", "partition"},
    {"data/partition_layout", "partition"},
    {"data/partition_writer", {}, "hashes what it has just written"},
    {"data/prepare", {}, "hashes whole files"},
    {"data/row_schema", "predictor"},
    {"data/share", "share"},
    {"data/share_json", "share"},
    {"data/table_guess", "guess"},
    {"hopper/detail/config_json", "config"},
    {"hopper/detail/experiment_keys", "experiment"},
    {"hopper/detail/flat", "message"},
    {"hopper/detail/messages", "message"},
    {"hopper/detail/node_place", "places"},
    {"hopper/detail/process_host", {}, kKernel},
    {"hopper/detail/run_directory", "results"},
    {"hopper/detail/state_store", "state"},
    {"hopper/detail/toml_text", "experiment"},
    {"hopper/detail/unreadable_file", {}, "reads bytes and looks at none"},
    {"hopper/experiment", "experiment"},
    {"hopper/experiment_toml", "experiment"},
    {"hopper/hand_out", "places"},
    {"hopper/journal", "journal"},
    {"hopper/journal_codec", "journal"},
    {"hopper/results", "results"},
    {"hopper/run", "state"},
    {"hopper/search/objective", "experiment"},
    {"hopper/why", "status"},
    {"kernels/simt/symbols", {}, "reads the program that runs"},
    {"net/frame", "frame"},
    {"net/key", {}, "takes any 32 bytes"},
    {"net/memory", {}, "finds a name of this process"},
    {"net/transport", "address"},
    {"nn/detail/file", {}, "looks at no byte"},
    {"nn/model", "description"},
    {"nn/optim/optimizer_file", "optimizer"},
    {"nn/predictor_file", "predictor"},
    {"nn/safetensors", "safetensors"},
    {"nn/state_file", "state"},
    {"nn/state_header", "state"},
};

// Without comments, and with one space for all white space: a declaration is one line then.
std::string code_of(const fs::path& file) {
  std::ifstream stream(file);
  std::string code;
  for (std::string line, word; std::getline(stream, line);) {
    std::istringstream words(line.substr(0, line.find("//")));
    while (words >> word) code += word + ' ';
  }
  return code;
}

// "data/manifest" for data/manifest.cpp and data/manifest_internal.h.
std::string stem_of(const fs::path& file) {
  constexpr std::string_view kInternal = "_internal";
  std::string stem = fs::path(file).replace_extension().string();
  if (stem.ends_with(kInternal)) stem.resize(stem.size() - kInternal.size());
  return stem;
}

bool reads(const std::string& code, bool is_header) {
  static const std::regex parses(
      R"([Jj]son::parse\(|toml::parse\(|ifstream|Verifier verifier\(|(Mapped|Input)File( [a-z_]+[;(]|>?\())"),
      declares(R"(\b(parse|decode|read|load|from|open)(_\w+)?\()"
               R"(([A-Z]\w+& \w+, )?(const )?(hop::|std::|fs::)?)"
               R"((ByteView|string_view|string&|filesystem::path&|path&|span<const std::(byte|filesystem::path)>))");
  return std::regex_search(code, parses) || (is_header && std::regex_search(code, declares));
}

std::set<std::string> readers_of_the_tree() {
  std::set<std::string> found;
  for (const char* floor : {"base", "tensor", "net", "kernels", "autograd", "data", "nn", "hopper", "cli", "capi"}) {
    for (const auto& entry : fs::recursive_directory_iterator(source_directory() / floor)) {
      const fs::path& file = entry.path();
      if (file.extension() != ".h" && file.extension() != ".cpp") continue;
      if (reads(code_of(file), file.extension() == ".h")) found.insert(stem_of(fs::relative(file, source_directory())));
    }
  }
  return found;
}

TEST(Readers, HaveATargetOrAReason) {
  std::set<std::string_view> targets_there;
  for (const Target* target : targets()) targets_there.insert(target->name);
  std::set<std::string> listed;
  for (const Reader& reader : kReaders) {
    EXPECT_TRUE(listed.emplace(reader.source).second) << reader.source << " stands here twice";
    EXPECT_NE(reader.target.empty(), reader.reason.empty()) << reader.source;
    if (!reader.target.empty()) {
      EXPECT_TRUE(targets_there.contains(reader.target)) << reader.source << ": no target is named " << reader.target;
    }
  }
  const std::set<std::string> there = readers_of_the_tree();
  for (const std::string& source : there) {
    EXPECT_TRUE(listed.contains(source)) << source << " reads bytes of others: give it a fuzz target, or a reason here";
  }
  for (const std::string& source : listed) EXPECT_TRUE(there.contains(source)) << source << " reads nothing any more";
}

// Otherwise the test above would pass for an empty table.
TEST(Readers, AreKnownByWhatTheyDo) {
  EXPECT_TRUE(reads("const Json json = Json::parse(text);", false));
  EXPECT_TRUE(reads("std::ifstream stream(file);", false));
  EXPECT_TRUE(reads("Manifest parse_manifest(const std::string& text, int line);", true));
  EXPECT_TRUE(reads("void load(Optimizer& optimizer, const std::filesystem::path& path);", true));
  EXPECT_FALSE(reads("std::size_t read(MutableByteView into);", true));
  EXPECT_FALSE(reads("Manifest parse_manifest(const std::string& text);", false)) << "a call, or a definition";
}

}  // namespace
}  // namespace hop::fuzz
