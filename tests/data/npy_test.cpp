// .npy files, byte by byte: judged by the format's page, which tells how a header and elements are written.
#include "data/formats/npy.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "data/formats/format.h"
#include "data/formats/npy_array.h"
#include "data/prepare.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

template <class T>
std::string elements(std::initializer_list<T> values, bool swapped = false) {
  std::string text;
  for (const T value : values) {
    std::string one(sizeof(T), '\0');
    std::memcpy(one.data(), &value, sizeof(T));
    if (swapped) std::ranges::reverse(one);
    text += one;
  }
  return text;
}

// A file of a version, with the header padded to a multiple of 64 bytes as NumPy pads it.
std::string npy(const std::string& descr, const std::string& shape, const std::string& data, bool fortran = false,
                int version = 1) {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape + ", }";
  const std::size_t front = version == 1 ? 10 : 12;
  header += std::string(63 - (front + header.size()) % 64, ' ') + "\n";
  std::string text = "\x93NUMPY" + bytes({version, 0});
  for (std::size_t i = 0; i < front - 8; ++i) text += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return text + header + data;
}

class Npy : public testing::Test {
 protected:
  NpyArray array(const std::string& text) {
    write_file(folder_ / "a.npy", text);
    return NpyArray(folder_ / "a.npy");
  }
  std::string error_of(const std::string& text) {
    return message_of<DataError>([&] { (void)array(text); });
  }
  template <class T>
  std::vector<T> row(const NpyArray& a, std::int64_t index) {
    EXPECT_EQ(a.dtype(), dtype_of<T>());
    std::vector<T> values(static_cast<std::size_t>(a.row_shape().numel()));
    a.read(index, std::as_writable_bytes(std::span(values)));
    return values;
  }
  RawData open(const std::string& x, const std::string& y, std::optional<TargetKind> target = {}) {
    write_file(folder_ / "s" / "x.npy", x);
    write_file(folder_ / "s" / "y.npy", y);
    return open_npy(find_npy(folder_ / "s"), target);
  }
  std::string error_of(const std::string& x, const std::string& y) {
    return message_of<DataError>([&] { (void)open(x, y, TargetKind::classes); });
  }
  TemporaryFolder folder_;
};

TEST_F(Npy, ReadsEveryVersionAndBothOrders) {
  const std::string c = elements<float>({1, 2, 3, 4, 5, 6}), fortran = elements<float>({1, 4, 2, 5, 3, 6});
  for (const int version : {1, 2, 3}) {
    const NpyArray rows = array(npy("<f4", "(2, 3)", c, false, version));
    EXPECT_THAT(row<float>(rows, 0), ElementsAre(1, 2, 3)) << version;
    EXPECT_THAT(row<float>(rows, 1), ElementsAre(4, 5, 6)) << version;
    const NpyArray columns = array(npy("<f4", "(2, 3)", fortran, true, version));
    EXPECT_THAT(row<float>(columns, 0), ElementsAre(1, 2, 3)) << version;
    EXPECT_THAT(row<float>(columns, 1), ElementsAre(4, 5, 6)) << version;
  }
  // a[i, j, k] = 100 i + 10 j + k; the first index is the fastest
  std::string cube;
  for (int k = 0; k < 2; ++k) {
    for (int j = 0; j < 3; ++j) {
      for (int i = 0; i < 2; ++i) cube += elements<std::int32_t>({100 * i + 10 * j + k});
    }
  }
  const NpyArray a = array(npy("<i4", "(2, 3, 2)", cube, true));
  EXPECT_EQ(a.row_shape(), (Shape{3, 2}));
  EXPECT_THAT(row<std::int32_t>(a, 1), ElementsAre(100, 101, 110, 111, 120, 121));
}

TEST_F(Npy, ReadsEveryElementInBothByteOrders) {
  const auto one = [&]<class From, class To>(const char* descr, From value, To right) {
    for (const bool swapped : {false, true}) {
      const std::string text = std::string(swapped ? ">" : "<") + descr;
      const NpyArray a = array(npy(text, "(1, 2)", elements<From>({From{}, value}, swapped)));
      EXPECT_THAT(row<To>(a, 0), ElementsAre(To{}, right)) << text;
    }
  };
  one("u1", std::uint8_t{200}, std::uint8_t{200});
  one("u2", std::uint16_t{60'000}, std::int32_t{60'000});
  one("u4", std::uint32_t{4'000'000'000}, std::int64_t{4'000'000'000});
  one("u8", std::uint64_t{1} << 62, std::int64_t{1} << 62);
  one("i1", std::int8_t{-100}, std::int32_t{-100});
  one("i2", std::int16_t{-30'000}, std::int32_t{-30'000});
  one("i4", std::int32_t{-2'000'000'000}, std::int32_t{-2'000'000'000});
  one("i8", std::int64_t{-3'000'000'000'000}, std::int64_t{-3'000'000'000'000});
  one("f4", -1.5e-30F, -1.5e-30F);
  one("f8", 1e300, 1e300);
  EXPECT_THAT(row<float>(array(npy("|b1", "(1, 3)", bytes({0, 1, 255}))), 0), ElementsAre(0, 1, 1));
  EXPECT_THAT(message_of<DataError>([&] {
                row<std::int64_t>(array(npy("<u8", "(1, 1)", elements<std::uint64_t>({std::uint64_t{1} << 63}))), 0);
              }),
              HasSubstr("below 2^63"));
}

