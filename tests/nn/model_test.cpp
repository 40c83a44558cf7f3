// Models by description: values put into specs, families, and the text that travels.
#include "nn/model.h"

#include "nn/families.h"
#include "nn/init.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;

TEST(ConfigText, SubstitutesValuesByName) {
  const ConfigText values{{"width", "32"}, {"p", "0.5"}, {"w2", "x"}};
  EXPECT_EQ(substitute("conv2d $width 3", values), "conv2d 32 3");
  EXPECT_EQ(substitute("$p$p ${p}5 $$p $w2", values), "0.50.5 0.55 $p x");
  EXPECT_EQ(substitute("", values), "");
  EXPECT_EQ(message_of<ConfigError>([&] { substitute("linear $widht", values); }),
            "[substitute] expected a value for $widht, got none (\"linear $widht\"); did you mean \"width\"?");
  for (const char* bad : {"$", "a $ b", "${width", "${}", "${a-b}"}) {
    EXPECT_THROW(substitute(bad, values), ConfigError) << bad;
  }
}

TEST(BuildModel, PutsValuesIntoASpec) {
  const ModelDescription description{.layers = {"flatten", "linear $width", "relu", "linear $classes"},
                                     .config = {{"width", "16"}, {"lr", "0.1"}}};
  const auto model = build_model(description, {1, 4, 4}, 3);
  EXPECT_EQ(model->parameter_count(), 16 * 16 + 16 + 16 * 3 + 3);
  EXPECT_EQ(description.to_text(3), "layer flatten\nlayer linear 16\nlayer relu\nlayer linear 3\n");
}

TEST(BuildModel, NamesTheLayerOfAnUnknownValueAndOfAWrongOutput) {
  EXPECT_EQ(message_of<ConfigError>([] {
              build_model({.layers = {"relu", "dropout $drop"}, .config = {{"dropout", "0"}}}, {3}, 3);
            }),
            "[spec] layer 1 \"dropout $drop\": [substitute] expected a value for $drop, got none (\"dropout $drop\"); "
            "valid are classes, dropout and outputs");
  EXPECT_EQ(message_of<ConfigError>([] { build_model({.layers = {"linear 10"}}, {16}, 26); }),
            "[spec] layer 0 \"linear 10\": expected the last layer to give (26), got (10)");
  EXPECT_NO_THROW(build_model({.layers = {"linear 10"}}, {16}, 0));
}

TEST(BuildModel, NeedsEitherAFamilyOrLayers) {
  EXPECT_EQ(message_of<ConfigError>([] { build_model({}, {3}, 3); }),
            "[model] expected either a family or layers, got neither");
  EXPECT_THROW(build_model({.family = "mlp", .layers = {"linear 3"}}, {3}, 3), ConfigError);
  EXPECT_EQ(message_of<ConfigError>([] { build_model({.family = "mpl"}, {3}, 3); }),
            "[model] expected the name of a family, got \"mpl\"; did you mean \"mlp\"?");
}

TEST(Mlp, HasTheHiddenLayersThatItsConfigurationNames) {
  const auto text = [](const ConfigText& config) {
    return build_model({.family = "mlp", .config = config}, {1, 2, 2}, 3)->to_string();
  };
  EXPECT_EQ(text({{"hidden", "5"}, {"depth", "2"}, {"dropout", "0.25"}, {"activation", "tanh"}, {"lr", "1"}}),
            "Sequential(\n"
            "  (0): Flatten(start_dim=1, end_dim=-1)\n"
            "  (1): Linear(in_features=4, out_features=5, bias=True)\n"
            "  (2): Tanh()\n"
            "  (3): Dropout(p=0.25)\n"
            "  (4): Linear(in_features=5, out_features=5, bias=True)\n"
            "  (5): Tanh()\n"
            "  (6): Dropout(p=0.25)\n"
            "  (7): Linear(in_features=5, out_features=3, bias=True)\n"
            ")");
  EXPECT_EQ(text({{"hidden", "[7, 6]"}}), text({{"hidden", "7 6"}}));
  EXPECT_THAT(text({{"hidden", "7 6"}}), ::testing::HasSubstr("in_features=7, out_features=6"));
  EXPECT_EQ(build_model({.family = "mlp"}, {784}, 10)->parameter_count(), 784 * 128 + 128 + 128 * 10 + 10);
}

