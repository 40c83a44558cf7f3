// The fault words: the error of a kernel is thrown at the thread that queued the kernel, and at no other thread.
#include <gmock/gmock.h>

#include <latch>
#include <thread>

#include "base/error.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/cuda/fault_internal.h"
#include "kernels/index.h"
#include "tests/cuda/support.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::error_of;
using hop::testing::random_tensor;
using ::testing::AllOf;
using ::testing::HasSubstr;

class CudaFault : public OnDevice {
 protected:
  void SetUp() override {
    OnDevice::SetUp();
    if (IsSkipped()) return;
    x_ = on_device(random_tensor({3, 2}, DType::f32, 1));
    wrong_ = on_device(Tensor::from<std::int64_t>({0, 2, 3}, {3}));
    right_ = on_device(Tensor::from<std::int64_t>({0, 2, 1}, {3}));
  }
  static void wait() { backend(Device::cuda()).synchronize(); }
  void meet_a_fault() const { index_select(x_, 0, wrong_); }

  Tensor x_, wrong_, right_;
};

TEST_F(CudaFault, SurfacesOnceWhenTheDeviceIsWaitedFor) {
  meet_a_fault();
  EXPECT_THAT(error_of<IndexError>(wait), AllOf(HasSubstr("[index_select]"), HasSubstr("position 2")));
  EXPECT_NO_THROW(wait());
}

TEST_F(CudaFault, SurfacesWhenAValueIsRead) {
  const Tensor one = on_device(full({}, 1.0));
  meet_a_fault();
  EXPECT_THROW(one.item<float>(), IndexError);
  EXPECT_EQ(one.item<float>(), 1);
}

TEST_F(CudaFault, IsForgottenOnDemand) {
  meet_a_fault();
  backend(Device::cuda()).discard_faults();
  EXPECT_NO_THROW(wait());
}

TEST_F(CudaFault, IsThrownAtTheThreadWhoseWorkItWas) {
  std::latch met(1), waited(1);
  std::jthread guilty([&] {
    use_device(0);
    meet_a_fault();
    met.count_down();
    waited.wait();
    EXPECT_THROW(wait(), IndexError);
  });
  met.wait();
  index_select(x_, 0, right_);
  EXPECT_NO_THROW(wait()) << "the innocent thread";
  EXPECT_NO_THROW(x_.as_strided({}, {}, 0).item<float>());
  backend(Device::cuda()).discard_faults();  // drops the errors of this thread alone
  waited.count_down();
}

// Words are used again, by threads that come later: the first of them here takes one that was left full.
TEST_F(CudaFault, DoesNotOutliveItsThread) {
  for (int i = 0; i < 200; ++i) {
    std::jthread([&] {
      use_device(0);
      index_select(x_, 0, right_);
      EXPECT_NO_THROW(wait()) << i;
      meet_a_fault();
    }).join();
  }
  EXPECT_NO_THROW(wait());
}

TEST_F(CudaFault, OfARecordedGraphReachesWhoReplaysIt) {
  const Tensor index = on_device(Tensor::from<std::int64_t>({0, 2, 1}, {3}));
  Recording recording;
  std::jthread([&] {  // recorded by a thread that is gone
    use_device(0);
    recording = hop::capture([&] { index_select(x_, 0, index); }, Device::cuda());
    EXPECT_NO_THROW(wait());
  })
      .join();
  std::jthread([&] {  // has the word of that thread
    use_device(0);
    index_select(x_, 0, right_);
    EXPECT_NO_THROW(wait());
  })
      .join();

  backend(Device::cuda()).copy(index.raw_data(), wrong_.raw_data(), index.storage().size());
  for (int i = 0; i < 2; ++i) {
    recording.replay();
    std::jthread([] { EXPECT_NO_THROW(wait()); }).join();
    EXPECT_THAT(error_of<IndexError>(wait), AllOf(HasSubstr("[index_select]"), HasSubstr("position 2"))) << i;
    EXPECT_NO_THROW(wait());
  }
}

