// Long because it tries every kind of damage to every part of the file.
#include "hopper/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <limits>
#include <thread>

#include "base/error.h"
#include "base/hash.h"
#include "hopper/journal_codec_internal.h"
#include "hopper/strategy/arrivals.h"
#include "tests/hopper/described.h"
#include "tests/hopper/golden_metrics.h"
#include "tests/source_tree.h"
#include "tests/temporary_folder.h"

// Stands in for the one of the C library, and counts.
static std::atomic<int> syncs = 0;
extern "C" int fdatasync(int fd) {
  ++syncs;
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

record::Commit commit(std::uint32_t unit) {
  record::Commit c;
  c.model = ModelId{3};
  c.unit = Unit{unit};
  c.partition = PartitionId{unit % 4};
  c.worker = WorkerId{1};
  c.attempt = Attempt{100 + unit};
  c.parent = {unit, 7};
  c.digest = {unit + 1, 7};
  c.metrics.train_loss = 0.5 + unit;
  c.metrics.rows = 1000;
  c.metrics.seconds = 1.25;
  c.metrics.state_bytes = 1ULL << 33;
  c.metrics.received_bytes = 99;
  c.metrics.gap_seconds = 1e-4;
  c.metrics.idle_seconds = 2.5;
  c.metrics.peak_rss_bytes = 1ULL << 30;
  if (unit % 2 == 1) {
    c.metrics.valid_loss = 0.0;
    c.metrics.valid_accuracy = 0.925;
  }
  return c;
}

const std::vector<Record> kRecords{
    record::Reserve{Attempt{1025}},
    commit(0),
    commit(1),
    record::Quarantine{ModelId{2}, "unit 4 lost its worker 3 times"},
    record::Collected{ModelId{3}, 1ULL << 33, std::string(64, 'a')},
    record::Arithmetic{WorkerId{1}, "x86-64-v4, bf16, oneDNN 2.6.3"},
    commit(2),
    record::Rollback{ModelId{3}, Version{2}, WorkerId{1}, Attempt{101}, "version 3 is gone"},
    record::Rollback{ModelId{4}, Version{0}, std::nullopt, {}, "version 1 is gone"},
    record::Retry{ModelId{2}},
    record::Asked{ModelId{5}, {{"lr", 0.001}, {"n", std::int64_t{3}}}, 8, {}, {}},
    record::Asked{ModelId{6}, {}, 8, Parent{ModelId{0}, Epoch{3}}, record::Place{WorkerId{1}, Attempt{7}}},
    SearchOrder::set_epochs(ModelId{6}, 4, "rank 2 of 9"),
    record::Ticked{4, 3},
    record::Extended{12},
    record::Moved{ModelId{3}, Version{2}, WorkerId{0}, Attempt{104}, "worker 1 is away"}};
const JournalHeader kHeader{"cifar-1", {12, 34}, {56, 78}};

class Journals : public ::testing::Test {
 protected:
  // Writes all records; the sizes of the file after the header and after each record.
  std::vector<std::size_t> record_run() {
    Journal journal = Journal::create(path_, kHeader);
    std::vector<std::size_t> ends{fs::file_size(path_)};
    for (const Record& record : kRecords) {
      journal.append(record);
      journal.sync();
      ends.push_back(fs::file_size(path_));
    }
    return ends;
  }
  std::string bytes() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& bytes) const {
    fs::remove(path_);  // a new file: cutting an old one to nothing makes some file systems wait for the disk
    std::ofstream(path_, std::ios::binary) << bytes;
  }

  TemporaryFolder folder_;
  fs::path path_ = folder_ / "journal";
};

TEST_F(Journals, GiveBackWhatWasWritten) {
  record_run();
  const JournalContents contents = read_journal(path_);
  EXPECT_EQ(contents.header, kHeader);
  EXPECT_EQ(contents.records, kRecords);
  EXPECT_EQ(contents.torn_bytes, 0U);
}

// Journals from before there were such orders have none: GoldenJournal.IsRead.
TEST_F(Journals, KeepTheOrderOfGradients) {
  record::Commit with = commit(0), without = commit(1);
  with.metrics.arrivals = {0, 1, 1, 0, 0x80, 1, 255};
  {
    Journal journal = Journal::create(path_, kHeader);
    journal.append(with);
    journal.append(without);
    journal.sync();
  }
  EXPECT_EQ(read_journal(path_).records, (std::vector<Record>{with, without}));
}

