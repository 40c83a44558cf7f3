// Rows between workers: a worker that passes over a partition of another node fetches its file from there. bring() and
// give_rows() with their callees run on the network thread, find_copy() and open_rows() on the disk thread.
#include <algorithm>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/words.h"
#include "hopper/detail/failure.h"
#include "hopper/detail/on_disk.h"
#include "hopper/detail/patience.h"
#include "hopper/detail/unclear_buffer.h"
#include "hopper/detail/worker.h"

namespace hop::hopper {

using namespace std::chrono_literals;

namespace {

constexpr auto kAnswerPatience = 30s;  // the source's disk thread may be busy
constexpr auto kLostPath = 5s;         // without an answer of the source's machine
constexpr auto kPause = 200ms;         // between two tries

/// The own disk does not take a copy.
struct CopyTrouble : Error {
  using Error::Error;
};

AlignedBuffer room_for_rows(PartitionId id, std::uint64_t bytes) {
  try {
    return unclear_buffer(bytes);
  } catch (const std::bad_alloc&) {
    throw NoRoom("[rows] no memory for partition " + std::to_string(id.value) + " of " + std::to_string(bytes) +
                 " bytes");
  }
}

// Left by a worker that was killed.
void remove_temporary_files(const std::filesystem::path& folder) {
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator(folder, ignored)) {
    if (is_temporary_name(file.path())) std::filesystem::remove(file.path(), ignored);
  }
}

}  // namespace

// ---- who needs rows

void Worker::begin_distant_rows() {
  const auto bring_soon = [this](PartitionId id) { net::asio::post(io_, [this, id] { spawn(bring(id)); }); };
  const auto give_up_soon = [this] { net::asio::post(io_, [this] { give_up_rows(); }); };
  distant_ = std::make_unique<DistantRows>(bring_soon, give_up_soon, most_kept_rows(*experiment_));
  if (keeps_copies()) remove_temporary_files(copies_folder());
}

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

// An error costs the unit, which is tried again later; one of the own disk costs this life of the worker.
net::Awaitable<void> Worker::bring(PartitionId id) {
  std::exception_ptr error;
  std::string trouble;
  try {
    std::optional<data::Partition> rows;
    std::uint64_t bytes = 0;
    if (keeps_copies()) {
      brings_ = {id, "looks for its copy", true};
      rows = co_await on_disk(disk_, [this, id] { return find_copy(id); });
    }
    if (!rows) {
      AlignedBuffer file = co_await fetch_rows(id);
      bytes = file.size();
      brings_ = {id, "checks what came", true};
      rows = co_await on_disk(disk_, [this, id, &file] { return std::optional(open_rows(id, std::move(file))); });
    }
    distant_->came(id, *std::move(rows), bytes);
    co_return;
  } catch (const CopyTrouble& caught) {
    trouble = caught.what();
    error = std::current_exception();
  } catch (const DataError& caught) {
    error = std::make_exception_ptr(MemberLost("[rows] expected partition " + std::to_string(id.value) + ", worker " +
                                               std::to_string(itinerary_.holder(id).value) +
                                               " sent something else: " + caught.what()));
  } catch (const std::exception&) {
    error = std::current_exception();
  }
  if (!trouble.empty()) step(worker::event::Broken{worker::Trouble::Disk, trouble});
  distant_->failed(id, error);
}

std::filesystem::path Worker::copies_folder() const { return options_.node_folder / "rows"; }
bool Worker::keeps_copies() const { return task_data_of(*experiment_) == TaskData::Replicate; }

// A copy of a former life of this worker. Damage costs another transfer.
std::optional<data::Partition> Worker::find_copy(PartitionId id) const {
  try {
    return dataset_->partition_in(copies_folder(), id);
  } catch (const DataError&) {
    return std::nullopt;
  }
}

data::Partition Worker::open_rows(PartitionId id, AlignedBuffer file) const {
  if (!keeps_copies()) return dataset_->partition_of(id, std::move(file));
  create_folder(copies_folder(), raise<CopyTrouble>);
  AtomicFile copy(copies_folder() / dataset_->manifest().partitions[id.index()].file, raise<CopyTrouble>);
  copy.write(file.span());
  copy.commit(Sync::no);  // what a power cut damages is fetched again
  return dataset_->partition_in(copies_folder(), id);
}

