#include "hopper/detail/lockstep.h"

#include <utility>

#include "base/error.h"

namespace hop::hopper {
namespace {

StateError other_layers() {
  return StateError(
      "[batchnorm] expected all replicas of a step to run the same BatchNorm layers in the same order, got replicas "
      "that run others; write batchnorm = \"replica\" for such a model");
}

}  // namespace

class Lockstep::Talk final : public kernels::ReplicaTalk {
 public:
  Talk(Lockstep& lockstep, std::size_t lane) : lockstep_(lockstep), lane_(lane) {}
  const Numbers& share(std::vector<double> own) override { return lockstep_.meet(lane_, std::move(own)); }

 private:
  Lockstep& lockstep_;
  const std::size_t lane_;
};

Lockstep::Lockstep(std::size_t lanes) : may_begin_(lanes) {
  for (std::size_t lane = 1; lane < lanes; ++lane)
    threads_.emplace_back([this, lane](const std::stop_token& stop) { serve(lane, stop); });
}

Lockstep::~Lockstep() = default;

std::shared_ptr<kernels::ReplicaTalk> Lockstep::talk(std::size_t lane) { return std::make_shared<Talk>(*this, lane); }

void Lockstep::run(std::vector<std::size_t> lanes, const Exchange& exchange,
                   const std::function<void(std::size_t)>& work) {
  if (lanes.empty()) return;
  const bool is_first_here = lanes.front() == 0;
  std::unique_lock lock(mutex_);
  lanes_ = std::move(lanes);
  is_over_.assign(lanes_.size(), false);
  for (const std::size_t lane : lanes_) may_begin_[lane] = true;
  turn_ = over_ = 0;
  exchange_ = &exchange;
  work_ = &work;
  said_.clear();
  error_ = nullptr;
  changed_.notify_all();
  if (is_first_here) {
    lock.unlock();
    play(0);
    lock.lock();
  }
  changed_.wait(lock, [this] { return over_ == lanes_.size(); });
  if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
}

// The lock is not held while numbers travel; meanwhile all other lanes wait for their turn.
const Lockstep::Numbers& Lockstep::meet(std::size_t lane, std::vector<double> own) {
  std::unique_lock lock(mutex_);
  if (over_ > 0 || (!said_.empty() && said_.front().size() != own.size())) throw other_layers();
  said_.push_back(std::move(own));
  if (said_.size() == lanes_.size()) {
    lock.unlock();
    Numbers all;
    std::exception_ptr error;
    try {
      all = (*exchange_)(said_);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    all_ = std::move(all);
    said_.clear();
    if (error != nullptr) {  // the other lanes hear of it even if the work of this one goes on
      if (error_ == nullptr) error_ = error;
      std::rethrow_exception(error);
    }
  }
  pass_turn();
  changed_.wait(lock, [&] { return has_turn(lane); });
  if (error_ != nullptr) throw StateError("[batchnorm] another replica of the step broke off");
  return all_;
}

// To the next lane that has not ended, round and round.
void Lockstep::pass_turn() {
  if (over_ < lanes_.size()) {
    do {
      turn_ = (turn_ + 1) % lanes_.size();
    } while (is_over_[turn_]);
  }
  changed_.notify_all();
}

// A lane that comes after an error does not begin.
void Lockstep::play(std::size_t lane) {
  std::unique_lock lock(mutex_);
  may_begin_[lane] = false;
  std::exception_ptr error = error_;
  lock.unlock();
  if (error == nullptr) {
    try {
      (*work_)(lane);
    } catch (...) {
      error = std::current_exception();
    }
  }
  lock.lock();
  if (error == nullptr && !said_.empty()) error = std::make_exception_ptr(other_layers());
  if (error_ == nullptr) error_ = error;
  is_over_[turn_] = true;
  ++over_;
  pass_turn();
}

void Lockstep::serve(std::size_t lane, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [&] { return may_begin_[lane] && has_turn(lane); })) {
    lock.unlock();
    play(lane);
    lock.lock();
  }
}

}  // namespace hop::hopper
