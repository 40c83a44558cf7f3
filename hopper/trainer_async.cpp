// An asynchronous parameter server in a trainer. One worker alone takes the replicas in turns.
#include <algorithm>
#include <cstring>
#include <string>

#include "base/error.h"
#include "hopper/build_model.h"
#include "hopper/trainer_async_internal.h"
#include "kernels/copy.h"

namespace hop::hopper {

std::shared_ptr<Trainer::Replicated::Async> Trainer::Replicated::make_async(std::vector<Tensor> parameters,
                                                                            const std::vector<Tensor>& buffers) {
  return std::make_shared<Async>(*this, std::move(parameters), buffers);
}

void Trainer::Replicated::push_gradients(UnitMetrics& metrics) { async_->train(metrics); }

Trainer::Replicated::Async::Async(Replicated& of, std::vector<Tensor> parameters, const std::vector<Tensor>& buffers)
    : of_(of), t_(of.t_), parameters_(std::move(parameters)), buffers_(of.lanes_.size(), Snapshot(buffers)) {
  std::vector<Tensor> of_server = parameters_;
  of_server.push_back(t_.optimizer_->step_tensor());
  server_ = Snapshot(of_server);
  push_bytes_ = sizeof(Head) + bytes_of({t_.gradient_block()});
  answer_bytes_ = sizeof(Head) + bytes_of(parameters_);
}

Trainer::Replicated::Async::Head Trainer::Replicated::Async::head_of(const GroupMail& mail) {
  Head head;
  if (mail.bytes < sizeof head) refuse(mail, head);
  std::memcpy(&head, mail.buffer->data(), sizeof head);
  return head;
}

void Trainer::Replicated::Async::write_head(AlignedBuffer& message, Head head) {
  std::memcpy(message.data(), &head, sizeof head);
}

AlignedBuffer& Trainer::Replicated::Async::made(Buffer& buffer, std::size_t bytes) {
  if (!buffer) buffer = std::make_shared<AlignedBuffer>(bytes);
  return *buffer;
}

void Trainer::Replicated::Async::refuse(const GroupMail& mail, const Head& head) {
  throw StateError("[group] expected the next push or answer from member " + std::to_string(mail.from) + ", got " +
                   std::to_string(mail.bytes) + " bytes for replica " + std::to_string(head.replica));
}

// Members end at different times, and wait for each other in the last line of their epoch.
void Trainer::Replicated::Async::train(UnitMetrics& metrics) {
  begin();
  is_server() ? serve() : push_all();
  if (of_.has_group()) static_cast<void>(of_.any_member_lost());
  count(metrics);
}

// Nothing of an epoch before is left, which may have been broken off.
void Trainer::Replicated::Async::begin() {
  batches_.clear();
  for (std::uint32_t q = 0; q < replicas(); ++q) batches_.push_back(of_.rows_.steps_of(q));
  first_ = t_.optimizer_->step_count();
  is_lost_ = is_over_ = false;
  for (std::uint32_t q = 0; q < replicas(); ++q) {
    if (owns(q)) buffers_[q].take();
  }
  inside_.reset();
  answers_.assign(replicas(), nullptr);
}

// The module gets the buffers of a replica.
void Trainer::Replicated::Async::enter(std::uint32_t replica) {
  if (inside_ == replica) return;
  if (inside_) buffers_[*inside_].take();
  buffers_[replica].bring_back();
  inside_ = replica;
}

// Leaves the gradients of a batch in the gradient block. The count of updates is a part of every random address. So it
// is set to the updates before the epoch and the batch, whatever was applied meanwhile.
void Trainer::Replicated::Async::compute(std::uint32_t replica, std::int64_t clock) {
  const std::int64_t rows = of_.rows_.of(replica, clock, clock + 1);
  kernels::fill_(t_.optimizer_->step_tensor(), first_ + clock);
  of_.next_batch(replica, rows);
  t_.run_step(Part::Gradients, rows);
}

// ---- the server

void Trainer::Replicated::Async::serve() {
  check_order();
  arrivals_.emplace(batches_, bound_of(t_.experiment_));
  weights_.resize(replicas(), Snapshot(parameters_));
  is_owed_.assign(replicas(), false);
  pushes_.clear();
  apart_ = left_ = 0;
  for (std::uint32_t q = 0; q < replicas(); ++q) {
    if (owns(q)) weights_[q].take();
    apart_ += owns(q) ? 0 : 1;
  }
  served_ = apart_;
  for (std::uint32_t rank = 1; of_.has_group() && rank < wire().members(); ++rank) wire().listen(rank, push_bytes_);
  while (!has_ended()) {
    const std::uint32_t replica = next();
    owns(replica) ? compute_own(replica) : take_gradients(replica);
    update(replica);
  }
  if (of_.has_group()) end_pushes();
  enter(0);
}

// An update applies to the parameters that a loss of this trainer has reached. So the first gradient is an own one. The
// buffers of replica 0 stay, so this is an own one, too.
void Trainer::Replicated::Async::check_order() const {
  const std::vector<std::uint32_t>& order = of_.group_.arrivals;
  std::vector<std::int64_t> counts(replicas());
  for (const std::uint32_t replica : order) {
    if (replica < replicas() && ++counts[replica] <= batches_[replica]) continue;
    throw StateError("[train] expected an order of the gradients of " + std::to_string(replicas()) +
                     " replicas, got one more of replica " + std::to_string(replica) + " than it has batches");
  }
  std::int64_t own = 0, all = 0;
  for (std::uint32_t q = 0; q < replicas(); ++q) {
    all += batches_[q];
    own += owns(q) ? batches_[q] : 0;
  }
  const bool begins_here = order.empty() ? own > 0 || all == 0 : owns(order.front());
  if (begins_here && owns(0)) return;
  throw StateError(
      "[train] expected an epoch that begins with a batch of the server, which has the first partition, got none; with "
      "mode = \"async\" its partitions need rows, or write mode = \"sync\"");
}

bool Trainer::Replicated::Async::has_ended() const {
  const std::vector<std::uint32_t>& order = of_.group_.arrivals;
  return is_lost_ || (order.empty() ? arrivals_->is_over() : arrivals_->order().size() == order.size());
}

// The replica whose gradient is applied next. Those of other members have come.
std::uint32_t Trainer::Replicated::Async::next() {
  const std::vector<std::uint32_t>& order = of_.group_.arrivals;
  if (order.empty()) return next_as_they_come();
  const std::uint32_t replica = order[arrivals_->order().size()];
  if (!arrivals_->may_compute(replica)) {
    throw StateError("[train] expected an order of gradients within [run] staleness, got replica " +
                     std::to_string(replica) + " too early");
  }
  while (!owns(replica) && !has_come(replica)) {
    const std::vector<std::uint32_t>& owners = of_.group_.owners;
    if (std::ranges::any_of(pushes_,
                            [&](const Push& p) { return p.is_lost && owners[p.replica] == owners[replica]; })) {
      throw StateError("[train] expected the gradients that the journal has in its order, got none of replica " +
                       std::to_string(replica) + ": its member has lost a loss before, so its arithmetic differs");
    }
    take_push(true);
  }
  return replica;
}

// Between two own batches what has come is served, at most one gradient for each other replica: the own ones must not
// wait for ever. One worker alone takes its replicas in turns.
std::uint32_t Trainer::Replicated::Async::next_as_they_come() {
  while (take_push(false)) {
  }
  const std::optional<std::uint32_t> own = next_own();
  if (own && (pushes_.empty() || served_ >= apart_)) {
    served_ = 0;
    return *own;
  }
  while (pushes_.empty()) take_push(true);
  ++served_;
  return pushes_.front().replica;
}

// The slowest one of those that may compute, the first one of equals.
std::optional<std::uint32_t> Trainer::Replicated::Async::next_own() const {
  std::optional<std::uint32_t> slowest;
  for (std::uint32_t q = 0; q < replicas(); ++q) {
    if (!owns(q) || !arrivals_->may_compute(q)) continue;
    if (!slowest || arrivals_->clock(q) < arrivals_->clock(*slowest)) slowest = q;
  }
  return slowest;
}

bool Trainer::Replicated::Async::has_come(std::uint32_t replica) const {
  return std::ranges::find(pushes_, replica, &Push::replica) != pushes_.end();
}

void Trainer::Replicated::Async::compute_own(std::uint32_t replica) {
  enter(replica);
  server_.take();
  weights_[replica].bring_back();
  compute(replica, arrivals_->clock(replica));
  server_.bring_back();
}

void Trainer::Replicated::Async::take_gradients(std::uint32_t replica) {
  const auto push = std::ranges::find(pushes_, replica, &Push::replica);
  if (push->is_lost) {
    of_.lose();
  } else {
    write_values({t_.gradient_block()}, values_in(*push->buffer));
  }
  wire().reuse(std::move(push->buffer));
  pushes_.erase(push);
}

// One update by the gradients in the block. After a lost loss it has no effect. A device that is alone goes on to the
// end without a look at it.
void Trainer::Replicated::Async::update(std::uint32_t replica) {
  is_lost_ = of_.has_group() ? t_.is_lost() : t_.is_lost_on_host();
  t_.optimizer_->set_lr(t_.rate_at(first_ + static_cast<std::int64_t>(arrivals_->order().size())));
  t_.run_step(Part::Update, 0);
  for (const std::uint32_t answered : arrivals_->apply(replica)) answer(answered);
}

// The replica takes the weights as they are now. The buffer of its last answer is free, because it has pushed since.
void Trainer::Replicated::Async::answer(std::uint32_t replica) {
  if (owns(replica)) return weights_[replica].take();
  if (is_lost_) return;  // end_pushes() answers
  AlignedBuffer& bytes = made(answers_[replica], answer_bytes_);
  write_head(bytes, {replica, 0});
  read_values(parameters_, values_in(bytes));
  is_owed_[replica] = false;
  wire().send(of_.group_.owners[replica], answers_[replica], answer_bytes_);
}

void Trainer::Replicated::Async::say_end(std::uint32_t replica) {
  write_head(made(answers_[replica], answer_bytes_), {replica, 1});
  is_owed_[replica] = false;
  wire().send(of_.group_.owners[replica], answers_[replica], sizeof(Head));
}

// Takes a message of another member; false if none has come. Each replica pushes, and then waits for its answer.
bool Trainer::Replicated::Async::take_push(bool waits) {
  if (!of_.has_group()) return false;
  std::optional<GroupMail> mail = wire().receive(waits);
  if (!mail) return false;
  if (!mail->buffer) {
    ++left_;
    wire().end(mail->from);
    return true;
  }
  const Head head = head_of(*mail);
  const bool is_due = head.replica < replicas() && of_.group_.owners[head.replica] == mail->from &&
                      !is_owed_[head.replica] && mail->bytes == push_bytes_;
  if (!is_due) refuse(*mail, head);
  const auto replica = static_cast<std::uint32_t>(head.replica);
  is_owed_[replica] = true;
  if (is_over_) {
    say_end(replica);
    wire().reuse(std::move(mail->buffer));
  } else {
    pushes_.push_back({replica, head.is_end != 0, std::move(mail->buffer)});
  }
  return true;
}

// Everybody who waits for an answer, or is about to, hears that the epoch is over. Then each member ends its messages.
void Trainer::Replicated::Async::end_pushes() {
  is_over_ = true;
  pushes_.clear();
  for (std::uint32_t q = 0; q < replicas(); ++q) {
    if (is_owed_[q]) say_end(q);
  }
  while (left_ < wire().members() - 1) take_push(true);
}

// The lost gradient was the first one that the optimizer did not count.
void Trainer::Replicated::Async::count(UnitMetrics& metrics) const {
  if (!is_server()) {
    metrics.rows = static_cast<std::uint64_t>(of_.rows_.of_all(0, of_.rows_.steps()));
    return;
  }
  const std::vector<std::uint32_t>& order = arrivals_->order();
  std::size_t counted = order.size();
  if (of_.is_lost()) {
    counted = std::min(counted, static_cast<std::size_t>(t_.optimizer_->step_count() - first_ + 1));
  }
  std::vector<std::int64_t> clocks(replicas());
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < counted; ++i) {
    const std::int64_t clock = clocks[order[i]]++;
    rows += of_.rows_.of(order[i], clock, clock + 1);
  }
  metrics.rows = static_cast<std::uint64_t>(rows);
  metrics.arrivals = encode_arrivals(order);
  metrics.shared_bytes = (push_bytes_ - sizeof(Head)) * order.size() / replicas();
}

}  // namespace hop::hopper