// The longest order that a trainer takes.
TEST_F(Journals, HaveRoomForTheLongestOrderOfGradients) {
  record::Commit c = commit(0);
  c.metrics.arrivals.assign(kMostArrivalBytes, 7);
  {
    Journal journal = Journal::create(path_, kHeader);
    journal.append(c);
    journal.sync();
  }
  EXPECT_EQ(read_journal(path_).records, (std::vector<Record>{c}));
}

TEST_F(Journals, KeepLossesThatAreNotFinite) {
  {
    Journal journal = Journal::create(path_, kHeader);
    record::Commit c = commit(0);
    c.metrics.train_loss = std::numeric_limits<double>::infinity();
    journal.append(c);
    c.metrics.train_loss = std::numeric_limits<double>::quiet_NaN();
    journal.append(c);
    journal.sync();
  }
  const JournalContents contents = read_journal(path_);
  EXPECT_TRUE(std::isinf(std::get<record::Commit>(contents.records[0]).metrics.train_loss));
  EXPECT_TRUE(std::isnan(std::get<record::Commit>(contents.records[1]).metrics.train_loss));
}

TEST_F(Journals, NumberTheirRecordsAndGoOnWhereTheyEnded) {
  {
    Journal journal = Journal::create(path_, kHeader);
    EXPECT_EQ(journal.append(kRecords[0]), 1U);
    EXPECT_EQ(journal.append(kRecords[1]), 2U);
    EXPECT_EQ(journal.sync(), 2U);
  }
  JournalContents contents;
  Journal journal = Journal::open(path_, contents);
  EXPECT_EQ(contents.records.size(), 2U);
  EXPECT_EQ(journal.append(kRecords[2]), 3U);
  EXPECT_EQ(journal.sync(), 3U);
  EXPECT_EQ(read_journal(path_).records.size(), 3U);
}

TEST_F(Journals, WriteNothingBeforeASync) {
  Journal journal = Journal::create(path_, kHeader);
  const auto size = fs::file_size(path_);
  journal.append(kRecords[0]);
  EXPECT_EQ(fs::file_size(path_), size);
  journal.sync();
  EXPECT_GT(fs::file_size(path_), size);
}

TEST_F(Journals, CutAtAnyByteLoseOnlyTheTornTailAndSayHowMuch) {
  const std::vector<std::size_t> ends = record_run();
  const std::string whole = bytes();
  for (std::size_t cut = ends[0]; cut <= whole.size(); ++cut) {
    write(whole.substr(0, cut));
    const auto kept = static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), cut) - ends.begin()) - 1;
    const JournalContents contents = read_journal(path_);
    ASSERT_EQ(contents.records, std::vector<Record>(kRecords.begin(), kRecords.begin() + static_cast<long>(kept)))
        << cut;
    ASSERT_EQ(contents.torn_bytes, cut - ends[kept]) << cut;
  }
}

TEST_F(Journals, GoOnBehindTheLastWholeRecordWhenTheirTailWasTorn) {
  const std::vector<std::size_t> ends = record_run();
  const std::string whole = bytes();
  for (const std::size_t cut : {ends[0], ends[0] + 1, ends[1] - 1, ends[2] + 16, ends[5] - 7}) {
    write(whole.substr(0, cut));
    JournalContents contents;
    {
      Journal journal = Journal::open(path_, contents);
      EXPECT_EQ(journal.append(commit(9)), contents.records.size() + 1);
      journal.sync();
    }
    contents.records.emplace_back(commit(9));
    EXPECT_EQ(read_journal(path_).records, contents.records) << cut;
  }
}

TEST_F(Journals, CutWithinTheHeaderAreRefused) {
  const std::size_t header = record_run()[0];
  const std::string whole = bytes();
  for (std::size_t cut = 0; cut < header; ++cut) {
    write(whole.substr(0, cut));
    ASSERT_THROW(read_journal(path_), JournalError) << cut;
  }
}

