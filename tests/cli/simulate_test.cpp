// hop simulate: times that can be computed by hand, and a prediction beside the run that it was made from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace hop::testing {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class Simulate : public ::testing::Test {
 protected:
  void SetUp() override {
    write(folder_ / "e.toml",
          "name = \"s\"\n[data]\nsource = \"glyphs\"\npartitions = 4\n[model]\nfamily = \"mlp\"\n"
          "[search]\nepochs = 2\n[search.space]\nlr = [0.1, 0.01, 0.001, 0.0001]\n[run]\nworkers = 2\n");
  }
  Finished go(const std::vector<std::string>& arguments) { return hop(arguments, folder_.path()); }
  nlohmann::json lines(std::vector<std::string> more) {
    std::vector<std::string> arguments = {"simulate", "e.toml", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished finished = go(arguments);
    EXPECT_EQ(finished.code, 0) << finished.err;
    return nlohmann::json::parse(finished.out);
  }
  TemporaryFolder folder_;
};

// 4 models, 2 epochs, 4 partitions: 32 units of 10 s, 1 - 0.05 to 1 + 0.05 times as long.
TEST_F(Simulate, TakesTheTimeOfTheUnitsDividedByTheWorkers) {
  const nlohmann::json json = lines({"--workers", "1,2,4", "--pass-seconds", "10"});
  ASSERT_EQ(json.size(), 3U);
  for (const nlohmann::json& line : json) {
    const double ideal = 320.0 / line["workers"].get<double>();
    EXPECT_EQ(line["units"], 32);
    EXPECT_EQ(line["partitions"], 4);
    EXPECT_NEAR(line["seconds"].get<double>(), ideal, 0.1 * ideal) << line;
    EXPECT_GT(line["utilisation"].get<double>(), 0.9);
  }
  EXPECT_EQ(json[0]["hops"], 0);
  EXPECT_GT(json[2]["hops"], json[1]["hops"]);
}

TEST_F(Simulate, AWorkerMoreThanPartitionsGetsAPartition) { EXPECT_EQ(lines({"--workers", "8"})[0]["partitions"], 8); }

TEST_F(Simulate, ComparesStrategies) {
  const nlohmann::json json = lines({"--strategies", "hopping,task_parallel"});
  EXPECT_EQ(json[0]["strategy"], "hopping");
  EXPECT_EQ(json[1]["strategy"], "task_parallel");
  EXPECT_EQ(json[1]["hops"], 0);
  EXPECT_EQ(json[1]["units"], 8) << "a unit of task parallelism is an epoch";
}

TEST_F(Simulate, KnowsTheStrategiesWithReplicas) {
  const nlohmann::json json = lines({"--strategies", "task_parallel,allreduce,averaging,parameter_server"});
  ASSERT_EQ(json.size(), 4U);
  for (const nlohmann::json& line : json) {
    EXPECT_EQ(line["units"], 8) << line;
    const bool has_groups = line["strategy"] != "task_parallel";
    // Nothing hides a group's fetches and syncs.
    EXPECT_NEAR(line["seconds"].get<double>(), json[0]["seconds"].get<double>(),
                has_groups ? 0.1 * json[0]["seconds"].get<double>() : 0)
        << "as many passes as those of tasks";
  }
  EXPECT_THAT(go({"simulate", "e.toml", "--strategies", "averaging"}).out, HasSubstr("nothing is exchanged"));
}

