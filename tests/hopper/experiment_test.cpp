#include "hopper/experiment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "hopper/detail/unread_settings.h"

namespace hop::hopper {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kValid = R"(
name = "toy"
seed = 7
[data]
source = "glyphs"
partitions = 4
[model]
family = "mlp"
[search]
epochs = 2
[search.space]
hidden = [16, 32]
lr = [0.003, 0.001]
batch_size = 64
optimizer = "adam"
[run]
workers = 2
)";

std::string error_of(std::string_view toml, const std::vector<std::string>& overrides = {}) {
  try {
    parse_experiment(toml, "toy.toml", overrides);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Experiment, ReadsEveryKeyOfTheContract) {
  const Experiment e = parse_experiment(R"(
name = "cifar"
seed = 2026
[data]
source = "data/cifar10"
partitions = 8
validation = { tail = 4000 }
label = "letter"
scale = [0.5, 2]
[model]
layers = ["flatten", "linear $hidden"]
loss = "cross_entropy"
[search]
method = "random"
epochs = 8
samples = 3
objective = "valid_loss"
[search.space]
lr = { min = 0.001, max = 0.1, scale = "log" }
hidden = { min = 16, max = 64, type = "int" }
[run]
strategy = "hopping"
order = "free"
policy = "rotation"
workers = 4
workers_per_process = 3
threads_per_worker = 2
device = "cpu"
durable = false
capture = false
precision = "bf16"
transport = "tcp"
patience = 90
)",
                                        "cifar.toml");
  EXPECT_EQ(e.name, "cifar");
  EXPECT_EQ(e.seed, 2026U);
  EXPECT_EQ(e.data.source, "data/cifar10");
  EXPECT_EQ(e.data.partitions, 8U);
  EXPECT_EQ(e.data.validation, data::Validation::tail(4000));
  EXPECT_EQ(std::get<std::string>(e.data.label), "letter");
  EXPECT_EQ(e.data.scale, (data::Scale{0.5, 2}));
  EXPECT_EQ(e.data.seed, 2026U);
  EXPECT_EQ(e.model.layers.size(), 2U);
  EXPECT_EQ(e.search.method, "random");
  EXPECT_EQ(e.search.epochs, 8U);
  EXPECT_EQ(e.search.settings.integer("samples"), 3);
  EXPECT_EQ(e.search.objective, Objective::ValidLoss);
  EXPECT_EQ(e.search.space[0].first, "lr");
  EXPECT_EQ(std::get<Range>(e.search.space[0].second).scale, Scale::Log);
  EXPECT_EQ(std::get<Range>(e.search.space[1].second).type, NumberType::Int);
  EXPECT_EQ(e.run.order, Order::Free);
  EXPECT_EQ(e.run.policy.name(), "rotation");
  EXPECT_EQ(e.run.workers, 4U);
  EXPECT_EQ(e.run.workers_per_process, 3U);
  EXPECT_EQ(e.run.threads_per_worker, 2U);
  EXPECT_FALSE(e.run.durable);
  EXPECT_FALSE(e.run.capture);
  EXPECT_EQ(e.run.precision, "bf16");
  EXPECT_EQ(e.run.transport, LocalTransport::Tcp);
  EXPECT_EQ(e.run.patience, 90);
}

TEST(Experiment, KeepsStatesInOneOrTwoPlacesAndTwoOnlyAsFiles) {
  Experiment e = parse_experiment(kValid, "toy.toml");
  EXPECT_EQ(e.run.copies, std::nullopt);
  e.run.copies = 2;
  EXPECT_EQ(parse_experiment(to_toml(e), "again.toml").run.copies, 2U);
  const auto with = [](const std::vector<std::string>& keys) { parse_experiment(kValid, "toy.toml", keys); };
  EXPECT_THROW(with({"run.copies=0"}), ConfigError);
  EXPECT_THROW(with({"run.copies=3"}), ConfigError);
  EXPECT_THROW(with({"run.copies=2", "run.durable=false"}), ConfigError);
  EXPECT_NO_THROW(with({"run.copies=1", "run.durable=false"}));
}

TEST(Experiment, KeepsTheOrderOfTheSearchSpaceAsItStandsInTheFile) {
  const Experiment e = parse_experiment(kValid, "toy.toml");
  std::vector<std::string> names;
  for (const auto& [name, dimension] : e.search.space) names.push_back(name);
  EXPECT_THAT(names, testing::ElementsAre("hidden", "lr", "batch_size", "optimizer"));
}