// A value that is read waits for one stream, and synchronize() for the device's own; a graph on another stream may not
// have run by then.
TEST_F(CudaFault, OfAGraphOnAnotherStreamIsToldAsSoonAsItIsKnownAndNotMissed) {
  const Tensor one = on_device(full({}, 1.0));
  const Recording recording = hop::capture([&] { index_select(x_, 0, wrong_); }, Device::cuda());
  EXPECT_THROW(wait(), IndexError);  // from the run before the recording
  const Stream side;
  for (const bool reads : {true, false}) {
    {
      const StreamGuard guard(side);
      recording.replay();
    }
    int told = 0;
    const auto look = [&](const auto& f) {
      try {
        f();
      } catch (const IndexError&) {
        ++told;
      }
    };
    look([&] { reads ? static_cast<void>(one.item<float>()) : wait(); });
    side.synchronize();
    look(wait);
    EXPECT_EQ(told, 1);
    EXPECT_NO_THROW(wait());
  }
}

TEST_F(CudaFault, OfAGraphOnAnotherStreamReachesTheReaderOfItsResult) {
  Tensor y;
  const Recording recording = hop::capture([&] { y = index_select(x_, 0, wrong_); }, Device::cuda());
  EXPECT_THROW(wait(), IndexError);
  const Stream side;
  const Event done;
  {
    const StreamGuard guard(side);
    recording.replay();
  }
  done.record(side.get());
  check(cudaStreamWaitEvent(current_stream(), done.get(), 0), "cudaStreamWaitEvent");
  EXPECT_THROW(to_device(y, Device::cpu()), IndexError);
}

TEST_F(CudaFault, OfAGraphThatIsGoneReachesWhoReplayedIt) {
  {
    const Recording recording = hop::capture([&] { meet_a_fault(); }, Device::cuda());
  }
  EXPECT_THROW(wait(), IndexError);
}

// Which operation's number is higher does not matter, but it is the same one in every order.
TEST_F(CudaFault, OfSeveralOperationsIsTheSameInEveryOrder) {
  const Recording recording = hop::capture([&] { meet_a_fault(); }, Device::cuda());
  EXPECT_THROW(wait(), IndexError);
  const auto graph = [&] { recording.replay(); };
  const auto own = [&] { index_add({2, 2}, 0, wrong_, x_); };  // 2 and 3 are outside
  own();
  const std::string of_own = error_of<IndexError>(wait);
  EXPECT_THAT(of_own, AllOf(HasSubstr("[index_add]"), HasSubstr("position 1")));
  graph();
  const std::string of_graph = error_of<IndexError>(wait);
  const std::string expected = fault_of("index_add").operation > fault_of("index_select").operation ? of_own : of_graph;
  own();
  graph();
  EXPECT_EQ(error_of<IndexError>(wait), expected);
  graph();
  own();
  EXPECT_EQ(error_of<IndexError>(wait), expected);
  EXPECT_NO_THROW(wait());
}

TEST_F(CudaFault, NamesTheOperationOfTheLaunch) {
  const auto text_of = [](const char* name) {
    const std::uint64_t note = fault_of(name).operation * kFaultPositions + (kFaultPositions - 1 - 3);
    return error_of<IndexError>([&] { throw_fault(note); });
  };
  EXPECT_THAT(text_of("cross_entropy"), AllOf(HasSubstr("[cross_entropy]"), HasSubstr("position 3")));
  // More names than hashes differ: those that share a number's first choice keep their own names, too.
  static std::vector<std::string> many(500);
  for (std::size_t i = 0; i < many.size(); ++i) {
    many[i] = "operation " + std::to_string(i);
    EXPECT_THAT(text_of(many[i].c_str()), HasSubstr("[" + many[i] + "]"));
  }
  for (const std::string& name : many) EXPECT_THAT(text_of(name.c_str()), HasSubstr("[" + name + "]"));
  EXPECT_NO_THROW(throw_fault(0));
}

}  // namespace
}  // namespace hop::kernels::cuda