TEST_F(Npy, ReadsHalfPrecision) {
  // 1, -2, the largest, the smallest normal and subnormal ones, -0, infinity: IEEE 754, binary16
  const std::string data = elements<std::uint16_t>({0x3C00, 0xC000, 0x7BFF, 0x0400, 0x0001, 0x8000, 0x7C00, 0x7E00});
  const std::vector<float> values = row<float>(array(npy("<f2", "(1, 8)", data)), 0);
  EXPECT_THAT(std::vector(values.begin(), values.begin() + 7),
              ElementsAre(1, -2, 65504, 0x1p-14F, 0x1p-24F, 0, std::numeric_limits<float>::infinity()));
  EXPECT_TRUE(std::signbit(values[5]));
  EXPECT_TRUE(std::isnan(values[7]));
}

TEST_F(Npy, SaysWhatIsWrongWithAFile) {
  const std::string data = elements<float>({1, 2});
  EXPECT_THAT(error_of("a,b\n1,2,3,4,5,6\n"), AllOf(HasSubstr("expected a .npy file"), HasSubstr("a.npy")));
  EXPECT_THAT(error_of("\x93NUMPY"), HasSubstr("expected a .npy file"));
  EXPECT_THAT(error_of(npy("<f4", "(1, 2)", data, false, 4)), HasSubstr("version 1, 2 or 3, got 4"));
  EXPECT_THAT(error_of(npy("<f4", "(1, 2)", data).substr(0, 60)), HasSubstr("a header of"));
  EXPECT_THAT(error_of(npy("<f4", "(1, 3)", data)), HasSubstr("expected 12 bytes of elements, got 8"));
  EXPECT_THAT(error_of(npy("<f4", "()", elements<float>({1}))), HasSubstr("a single number"));
  EXPECT_THAT(error_of(npy("<c8", "(1, 1)", data)), HasSubstr("got \"<c8\""));
  EXPECT_THAT(error_of(npy("|O", "(1, 1)", data)), HasSubstr("got \"|O\""));
  EXPECT_THAT(error_of(npy("<U5", "(1, 1)", data)), HasSubstr("got \"<U5\""));
  EXPECT_THAT(error_of(npy("<f4", "(9223372036854775807, 4611686018427387904)", data)), HasSubstr("fits a file"));
  EXPECT_THAT(error_of(npy("<f4", "(0, 4611686018427387904)", "")), HasSubstr("sizes of at least 1"));
  EXPECT_THAT(error_of(npy("<f4", "(1, -2)", data)), HasSubstr("a size"));
  for (const char* header :
       {"", "{", "{}", "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", "{'descr': '<f4', 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", "{'desc': '<f4'}", "{'descr",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2", "{'shape': (1,1,1,1,1,1,1,1,1)}"}) {
    EXPECT_THROW((void)parse_npy_header(header), DataError) << header;
  }
  EXPECT_EQ(parse_npy_header("{\"shape\":(7L,),'fortran_order':True,'descr':'>i2'}\n").shape, Shape{7});
}

TEST_F(Npy, OpensFeaturesAndLabels) {
  const std::string x = npy("<f4", "(3, 2)", elements<float>({1, 2, 3, 4, 5, 6}));
  const RawData raw = open(x, npy("<i8", "(3,)", elements<std::int64_t>({2, 0, 1})));
  EXPECT_EQ(raw.format, "npy");
  EXPECT_EQ(raw.train->classes(), 3);
  EXPECT_EQ(raw.train->feature_shape(), Shape{2});
  EXPECT_EQ(raw.files[0], (SourceFile{"x.npy", x.size(), xxh3_128(as_bytes(x))}));
  std::vector<float> features(2);
  EXPECT_EQ(raw.train->read(1, std::as_writable_bytes(std::span(features))), 0);
  EXPECT_THAT(features, ElementsAre(3, 4));
  EXPECT_EQ(open(x, npy("|b1", "(3, 1)", bytes({1, 0, 1}))).train->classes(), 2);
  EXPECT_EQ(open(x, npy("<f8", "(3,)", elements<double>({1, 0, 4}))).train->classes(), 5);
}

TEST_F(Npy, RefusesLabelsThatAreNoClasses) {
  const std::string x = npy("<f4", "(2, 1)", elements<float>({1, 2}));
  EXPECT_THAT(error_of(x, npy("<f4", "(2,)", elements<float>({1, 0.5F}))),
              AllOf(HasSubstr("got 0.5 (row 1)"), HasSubstr("regression"), HasSubstr("y.npy")));
  EXPECT_THAT(error_of(x, npy("<f4", "(2,)", elements<float>({NAN, 1}))), HasSubstr("got nan"));
  EXPECT_THAT(error_of(x, npy("<i4", "(2,)", elements<std::int32_t>({0, -1}))), HasSubstr("got -1 (row 1)"));
  EXPECT_THAT(error_of(x, npy("<i4", "(2,)", elements<std::int32_t>({10'000, 1}))), HasSubstr("from 0 to 9999"));
  EXPECT_THAT(error_of(x, npy("<i4", "(2, 2)", elements<std::int32_t>({0, 1, 1, 0}))), HasSubstr("(rows, 1)"));
  EXPECT_THAT(error_of(x, npy("<i4", "(1,)", elements<std::int32_t>({0}))), HasSubstr("expected 2 labels"));
  EXPECT_THAT(error_of(npy("<f4", "(2,)", elements<float>({1, 2})), npy("|u1", "(2,)", bytes({0, 1}))),
              HasSubstr("features (rows, ...)"));
  open(x, npy("|u1", "(2,)", bytes({0, 1})));
  write_file(folder_ / "s" / "x_test.npy", x);
  write_file(folder_ / "s" / "y_test.npy", npy("|u1", "(2,)", bytes({0, 2})));
  EXPECT_THAT(message_of<DataError>([&] { (void)open_npy(find_npy(folder_ / "s")); }),
              AllOf(HasSubstr("below 2, got 2 (row 1)"), HasSubstr("y_test.npy")));
}

TEST_F(Npy, FindsItsFiles) {
  EXPECT_THAT(find_npy(folder_.path()), IsEmpty());
  write_file(folder_ / "x.npy", "");
  EXPECT_THAT(message_of<DataError>([&] { (void)find_npy(folder_.path()); }), HasSubstr("expected y.npy beside x.npy"));
  write_file(folder_ / "y.npy", "");
  EXPECT_THAT(find_npy(folder_.path()), ElementsAre(folder_ / "x.npy", folder_ / "y.npy"));
  for (const char* name : {"x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"}) write_file(folder_ / name, "");
  EXPECT_THAT(find_npy(folder_.path()), ElementsAre(folder_ / "x_train.npy", folder_ / "y_train.npy",
                                                    folder_ / "x_test.npy", folder_ / "y_test.npy"));
  EXPECT_EQ(detect_format(folder_.path()).name, "npy");
  EXPECT_THROW((void)open_npy(std::vector{folder_ / "x.npy"}), DataError);
}

TEST_F(Npy, BecomesADataSetThatIsScaledByColumn) {
  open(npy("<f8", "(4, 2)", elements<double>({0, 5, 2, 5, 4, 5, 9, 9}), true), npy("|u1", "(4,)", bytes({0, 1, 0, 1})));
  const Dataset dataset = prepare_dataset(
      {.source = (folder_ / "s").string(), .partitions = 1, .validation = Validation::tail(1)}, folder_ / "out");
  // Fortran order: the columns are 0 5 2 | 5 and 4 5 9 | 9
  EXPECT_NEAR(dataset.scale().columns()[0].scale.offset, 7.0 / 3, 1e-12);
  EXPECT_NEAR(dataset.scale().columns()[1].scale.offset, 6, 1e-12);
  EXPECT_EQ(dataset.feature_dtype(), DType::f64);
  EXPECT_FALSE(dataset.manifest().table.has_value());
}

TEST_F(Npy, AFeatureThatIsNoNumberIsNamed) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  const std::string y = npy("<i8", "(3,)", elements<std::int64_t>({0, 1, 0}));
  const auto refusal = [&](const std::string& x) {
    return message_of<DataError>([&] {
      const RawData raw = open(x, y);
      write_dataset(raw, folder_ / "d", {.partitions = 1});
    });
  };
  EXPECT_THAT(refusal(npy("<f4", "(3, 2)", elements<float>({1, 2, 3, kNan, 5, 6}))),
              AllOf(HasSubstr("got nan (row 1, element 1)"), HasSubstr("nan_to_num"), HasSubstr("x.npy")));
  EXPECT_THAT(refusal(npy("<f4", "(3, 2)", elements<float>({1, 2, 3, 4, -kInf, 6}))), HasSubstr("got -inf (row 2"));
  EXPECT_THAT(refusal(npy("<f8", "(3, 1)", elements<double>({1, kNan, 3}))), HasSubstr("got nan (row 1, element 0)"));
}

}  // namespace
}  // namespace hop::data
