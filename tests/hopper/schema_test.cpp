// The bytes of messages and records, judged by FlatBuffers' own compiler: it reads them by the schema docs/hopper.fbs,
// and writes the same bytes from what it has read.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "hopper/detail/flat.h"
#include "tests/hopper/described.h"
#include "tests/hopper/schema_page.h"
#include "tests/source_tree.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kPage = source_directory() / "docs/hopper.fbs";

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Schema, IsThatOfTheStructs) {
  const std::string text = testing::SchemaPage().text();
  if (std::getenv("HOP_WRITE_PAGES") != nullptr) std::ofstream(kPage) << text;
  EXPECT_EQ(content(kPage), text) << "write it anew: HOP_WRITE_PAGES=1 hopper_test --gtest_filter=Schema.*";
}

// A described struct as the JSON that flatc makes of it.
class AsJson {
 public:
  void operator()(const char* name, const auto& value, const auto&...) { add(name, value); }
  json object = json::object();

 private:
  void add(const std::string& name, flat::Scalar auto value) { object[name] = flat::raw(value); }
  void add(const std::string& name, bool value) { object[name] = value; }
  void add(const std::string& name, const std::string& value) { object[name] = value; }
  void add(const std::string& name, const Config& value) { object[name] = value.to_json(); }
  void add(const std::string& name, const Digest& value) { object[name] = {{"low", value.low}, {"high", value.high}}; }
  void add(const std::string& name, const std::array<std::uint64_t, 4>& v) {
    object[name] = {{"a", v[0]}, {"b", v[1]}, {"c", v[2]}, {"d", v[3]}};
  }
  template <class T>
  void add(const std::string& name, const std::optional<T>& value) {
    if (value) add(name, *value);
  }
  template <class T>
  void add(const std::string& name, const std::vector<T>& values) {
    json& list = object[name] = json::array();
    for (const T& value : values) {
      AsJson one;
      one("element", value);
      list.push_back(one.object["element"]);
    }
  }
  template <class... T>
  void add(const std::string& name, const std::variant<T...>& value) {
    std::visit(
        [&]<class V>(const V& v) {
          object[name + "_type"] = flat::type_name<V>();
          add(name, v);
        },
        value);
  }
  template <flat::Described T>
  void add(const std::string& name, const T& value) {
    AsJson nested;
    T::describe(value, nested);
    object[name] = nested.object;
  }
};

class Flatc : public ::testing::Test {
 protected:
  template <class T>
  void judge(const T& value) {
    const std::string name(flat::type_name<T>());
    const std::vector<std::byte> bytes = flat::encode(value);
    const std::string ours(as_text(bytes));
    std::ofstream(folder_ / "x.bin", std::ios::binary) << ours;
    const std::string flatc =
        HOP_FLATC " --strict-json --root-type hop.hopper." + name + " -o " + folder_.path().string();
    ASSERT_EQ(std::system((flatc + " --json --raw-binary " + kPage.string() + " -- " + path("x.bin")).c_str()), 0)
        << name;
    AsJson expected;
    T::describe(value, expected);
    EXPECT_EQ(json::parse(content(folder_ / "x.json")), expected.object) << name;
    fs::remove(folder_ / "x.bin");
    ASSERT_EQ(std::system((flatc + " --binary " + kPage.string() + " " + path("x.json")).c_str()), 0) << name;
    EXPECT_EQ(content(folder_ / "x.bin").size(), ours.size()) << name;
  }

 private:
  std::string path(const char* name) const { return (folder_ / name).string(); }
  TemporaryFolder folder_;
};

template <class... M>
void for_each_of(const std::variant<M...>*, auto test) {
  (test.template operator()<M>(), ...);
}

TEST_F(Flatc, ReadsEveryMessage) {
  for_each_of(static_cast<const message::Every*>(nullptr), [&]<class M>() { judge(testing::filled<M>()); });
}

TEST_F(Flatc, ReadsEveryRecord) {
  for_each_of(static_cast<const decltype(JournalRecord::body)*>(nullptr),
              [&]<class R>() { judge(JournalRecord{testing::filled<R>()}); });
}

}  // namespace
}  // namespace hop::hopper