// Tries until the node answers: its worker may be gone and come back, at another address. If nothing comes for a while,
// the unit is given up: the run may end, or another unit may need other rows.
net::Awaitable<AlignedBuffer> Worker::fetch_rows(PartitionId id) {
  const WorkerId holder = itinerary_.holder(id);
  const std::string who = "worker " + std::to_string(holder.value);
  AlignedBuffer file = room_for_rows(id, dataset_->manifest().partitions[id.index()].bytes);
  net::asio::steady_timer pause(io_);
  std::optional<net::Deadline> until;
  while (true) {
    std::uint64_t came = 0;
    std::string why = "it is not here";
    brings_ = {id, "waits for " + who, false};
    const std::string address = co_await locate(holder);
    if (!address.empty()) {
      try {
        co_await fetch_rows_from(holder, address, id, file.span(), came);
        co_return file;
      } catch (const NetError& error) {
        why = error.what();
      }
    }
    if (!distant_->wants(id)) throw MemberLost("[rows] the unit has ended");
    if (came > 0 || !until) until = net::deadline_in(options_.rows_patience);
    if (std::chrono::steady_clock::now() >= *until) {
      throw MemberLost("[rows] expected partition " + std::to_string(id.value) + " from " + who + ", got nothing for " +
                       shortest(std::chrono::duration<double>(options_.rows_patience).count()) + " s: " + why);
    }
    brings_.story = "waits for " + who + ": " + why;
    pause.expires_after(kPause);
    co_await pause.async_wait(net::asio::use_awaitable);
  }
}

// Where the worker is; empty if it is not ready now.
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

// `came` counts the bytes that are in `file`, also after an error.
net::Awaitable<void> Worker::fetch_rows_from(WorkerId holder, std::string address, PartitionId id, MutableByteView file,
                                             std::uint64_t& came) {
  const Connection peer = co_await call_peer(address);
  peer->notice_lost_path(kLostPath);
  rows_peer_ = peer;
  const message::FetchRows request{id, holder, run_};
  co_await send(peer, request);
  while (came < file.size()) {
    const auto rows = co_await receive<message::Rows>(peer, net::Patience(net::deadline_in(kAnswerPatience)));
    const std::uint64_t expected = std::min<std::uint64_t>(message::kRowsBytes, file.size() - came);
    if (rows.at != came || rows.payload_bytes != expected) {
      throw NetError("[rows] expected " + std::to_string(expected) + " bytes from " + std::to_string(came) + " on, " +
                     address + " sends " + std::to_string(rows.payload_bytes) + " from " + std::to_string(rows.at));
    }
    co_await peer->receive_payload(file.subspan(came, expected), patience_with_state(expected));
    came += expected;
  }
  const net::Traffic traffic = peer->traffic();
  peer_control_bytes_ += traffic.control_sent + traffic.control_received;
  peer->close();
}

// The next unit needs other rows than those on their way, if it has not come to want them meanwhile.
void Worker::give_up_rows() {
  if (distant_->wants(brings_.partition)) return;
  if (const Connection peer = rows_peer_.lock()) peer->close();
}

// What people read while the compute thread waits for rows.
void Worker::tell_of_rows(message::Heartbeat& beat) {
  if (!distant_->is_awaited()) return;
  beat.doing += "; for the rows of partition " + std::to_string(brings_.partition.value) + " it " + brings_.story;
  if (!brings_.is_at_the_disk) ++waiting_beats_;  // whoever is waited for stands still, not this worker
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
  const auto end = [](std::uint32_t* giving) { --*giving; };
  const std::unique_ptr<std::uint32_t, decltype(end)> guard(&++giving_, end);
  const data::Partition rows = own->second;
  AlignedBuffer block = unclear_buffer(std::min<std::uint64_t>(message::kRowsBytes, rows.file_bytes()));
  for (std::uint64_t at = 0; at < rows.file_bytes();) {
    const MutableByteView part = block.span().first(std::min<std::uint64_t>(block.size(), rows.file_bytes() - at));
    co_await on_disk(disk_, [&rows, part, at] { read_rows(rows, at, part); });
    const message::Rows head{.at = at};
    co_await send(to, head, part, patience_with_state(part.size()));
    at += part.size();
    ++steps_;
  }
}

// Now and then the pages leave the resident set.
void Worker::read_rows(const data::Partition& rows, std::uint64_t at, MutableByteView to) {
  constexpr std::uint64_t kWindow = 8 * message::kRowsBytes;
  std::ranges::copy(rows.bytes().subspan(at, to.size()), to.begin());
  const std::uint64_t end = at + to.size();
  if (end % kWindow == 0 || end == rows.file_bytes()) rows.release_pages();
}

}  // namespace hop::hopper
