// A thread for work that waits for a disk, and what it says of a disk that does not answer.
#include "hopper/detail/disk_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace hop::hopper {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Work that lasts until it is let go.
class Stuck {
 public:
  void post_to(DiskThread& disk, const std::string& what, std::uint64_t bytes = 0) {
    const auto wait = [this, gone = gone_.get_future().share()] {
      has_begun_.set_value();
      gone.wait();
    };
    disk.post(what, wait, bytes);
    has_begun_.get_future().wait();
  }
  void let_go() { gone_.set_value(); }

 private:
  std::promise<void> has_begun_, gone_;
};

TEST(DiskThread, DoesItsWorkInOrderAndWhatIsLeftBeforeItEnds) {
  std::vector<int> done;
  {
    DiskThread disk;
    for (int i = 0; i < 3; ++i) disk.post("writes", [&done, i] { done.push_back(i); });
  }
  EXPECT_THAT(done, ElementsAre(0, 1, 2));
}

TEST(DiskThread, TellsOfADiskThatDoesNotAnswerAndOfItsAnswer) {
  DiskThread disk;
  Stuck write;
  write.post_to(disk, "writes a/log");
  disk.post("makes records durable", [] {});
  const auto begin = DiskThread::Clock::now();
  EXPECT_THAT(disk.news(begin + 4s), IsEmpty());
  EXPECT_THAT(disk.news(begin + 6s), AllOf(HasSubstr("has not answered for 6 s: the coordinator writes a/log"),
                                           HasSubstr("1 more writes wait behind it")));
  EXPECT_THAT(disk.news(begin + 7s), IsEmpty()) << "the next line comes when the wait has doubled";
  EXPECT_THAT(disk.news(begin + 11s), HasSubstr("for 11 s"));
  EXPECT_FALSE(disk.wait_idle(1ms));
  write.let_go();
  EXPECT_TRUE(disk.wait_idle(60s));
  EXPECT_THAT(disk.news(), HasSubstr("answers again"));
  EXPECT_THAT(disk.news(begin + 100s), IsEmpty());
}

TEST(DiskThread, HasLongerPatienceWithManyBytes) {
  DiskThread disk;
  Stuck write;
  write.post_to(disk, "writes models/0.hop", 1'000'000'000);
  const auto begin = DiskThread::Clock::now();
  EXPECT_THAT(disk.news(begin + 100s), IsEmpty()) << "5 s and a gigabyte at 10 MB/s";
  EXPECT_THAT(disk.news(begin + 106s), HasSubstr("writes models/0.hop"));
  write.let_go();
}

TEST(DiskThread, SaysWhatItDoesNow) {
  DiskThread disk;
  EXPECT_FALSE(disk.present());
  Stuck write;
  write.post_to(disk, "writes a/log");
  const auto present = disk.present(DiskThread::Clock::now() + 10s);
  ASSERT_TRUE(present);
  EXPECT_EQ(present->what, "writes a/log");
  EXPECT_GE(present->lasts, 10s);
  write.let_go();
}

}  // namespace
}  // namespace hop::hopper
