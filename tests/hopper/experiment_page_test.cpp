// The table of keys, and the page that is made from it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "hopper/detail/experiment_keys.h"
#include "hopper/detail/experiment_page.h"
#include "tests/source_tree.h"

namespace hop::hopper {
namespace {

using testing::HasSubstr;

std::string read_back(const ExperimentKey& key, const std::string& value) {
  const toml::table table = toml::parse(std::string(key.name) + " = " + value);
  TomlSection section(table, std::string(key.section), "example.toml");
  Experiment experiment;
  key.read(section, std::string(key.name), experiment);
  section.finish();
  return key.write(experiment);
}

TEST(ExperimentKeys, ReadTheirExamplesAndWriteThemBack) {
  for (const ExperimentKey& key : experiment_keys()) {
    EXPECT_EQ(read_back(key, std::string(key.example)), key.example) << key.section << " " << key.name;
  }
}

TEST(ExperimentKeys, TakeTheNamesOfTheirTablesAndNoOther) {
  for (const ExperimentKey& key : experiment_keys()) {
    if (key.names == nullptr) continue;
    const bool is_list = key.type == "list of";
    const auto value = [&](const std::string& name) { return is_list ? "[\"" + name + "\"]" : "\"" + name + "\""; };
    for (const std::string& name : key.names()) EXPECT_EQ(read_back(key, value(name)), value(name)) << key.name;
    if (key.name == "device") continue;  // a device's number may follow
    EXPECT_THROW(read_back(key, value("no such name")), ConfigError) << key.name;
  }
}

TEST(ExperimentKeys, HaveADefaultOrSayWhatHappensWithout) {
  for (const ExperimentKey& key : experiment_keys()) {
    EXPECT_NE(key.write(Experiment{}).empty(), key.absent.empty()) << key.section << " " << key.name;
    EXPECT_FALSE(key.doc.empty() || key.type.empty()) << key.name;
  }
}

TEST(ExperimentPage, IsWhatTheTablesSay) {
  const std::filesystem::path path = source_directory() / "docs" / "experiment-file.md";
  if (std::getenv("HOP_WRITE_PAGES") != nullptr) std::ofstream(path) << experiment_page();
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), experiment_page()) << "write the page anew: HOP_WRITE_PAGES=1, see its first lines";
}

}  // namespace
}  // namespace hop::hopper
