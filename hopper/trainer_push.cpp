// The members of a group that push their gradients to an asynchronous parameter server.
#include <algorithm>

#include "hopper/trainer_async_internal.h"

namespace hop::hopper {

// The own replicas take turns. While none has weights, the server is waited for.
void Trainer::Replicated::Async::push_all() {
  clocks_.assign(replicas(), 0);
  waits_.assign(replicas(), false);
  has_heard_end_ = false;
  own_pushes_.assign(replicas(), nullptr);
  const auto slowest = [&] {
    std::optional<std::uint32_t> found;
    for (std::uint32_t q = 0; q < replicas(); ++q) {
      if (!owns(q) || waits_[q] || clocks_[q] == batches_[q]) continue;
      if (!found || clocks_[q] < clocks_[*found]) found = q;
    }
    return found;
  };
  wire().listen(0, answer_bytes_);
  while (true) {
    while (take_answer(false)) {
    }
    const std::optional<std::uint32_t> replica = is_over_ ? std::nullopt : slowest();
    if (replica) {
      push(*replica);
    } else if (std::ranges::find(waits_, true) != waits_.end()) {
      take_answer(true);
    } else {
      break;
    }
  }
  wire().end(0);
  while (!has_heard_end_) take_answer(true);
}

// The first batch of each replica is computed before any second one, so with the weights from before the epoch.
void Trainer::Replicated::Async::push(std::uint32_t replica) {
  enter(replica);
  if (answers_[replica]) {
    write_values(parameters_, values_in(*answers_[replica]));
    wire().reuse(std::move(answers_[replica]));
  }
  compute(replica, clocks_[replica]++);
  is_over_ = t_.is_lost();
  AlignedBuffer& bytes = made(own_pushes_[replica], push_bytes_);
  write_head(bytes, {replica, is_over_ ? 1U : 0U});
  read_values({t_.gradient_block()}, values_in(bytes));
  wire().send(0, own_pushes_[replica], push_bytes_);
  waits_[replica] = true;
}

// False if none has come.
bool Trainer::Replicated::Async::take_answer(bool waits) {
  std::optional<GroupMail> mail = wire().receive(waits);
  if (!mail) return false;
  if (!mail->buffer) {
    has_heard_end_ = true;
    return true;
  }
  const Head head = head_of(*mail);
  const bool is_end = head.is_end != 0;
  const bool is_due =
      head.replica < replicas() && waits_[head.replica] && mail->bytes == (is_end ? sizeof(Head) : answer_bytes_);
  if (!is_due) refuse(*mail, head);
  waits_[head.replica] = false;
  is_over_ = is_over_ || is_end;
  if (!is_end) std::swap(mail->buffer, answers_[head.replica]);
  if (mail->buffer) wire().reuse(std::move(mail->buffer));
  return true;
}

}  // namespace hop::hopper
