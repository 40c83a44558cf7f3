// A group whose members are threads of one test.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "hopper/strategy/group_wire.h"

namespace hop::hopper {

/// What is on its way between the members. A wait that nobody can end any more ends the group.
class LocalGroup {
 public:
  explicit LocalGroup(std::uint32_t members) : members_(members) {}

  std::uint32_t members() const { return members_; }
  std::uint64_t bytes() const { return bytes_; }                         ///< that all members sent
  std::map<std::uint32_t, std::uint64_t> sent() const { return sent_; }  ///< by each of them

  void put(std::uint64_t round, std::uint32_t from, std::uint32_t to, ByteView bytes) {
    const std::scoped_lock lock(mutex_);
    mail_[{round, from, to}].assign(bytes.begin(), bytes.end());
    count_and_wake(from, to, bytes.size());
  }
  void take(std::uint64_t round, std::uint32_t from, std::uint32_t to, MutableByteView into) {
    std::unique_lock lock(mutex_);
    while (!has_failed_ && !mail_.contains({round, from, to})) wait(lock, to);
    if (has_failed_) throw MemberLost("[test] a member is gone");
    const auto mail = mail_.extract({round, from, to});
    if (mail.mapped().size() != into.size()) throw MemberLost("[test] a message of another size");
    if (!into.empty()) std::memcpy(into.data(), mail.mapped().data(), into.size());
  }
  // Messages between rounds; one without a buffer is the end. The receiver copies, so that it gets the bytes of a
  // sender who writes too early.
  void send(std::uint32_t from, std::uint32_t to, std::shared_ptr<const AlignedBuffer> buffer, std::size_t bytes) {
    const std::scoped_lock lock(mutex_);
    if (has_failed_) throw MemberLost("[test] a member is gone");
    letters_[{from, to}].push_back({std::move(buffer), bytes});
    count_and_wake(from, to, bytes);
  }
  // `most`: of those members to which the receiver listens.
  std::optional<GroupMail> receive(std::uint32_t to, std::map<std::uint32_t, std::size_t>& most, bool waits) {
    std::unique_lock lock(mutex_);
    while (true) {
      if (has_failed_) throw MemberLost("[test] a member is gone");
      for (const auto& [from, size] : most) {
        auto& letters = letters_[{from, to}];
        if (letters.empty()) continue;
        const Letter letter = std::move(letters.front());
        letters.pop_front();
        if (letter.bytes > size) throw MemberLost("[test] a message that is too long");
        GroupMail mail{from, nullptr, letter.bytes};
        if (!letter.buffer) {
          most.erase(mail.from);
          return mail;
        }
        mail.buffer = std::make_shared<AlignedBuffer>(size);
        std::memcpy(mail.buffer->data(), letter.buffer->data(), letter.bytes);
        return mail;
      }
      if (!waits) return std::nullopt;
      wait(lock, to);
    }
  }
  /// Returns when all members but the caller's wait for bytes that have not come, or are done.
  void await_others() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return has_failed_ || waiting_.size() + done_ + 1 == members_; });
  }
  /// A member is done: nobody gets bytes from it any more.
  void leave() {
    const std::scoped_lock lock(mutex_);
    ++done_;
    if (!waiting_.empty() && waiting_.size() + done_ == members_) has_failed_ = true;
    changed_.notify_all();
  }
  bool has_letters() {
    const std::scoped_lock lock(mutex_);
    return std::ranges::any_of(letters_, [](const auto& entry) { return !entry.second.empty(); });
  }
  void fail() {
    const std::scoped_lock lock(mutex_);
    has_failed_ = true;
    changed_.notify_all();
  }
  void check() {
    const std::scoped_lock lock(mutex_);
    if (has_failed_) throw MemberLost("[test] a member is gone");
  }

 private:
  struct Letter {
    std::shared_ptr<const AlignedBuffer> buffer;
    std::size_t bytes = 0;
  };

  // The callers of both hold mutex_.
  void count_and_wake(std::uint32_t from, std::uint32_t to, std::size_t bytes) {
    bytes_ += bytes;
    sent_[from] += bytes;
    waiting_.erase(to);
    changed_.notify_all();
  }
  void wait(std::unique_lock<std::mutex>& lock, std::uint32_t rank) {
    const bool is_new = waiting_.insert(rank).second;
    if (waiting_.size() + done_ == members_) {
      has_failed_ = true;
      changed_.notify_all();
      throw MemberLost("[test] all members wait for each other");
    }
    if (is_new) changed_.notify_all();
    changed_.wait(lock);
  }

  const std::uint32_t members_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::tuple<std::uint64_t, std::uint32_t, std::uint32_t>, std::vector<std::byte>> mail_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::deque<Letter>> letters_;  // by from and to
  std::set<std::uint32_t> waiting_;  // members that wait, and got nothing since
  std::uint32_t done_ = 0;
  std::uint64_t bytes_ = 0;
  std::map<std::uint32_t, std::uint64_t> sent_;
  bool has_failed_ = false;
};

