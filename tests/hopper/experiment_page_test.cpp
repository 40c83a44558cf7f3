// The table of keys, and the page that is made from it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "hopper/detail/experiment_keys.h"
#include "hopper/detail/experiment_page.h"
#include "tests/source_tree.h"

namespace hop::hopper {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

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
    const bool depends = key.name == "objective";  // on another key, so the value of an Experiment{} is half the truth
    EXPECT_EQ(key.write(Experiment{}).empty() || depends, !key.absent.empty()) << key.section << " " << key.name;
    EXPECT_FALSE(key.doc.empty() || key.type.empty()) << key.name;
  }
}

std::string_view absent(std::string_view section, std::string_view name) {
  const auto key = std::ranges::find_if(experiment_keys(),
                                        [&](const ExperimentKey& k) { return k.section == section && k.name == name; });
  return key == experiment_keys().end() ? "" : key->absent;
}

std::string in_code(std::string_view word) { return "`\"" + std::string(word) + "\"`"; }

// Each default that is told in words, against the code that takes it.
TEST(ExperimentKeys, TellTheDefaultsThatTheCodeTakes) {
  EXPECT_THAT(absent("data", "partitions"), StartsWith(std::to_string(data::ImportOptions{}.partitions) + ","));
  EXPECT_EQ(absent("data", "missing"), "`" + std::string(name(data::ImportOptions{}.missing)) + "`");
  EXPECT_EQ(absent("data", "context"), "`" + std::to_string(data::CsvOptions{}.context) + "`");
  EXPECT_THAT(absent("run", "patience"), StartsWith(std::to_string(static_cast<int>(kDefaultPatience)) + ","));
  EXPECT_EQ(absent("model", "swa_anneal_epochs"), "`" + std::to_string(optim::SWALR{}.anneal_epochs) + "`");
  EXPECT_EQ(absent("model", "swa_anneal"), in_code("cos"));
  EXPECT_EQ(optim::SWALR{}.anneal, optim::Annealing::cos);
  const std::string_view policy = absent("run", "policy");
  const std::string_view fixed = make_strategy(std::string("hopping"))->default_policy(Order::Fixed),
                         free = make_strategy(std::string("hopping"))->default_policy(Order::Free),
                         tasks = make_strategy(std::string("task_parallel"))->default_policy(Order::Fixed);
  EXPECT_THAT(policy, AllOf(HasSubstr(in_code(fixed) + " for order = \"fixed\""),
                            HasSubstr(in_code(free) + " for order = \"free\""),
                            HasSubstr(in_code(tasks) + " for strategy = \"task_parallel\"")));
  Experiment experiment;
  const std::string_view objective = absent("search", "objective");
  EXPECT_THAT(objective, HasSubstr(in_code(to_string(experiment.objective())) + " for accuracy"));
  experiment.model.metrics = {"macro_f1", "accuracy"};
  EXPECT_EQ(to_string(experiment.objective()), "macro_f1");
  EXPECT_THAT(objective, StartsWith("the first of [model] metrics"));
  experiment.model.metrics = {};
  EXPECT_THAT(objective, HasSubstr(in_code(to_string(experiment.objective())) + " without metrics"));
  EXPECT_THAT(objective,
              HasSubstr(in_code(to_string(Objective(Objective::TrainLoss))) + " where no rows are set aside"));
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
