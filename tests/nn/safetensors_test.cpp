// safetensors: round trips, a file that HuggingFace's own writer made, and hostile files.
#include "nn/safetensors.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "nn/init.h"
#include "nn/layers.h"
#include "tests/nn/support.h"
#include "tests/source_tree.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A file with this header text and so many bytes of data.
std::vector<std::byte> file_of(const std::string& header, std::size_t data_bytes) {
  std::vector<std::byte> bytes(8 + header.size() + data_bytes);
  const std::uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  std::memcpy(bytes.data() + 8, header.data(), header.size());
  return bytes;
}

std::string error_of(const std::string& header, std::size_t data_bytes) {
  return message_of<StateError>([&] { decode_safetensors(file_of(header, data_bytes), "f"); });
}

std::string entry(const char* dtype, const char* shape, std::uint64_t begin, std::uint64_t end) {
  return std::string("{\"dtype\":\"") + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

TEST(Safetensors, ReturnsEveryDtypeShapeAndTheMetadata) {
  const StateDict sent{{"f32", Tensor::from<float>({1.5F, -2}, {2, 1})},
                       {"f64", Tensor::from<double>({0.1}, {})},
                       {"i64", Tensor::from<std::int64_t>({-7}, {1})},
                       {"i32", Tensor::from<std::int32_t>({3, 4}, {2})},
                       {"u8", Tensor::from<std::uint8_t>({255}, {1, 1})},
                       {"bool", Tensor::from<bool>({true, false, true}, {3})},
                       {"empty", kernels::zeros({0, 4})}};
  const Safetensors got = decode_safetensors(encode_safetensors(sent, {{"epoch", "10"}}), "f");
  EXPECT_EQ(got.metadata, (SafetensorsMetadata{{"epoch", "10"}}));
  ASSERT_EQ(got.tensors.size(), sent.size());
  for (const NamedTensor& s : sent) {
    const auto found = std::ranges::find(got.tensors, s.name, &NamedTensor::name);
    ASSERT_NE(found, got.tensors.end()) << s.name;
    EXPECT_EQ(found->tensor.dtype(), s.tensor.dtype()) << s.name;
    EXPECT_EQ(found->tensor.shape(), s.tensor.shape()) << s.name;
    EXPECT_EQ(bits(found->tensor), bits(s.tensor)) << s.name;
  }
}

TEST(Safetensors, WritesViewsInRowMajorOrder) {
  const Tensor t = transpose(Tensor::from<float>({1, 2, 3, 4}, {2, 2}), 0, 1);
  EXPECT_THAT(values(decode_safetensors(encode_safetensors({{"t", t}}), "f").tensors[0].tensor),
              ElementsAre(1, 3, 2, 4));
}

TEST(Safetensors, StartsEveryTensorOnAMultipleOfItsElementSize) {
  const StateDict odd{
      {"a", kernels::zeros({3}, DType::u8)}, {"b", kernels::zeros({1})}, {"c", kernels::zeros({}, DType::i64)}};
  const std::vector<std::byte> bytes = encode_safetensors(odd);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0U);
  const auto header = nlohmann::json::parse(as_text(ByteView(bytes).subspan(8, length)));
  EXPECT_EQ(header["c"]["data_offsets"], (std::vector<int>{0, 8}));
  EXPECT_EQ(header["b"]["data_offsets"], (std::vector<int>{8, 12}));
  EXPECT_EQ(header["a"]["data_offsets"], (std::vector<int>{12, 15}));
}

TEST(Safetensors, ReadsAFileOfTheReferenceWriter) {
  const Safetensors file = load_safetensors(source_directory() / "tests/nn/golden/golden.safetensors");
  EXPECT_THAT(file.metadata.at("torch"), HasSubstr("2."));
  EXPECT_EQ(golden("embedding.weight").shape(), (Shape{6, 3}));
  EXPECT_EQ(golden("batch_norm2d.num_batches_tracked").dtype(), DType::i64);
}