class LocalWire : public GroupWire {
 public:
  LocalWire(LocalGroup& group, std::uint32_t rank) : group_(group), rank_(rank) {}
  std::uint32_t rank() const override { return rank_; }
  std::uint32_t members() const override { return group_.members(); }
  void swap(const std::shared_ptr<GroupRound>& round) override {
    if (!listens_.empty()) throw MemberLost("[test] a round begins before the messages have ended");
    ++number_;
    for (std::uint32_t r = 0; r < members(); ++r) {
      if (r != rank_) group_.put(number_, rank_, r, std::as_const(round->out[r]).span());
    }
    for (std::uint32_t r = 0; r < members(); ++r) {
      if (r != rank_) group_.take(number_, r, rank_, round->in[r].span());
    }
  }
  // In pieces that end within tensors and within what follows them. Whole pieces of a place are taken from there. All
  // places are overwritten before the own bytes go, as they may be.
  void stream(GroupStream& stream) override {
    constexpr std::size_t kPiece = 192;
    const auto round = std::make_shared<GroupRound>(members());
    std::size_t longest = 0;
    for (const GroupStream::Coming& in : stream.in) std::ranges::fill(in.place, std::byte{0x7F});
    for (std::uint32_t r = 0; r < members(); ++r) {
      std::vector<std::byte> bytes;
      for (const auto& part : stream.out[r]) bytes.insert(bytes.end(), part.bytes.begin(), part.bytes.end());
      round->out[r] = AlignedBuffer(bytes.size());
      std::ranges::copy(bytes, round->out[r].data());
      round->in[r] = AlignedBuffer(stream.in[r].bytes);
      longest = std::max(longest, round->in[r].size());
    }
    swap(round);
    std::vector<ByteView> pieces(members());
    for (std::size_t at = 0; at < longest; at += kPiece) {
      for (std::uint32_t r = 0; r < members(); ++r) {
        const ByteView in = std::as_const(round->in[r]).span();
        const MutableByteView place = stream.in[r].place;
        pieces[r] = at < in.size() ? in.subspan(at, std::min(kPiece, in.size() - at)) : ByteView();
        if (at >= place.size()) continue;
        std::ranges::copy(pieces[r].first(std::min(pieces[r].size(), place.size() - at)), place.subspan(at).begin());
        if (at + pieces[r].size() <= place.size()) pieces[r] = place.subspan(at, pieces[r].size());
      }
      stream.take(pieces, at);
    }
  }
  void fail(const std::string&) override { group_.fail(); }
  void listen(std::uint32_t from, std::size_t most) override {
    if (!listens_.emplace(from, most).second) throw MemberLost("[test] it listens to that member");
  }
  void send(std::uint32_t to, std::shared_ptr<const AlignedBuffer> buffer, std::size_t bytes) override {
    group_.send(rank_, to, std::move(buffer), bytes);
  }
  void end(std::uint32_t to) override { group_.send(rank_, to, nullptr, 0); }
  std::optional<GroupMail> receive(bool waits) override { return group_.receive(rank_, listens_, waits); }
  // Whoever still reads the buffer finds other bytes.
  void reuse(std::shared_ptr<AlignedBuffer> buffer) override { std::memset(buffer->data(), 0xFF, buffer->size()); }
  void check() const override { group_.check(); }

