#include "hopper/detail/node_place.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "base/files.h"
#include "base/input_file.h"

namespace hop::hopper {
namespace {

std::filesystem::path file_in(const std::filesystem::path& folder) { return folder / "place"; }

}  // namespace

NodeLock::NodeLock(const std::filesystem::path& folder) {
  create_folder(folder, raise<ConfigError>, 0700);
  const std::filesystem::path path = folder / "lock";
  file_ = Descriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (file_.get() < 0) throw ConfigError("[worker] cannot open " + path.string() + ": " + std::strerror(errno));
  if (::flock(file_.get(), LOCK_EX | LOCK_NB) == 0) return;
  throw ConfigError("[worker] another worker uses the folder " + folder.string() + "; say --node and another folder");
}

std::optional<NodePlace> read_node_place(const std::filesystem::path& folder) {
  expect_file(file_in(folder), raise<DataError>);
  std::ifstream file(file_in(folder));
  if (!file) return std::nullopt;
  NodePlace place;
  std::string run, worker;
  const bool is_read = (file >> run >> place.run >> worker >> place.worker.value) && run == "run" && worker == "worker";
  if (is_read) return place;
  throw DataError("[worker] expected the lines \"run ID\" and \"worker N\" in " + file_in(folder).string() +
                  "; choose another --node, or delete the folder if no run needs its states");
}

void write_node_place(const std::filesystem::path& folder, const NodePlace& place) {
  create_folder(folder, raise<DataError>);
  const std::string text = "run " + place.run + "\nworker " + std::to_string(place.worker.value) + "\n";
  write_file_atomically(file_in(folder), as_bytes(text), raise<DataError>);
}

}  // namespace hop::hopper