TEST(Safetensors, MovesAModuleThroughAFile) {
  TemporaryFolder folder;
  Sequential from(Linear(3, 2), BatchNorm1d(2)), into(Linear(3, 2), BatchNorm1d(2)), other(Linear(3, 2));
  init_parameters(from, 1);
  init_parameters(into, 2);
  save(from, folder / "m.safetensors", {{"made_by", "test"}});
  load(into, folder / "m.safetensors");
  for (std::size_t i = 0; i < from.state_dict().size(); ++i) {
    EXPECT_EQ(bits(into.state_dict()[i].tensor), bits(from.state_dict()[i].tensor));
  }
  EXPECT_THAT(message_of<StateError>([&] { load(other, folder / "m.safetensors"); }), HasSubstr("unexpected: "));
  EXPECT_EQ(load(other, folder / "m.safetensors", /*strict=*/false).unexpected.size(), 5U);
}

TEST(Safetensors, RefusesNamesThatCannotBeWritten) {
  const Tensor t = kernels::zeros({1});
  EXPECT_THROW(encode_safetensors({{"a", t}, {"a", t}}), StateError);
  EXPECT_THROW(encode_safetensors({{"__metadata__", t}}), StateError);
  EXPECT_THROW(encode_safetensors({{"\xFF", t}}), StateError);
}

// One tensor "t" of these bytes, loaded: its dtype's name and its values.
std::string loaded(const char* dtype, std::size_t element_bytes, const std::string& data) {
  const std::size_t count = data.size() / element_bytes;
  const std::string shape = "[" + std::to_string(count) + "]";
  std::vector<std::byte> file = file_of("{\"t\":" + entry(dtype, shape.c_str(), 0, data.size()) + "}", data.size());
  std::memcpy(file.data() + file.size() - data.size(), data.data(), data.size());
  const Tensor t = decode_safetensors(file, "f").tensors[0].tensor;
  std::string text(name(t.dtype()));
  for (const double value : values(t)) text += " " + nlohmann::json(value).dump();
  return text;
}

template <class T>
std::string bytes_of(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(std::data(values)), values.size() * sizeof(T)};
}

// The right values are those of torch.tensor(bits).view(dtype).
TEST(Safetensors, LoadsEachDtypeInOneThatHoldsItsValues) {
  using u8 = std::uint8_t;
  using u16 = std::uint16_t;
  EXPECT_EQ(loaded("F16", 2, bytes_of<u16>({0x3C00, 0xC000, 0x0001, 0x03FF, 0x0400, 0x7BFF, 0x8000, 0x3555})),
            "f16 1.0 -2.0 5.960464477539063e-08 6.097555160522461e-05 6.103515625e-05 65504.0 -0.0 0.333251953125");
  EXPECT_EQ(loaded("F16", 2, bytes_of<u16>({0x7C00, 0xFC00, 0x7E00})), "f16 null null null");  // inf, -inf, nan
  EXPECT_EQ(loaded("BF16", 2, bytes_of<u16>({0x3F80, 0xC049, 0x0001})), "bf16 1.0 -3.140625 9.183549615799121e-41");
  EXPECT_EQ(loaded("F8_E4M3", 1, bytes_of<u8>({0x38, 0xB8, 0x7E, 0x01, 0x08, 0x7F})),
            "f32 1.0 -1.0 448.0 0.001953125 0.015625 null");
  EXPECT_EQ(loaded("F8_E5M2", 1, bytes_of<u8>({0x3C, 0x7B, 0x01, 0x7C, 0x7E})),
            "f32 1.0 57344.0 1.52587890625e-05 null null");
  EXPECT_EQ(loaded("I8", 1, bytes_of<std::int8_t>({-128, 127})), "i32 -128.0 127.0");
  EXPECT_EQ(loaded("I16", 2, bytes_of<std::int16_t>({-32768, 32767})), "i32 -32768.0 32767.0");
  EXPECT_EQ(loaded("U16", 2, bytes_of<u16>({0, 65535})), "i32 0.0 65535.0");
  EXPECT_EQ(loaded("U32", 4, bytes_of<std::uint32_t>({4294967295U})), "i64 4294967295.0");
  EXPECT_EQ(loaded("U64", 8, bytes_of<std::uint64_t>({1ULL << 40})), "i64 1099511627776.0");
  EXPECT_THAT(message_of<StateError>([] { loaded("U64", 8, bytes_of<std::uint64_t>({1ULL << 63})); }),
              HasSubstr("that fit into i64"));
}