// An epoch of two passes takes twice as long, and a run of such epochs says how long one pass takes.
TEST_F(Simulate, CountsThePassesOfAnEpoch) {
  const std::vector<std::string> twice = {"--strategies", "averaging", "--set", "run.average_passes=2"};
  const double once = lines({"--strategies", "averaging"})[0]["seconds"];
  EXPECT_NEAR(lines(twice)[0]["seconds"].get<double>(), 2 * once, 0.1 * once);

  const Finished real = go({"run", "e.toml", "--run-dir", "twice", "--workers", "1", "--set", "run.strategy=averaging",
                            "--set", "run.average_passes=2"});
  ASSERT_EQ(real.code, 0) << real.err;
  EXPECT_EQ(nlohmann::json::parse(read(folder_ / "twice" / "results.json"))["passes_of_an_epoch"], 2);
  const auto seconds = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--measured", "twice", "--workers", "1"});
    return lines(more)[0]["seconds"].get<double>();
  };
  EXPECT_NEAR(seconds({"--strategies", "averaging"}), seconds(twice) / 2, 0.1 * seconds(twice));
  const auto said = [&](const std::string& passes) {
    return go({"simulate", "e.toml", "--measured", "twice", "--workers", "1", "--strategies", "averaging", "--set",
               "run.average_passes=" + passes})
        .out;
  };
  EXPECT_THAT(said("2"), HasSubstr("measured with 1 workers"));
  EXPECT_THAT(said("1"), Not(HasSubstr("measured with 1 workers"))) << "other epochs";
}

// The link carries 1,000 bytes a second, so the rows take far longer than the training. Two workers pass over all rows
// four times each, and half of them lie on the other one.
TEST_F(Simulate, TasksThatReadRowsOfOthersTakeAsLongAsTheRows) {
  const Finished real = go({"run", "e.toml", "--run-dir", "read"});
  ASSERT_EQ(real.code, 0) << real.err;
  const nlohmann::json manifest = nlohmann::json::parse(read(folder_ / "read" / "data" / "manifest.json"));
  double bytes = 0;
  for (const nlohmann::json& partition : manifest["partitions"]) bytes += partition["bytes"].get<double>();
  const auto seconds = [&](const std::vector<std::string>& settings) {
    std::vector<std::string> more = {"--measured", "read", "--strategies", "task_parallel", "--network", "8Kbit,0s"};
    for (const std::string& setting : settings) more.insert(more.end(), {"--set", "run." + setting});
    return lines(more)[0]["seconds"].get<double>();
  };
  const double expected = 4 * bytes / 2 / 1000;
  EXPECT_NEAR(seconds({"task_data=remote"}), expected, 0.06 * expected) << "each unit is up to 5 % longer or shorter";
  const std::string half = std::to_string(static_cast<std::uint64_t>(bytes / 4));
  EXPECT_NEAR(seconds({"task_data=cache", "task_cache_bytes=" + half}), expected / 2, 0.06 * expected / 2);
  EXPECT_LT(seconds({}), 0.01 * expected);
  EXPECT_LT(seconds({"task_data=replicate"}), 0.01 * expected);
  const Finished said = go({"simulate", "e.toml", "--measured", "read", "--strategies", "task_parallel", "--set",
                            "run.task_data=replicate"});
  EXPECT_THAT(said.out, HasSubstr("not in it: the rows that each worker copies"));
}

