// Rows between workers: a worker that passes over a partition of another node fetches its file from there. bring() and
// its callees run on the network thread, find_copy() and open_rows() on the disk thread.
#include <algorithm>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "hopper/detail/on_disk.h"
#include "hopper/detail/patience.h"
#include "hopper/detail/worker.h"

namespace hop::hopper {

using namespace std::chrono_literals;

namespace {

constexpr auto kAnswerPatience = 30s;  // the source's disk thread may be busy
constexpr auto kLostPath = 5s;         // without an answer of the source's machine
constexpr auto kPause = 200ms;         // between two tries
constexpr auto kRowsPatience = 300s;   // for tries at one address, as for the members of a group

}  // namespace

// ---- who needs rows

// The passes of a unit that no group shares. Whether some of their partitions lie on other nodes.
bool Worker::expect_rows(std::vector<PartitionId> passes) {
  std::erase_if(passes, [this](PartitionId id) { return partitions_.contains(id); });
  distant_->expect(passes);
  return !passes.empty();
}

data::Partition Worker::rows_of(PartitionId id) {
  const auto own = partitions_.find(id);
  return own != partitions_.end() ? own->second : distant_->take(id, stop_.get_token());
}

// An error costs the unit, which is tried again later, and nothing else.
net::Awaitable<void> Worker::bring(PartitionId id) {
  try {
    std::optional<data::Partition> rows = co_await on_disk(disk_, [this, id] { return find_copy(id); });
    std::uint64_t bytes = 0;
    if (!rows) {
      AlignedBuffer file = co_await fetch_rows(id);
      bytes = file.size();
      rows = co_await on_disk(disk_, [this, id, &file] { return std::optional(open_rows(id, std::move(file))); });
    }
    distant_->came(id, *std::move(rows), bytes);
  } catch (const std::exception& error) {
    distant_->failed(id, error.what());
  }
}

std::filesystem::path Worker::copies_folder() const { return options_.node_folder / "rows"; }
bool Worker::keeps_copies() const { return experiment_->run.task_data == TaskData::Replicate; }

// A copy of a former life of this worker. Damage costs another transfer.
std::optional<data::Partition> Worker::find_copy(PartitionId id) const {
  if (!keeps_copies()) return std::nullopt;
  try {
    return dataset_->partition_in(copies_folder(), id);
  } catch (const DataError&) {
    return std::nullopt;
  }
}

data::Partition Worker::open_rows(PartitionId id, AlignedBuffer file) const {
  if (!keeps_copies()) return dataset_->partition_of(id, std::move(file));
  create_folder(copies_folder(), raise<DataError>);
  AtomicFile copy(copies_folder() / dataset_->manifest().partitions[id.index()].file, raise<DataError>);
  copy.write(file.span());
  copy.commit(Sync::no);  // what a power cut damages is fetched again
  return dataset_->partition_in(copies_folder(), id);
}

// Tries until the node answers: its worker may be gone and come back, at another address.
net::Awaitable<AlignedBuffer> Worker::fetch_rows(PartitionId id) {
  const WorkerId holder = itinerary_.holder(id);
  std::string tried;
  net::Deadline until{};
  net::asio::steady_timer pause(io_);
  while (true) {
    const std::string address = co_await locate(holder);
    if (std::exchange(tried, address) != address) until = net::deadline_in(kRowsPatience);
    std::string why;
    try {
      co_return co_await fetch_rows_from(holder, address, id);
    } catch (const NetError& error) {
      why = error.what();
    }
    if (std::chrono::steady_clock::now() >= until) {
      throw NetError("[rows] expected partition " + std::to_string(id.value) + " from worker " +
                     std::to_string(holder.value) + ", got for " + std::to_string(kRowsPatience.count()) +
                     " s: " + why);
    }
    pause.expires_after(kPause);
    co_await pause.async_wait(net::asio::use_awaitable);
  }
}

// The coordinator answers when that worker is ready.
net::Awaitable<std::string> Worker::locate(WorkerId worker) {
  located_.reset();
  const message::Locate question{worker};
  co_await send(coordinator_, question);
  while (!located_ || located_->worker != worker) co_await hears_place_.wait();
  co_return located_->address;
}

void Worker::hear_place(message::Located place) {
  located_ = std::move(place);
  hears_place_.notify();
}

net::Awaitable<AlignedBuffer> Worker::fetch_rows_from(WorkerId holder, std::string address, PartitionId id) {
  const Connection peer = co_await call_peer(address);
  peer->notice_lost_path(kLostPath);
  const message::FetchRows request{id, holder, run_};
  co_await send(peer, request);
  AlignedBuffer file(dataset_->manifest().partitions[id.index()].bytes);
  for (std::uint64_t at = 0; at < file.size();) {
    const auto rows = co_await receive<message::Rows>(peer, net::Patience(net::deadline_in(kAnswerPatience)));
    const std::uint64_t expected = std::min(message::kRowsBytes, file.size() - at);
    if (rows.at != at || rows.payload_bytes != expected) {
      throw NetError("[rows] expected " + std::to_string(expected) + " bytes from " + std::to_string(at) + " on, " +
                     address + " sends " + std::to_string(rows.payload_bytes) + " from " + std::to_string(rows.at));
    }
    co_await peer->receive_payload(file.span().subspan(at, expected), patience_with_state(expected));
    at += expected;
  }
  const net::Traffic traffic = peer->traffic();
  peer_control_bytes_ += traffic.control_sent + traffic.control_received;
  peer->close();
  co_return file;
}

// ---- who has them

// The disk thread reads: pages that are not in memory must not stop the conversations.
net::Awaitable<void> Worker::give_rows(Connection to, PartitionId id) {
  const auto own = partitions_.find(id);
  if (own == partitions_.end()) {
    const std::string reason = "[rows] expected a partition of worker " + std::to_string(options_.peer.worker.value) +
                               ", got " + std::to_string(id.value);
    co_await refuse(to, reason);
    throw NetError(reason);
  }
  const data::Partition rows = own->second;
  AlignedBuffer block(std::min<std::uint64_t>(message::kRowsBytes, rows.file_bytes()));
  for (std::uint64_t at = 0; at < rows.file_bytes();) {
    const MutableByteView part = block.span().first(std::min<std::uint64_t>(block.size(), rows.file_bytes() - at));
    co_await on_disk(disk_,
                     [&rows, part, at] { std::ranges::copy(rows.bytes().subspan(at, part.size()), part.begin()); });
    const message::Rows head{.at = at};
    co_await send(to, head, part, patience_with_state(part.size()));
    at += part.size();
    ++steps_;
  }
}

}  // namespace hop::hopper