TEST(Safetensors, KeepsTheBytesOfHalfPrecision) {
  const Tensor f16 = Tensor::empty({2, 2}, DType::f16), bf16 = Tensor::empty({3}, DType::bf16);
  const std::uint16_t halves[] = {0x3C01, 0x8001, 0x7E5A, 0xFC00}, brains[] = {0x3F81, 0x7FC1, 0x0001};
  std::memcpy(f16.raw_data(), halves, sizeof halves);
  std::memcpy(bf16.raw_data(), brains, sizeof brains);
  const std::vector<std::byte> file = encode_safetensors({{"a", f16}, {"b", bf16}, {"column", slice(f16, 1, 0, 1)}});
  const StateDict got = decode_safetensors(file, "f").tensors;
  ASSERT_EQ(got.size(), 3U);
  EXPECT_EQ(got[0].tensor.dtype(), DType::f16);
  EXPECT_EQ(bits(got[0].tensor), bits(f16));
  EXPECT_EQ(got[1].tensor.dtype(), DType::bf16);
  EXPECT_EQ(bits(got[1].tensor), bits(bf16));
  EXPECT_EQ(bits(got[2].tensor), bytes_of<std::uint16_t>({0x3C01, 0x7E5A}));
}

TEST(Safetensors, MakesBooleansOfAnyByte) {
  const std::string data = bytes_of<std::uint8_t>({0, 1, 2, 255});
  std::vector<std::byte> file = file_of("{\"t\":" + entry("BOOL", "[4]", 0, 4) + "}", 4);
  std::memcpy(file.data() + file.size() - 4, data.data(), 4);
  EXPECT_EQ(bits(decode_safetensors(file, "f").tensors[0].tensor), std::string("\0\1\1\1", 4));
}

TEST(Safetensors, LoadsHalfPrecisionIntoAModule) {
  TemporaryFolder folder;
  const std::string data = bytes_of<std::uint16_t>({0x3C00, 0x4000, 0xBC00});
  std::vector<std::byte> file =
      file_of("{\"weight\":" + entry("F16", "[1,2]", 0, 4) + ",\"bias\":" + entry("BF16", "[1]", 4, 6) + "}", 6);
  std::memcpy(file.data() + file.size() - 6, data.data(), 6);
  std::ofstream(folder / "m.safetensors", std::ios::binary)
      .write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
  Linear fc(2, 1);
  load(fc, folder / "m.safetensors");
  EXPECT_THAT(values(fc.weight), ElementsAre(1, 2));
  EXPECT_THAT(values(fc.bias), ElementsAre(-0.0078125));
}

TEST(Safetensors, SkipsAnUnknownDtypeUnlessStrict) {
  const std::string header =
      "{\"a\":" + entry("F4", "[3]", 0, 2) + ",\"b\":" + entry("U8", "[1]", 2, 3) + ",\"__metadata__\":null}";
  EXPECT_THAT(error_of(header, 3), HasSubstr("for tensor \"a\", got F4; strict = false skips it"));
  const Safetensors file = decode_safetensors(file_of(header, 3), "f", /*strict=*/false);
  EXPECT_THAT(file.skipped, ElementsAre("a"));
  ASSERT_EQ(file.tensors.size(), 1U);
  EXPECT_EQ(file.tensors[0].name, "b");
}

TEST(Safetensors, SaysHowToConvertWhatTorchSaved) {
  for (const std::string& start : {std::string("PK\x03\x04"), std::string("\x80\x02\x8a\x0a")}) {
    const std::string text = start + std::string(100, '\0');
    EXPECT_THAT(message_of<StateError>([&] { decode_safetensors(as_bytes(text), "models/x.pt"); }),
                HasSubstr("save_file({k: v.clone().contiguous() for k, v in torch.load(\"x.pt\", weights_only=True)"));
  }
  const std::string header = "{\"t\":" + entry("U8", "[0]", 0, 0) + "}";  // its length may start as a pickle does
  EXPECT_NO_THROW(decode_safetensors(file_of(header + std::string(0x280 - header.size(), ' '), 0), "f"));
}