// The link carries 1,000 bytes a second. Latency: two messages in each step.
TEST_F(Simulate, SaysByFormulaHowLongGroupsWouldTake) {
  const Finished real = go({"run", "e.toml", "--run-dir", "all", "--set", "run.strategy=allreduce"});
  ASSERT_EQ(real.code, 0) << real.err;
  const nlohmann::json results = nlohmann::json::parse(read(folder_ / "all" / "results.json"));
  const double bytes = results["predicted"]["gradient_bytes"];  // of two workers: 2 (W - 1)
  double trained = 0;
  for (const nlohmann::json& model : results["models"]) trained += model["seconds"].get<double>();
  const auto line = [&](const std::string& strategy, const std::string& workers, const std::string& network) {
    return lines({"--measured", "all", "--strategies", strategy, "--workers", workers, "--network", network})[0];
  };
  const nlohmann::json four = line("allreduce", "4", "8Kbit,0s")["group"];
  EXPECT_EQ(four["gradient_bytes"], 3 * bytes);
  EXPECT_NEAR(four["exchange_seconds"].get<double>(), 3 * bytes / 4 / 1000, 1e-6 * bytes);
  EXPECT_NEAR(four["seconds"].get<double>(), trained / 2, 1e-3 * trained)
      << "one replica for each worker, and two in the run that was measured, whose exchange is in its times";
  EXPECT_EQ(four["is_exchange_measured"], true);
  const nlohmann::json one = line("allreduce", "1", "8Kbit,1s")["group"];
  EXPECT_EQ(one["gradient_bytes"], 0);
  EXPECT_EQ(one["exchange_seconds"], 0);
  EXPECT_NEAR(one["seconds"].get<double>(), 2 * trained, 1e-3 * trained);
  const double patient = line("allreduce", "2", "8Kbit,1s")["group"]["exchange_seconds"],
               quick = line("allreduce", "2", "8Kbit,0s")["group"]["exchange_seconds"];
  constexpr double steps = 4 * 2 * 63;  // 2,000 rows of each replica in batches of 32
  EXPECT_NEAR(patient - quick, steps, 1e-3 * steps) << "two workers need one message";
  const auto by = [&](const std::string& exchange, const std::string& latency) -> double {
    return lines({"--measured", "all", "--strategies", "allreduce", "--workers", "4", "--network", "8Kbit," + latency,
                  "--set", "run.reduce_exchange=" + exchange})[0]["group"]["exchange_seconds"];
  };
  for (const auto& [exchange, messages] : std::map<std::string, double>{{"ring", 6}, {"halving_doubling", 4}}) {
    EXPECT_NEAR(by(exchange, "0s"), four["exchange_seconds"].get<double>(), 1e-6) << "as many bytes";
    EXPECT_NEAR(by(exchange, "1s") - by(exchange, "0s"), messages * steps, 1e-3 * steps) << exchange;
  }
  EXPECT_FALSE(line("averaging", "2", "8Kbit,0s").contains("group")) << "it was not measured";
  EXPECT_FALSE(line("allreduce", "8", "8Kbit,0s").contains("group")) << "it had other partitions";
  EXPECT_THAT(go({"simulate", "e.toml", "--measured", "all", "--set", "run.strategy=allreduce"}).out,
              AllOf(ContainsRegex("by formula, each model on all 2 workers: allreduce [0-9.e+-]+ seconds with the "
                                  "exchange that was measured; by formula it takes "),
                    HasSubstr("measured with 2 workers: "), Not(HasSubstr("predicted: "))));
}

// Times of one worker have no exchange.
TEST_F(Simulate, AddsTheExchangeOfGroupsToTheTimesOfOneWorker) {
  const Finished real =
      go({"run", "e.toml", "--run-dir", "one", "--set", "run.strategy=allreduce", "--set", "run.workers=1"});
  ASSERT_EQ(real.code, 0) << real.err;
  const nlohmann::json results = nlohmann::json::parse(read(folder_ / "one" / "results.json"));
  double trained = 0;
  for (const nlohmann::json& model : results["models"]) trained += model["seconds"].get<double>();
  const auto group = [&](const std::string& network) {
    return lines(
        {"--measured", "one", "--strategies", "allreduce", "--workers", "4", "--network", network})[0]["group"];
  };
  const nlohmann::json fast = group("1000Gbit,0s"), slow = group("8Mbit,0s");
  EXPECT_EQ(fast["is_exchange_measured"], false);
  EXPECT_NEAR(fast["seconds"].get<double>() - fast["exchange_seconds"].get<double>(), trained / 4, 1e-3 * trained);
  EXPECT_NEAR(slow["seconds"].get<double>() - slow["exchange_seconds"].get<double>(), trained / 4, 1e-3 * trained);
  const double seconds = slow["gradient_bytes"].get<double>() / 4 / 1e6;
  EXPECT_NEAR(slow["exchange_seconds"].get<double>(), seconds, 1e-6 * seconds);
  EXPECT_GT(seconds, 0);
  EXPECT_THAT(go({"simulate", "e.toml", "--measured", "one", "--set", "run.strategy=allreduce", "--workers", "1"}).out,
              AllOf(HasSubstr("measured with 1 workers: "), HasSubstr("predicted: ")));
}