TEST_F(Journals, DamagedInTheMiddleAreRefusedAndTheOffsetIsNamed) {
  const std::vector<std::size_t> ends = record_run();
  const std::string whole = bytes();
  for (std::size_t at = 0; at < ends[ends.size() - 2]; ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    write(damaged);
    const auto record = std::upper_bound(ends.begin(), ends.end(), at) - ends.begin();
    const std::size_t begin = record == 0 ? 0 : ends[static_cast<std::size_t>(record) - 1];
    ASSERT_THAT([&] { read_journal(path_); },
                ThrowsMessage<JournalError>(HasSubstr("at offset " + std::to_string(begin) + ",")))
        << at;
  }
}

TEST_F(Journals, DamagedInTheLastRecordLoseIt) {
  const std::vector<std::size_t> ends = record_run();
  std::string damaged = bytes();
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  write(damaged);
  const JournalContents contents = read_journal(path_);
  EXPECT_EQ(contents.records.size(), kRecords.size() - 1);
  EXPECT_EQ(contents.torn_bytes, ends.back() - ends[ends.size() - 2]);
}

TEST_F(Journals, FollowedByZeroesHaveATornTail) {
  record_run();
  write(bytes() + std::string(5000, '\0'));
  EXPECT_EQ(read_journal(path_).torn_bytes, 5000U);
}

// The seconds of a processor that the calling thread needs for `work`: other processes do not count.
double cpu_seconds(const std::function<void()>& work) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double begin = now();
  work();
  return now() - begin;
}

