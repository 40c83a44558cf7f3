// Training on rows with weights on a device, against the CPU and against each other.
#include <memory>
#include <utility>
#include <vector>

#include "hopper/trainer.h"
#include "tests/cuda/hopper/toy.h"

namespace hop::hopper {
namespace {

constexpr Device kCuda = Device::cuda();

// The rows of another source, with weights from 0 to 3.
class WeightedRows final : public data::RowSource {
 public:
  explicit WeightedRows(std::unique_ptr<data::RowSource> rows) : rows_(std::move(rows)) {}
  std::int64_t rows() const override { return rows_->rows(); }
  DType feature_dtype() const override { return rows_->feature_dtype(); }
  Shape feature_shape() const override { return rows_->feature_shape(); }
  std::int64_t classes() const override { return rows_->classes(); }
  std::int64_t read(std::int64_t row, MutableByteView features) const override { return rows_->read(row, features); }
  bool has_weights() const override { return true; }
  float read_weight(std::int64_t row) const override { return static_cast<float>((5 * row + 1) % 4); }

 private:
  std::unique_ptr<data::RowSource> rows_;
};

class CudaWeights : public testing::Toy {
 protected:
  static data::Dataset weighted() {
    const std::filesystem::path folder = *folder_ / "weighted";
    if (data::Dataset::is_dataset(folder)) return data::Dataset::open(folder);
    data::RawData rows = testing::toy_images();
    rows.train = std::make_unique<WeightedRows>(std::move(rows.train));
    rows.test = std::make_unique<WeightedRows>(std::move(rows.test));
    return data::write_dataset(rows, folder,
                               {.name = "weighted", .partitions = 4, .validation = data::Validation::file()});
  }
  static std::shared_ptr<const data::DeviceRows> resident(const data::Dataset& dataset) {
    std::vector<data::Partition> all;
    for (std::uint32_t q = 0; q < dataset.partition_count(); ++q) all.push_back(dataset.partition(PartitionId(q)));
    all.push_back(dataset.validation());
    auto rows = data::DeviceRows::if_they_fit(all, kCuda);
    EXPECT_NE(rows, nullptr) << "the rows would be streamed";
    return rows;
  }
  static Experiment experiment() {
    Experiment e = perceptron();
    e.model.layers = {"flatten", "linear 6", "relu", "linear 3"};
    e.model.metrics = {"accuracy", "log_loss", "macro_f1", "auc"};
    return e;
  }
  // One epoch of model 0; the metrics of its last unit.
  static UnitMetrics train(Trainer& trainer, const data::Dataset& dataset) {
    trainer.initialize();
    UnitMetrics metrics;
    for (std::uint32_t q = 0; q < dataset.partition_count(); ++q)
      metrics = trainer.train(dataset.partition(PartitionId(q)), Epoch(0), PartitionId(q));
    trainer.validate(dataset.validation(), metrics);
    return metrics;
  }
};

TEST_F(CudaWeights, AgreeWithTheCpu) {
  const Experiment e = experiment();
  const data::Dataset data = weighted();
  const Config sgd = {{"lr", 0.05}, {"batch_size", std::int64_t{10}}, {"momentum", 0.9}};
  Trainer cpu(e, ModelId(0), sgd, data), cuda(e, ModelId(0), sgd, data, kCuda, resident(data));
  const UnitMetrics here = train(cpu, data), there = train(cuda, data);
  EXPECT_EQ(there.weight, here.weight);
  EXPECT_NEAR(there.train_loss, here.train_loss, 1e-4);
  EXPECT_NEAR(*there.valid_loss, *here.valid_loss, 1e-4);
  EXPECT_NEAR(*there.valid_accuracy, *here.valid_accuracy, 0.08);
  ASSERT_EQ(there.own.size(), 3U);
  EXPECT_NEAR(there.own[0], here.own[0], 1e-4) << "log_loss";
  EXPECT_NEAR(there.own[0], *there.valid_loss, 1e-5);
  const nn::StateBytes state = cuda.state().save().wait();
  EXPECT_LT(testing::distance(cpu.state().layout(), state->span(), cpu.state().bytes()), 1e-3);
}

TEST_F(CudaWeights, GiveTheSameBitsCapturedAndEagerStreamedAndResident) {
  const Experiment e = experiment();
  const data::Dataset data = weighted();
  Trainer captured(e, ModelId(0), config(), data, kCuda, resident(data));
  const UnitMetrics expected = train(captured, data);
  EXPECT_GT(captured.recordings(), 0U);
  Trainer streamed(e, ModelId(0), config(), data, kCuda);
  const UnitMetrics with_streams = train(streamed, data);
  Experiment plain = e;
  plain.run.capture = false;
  Trainer eager(plain, ModelId(0), config(), data, kCuda, resident(data));
  const UnitMetrics without = train(eager, data);
  EXPECT_EQ(streamed.state().digest(), captured.state().digest());
  EXPECT_EQ(eager.state().digest(), captured.state().digest());
  for (const UnitMetrics& metrics : {with_streams, without}) {
    EXPECT_EQ(metrics.train_loss, expected.train_loss);
    EXPECT_EQ(metrics.valid_loss, expected.valid_loss);
    EXPECT_EQ(metrics.valid_accuracy, expected.valid_accuracy);
    EXPECT_EQ(metrics.own, expected.own);
  }
}

}  // namespace
}  // namespace hop::hopper