// 2,000 rows of each replica in batches of 32. A layer meets once forward and once backward in each step.
TEST_F(Simulate, ChargesTheStatisticsOfSynchronisedLayers) {
  write(folder_ / "n.toml",
        "name = \"n\"\n[data]\nsource = \"glyphs\"\npartitions = 4\n"
        "[model]\nlayers = [\"flatten\", \"linear 12\", \"batchnorm1d\", \"relu\", \"linear 10\"]\n"
        "[search]\nepochs = 1\n[search.space]\nlr = [0.1, 0.01]\n"
        "[run]\nworkers = 2\ndevice = \"cpu\"\nstrategy = \"allreduce\"\nbatchnorm = \"synchronised\"\n");
  const Finished real = go({"run", "n.toml", "--run-dir", "n"});
  ASSERT_EQ(real.code, 0) << real.err;
  const nlohmann::json results = nlohmann::json::parse(read(folder_ / "n" / "results.json"));
  const double measured = results["network"]["gradient_bytes"];
  const auto group = [&](const std::string& workers, const std::string& network, const std::string& batchnorm) {
    const Finished finished = go({"simulate", "n.toml", "--json", "--measured", "n", "--workers", workers, "--network",
                                  network, "--set", "run.batchnorm=" + batchnorm});
    EXPECT_EQ(finished.code, 0) << finished.err;
    return nlohmann::json::parse(finished.out)[0]["group"];
  };
  constexpr double steps = 2 * 63, of_a_step = 8 * (4 * 12 + 1) * 4;
  const nlohmann::json two = group("2", "8Kbit,0s", "synchronised");
  EXPECT_EQ(two["gradient_bytes"], results["predicted"]["gradient_bytes"]);
  EXPECT_NEAR(two["gradient_bytes"].get<double>(), measured, 0.01 * measured);
  const nlohmann::json apart = group("2", "8Kbit,0s", "replica");
  EXPECT_EQ(two["gradient_bytes"].get<double>() - apart["gradient_bytes"].get<double>(), steps * of_a_step);
  EXPECT_NEAR(two["exchange_seconds"].get<double>() - apart["exchange_seconds"].get<double>(),
              steps * of_a_step / 2 / 1000, 1e-3 * steps);
  EXPECT_EQ(group("4", "8Kbit,0s", "synchronised")["gradient_bytes"], 3 * two["gradient_bytes"].get<double>());
  const auto messages = [&](const std::string& batchnorm) {
    return group("2", "8Kbit,1s", batchnorm)["exchange_seconds"].get<double>() -
           group("2", "8Kbit,0s", batchnorm)["exchange_seconds"].get<double>();
  };
  EXPECT_NEAR(messages("replica"), steps, 1e-3 * steps);
  EXPECT_NEAR(messages("synchronised"), 3 * steps, 1e-3 * steps) << "two meetings, then the gradients";
}

