// Running statistics that are measured again, against torch.optim.swa_utils.update_bn.
#include "nn/optim/update_bn.h"

#include "data/tensor_dataset.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/averaged_model.h"
#include "tests/nn/training_golden.h"

namespace hop::optim {
namespace {

using namespace nn::testing;

nn::Sequential net(DType dtype = DType::f64) {
  return nn::Sequential(nn::Linear(3, 4, {.dtype = dtype}), nn::BatchNorm1d(4, {.momentum = 0.3, .dtype = dtype}),
                        nn::Tanh(), nn::BatchNorm1d(4, {.dtype = dtype}));
}

nn::StateDict golden_state(const nn::Module& model, const std::string& when) {
  nn::StateDict state;
  for (const nn::NamedTensor& entry : model.state_dict())
    state.push_back({entry.name, training_golden("update_bn." + when + "." + entry.name)});
  return state;
}

std::vector<std::vector<Tensor>> golden_batches(DType dtype = DType::f64) {
  std::vector<std::vector<Tensor>> batches;
  for (const char* i : {"0", "1", "2"})
    batches.push_back({to(training_golden("update_bn.batch" + std::string(i)), dtype), Tensor()});
  return batches;
}

void expect_state(const nn::Module& model, const nn::StateDict& expected, double tolerance) {
  const nn::StateDict state = model.state_dict();
  ASSERT_EQ(state.size(), expected.size());
  for (std::size_t i = 0; i < state.size(); ++i)
    expect_close(state[i].tensor, expected[i].tensor, tolerance, state[i].name);
}

TEST(UpdateBn, MeasuresWhatPyTorchMeasures) {
  for (const DType dtype : {DType::f64, DType::f32}) {
    nn::Sequential model = net(dtype);
    model.load_state_dict(golden_state(model, "before"));
    model.eval();
    update_bn(golden_batches(dtype), model);
    EXPECT_FALSE(model.is_training());
    expect_state(model, golden_state(model, "after"), dtype == DType::f64 ? 1e-13 : 1e-5);
  }
}

TEST(UpdateBn, ReadsALoaderAndPlainInputs) {
  const Tensor rows = cat({training_golden("update_bn.batch0"), training_golden("update_bn.batch2")}, 0);
  nn::Sequential by_loader = net(), by_inputs = net();
  for (nn::Sequential* model : {&by_loader, &by_inputs}) model->load_state_dict(golden_state(*model, "before"));
  data::DataLoader loader({rows, rows}, {.batch_size = 7});
  update_bn(loader, by_loader);
  update_bn(std::vector<Tensor>{slice(rows, 0, 0, 7), slice(rows, 0, 7, 14)}, by_inputs, Device::cpu());
  expect_state(by_loader, by_inputs.state_dict(), 0);
  EXPECT_TRUE(by_loader.is_training());
}

// Afterwards a batch counts by the layer's momentum again, in copies of the model, too.
TEST(UpdateBn, LeavesTheMomentumAsItWas) {
  nn::Sequential model = net();
  model.load_state_dict(golden_state(model, "before"));
  const AveragedModel average(model);
  update_bn(golden_batches(), model);
  nn::Sequential same = net();
  same.load_state_dict(model.state_dict());
  model(training_golden("update_bn.batch2"));
  same(training_golden("update_bn.batch2"));
  expect_state(model, same.state_dict(), 0);
  const std::vector<double> mean = values(model.state_dict()[4].tensor);
  EXPECT_EQ(model.state_dict()[4].name, "1.running_mean");
  EXPECT_GT(std::abs(mean[0] - values(golden_state(model, "after")[4].tensor)[0]), 1e-6);
}

TEST(UpdateBn, LeavesAModelWithoutStatisticsAlone) {
  nn::Sequential model{nn::Linear(3, 4), nn::BatchNorm1d(4, {.track_running_stats = false})};
  nn::init_parameters(model, 1);
  model.eval();
  update_bn(std::vector<Tensor>{Tensor()}, model);  // a batch that nobody may read
  EXPECT_FALSE(model.is_training());
}

TEST(UpdateBn, RefusesABatchWithoutTensorsAndRestoresTheMode) {
  nn::Sequential model = net();
  model.load_state_dict(golden_state(model, "before"));
  model.eval();
  EXPECT_EQ(message_of<ShapeError>([&] { update_bn(std::vector<std::vector<Tensor>>{{}}, model); }),
            "[update_bn] expected batches whose first tensor is the input, got a batch without tensors");
  EXPECT_FALSE(model.is_training());
}

}  // namespace
}  // namespace hop::optim