TEST(Experiment, WritesTextThatReadsBackToTheSameText) {
  const Experiment first = parse_experiment(kValid, "toy.toml");
  const std::string text = to_toml(first);
  EXPECT_EQ(to_toml(parse_experiment(text, "copy.toml")), text);
  EXPECT_THAT(text, HasSubstr("\"lr\" = [0.003, 0.001]"));
}

TEST(Experiment, OverridesReplaceAndAddKeys) {
  const std::vector<std::string> overrides = {"run.workers=4", "search.method=random", "search.samples=2",
                                              "search.space.lr={ min = 0.1, max = 1.0 }", "data.source=\"x y\""};
  const Experiment e = parse_experiment(kValid, "toy.toml", overrides);
  EXPECT_EQ(e.run.workers, 4U);
  EXPECT_EQ(e.search.method, "random");
  EXPECT_EQ(e.data.source, "x y");
  EXPECT_THAT(error_of(kValid, {"workers"}), HasSubstr("expected key=value"));
  EXPECT_THAT(error_of(kValid, {"run.wrokers=4"}), HasSubstr("did you mean \"workers\"?"));
  EXPECT_THAT(error_of(kValid, {"name.first=4"}), HasSubstr("is no table"));
}

TEST(Experiment, NamesFileLineKeyAndNearestKeyInErrors) {
  EXPECT_EQ(error_of("name = \"a\"\n[run]\nwrokers = 2\n"),
            "toy.toml:3: [run] wrokers: unknown key; did you mean \"workers\"?");
  EXPECT_EQ(error_of("sed = 1\n"), "toy.toml:1: sed: unknown key; did you mean \"seed\"?");
  EXPECT_EQ(error_of("[run]\nworkers = \"two\"\n"),
            "toy.toml:2: [run] workers: expected an integer, got the string \"two\"");
  EXPECT_THAT(error_of("[run]\nworkers = 1e-9\n"), HasSubstr("got the number 1e-09"));
  EXPECT_THAT(error_of("[run]\nworkers = 1e300\n"), HasSubstr("got the number 1e+300"));
  EXPECT_THAT(error_of("[run]\nworkers = \"\\u001b[2J\"\n"), HasSubstr("got the string \"\\x1b[2J\""));
  EXPECT_THAT(error_of("[run]\nworkers = 0\n"), HasSubstr("toy.toml:2: [run] workers: expected an integer in 1.."));
  EXPECT_THAT(error_of("[run]\norder = \"fixd\"\n"), HasSubstr("did you mean \"fixed\"?"));
  EXPECT_THAT(error_of("[run]\npolicy = \"greddy\"\n"), HasSubstr("toy.toml:2: [run] policy: unknown value"));
  EXPECT_THAT(error_of("[run]\npolicy = \"greddy\"\n"), HasSubstr("did you mean \"greedy\"?"));
  EXPECT_THAT(error_of("[data]\nvalidation = 3\n"), HasSubstr("toy.toml:2: [data] validation: expected \"file\""));
  EXPECT_THAT(error_of("[search.space]\nlr = { min = 1 }\n"), HasSubstr("[search.space.lr] max: missing"));
  EXPECT_THAT(error_of("[search.space]\nlr = []\n"), HasSubstr("expected at least one value"));
  EXPECT_THAT(error_of("name = \"a\"\nseed = = 1\n"), HasSubstr("toy.toml:2: "));
}

TEST(Experiment, SaysThatOtherLettersThanAsciiBelongInQuotes) {
  for (const char* line : {"gr\xC3\xB6\xC3\x9F"
                           "e = 1",
                           "[m\xC3\xB6"
                           "del]",
                           "seed = \xD9\xA3",
                           "x = [\xE3\x80\x80"
                           "1]",
                           "caf\xE9 = 1"}) {
    EXPECT_THAT(error_of("name = \"a\"  # f\xC3\xBCr\n" + std::string(line) + "\n"),
                AllOf(HasSubstr("toy.toml:2: expected a name or a text with other letters than ASCII in quotes"),
                      HasSubstr("such as \"gr\xC3\xB6\xC3\x9F"
                                "e\" = 1")))
        << line;
  }
  const std::string quoted =
      "[data]\nsource = \"\xC3\xA9\\\" # \xC3\xA9\"\n\"\xC3\xA9\" = '\xC3\xA9'\nmore = "
      "\"\"\"\n\xC3\xA9\"\xC3\xA9\n\"\"\"\n";
  EXPECT_THAT(error_of(quoted), HasSubstr("unknown key")) << "strings and comments may have them";
  EXPECT_THAT(error_of("[search.space]\nlr = 0.1\n", {"name=\xC3\xBC"
                                                      "bung"}),
              HasSubstr("name: expected letters"));
}

