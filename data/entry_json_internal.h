// A file of a data set in JSON.
#pragma once

#include <string>

#include "data/dataset.h"
#include "data/schema_json_internal.h"

namespace hop::data {

/// 32 hex digits.
Digest parse_digest(const std::string& hex);

Json encode(const PartitionEntry& entry);
PartitionEntry decode_entry(const Json& json);

}  // namespace hop::data