 protected:
  LocalGroup& group() { return group_; }

 private:
  LocalGroup& group_;
  const std::uint32_t rank_;
  std::uint64_t number_ = 0;
  std::map<std::uint32_t, std::size_t> listens_;  // the longest message of each of these members
};

/// Counts the rounds of a member.
class CountingWire final : public GroupWire {
 public:
  explicit CountingWire(GroupWire& wire) : wire_(wire) {}
  std::uint32_t rank() const override { return wire_.rank(); }
  std::uint32_t members() const override { return wire_.members(); }
  void swap(const std::shared_ptr<GroupRound>& round) override {
    ++rounds_;
    wire_.swap(round);
  }
  void stream(GroupStream& stream) override {
    ++rounds_;
    wire_.stream(stream);
  }
  void listen(std::uint32_t from, std::size_t most) override { wire_.listen(from, most); }
  void send(std::uint32_t to, std::shared_ptr<const AlignedBuffer> buffer, std::size_t bytes) override {
    wire_.send(to, std::move(buffer), bytes);
  }
  void end(std::uint32_t to) override { wire_.end(to); }
  std::optional<GroupMail> receive(bool waits) override { return wire_.receive(waits); }
  void reuse(std::shared_ptr<AlignedBuffer> buffer) override { wire_.reuse(std::move(buffer)); }
  void fail(const std::string& why) override { wire_.fail(why); }
  void check() const override { wire_.check(); }
  int rounds() const { return rounds_; }

 private:
  GroupWire& wire_;
  int rounds_ = 0;
};

/// The rank that owns each of so many replicas, as Spread::owner.
inline std::vector<std::uint32_t> owners_of(std::uint32_t replicas, std::uint32_t members) {
  std::vector<std::uint32_t> owners;
  for (std::uint32_t r = 0; r < replicas; ++r) owners.push_back(r * members / replicas);
  return owners;
}

/// The wire of a member.
using MakeWire = std::function<std::unique_ptr<GroupWire>(LocalGroup& group, std::uint32_t rank)>;
template <class Wire = LocalWire>
std::unique_ptr<GroupWire> make_wire(LocalGroup& group, std::uint32_t rank) {
  return std::make_unique<Wire>(group, rank);
}

/// Runs `member` on a thread for each member, and returns the error of each; null: none.
inline std::vector<std::exception_ptr> run_members(LocalGroup& group, std::uint32_t replicas,
                                                   const std::function<void(const Group& group)>& member,
                                                   const MakeWire& make) {
  std::vector<std::exception_ptr> errors(group.members());
  std::vector<std::thread> threads;
  for (std::uint32_t rank = 0; rank < group.members(); ++rank) {
    threads.emplace_back([&, rank] {
      const std::unique_ptr<GroupWire> wire = make(group, rank);
      try {
        member({wire.get(), owners_of(replicas, group.members())});
      } catch (...) {
        errors[rank] = std::current_exception();
        group.fail();
      }
      group.leave();
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

/// Runs `member` on a thread for each member, and returns the bytes that they sent. Throws the first error.
/// `sent`: becomes what each of them sent.
inline std::uint64_t run_group(std::uint32_t replicas, std::uint32_t members,
                               const std::function<void(const Group& group)>& member,
                               std::map<std::uint32_t, std::uint64_t>* sent = nullptr,
                               const MakeWire& make = make_wire<>) {
  LocalGroup group(members);
  for (const std::exception_ptr& error : run_members(group, replicas, member, make)) {
    if (error) std::rethrow_exception(error);
  }
  if (group.has_letters()) throw MemberLost("[test] a message was not taken");
  if (sent != nullptr) *sent = group.sent();
  return group.bytes();
}

}  // namespace hop::hopper
