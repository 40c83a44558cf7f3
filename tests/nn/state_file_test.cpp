// Saved states: round trip, and that no damaged or foreign file gets in.
#include "nn/state_file.h"

#include <fstream>

#include "nn/detail/state_format.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/adam.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::HasSubstr;

std::string read_all(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_all(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

struct StateFile : ::testing::Test {
  Linear model{3, 2};
  optim::Adam adam{model.named_parameters()};
  StateBlock block{model, &adam};
  TemporaryFolder folder;
  std::filesystem::path path = folder / "3.hop";
  StateBytes into = block.make_bytes();

  StateFile() {
    init_parameters(model, 1);
    block.counters().epoch = 7;
  }
  StateHeader header() const {
    return {.identity = "layer linear 2\n", .layout = block.layout(), .metrics = {{"loss", "0.5"}, {"loss", "again"}}};
  }
  Digest save() { return save_state(path, header(), block.bytes(), {.sync = false}); }
  std::string load_error() {
    return message_of<StateError>([&] { load_state(path, block.layout(), into->span()); });
  }
};

TEST_F(StateFile, ReturnsWhatWasSaved) {
  const Digest digest = save();
  EXPECT_EQ(digest, block.digest());
  const StateHeader loaded = load_state(path, block.layout(), into->span());
  EXPECT_EQ(loaded.identity, "layer linear 2\n");
  EXPECT_EQ(loaded.layout, block.layout());
  EXPECT_EQ(loaded.metrics, header().metrics);
  EXPECT_EQ(loaded.digest, digest);
  EXPECT_TRUE(std::ranges::equal(into->span(), block.bytes()));
  EXPECT_EQ(read_state_header(path).digest, digest);
}

TEST_F(StateFile, KeepsTheBlockAlignedInTheFileAndLeavesNoOtherFile) {
  save();
  save_state(path, header(), block.bytes(), {.sync = true});  // replaces
  const std::string file = read_all(path);
  EXPECT_EQ((file.size() - block.layout().bytes) % kAlignment, 0U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST_F(StateFile, NoticesEveryFlippedBit) {
  save();
  const std::string file = read_all(path);
  std::fstream in_place(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto put = [&](std::size_t byte, int value) {
    in_place.seekp(static_cast<std::streamoff>(byte)).put(static_cast<char>(value)).flush();
  };
  for (std::size_t byte = 0; byte < file.size(); ++byte) {
    put(byte, file[byte] ^ (1 << (byte % 8)));
    ASSERT_THAT(load_error(), HasSubstr(path.string())) << "byte " << byte;
    put(byte, file[byte]);
  }
  EXPECT_EQ(load_error(), "no error");
}

TEST_F(StateFile, NoticesTruncationAtEveryByteAndTrailingBytes) {
  save();
  const std::string file = read_all(path);
  for (std::size_t size = file.size(); size-- > 0;) {
    std::filesystem::resize_file(path, size);
    ASSERT_THAT(load_error(), HasSubstr("at byte")) << size;
  }
  write_all(path, file + "x");
  EXPECT_THAT(load_error(), HasSubstr("at byte"));
}

TEST_F(StateFile, NamesTheProblemAndThePlace) {
  EXPECT_EQ(load_error(), "[file] cannot open " + path.string() + ": No such file or directory");
  write_all(path, "short");
  EXPECT_EQ(load_error(),
            "[state] expected a state file of at least 64 bytes, got 5 (" + path.string() + " at byte 0)");
  save();
  std::string file = read_all(path);
  file[0] = 'X';
  write_all(path, file);
  EXPECT_EQ(load_error(), "[state] expected the magic HOPSTATE (" + path.string() + " at byte 0)");
  file[0] = 'H';
  file[8] = 2;
  write_all(path, file);
  EXPECT_EQ(load_error(), "[state] expected format version 1, got 2 (" + path.string() + " at byte 8)");
}

TEST_F(StateFile, RejectsTheStateOfAnotherModel) {
  save();
  Linear other(3, 4);
  const StateLayout layout = StateBlock(other).layout();
  AlignedBuffer bytes(layout.bytes);
  EXPECT_THAT(message_of<StateError>([&] { load_state(path, layout, bytes.span()); }),
              HasSubstr("expected segment 1 to be \"weight\" f32 (4, 3)"));
}

TEST_F(StateFile, AFailedWriteLeavesTheOldFileAndNoTemporaryOne) {
  save();
  const std::string before = read_all(path);
  EXPECT_THROW(save_state(path, header(), block.bytes().first(64)), StateError);
  EXPECT_EQ(read_all(path), before);
  EXPECT_EQ(message_of<StateError>([&] { save_state(folder / "no" / "3.hop", header(), block.bytes()); }).substr(0, 20),
            "[file] cannot create");
  std::filesystem::create_directory(folder / "taken");
  EXPECT_THROW(save_state(folder / "taken", header(), block.bytes(), {.sync = false}), StateError);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 2);
}

TEST_F(StateFile, TheHeaderTravelsAlone) {
  StateHeader sent = header();
  sent.digest = block.digest();
  const std::vector<std::byte> wire = encode_state_header(sent);
  const StateHeader got = decode_state_header(wire, "peer 2");
  EXPECT_EQ(got.layout, sent.layout);
  EXPECT_EQ(got.digest, sent.digest);
  EXPECT_EQ(got.metrics, sent.metrics);
}

// A value of every compiler: the order of a call's arguments must not show in the bytes.
TEST_F(StateFile, TheHeaderHasTheSameBytesWhoeverCompilesIt) {
  EXPECT_EQ(xxh3_128(encode_state_header(header())).hex(), "56e693f9b0bed1e348df534132d9b428");
}

// A peer may send any bytes. They give an error of ours or a header that makes sense, never a crash or a huge
// allocation.
TEST_F(StateFile, AHostileHeaderIsRefusedOrConsistent) {
  const std::vector<std::byte> wire = encode_state_header(header());
  for (std::size_t size = 0; size < wire.size(); ++size) {
    EXPECT_THROW(decode_state_header(ByteView(wire).first(size), "peer"), StateError) << size;
  }
  int refused = 0;
  for (std::size_t byte = 0; byte < wire.size(); ++byte) {
    for (const int value : {0x00, 0x01, 0x7F, 0x80, 0xFF}) {
      std::vector<std::byte> damaged = wire;
      damaged[byte] = static_cast<std::byte>(value);
      try {
        const StateHeader got = decode_state_header(damaged, "peer");
        for (const Segment& s : got.layout.segments) {
          ASSERT_LE(s.offset + s.bytes, got.layout.bytes);
          ASSERT_EQ(s.bytes, static_cast<std::uint64_t>(s.shape.numel()) * size_of(s.dtype));
        }
      } catch (const StateError&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 100);
}

TEST_F(StateFile, RefusesSegmentsThatOverlapLeaveTheBlockOrOverflow) {
  const auto refuse = [&](auto change) {
    StateHeader h = header();
    change(h.layout);
    return message_of<StateError>([&] { decode_state_header(encode_state_header(h), "peer 2"); });
  };
  const std::string inside = "[state] expected segment 2 inside the block, after the one before it (peer 2)";
  EXPECT_EQ(refuse([](StateLayout& l) { l.segments[2].offset = 64; }), inside);
  EXPECT_EQ(refuse([](StateLayout& l) { l.segments[2].offset += 1; }), inside);
  EXPECT_EQ(refuse([](StateLayout& l) { l.segments[2].offset = ~std::uint64_t{63}; }), inside);
  EXPECT_EQ(refuse([](StateLayout& l) { l.segments[2].shape = {1'000'000}; }), inside);
  const std::string huge = "[state] expected segment 2 of fewer than 2^59 elements (peer 2)";
  EXPECT_EQ(refuse([](StateLayout& l) { l.segments[2].shape = {std::int64_t{1} << 40, std::int64_t{1} << 40}; }), huge);
  EXPECT_EQ(refuse([](StateLayout& l) { l.segments[2].shape = {-1}; }), huge);
}

TEST_F(StateFile, HoldsModelsOfThousandsOfLayers) {
  Sequential deep;
  for (int i = 0; i < 3'000; ++i) deep.push_back(Linear(1, 1));
  const StateHeader sent{.identity = "deep", .layout = StateBlock(deep).layout()};
  EXPECT_EQ(decode_state_header(encode_state_header(sent), "peer").layout, sent.layout);
}

}  // namespace
}  // namespace hop::nn