TEST(Safetensors, RefusesAHeaderThatIsNone) {
  const std::vector<std::byte> short_file(7);
  EXPECT_EQ(message_of<StateError>([&] { decode_safetensors(short_file, "f"); }),
            "[safetensors] expected a header length of 8 bytes, got 7 (f)");
  std::vector<std::byte> bytes = file_of("{}", 0);
  bytes[0] = std::byte{3};
  EXPECT_EQ(message_of<StateError>([&] { decode_safetensors(bytes, "f"); }),
            "[safetensors] expected a header of 3 bytes, got 2 (f)");
  bytes[7] = std::byte{0xFF};
  EXPECT_THAT(message_of<StateError>([&] { decode_safetensors(bytes, "f"); }), HasSubstr("at most 100,000,000 bytes"));
  for (const char* text : {"", "[]", "{", "3", "{\"a\":3}", "{\"a\":{}}", "nul"}) {
    EXPECT_THAT(error_of(text, 0), HasSubstr("[safetensors] expected")) << text;
  }
  EXPECT_THAT(error_of(std::string(100'000, '['), 0), HasSubstr("[safetensors] expected"));
  EXPECT_THAT(error_of("{\"a\":\"\xFF\"}", 0), HasSubstr("JSON"));
}

TEST(Safetensors, RefusesOverlapsHolesAndLeftOvers) {
  const std::string a = "{\"a\":" + entry("U8", "[4]", 0, 4) + ",\"b\":";
  EXPECT_EQ(error_of(a + entry("U8", "[4]", 2, 6) + "}", 6),
            "[safetensors] expected tensor \"b\" to start at byte 4 of the data, got 2 (f)");
  EXPECT_EQ(error_of(a + entry("U8", "[4]", 5, 9) + "}", 9),
            "[safetensors] expected tensor \"b\" to start at byte 4 of the data, got 5 (f)");
  EXPECT_EQ(error_of(a + entry("U8", "[4]", 4, 8) + "}", 9), "[safetensors] expected 8 bytes of data, got 9 (f)");
  EXPECT_EQ(error_of(a + entry("U8", "[4]", 4, 8) + "}", 7), "[safetensors] expected 8 bytes of data, got 7 (f)");
  EXPECT_EQ(error_of("{\"a\":" + entry("U8", "[4]", 0, 4) + ",\"a\":" + entry("U8", "[4]", 0, 4) + "}", 4),
            "[safetensors] expected each name once in the header (f)");
}

TEST(Safetensors, RefusesEntriesThatContradictThemselves) {
  const auto refuse = [](const std::string& e) { return error_of("{\"a\":" + e + "}", 8); };
  const std::string where = " (tensor \"a\", f)";
  EXPECT_EQ(refuse(entry("F32", "[3]", 0, 8)),
            "[safetensors] expected 12 bytes for shape (3), got offsets 0..8" + where);
  EXPECT_EQ(refuse(entry("F32", "[2]", 8, 0)),
            "[safetensors] expected data_offsets in order, got offsets 8..0" + where);
  EXPECT_EQ(refuse(entry("F32", "[-2]", 0, 8)), "[safetensors] expected a whole number of at least 0, got -2" + where);
  EXPECT_EQ(refuse(entry("F32", "[2.0]", 0, 8)),
            "[safetensors] expected a whole number of at least 0, got 2.0" + where);
  EXPECT_EQ(refuse(entry("F32", "[4294967296,4294967296]", 0, 8)),
            "[safetensors] expected fewer than 2^59 elements, got shape (4294967296, 4294967296)" + where);
  EXPECT_EQ(refuse(entry("F32", "[4611686018427387904,0,2]", 0, 0)),
            "[safetensors] expected sizes below 2^62, got 4611686018427387904" + where);
  EXPECT_EQ(refuse(entry("F32", "[1,1,1,1,1,1,1,1,2]", 0, 8)),
            "[safetensors] expected a shape of at most 8 sizes" + where);
  EXPECT_EQ(refuse("{\"dtype\":\"U8\",\"shape\":[8]}"), "[safetensors] expected dtype, shape and data_offsets" + where);
  EXPECT_EQ(error_of("{\"__metadata__\":{\"a\":1}}", 0), "[safetensors] expected texts in __metadata__ (f)");
}

}  // namespace
}  // namespace hop::nn
