// The accept loop. Only the end of its listener ends it.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "net/rarely.h"
#include "net/transport.h"
#include "net/waiting_room.h"

namespace hop::net {

/// Accepts connections for a listener. A passing trouble (no file descriptor left, a visitor that is gone again) is
/// reported and waited out. The number of visitors without a proof of identity is limited (WaitingRoom). One descriptor
/// is kept in reserve. If there is no other, it serves to close the connection of the next visitor, which would
/// otherwise wait for ever. Used on one executor, which has one thread.
class Door {
  struct Room {
    WaitingRoom rule;
    std::map<WaitingRoom::Id, std::weak_ptr<Connection>> visitors;
  };

 public:
  /// Takes lines for people: why visitors have to wait.
  using Tell = std::function<void(const std::string& line)>;

  /// A visitor's place in the waiting room, free again when the object dies.
  class Place {
   public:
    Place(std::shared_ptr<Room> room, WaitingRoom::Id id) : room_(std::move(room)), id_(id) {}
    ~Place() { leave(); }
    Place(Place&&) noexcept = default;
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    Place& operator=(Place&&) = delete;
    /// The visitor has sent a whole message.
    void spoke();
    /// The visitor has proven who it is.
    void leave();

   private:
    std::shared_ptr<Room> room_;
    WaitingRoom::Id id_;
  };
  struct Visitor {
    std::shared_ptr<Connection> connection;
    Place place;
  };

  Door(const Executor& executor, std::shared_ptr<Listener> listener, Tell tell, WaitingLimits limits = {});
  ~Door();
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  /// The next visitor. Throws NetError when the listener is closed.
  Awaitable<Visitor> next();
  /// How many visitors have not proven who they are yet.
  std::size_t waiting() const { return room_->rule.size(); }

 private:
  Visitor let_in(std::shared_ptr<Connection> connection);
  Awaitable<std::shared_ptr<Connection>> make_way();
  void send_away(WaitingRoom::Id id);

  asio::steady_timer timer_;
  std::shared_ptr<Listener> listener_;
  Tell tell_;
  std::shared_ptr<Room> room_;
  WaitingRoom::Id next_id_ = 0;
  Rarely trouble_;
  int reserve_ = -1;
};

}  // namespace hop::net