TEST(Experiment, RefusesWhatNoRunCouldHave) {
  EXPECT_THAT(error_of("[data]\nsource = \"d\"\n"),
              AllOf(HasSubstr("exactly one of family"), HasSubstr("got neither")));
  const std::string base = "[data]\nsource = \"d\"\n[model]\nfamily = \"mlp\"\n";
  EXPECT_EQ(error_of(base), "no error");
  EXPECT_THAT(error_of(base + "loss = \"cross_entrop\"\n"), HasSubstr("did you mean \"cross_entropy\"?"));
  EXPECT_THAT(error_of(base + "loss = \"mse_loss\"\n"), HasSubstr("unknown value \"mse_loss\"; did you mean \"mse\"?"));
  EXPECT_THAT(error_of(base + "[run]\nstrategy = \"all_reduce\"\n"), HasSubstr("did you mean \"allreduce\"?"));
  EXPECT_THAT(error_of(base + "[search]\nmethod = \"random\"\n"), HasSubstr("samples"));
  EXPECT_THAT(error_of(base + "[search.space]\nlr = { min = 2, max = 1 }\n"),
              HasSubstr("[search.space.lr] min: expected at most max, got min = 2, max = 1"));
  EXPECT_THAT(error_of("[model]\nfamily = \"mlp\"\n"), HasSubstr("[data] source: expected a folder"));
}

// The hyperparameters of an unknown family are unknown, too, so the family is named first.
TEST(Experiment, NamesAnUnknownFamilyBeforeItsKeys) {
  EXPECT_EQ(error_of("[data]\nsource = \"d\"\n[model]\nfamily = \"resnet\"\n[search.space]\nheads = [8]\n"),
            "toy.toml:4: [model] family: expected the name of a family, got \"resnet\"; did you mean \"resnet18\"?");
}

TEST(Experiment, NamesLineAndHelpForASearchSpaceThatNothingReads) {
  const std::string base =
      "[data]\nsource = \"d\"\n[model]\nlayers = [\"conv2d ${w} 3 padding=$pad\", \"dropout $p\"]\n"
      "[search]\nmethod = \"random\"\nsamples = 1\n[search.space]\nw = [4]\npad = [1]\np = { min = 0, max = 0.5 }\n";
  EXPECT_EQ(error_of(base), "no error");
  EXPECT_EQ(error_of(base + "padd = 2\n"),
            "toy.toml:12: [search.space] padd: nothing reads this name; did you mean \"pad\"?");
  EXPECT_EQ(error_of(base + "learning_rate = 2\n"),
            "toy.toml:12: [search.space] learning_rate: nothing reads this name; did you mean \"lr\"?");
  EXPECT_THAT(error_of(base + "hidden = 2\n"), HasSubstr("toy.toml:12: [search.space] hidden"));
  for (const std::string name : {"batch_size", "step_size", "t_max", "warmup"}) {
    EXPECT_EQ(error_of(base + name + " = { min = 8, max = 64 }\n"),
              "toy.toml:12: [search.space] " + name +
                  ": expected whole numbers, got a range of all numbers; add type = \"int\"");
  }
}

TEST(Experiment, SaysWhereASettingOfALossStands) {
  EXPECT_THAT(error_of(kValid, {"model.class_weights=[1, 2]"}),
              HasSubstr("it is a setting of a loss: loss = \"cross_entropy class_weights=1,1,..\""));
  EXPECT_THAT(error_of(kValid, {"model.loss=cross_entropy class_weights=[1,2]"}),
              HasSubstr("such as class_weights=1,5, got class_weights=[1,2]"));
}

