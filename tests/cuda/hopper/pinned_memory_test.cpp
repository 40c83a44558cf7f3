// A host that has no memory to lock, which only the executor can play: copies take plain memory, and give the same
// bits.
#include "kernels/cuda/runtime.h"

#if defined(HOP_SIMT)
#include "hopper/run.h"
#include "hopper/trainer.h"
#include "tests/cuda/hopper/toy.h"

namespace hop::hopper {
namespace {

class CudaWithoutPinnedMemory : public testing::Toy {
 protected:
  // A page can still be locked: the device writes its faults there.
  static void run_short() { simt::options().pinned_range = 4096; }
  void TearDown() override { simt::options().pinned_range = pinned_range_; }

 private:
  const std::size_t pinned_range_ = simt::options().pinned_range;
};

TEST_F(CudaWithoutPinnedMemory, MovesStatesAllTheSame) {
  Experiment e = perceptron();
  e.run.device = "cuda";
  e.run.workers = 2;
  const Results expected = run(e).results;
  run_short();
  const Results results = run(e).results;
  EXPECT_GT(results.hops, 0U);
  for (std::size_t m = 0; m < expected.models.size(); ++m) {
    EXPECT_GT(results.models[m].state_bytes, 4096U);
    EXPECT_EQ(results.models[m].status, "finished");
    EXPECT_EQ(results.models[m].state_sha256, expected.models[m].state_sha256);
  }
}

TEST_F(CudaWithoutPinnedMemory, StreamsRowsAllTheSame) {
  const Experiment e = perceptron();
  const data::Dataset data = dataset();
  const Config config = {{"batch_size", std::int64_t{64}}};  // a buffer of two pages
  const auto digest = [&] {
    Trainer trainer(e, ModelId(0), config, data, Device::cuda());
    trainer.initialize();
    trainer.train(data.partition(PartitionId(0)), Epoch(0), PartitionId(0));
    return trainer.state().digest();
  };
  const Digest expected = digest();
  run_short();
  EXPECT_EQ(digest(), expected);
}

}  // namespace
}  // namespace hop::hopper
#endif