// Every sixteenth byte of the tail looks like the first byte of a record of a megabyte. A search that computes the CRC
// of each such record reads 60,000 times the bytes of the tail. Judged against the time of one CRC of the tail.
TEST_F(Journals, FollowedByMegabytesThatLookLikeRecordsAreReadAtOnce) {
  record_run();
  std::string tail;
  while (tail.size() < (std::size_t{17} << 20))
    tail += std::string("\xf0\xff\x0f\0\x01\x02\x03\x04\x50\x03\0\0\0\0\0\0", 16);
  write(bytes() + tail);
  std::uint32_t crc = 0;
  const double one_pass = cpu_seconds([&] {
                            for (int i = 0; i < 10; ++i) crc = crc32c(as_bytes(tail), crc);
                          }) /
                          10;
  ASSERT_NE(crc, 0U);
  std::size_t torn_bytes = 0;
  const double search = cpu_seconds([&] { torn_bytes = read_journal(path_).torn_bytes; });
  EXPECT_EQ(torn_bytes, tail.size());
  EXPECT_LT(search / one_pass, 10'000);
}

TEST_F(Journals, FindAWholeRecordAtAnyPlaceBehindDamage) {
  const std::vector<std::size_t> ends = record_run();
  const std::string whole = bytes();
  for (std::size_t shift = 0; shift < 200; ++shift) {
    write(whole.substr(0, ends[1]) + std::string(shift, '\x01') + whole.substr(ends[2]));
    EXPECT_THAT([&] { read_journal(path_); }, ThrowsMessage<JournalError>(HasSubstr("hop fsck"))) << shift;
  }
}

TEST_F(Journals, DamagedInTheMiddleCanBeSurveyedAndCut) {
  const std::vector<std::size_t> ends = record_run();
  std::string damaged = bytes();
  damaged[ends[2] + 20] = static_cast<char>(damaged[ends[2] + 20] ^ 1);
  write(damaged);
  const JournalContents contents = survey_journal(path_);
  EXPECT_EQ(contents.bytes, ends[2]);
  EXPECT_EQ(contents.offsets.size(), contents.records.size());
  EXPECT_EQ(contents.torn_bytes, damaged.size() - ends[2]);
  EXPECT_THAT(contents.damage, HasSubstr("at offset " + std::to_string(ends[2])));
  const fs::path kept = cut_journal(path_, contents.bytes);
  std::ifstream tail(kept, std::ios::binary);
  EXPECT_EQ((std::string{std::istreambuf_iterator<char>(tail), {}}), damaged.substr(ends[2])) << "all that was cut off";
  EXPECT_EQ(read_journal(path_).torn_bytes, 0U);
}

TEST_F(Journals, AreLeftAsTheyAreWhereTheirExaminerRefusesThem) {
  record_run();
  write(bytes() + "torn");
  const std::string before = bytes();
  JournalContents contents;
  const auto refuse = [](const JournalContents&) { throw ConfigError("another experiment"); };
  EXPECT_THROW(Journal::open(path_, contents, refuse), ConfigError);
  EXPECT_EQ(bytes(), before);
  EXPECT_NO_THROW(Journal::open(path_, contents));
  EXPECT_EQ(read_journal(path_).torn_bytes, 0U);
}

// A writer that was killed between write and sync leaves records that are in memory only.
TEST_F(Journals, AreDurableBeforeAnybodyActsOnWhatTheySay) {
  record_run();
  const int before = syncs;
  JournalContents contents;
  Journal::open(path_, contents);
  EXPECT_GT(syncs, before);
}

TEST_F(Journals, ThatAreNoneAreRefused) {
  write(std::string(300, 'x'));
  EXPECT_THROW(read_journal(path_), JournalError);
  EXPECT_THROW(read_journal(folder_ / "missing"), JournalError);
}

TEST_F(Journals, AreNotOverwritten) {
  record_run();
  EXPECT_THROW(Journal::create(path_, kHeader), JournalError);
  EXPECT_EQ(read_journal(path_).records, kRecords);
}

TEST_F(Journals, HaveOneWriter) {
  const Journal journal = Journal::create(path_, kHeader);
  JournalContents contents;
  EXPECT_THAT([&] { Journal::open(path_, contents); }, ThrowsMessage<JournalError>(HasSubstr("only writer")));
  EXPECT_EQ(read_journal(path_).header, kHeader);  // readers may look at any time
}

TEST_F(Journals, AreFreeAgainWhenTheirWriterIsGone) {
  { const Journal journal = Journal::create(path_, kHeader); }
  JournalContents contents;
  EXPECT_NO_THROW(Journal::open(path_, contents));
}

TEST_F(Journals, AcceptNothingAfterAFailedWrite) {
  Journal journal = Journal::create(path_, kHeader);
  journal.append(kRecords[0]);
  journal.sync();
  const auto size = fs::file_size(path_);

  // A limit on the size of files stands for a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit full{size + 20, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &full);
  journal.append(kRecords[1]);
  EXPECT_THROW(journal.sync(), JournalError);
  setrlimit(RLIMIT_FSIZE, &before);

  EXPECT_THROW(journal.append(kRecords[2]), JournalError);
  EXPECT_THROW(journal.sync(), JournalError);
  const JournalContents contents = read_journal(path_);
  EXPECT_EQ(contents.records.size(), 1U);
  EXPECT_EQ(contents.torn_bytes, 20U);
}

TEST_F(Journals, MayBeSyncedByOneThreadWhileAnotherAppends) {
  Journal journal = Journal::create(path_, kHeader);
  constexpr std::uint64_t kMany = 2000;
  std::thread appender([&] {
    for (std::uint32_t i = 0; i < kMany; ++i) journal.append(commit(i));
  });
  while (journal.sync() < kMany) {
  }
  appender.join();
  const JournalContents contents = read_journal(path_);
  ASSERT_EQ(contents.records.size(), kMany);
  for (std::uint32_t i = 0; i < kMany; ++i) EXPECT_EQ(std::get<record::Commit>(contents.records[i]).unit, Unit{i});
}

// ---- the bytes of a record ------------------------------------------------------------------------------------------

// Written by encoders that stood there before the structs named their fields.
const fs::path kGolden = source_directory() / "tests/hopper/golden/journal-2";

std::vector<Record> golden_records() {
  const Digest a{11, 12}, b{13, 14};
  const UnitMetrics full = golden_metrics();
  UnitMetrics bare;
  bare.train_loss = std::numeric_limits<double>::infinity();
  bare.rows = 7;
  bare.gap_seconds = bare.idle_seconds = -1;
  const Config config{{"lr", 0.001}, {"n", std::int64_t{3}}, {"nesterov", true}, {"optimizer", std::string("adam")}};
  return {record::Reserve{Attempt{1025}},
          record::Commit{ModelId{3}, Unit{5}, PartitionId{2}, WorkerId{1}, Attempt{101}, a, b, full},
          record::Commit{ModelId{0}, Unit{0}, PartitionId{0}, WorkerId{0}, Attempt{1}, {}, b, bare},
          record::Quarantine{ModelId{2}, "unit 4 lost its worker 3 times"},
          record::Collected{ModelId{3}, 1ULL << 33, std::string(64, 'a')},
          record::Arithmetic{WorkerId{1}, "x86-64-v4, bf16, oneDNN 2.6.3"},
          record::Rollback{ModelId{3}, Version{2}, WorkerId{1}, Attempt{101}, "version 3 is gone"},
          record::Rollback{ModelId{3}, Version{2}, WorkerId{0}, Attempt{101}, "a place on worker 0"},
          record::Rollback{ModelId{4}, Version{0}, std::nullopt, {}, "version 1 is gone"},
          record::Retry{ModelId{2}},
          record::Asked{ModelId{5}, config, 8, {}, {}},
          record::Asked{ModelId{6}, {}, 8, Parent{ModelId{0}, Epoch{3}}, record::Place{WorkerId{1}, Attempt{7}}},
          record::Asked{ModelId{7}, {}, 8, Parent{ModelId{2}, Epoch{0}}, record::Place{WorkerId{0}, Attempt{8}}},
          SearchOrder::set_epochs(ModelId{6}, 4, "rank 2 of 9"),
          SearchOrder::stop(ModelId{1}, "rank 9 of 9"),
          SearchOrder::pause(ModelId{2}, ""),
          SearchOrder::resume(ModelId{2}, "again"),
          record::Ticked{4, 3}};
}

TEST(GoldenJournal, IsRead) {
  const JournalContents contents = read_journal(kGolden);
  EXPECT_EQ(contents.header, kHeader);
  EXPECT_EQ(contents.records, golden_records());
  EXPECT_TRUE(std::get<record::Commit>(contents.records[1]).metrics.arrivals.empty()) << "from before there were such";
}

TEST_F(Journals, HaveTheBytesOfTheGoldenOne) {
  {
    Journal journal = Journal::create(path_, kHeader);
    for (const Record& record : golden_records()) journal.append(record);
    journal.sync();
  }
  std::ifstream golden(kGolden, std::ios::binary);
  EXPECT_TRUE(bytes() == std::string(std::istreambuf_iterator<char>(golden), {}));
}

template <class... R>
void for_each_record(const std::variant<R...>*, auto test) {
  (test.template operator()<R>(), ...);
}

// The two that store an optional part in another form are in the golden journal.
TEST(Records, NameEveryMemberAndComeBackWithIt) {
  for_each_record(static_cast<const Record*>(nullptr), []<class R>() {
    const R given = testing::filled<R>();
    EXPECT_NE(given, R{});
    const auto back = decode(encode(Record(given)));
    ASSERT_TRUE(back) << flat::type_name<R>();
    EXPECT_EQ(std::get<R>(std::get<Record>(*back)), given);
    constexpr bool is_odd = std::is_same_v<R, record::Rollback> || std::is_same_v<R, record::Asked>;
    EXPECT_EQ(testing::undescribed<R>().size(), is_odd ? 1U : 0U) << flat::type_name<R>();
  });
  EXPECT_TRUE(testing::undescribed<JournalHeader>().empty());
  EXPECT_TRUE(testing::undescribed<record::Place>().empty());
}

TEST(Records, OfAKindThatThisVersionDoesNotKnowAreNone) {
  const std::vector<std::byte> known = encode(Record(record::Ticked{4, 3}));
  ASSERT_TRUE(decode(known));
  int unknown = 0;
  for (std::size_t at = 0; at < known.size(); ++at) {  // one of the bytes says which record it is
    std::vector<std::byte> other = known;
    if (other[at] != std::byte{11}) continue;
    other[at] = std::byte{200};
    if (!decode(other)) ++unknown;
  }
  EXPECT_GE(unknown, 1);
}

// The first record of a run of an older Hopscotch, whose journals did not say what the search asked for.
TEST_F(Journals, OfVersion1AreRefusedByName) {
  constexpr std::string_view kHex =
      "70000000a80e304300000000000000000c00000008000c00070008000800000000000001100000000c002c0004000800"
      "0c001c000c0000000100000024000000354f7f6cd61693a0243b31326f409d8e95f4c88af5fc417b313652cf100ee892"
      "1800000064656d6f2d3137393538363132363434353533333036393800000000";
  std::string bytes;
  for (std::size_t i = 0; i < kHex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(kHex.substr(i, 2)), nullptr, 16));
  }
  std::ofstream(path_, std::ios::binary) << bytes;
  EXPECT_THAT([&] { read_journal(path_); },
              ThrowsMessage<JournalError>(HasSubstr("expected format version 2, got 1: a journal of version 1")));
}

}  // namespace
}  // namespace hop::hopper
