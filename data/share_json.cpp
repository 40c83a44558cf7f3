// MeasuredPart <-> JSON, on its way between the machines that write a data set.
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/json_depth_internal.h"
#include "data/entry_json_internal.h"
#include "data/share.h"

namespace hop::data {
namespace {

Json encode(const std::vector<Moments>& moments) {
  Json list = Json::array();
  for (const Moments& m : moments) list.push_back({m.count, m.mean, m.squares, m.low, m.high});
  return list;
}

std::vector<Moments> decode_moments(const Json& list) {
  std::vector<Moments> moments;
  for (const Json& m : list) {
    check(m.is_array() && m.size() == 5, "expected count, mean, squares, least and greatest, got " + m.dump());
    moments.push_back({whole(m[0]), m[1].get<double>(), m[2].get<double>(), m[3].get<double>(), m[4].get<double>()});
  }
  return moments;
}

MeasuredPart decode_part(const Json& json) {
  MeasuredPart part{.index = whole<std::uint32_t>(json.at("part")),
                    .rows = whole(json.at("rows")),
                    .content = parse_digest(json.at("content")),
                    .counts = json.at("counts"),
                    .features = decode_moments(json.at("features")),
                    .numbers = decode_moments(json.at("numbers"))};
  if (json.contains("file")) part.file = decode_entry(json.at("file"));
  return part;
}

}  // namespace

std::string to_json(std::span<const MeasuredPart> parts) {
  Json list = Json::array();
  for (const MeasuredPart& part : parts) {
    Json& json = list.emplace_back(Json{{"part", part.index},
                                        {"rows", part.rows},
                                        {"content", part.content.hex()},
                                        {"counts", part.counts},
                                        {"features", encode(part.features)},
                                        {"numbers", encode(part.numbers)}});
    if (part.file) json["file"] = encode(*part.file);
  }
  return list.dump();
}

std::vector<MeasuredPart> parse_parts(std::string_view text) {
  try {
    check_json_depth(text);
    std::vector<MeasuredPart> parts;
    for (const Json& json : Json::parse(text)) parts.push_back(decode_part(json));
    return parts;
  } catch (const std::exception& error) {  // JSON's own errors, or ours
    throw DataError(std::string("[share] expected the parts of a data set as JSON: ") + error.what());
  }
}

}  // namespace hop::data