// Training would go on without it, silently.
TEST(Experiment, RefusesAHyperparameterThatOnlyAnotherOptimizerReads) {
  const auto refusal = [](const std::vector<std::string>& settings) -> std::string {
    const Experiment e = parse_experiment(kValid, "toy.toml", settings);  // an older run may have it: no error here
    try {
      check_settings_read(e);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(refusal({"search.space.optimizer=adam", "search.space.momentum=0.9"}),
              HasSubstr("[search.space] momentum: sgd and rmsprop read it, and the optimizer is "
                        "adam: write optimizer = \"sgd\", or leave momentum out"));
  EXPECT_THAT(refusal({"search.space.optimizer=sgd", "search.space.beta1=0.9"}),
              HasSubstr("beta1: adam, adamw, lion, adamax, nadam, radam and lamb read it, and the optimizer is sgd"));
  EXPECT_THAT(
      refusal({"search.space.gamma=0.9"}),
      HasSubstr("[search.space] gamma: step, multi_step, exponential and cyclic read it, and no schedule is named"));
  EXPECT_THAT(refusal({"search.space.schedule=[\"step\", \"constant\"]", "search.space.warmup=9"}),
              HasSubstr("and the schedule is step and constant"));
  EXPECT_EQ(refusal({"search.space.optimizer=[\"adam\", \"sgd\"]", "search.space.momentum=0.9"}), "no error");
  EXPECT_EQ(refusal({"search.space.schedule=cosine", "search.space.warmup=9"}), "no error");
  EXPECT_EQ(refusal({"search.space.weight_decay=0.1"}), "no error") << "all optimizers read it";
  EXPECT_EQ(refusal({"search.space.factor=0.5"}),
            "[search.space] factor: constant and plateau read it, and no schedule is named: write schedule = "
            "\"constant\", or leave factor out");
  EXPECT_THAT(refusal({"search.space.total_iters=3"}), HasSubstr("and no schedule is named"));
  EXPECT_EQ(refusal({"search.space.schedule=constant", "search.space.factor=0.5"}), "no error");
  EXPECT_THAT(refusal({"search.space.schedule=cosine", "search.space.patience=3"}),
              HasSubstr("patience: plateau reads it, and the schedule is cosine"));
}

TEST(Experiment, RefusesSettingsWithoutEffectOnTheRate) {
  const auto refusal = [](std::vector<std::string> settings) -> std::string {
    for (std::string& setting : settings) setting = "search.space." + setting;
    try {
      check_settings_read(parse_experiment(kValid, "toy.toml", settings));
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(refusal({"schedule=plateau", "schedule_by=epoch"}),
            "[search.space] schedule_by: step, multi_step, linear, exponential, polynomial, cosine, cosine_restarts, "
            "one_cycle and cyclic read it, and the schedule is plateau: write schedule = \"step\", or leave "
            "schedule_by out");
  EXPECT_THAT(refusal({"schedule_by=epoch"}), HasSubstr("and no schedule is named"));
  EXPECT_THAT(refusal({"schedule=constant", "schedule_by=epoch"}), HasSubstr("and the schedule is constant"));
  EXPECT_EQ(refusal({"schedule=constant", "factor=0.5", "schedule_by=epoch"}), "no error");
  EXPECT_EQ(refusal({"schedule=[\"plateau\", \"cosine\"]", "schedule_by=epoch"}), "no error");
  EXPECT_EQ(refusal({"lr=[0.01, 0.1]", "schedule=plateau", "min_lr=0.1"}),
            "[search.space] min_lr: expected less than lr, which is at most 0.1, got 0.1: the schedule would lower no "
            "rate; write a smaller min_lr");
  EXPECT_EQ(refusal({"lr=[0.01, 0.2]", "schedule=plateau", "min_lr=0.1"}), "no error");
}

// Before the data are prepared, which may take an hour.
TEST(Experiment, RefusesASearchThatCannotBeMade) {
  EXPECT_EQ(error_of(kValid, {"search.space.lr={ min = 0.1, max = 1.0 }"}),
            "toy.toml: [search.space] expected a list of values for grid search, got a range (hyperparameter `lr`; "
            "method = \"random\" samples ranges)");
  EXPECT_THAT(error_of(kValid, {"search.method=halving", "search.min_epochs=3"}),
              HasSubstr("toy.toml: [search] halving: expected eta >= 2"));
  EXPECT_EQ(error_of(kValid, {"search.stop=[\"threshold\"]", "search.lower=2", "search.upper=1"}),
            "toy.toml: [search] stop = \"threshold\": expected lower <= upper, got lower = 2, upper = 1");
  EXPECT_EQ(error_of(kValid, {"search.objective=accuracy"}),
            "toy.toml: [search] objective: expected valid_accuracy, valid_loss or train_loss as the metric, got "
            "`accuracy`; did you mean \"valid_accuracy\"?");
}

TEST(Experiment, AllowsOnlyNamesThatStayInTheirFolder) {
  for (const char* name : {"../x", "", "a/b", ".x", "-x", "a b"}) {
    EXPECT_THAT(error_of("name = \"" + std::string(name) + "\"\n"), HasSubstr("toy.toml:1: name: expected letters"))
        << name;
    Experiment e = parse_experiment(kValid, "toy.toml");
    e.name = name;
    EXPECT_THROW(e.check(), ConfigError) << name;
  }
}

}  // namespace
}  // namespace hop::hopper
