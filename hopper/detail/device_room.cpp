#include "hopper/detail/device_room.h"

#include <map>
#include <string>
#include <utility>

namespace hop::hopper {

// Rooms are never destroyed: a thread of an application may end after the last static object.
DeviceRoom& DeviceRoom::of(Device device) {
  static std::mutex mutex;
  static auto& rooms = *new std::map<std::string, DeviceRoom>;
  const std::scoped_lock lock(mutex);
  return rooms[device.to_string()];
}

DeviceGuest::DeviceGuest(DeviceRoom& room, std::function<void()> give_way)
    : room_(room), give_way_(std::move(give_way)) {
  const std::scoped_lock lock(room_.guests_mutex_);
  room_.guests_.push_back(this);
}

DeviceGuest::~DeviceGuest() {
  leave();
  const std::scoped_lock lock(room_.guests_mutex_);
  std::erase(room_.guests_, this);
}

bool DeviceGuest::enter(std::stop_token stop) {
  std::unique_lock lock(room_.mutex_);
  if (!room_.changed_.wait(lock, std::move(stop), [this] { return !room_.is_taken_ && room_.wanting_ == 0; }))
    return false;
  ++room_.inside_;
  place_ = Place::Inside;
  return true;
}

bool DeviceGuest::be_alone(std::stop_token stop) {
  {
    std::unique_lock lock(room_.mutex_);
    --room_.inside_;
    place_ = Place::Outside;
    ++room_.wanting_;
    room_.changed_.notify_all();  // another unit may wait for this one
    const bool is_alone =
        room_.changed_.wait(lock, std::move(stop), [this] { return !room_.is_taken_ && room_.inside_ == 0; });
    --room_.wanting_;
    if (!is_alone) {
      room_.changed_.notify_all();
      return false;
    }
    room_.is_taken_ = true;
    place_ = Place::Alone;
  }
  const std::scoped_lock lock(room_.guests_mutex_);
  for (DeviceGuest* const guest : room_.guests_) {
    if (guest != this) guest->give_way_();
  }
  return true;
}

void DeviceGuest::leave() {
  const std::scoped_lock lock(room_.mutex_);
  switch (std::exchange(place_, Place::Outside)) {
    case Place::Outside:
      return;
    case Place::Inside:
      --room_.inside_;
      break;
    case Place::Alone:
      room_.is_taken_ = false;
      break;
  }
  room_.changed_.notify_all();
}

bool DeviceGuest::has_company() const {
  const std::scoped_lock lock(room_.guests_mutex_);
  return room_.guests_.size() > 1;
}

}  // namespace hop::hopper
