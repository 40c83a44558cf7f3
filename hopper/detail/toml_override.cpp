#include "hopper/detail/toml_override.h"

#include "base/error.h"
#include "hopper/detail/toml_text.h"

namespace hop::hopper {

void apply_override(toml::table& root, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) throw ConfigError("--set: expected key=value, got \"" + text + "\"");
  const std::string path = text.substr(0, equals), value = text.substr(equals + 1);
  toml::table parsed;
  try {
    parsed = parse_toml("value = " + value, "--set");
  } catch (const ConfigError&) {  // a plain word
    parsed.insert("value", value);
  }
  toml::table* table = &root;
  std::size_t begin = 0;
  for (std::size_t dot = path.find('.'); dot != std::string::npos; begin = dot + 1, dot = path.find('.', begin)) {
    const std::string part = path.substr(begin, dot - begin);
    if (!table->contains(part)) table->insert(part, toml::table{});
    table = table->get(part)->as_table();
    if (table == nullptr)
      throw ConfigError("--set: \"" + path + "\" does not name a key: \"" + part + "\" is no table");
  }
  const std::string key = path.substr(begin);
  parsed.get("value")->visit([&](auto& node) { table->insert_or_assign(key, node); });
}

}  // namespace hop::hopper
