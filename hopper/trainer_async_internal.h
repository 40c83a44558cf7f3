// An epoch with an asynchronous parameter server: the server (trainer_async.cpp) and the members that push
// (trainer_push.cpp). Internal to Hopscotch.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "hopper/detail/group_talk.h"
#include "hopper/strategy/arrivals.h"
#include "hopper/trainer_replicas_internal.h"

namespace hop::hopper {

/// Each gradient of each replica is applied alone, when it comes. One trainer with all replicas, or member 0 of a
/// group, is the server: it has the optimizer, applies, and computes its own replicas between. The other members push
/// their gradients to it:
///
///   push     {replica, is its loss lost} gradients       of each batch
///   answer   {replica, is the epoch over} weights        to each push, now or when the bound of staleness allows it
///
/// A member ends its messages when all of its pushes are answered; then the server ends its own.
class Trainer::Replicated::Async {
 public:
  Async(Replicated& of, std::vector<Tensor> parameters, const std::vector<Tensor>& buffers);
  /// Sets `rows`, and at the server `shared_bytes` and `arrivals`. Throws as Trainer::train_replicas.
  void train(UnitMetrics& metrics);

 private:
  using Buffer = std::shared_ptr<AlignedBuffer>;
  // Before the values of a message. A push has the gradients of a replica, an answer the weights for its next ones.
  struct Head {
    std::uint64_t replica = 0;
    std::uint64_t is_end = 0;  // of a push: its loss is lost. Of an answer: the epoch is over, and no weights follow
  };
  // A gradient that has come and is not applied yet.
  struct Push {
    std::uint32_t replica = 0;
    bool is_lost = false;
    Buffer buffer;
  };

  static Head head_of(const GroupMail& mail);
  static void write_head(AlignedBuffer& message, Head head);
  static std::byte* values_in(AlignedBuffer& message) { return message.data() + sizeof(Head); }
  static AlignedBuffer& made(Buffer& buffer, std::size_t bytes);
  [[noreturn]] static void refuse(const GroupMail& mail, const Head& head);

  std::uint32_t replicas() const { return static_cast<std::uint32_t>(of_.lanes_.size()); }
  bool owns(std::uint32_t replica) const { return of_.group_.owns(replica); }
  bool is_server() const { return !of_.has_group() || of_.rank_ == 0; }
  GroupWire& wire() const { return *of_.group_.wire; }

  void begin();
  void check_order() const;
  void enter(std::uint32_t replica);
  void compute(std::uint32_t replica, std::int64_t clock);

  // the server
  void serve();
  bool has_ended() const;
  std::uint32_t next();
  std::uint32_t next_as_they_come();
  std::optional<std::uint32_t> next_own() const;
  bool has_come(std::uint32_t replica) const;
  void compute_own(std::uint32_t replica);
  void take_gradients(std::uint32_t replica);
  void update(std::uint32_t replica);
  void answer(std::uint32_t replica);
  void say_end(std::uint32_t replica);
  bool take_push(bool waits);
  void end_pushes();
  void count(UnitMetrics& metrics) const;

  // the other members
  void push_all();
  void push(std::uint32_t replica);
  bool take_answer(bool waits);

  Replicated& of_;
  Trainer& t_;
  const std::vector<Tensor> parameters_;
  std::vector<Snapshot> buffers_;        // of each own replica
  std::optional<std::uint32_t> inside_;  // whose buffers the module has
  std::size_t push_bytes_ = 0, answer_bytes_ = 0;

  // Of this epoch
  std::vector<std::int64_t> batches_;  // of each replica
  std::int64_t first_ = 0;             // updates of the model before it
  bool is_lost_ = false, is_over_ = false;
  std::vector<Buffer> answers_;  // by replica: the last one, on the way out of the server or into a member

  // The server
  Snapshot server_;                // the weights, and the count of updates
  std::vector<Snapshot> weights_;  // with which each own replica computes
  std::optional<Arrivals> arrivals_;
  std::deque<Push> pushes_;                          // in the order of their arrival
  std::vector<bool> is_owed_;                        // by replica: it has pushed, and is not answered
  std::uint32_t apart_ = 0, served_ = 0, left_ = 0;  // replicas of others; pushes since the last own one; members done

  // The other members
  bool has_heard_end_ = false;        // of the server's messages
  std::vector<std::int64_t> clocks_;  // by replica: its gradients that were pushed
  std::vector<bool> waits_;           // by replica: for an answer
  std::vector<Buffer> own_pushes_;    // by replica
};

}  // namespace hop::hopper