TEST(Mlp, RejectsValuesThatMakeNoModel) {
  const auto error = [](const ConfigText& config, std::int64_t classes = 3) {
    return message_of<ConfigError>([&] { build_model({.family = "mlp", .config = config}, {4}, classes); });
  };
  EXPECT_EQ(error({{"activation", "rellu"}}), "[mlp] expected an activation, got \"rellu\"; did you mean \"relu\"?");
  EXPECT_THAT(error({{"hidden", "many"}}), ::testing::HasSubstr("out_features expects a whole number"));
  EXPECT_THAT(error({{"dropout", "1.5"}}), ::testing::HasSubstr("p expects a number"));
  EXPECT_EQ(error({{"depth", "-1"}}), "[mlp] expected a depth of 0 to 1000, got -1");
  EXPECT_EQ(error({}, 0), "[mlp] expected at least one class, got 0");
}

TEST(LeNet, HasPyTorchsNamesAndShapes) {
  const auto model = build_model({.family = "lenet"}, {1, 28, 28}, 10);
  EXPECT_THAT(names_of(model->state_dict()),
              ::testing::ElementsAre("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "fc1.weight",
                                     "fc1.bias", "fc2.weight", "fc2.bias"));
  EXPECT_EQ(model->state_dict()[4].tensor.shape(), (Shape{128, 512}));
  init_parameters(*model, 1);
  EXPECT_EQ((*model)(kernels::ones({2, 1, 28, 28})).shape(), (Shape{2, 10}));
  EXPECT_THAT(model->to_string(), ::testing::StartsWith("LeNet(\n  (conv1): Conv2d(1, 16, kernel_size=(5, 5)"));
  EXPECT_EQ(message_of<ConfigError>([] {
              build_model({.family = "lenet"}, {1, 8, 8}, 10);
            }),
            "[lenet] expected samples (C, H, W) of at least 16 x 16, got (1, 8, 8)");
}

TEST(FamilyRegistry, TakesUsersFamilies) {
  FamilyRegistry families;
  families.register_family("constant", [](const FamilyRequest& request) {
    return std::make_shared<Linear>(request.sample[0], request.classes);
  });
  EXPECT_EQ(build_model({.family = "constant"}, {4}, 2, families)->parameter_count(), 10);
  EXPECT_EQ(message_of<ConfigError>([&] { families.register_family("mlp", make_mlp); }),
            "[model] expected a new family, got \"mlp\", which is taken");
}

TEST(ModelDescription, TravelsAsText) {
  const ModelDescription mlp{.family = "mlp", .config = {{"layer", "x = y"}, {"hidden", "128 64"}, {"family", ""}}};
  EXPECT_EQ(mlp.to_text(10), "family mlp\nfamily = \nhidden = 128 64\nlayer = x = y\n");
  const ModelDescription back = ModelDescription::from_text(mlp.to_text(10));
  EXPECT_EQ(back.family, "mlp");
  EXPECT_EQ(back.config, mlp.config);
  const ModelDescription spec{.layers = {"linear 0$n", "relu"}, .config = {{"n", "8"}}};
  const ModelDescription again = ModelDescription::from_text(spec.to_text(8));
  EXPECT_THAT(again.layers, ::testing::ElementsAre("linear 8", "relu"));
  EXPECT_EQ(again.to_text(8), spec.to_text(8));
}

TEST(ModelDescription, RefusesTextThatDescribesNoModel) {
  for (const char* bad :
       {"", "\n", "linear 3\n", "hidden = 3\n", "family \n", "layer relu\nhidden = 3\n", "family mlp\nhidden\n"}) {
    EXPECT_THROW(ModelDescription::from_text(bad), ConfigError) << bad;
  }
  EXPECT_THROW((ModelDescription{.family = "mlp", .config = {{"a", "1\nb = 2"}}}).to_text(1), ConfigError);
  EXPECT_THROW((ModelDescription{.family = "mlp", .config = {{"a b", "1"}}}).to_text(1), ConfigError);
}

}  // namespace
}  // namespace hop::nn