// Two groups of two workers train 16 units. Each unit has a 16th of the bytes, half of them on each link.
TEST_F(Simulate, ChargesTheExchangeInsideTheGroupsOfHopping) {
  for (const std::string workers : {"1", "4"}) {
    const Finished real =
        go({"run", "e.toml", "--run-dir", "g" + workers, "--set", "run.group=2", "--set", "run.workers=" + workers});
    ASSERT_EQ(real.code, 0) << real.err;
  }
  const nlohmann::json results = nlohmann::json::parse(read(folder_ / "g4" / "results.json"));
  EXPECT_EQ(results["group"], 2);
  const double bytes = results["predicted"]["gradient_bytes"];
  const auto line_of = [&](const std::string& measured, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"--measured", measured, "--network", "8Kbit,0s"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return lines(arguments)[0];
  };
  const auto line = [&](const std::string& workers, const std::string& group) {
    return line_of("g1", {"--workers", workers, "--set", "run.group=" + group});
  };
  const nlohmann::json four = line("4", "2");
  EXPECT_EQ(four["group"]["gradient_bytes"], bytes);
  EXPECT_EQ(four["group"]["is_exchange_measured"], false);
  const double seconds = four["group"]["exchange_seconds"], expected = 16 / 2 * (bytes / 16 / 2) / 1000;
  EXPECT_GT(seconds, 0.9 * expected);
  EXPECT_LT(seconds, 1.3 * expected);
  EXPECT_NEAR(four["group"]["seconds"].get<double>(), four["seconds"].get<double>() + seconds, 1e-6 * seconds);
  EXPECT_EQ(line("2", "2")["group"]["gradient_bytes"], 0) << "each worker owns a block";
  EXPECT_EQ(line("2", "2")["group"]["exchange_seconds"], 0);
  EXPECT_FALSE(line("4", "3").contains("group")) << "it had other groups";

  const nlohmann::json longer =
      line_of("g1", {"--workers", "4", "--set", "run.group=2", "--set", "search.epochs=4"})["group"];
  EXPECT_EQ(longer["gradient_bytes"], 2 * bytes) << "two epochs were measured";
  EXPECT_GT(longer["exchange_seconds"].get<double>(), 0.9 * 2 * expected);
  EXPECT_LT(longer["exchange_seconds"].get<double>(), 1.3 * 2 * expected);

  const nlohmann::json again = line_of("g4", {"--workers", "4", "--set", "run.group=2"});
  EXPECT_EQ(again["group"]["is_exchange_measured"], true);
  EXPECT_EQ(again["group"]["seconds"], again["seconds"]) << "the exchange is in the times of its units";
  EXPECT_EQ(again["group"]["gradient_bytes"], bytes);
  const auto text = [&](const std::string& group) {
    return go({"simulate", "e.toml", "--measured", "g4", "--workers", "4", "--set", "run.group=" + group}).out;
  };
  EXPECT_THAT(text("2"), AllOf(HasSubstr("by formula, each model on blocks of 2 partitions of 4 workers: hopping "),
                               HasSubstr(" seconds with the exchange that was measured; by formula it takes "),
                               HasSubstr("measured with 4 workers: "), Not(HasSubstr("predicted: "))));
  EXPECT_THAT(text("3"), Not(HasSubstr("measured with"))) << "as many units, but of other groups";
}

TEST_F(Simulate, ALatencyIsInTheTime) {
  const double fast = lines({"--network", "10Gbit,0.1ms"})[0]["seconds"];
  const double slow = lines({"--network", "10Gbit,9s"})[0]["seconds"];
  EXPECT_GT(slow, fast + 5);
}

TEST_F(Simulate, PredictsTheRunThatItMeasured) {
  const Finished real = go({"run", "e.toml", "--run-dir", "r"});
  ASSERT_EQ(real.code, 0) << real.err;
  const Finished finished = go({"simulate", "e.toml", "--measured", "r"});
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_THAT(finished.out, ContainsRegex("measured with 2 workers: [0-9.e+-]+ seconds; predicted: [0-9.e+-]+, "));
}

TEST_F(Simulate, SaysWhatIsWrong) {
  for (const std::string network : {"10", "fast", "10Gbit,", "10Gbit,3", "-1Gbit", "0Gbit"}) {
    const Finished finished = go({"simulate", "e.toml", "--network=" + network});
    EXPECT_EQ(finished.code, 2) << network;
    EXPECT_THAT(finished.err, HasSubstr("--network: expected a rate")) << network;
  }
  EXPECT_THAT(go({"simulate", "e.toml", "--policies", "fifoo"}).err, HasSubstr("fifoo"));
  EXPECT_THAT(go({"simulate", "e.toml", "--strategies", "hoping"}).err, HasSubstr("did you mean \"hopping\""));
  EXPECT_NE(go({"simulate", "e.toml", "--measured", "nowhere"}).code, 0);
  const Finished chosen = go({"simulate", "e.toml", "--set", "run.strategy=auto"});
  EXPECT_EQ(chosen.code, 2);
  EXPECT_THAT(chosen.err, AllOf(HasSubstr("[simulate] strategy: expected the name of a strategy, got \"auto\""),
                                HasSubstr("--strategies hopping,task_parallel")));
}

}  // namespace
}  // namespace hop::testing
