#include <array>

#include "hopper/simulate/trace.h"

namespace hop::hopper::simulate {
namespace {

namespace event = worker::event;
namespace action = worker::action;

std::string number(const char* name, std::uint64_t value) { return std::string(" ") + name + std::to_string(value); }
std::string text(Attempt attempt) { return number("attempt ", attempt.value); }
std::string text(ModelId model, Version version) {
  return number("m", model.value) + number("version ", version.value);
}
std::string text(const worker::StateName& s) { return text(s.model, s.version) + text(s.attempt); }
std::string text(const Lease& l) {
  return number("m", l.model.value) + number("unit ", l.unit.value) + text(l.attempt);
}
std::string text(Failure failure) { return ": " + std::string(failure_name(failure)); }
std::string text(worker::Trouble trouble) {
  static constexpr std::array kTroubles{"connection", "device", "disk"};
  return std::string(": ") + kTroubles.at(static_cast<std::size_t>(trouble));
}
std::string text(const Copy& c) { return text(c.model, c.version) + text(c.attempt); }
std::string text(const HeldState& s) { return text(s.model, s.version) + text(s.attempt); }

struct EventWriter {
  std::string operator()(const event::Opened& e) const {
    std::string line = "opened";
    for (const HeldState& state : e.held) line += text(state);
    return line;
  }
  std::string operator()(const event::Leased& e) const { return "leased" + text(e.lease) + " from '" + e.source + "'"; }
  std::string operator()(const event::Cancelled& e) const {
    return (e.abandon ? "abandoned" : "cancelled") + text(e.attempt);
  }
  std::string operator()(const event::SourceGone& e) const { return "source gone" + text(e.attempt); }
  std::string operator()(const event::Answered& e) const {
    return "answered" + text(e.attempt) + (e.verdict == Verdict::Committed ? " committed" : " stale");
  }
  std::string operator()(const event::Released& e) const { return "released" + text(e.state); }
  std::string operator()(const event::Wanted& e) const { return "wanted" + text(e.model, e.version); }
  std::string operator()(const event::Prepared& e) const { return "prepared" + text(e.attempt); }
  std::string operator()(const event::Arrived& e) const { return "arrived" + text(e.attempt); }
  std::string operator()(const event::Trained& e) const { return "trained" + text(e.attempt); }
  std::string operator()(const event::Saved& e) const { return "saved" + text(e.attempt); }
  std::string operator()(const event::Failed& e) const { return "failed" + text(e.attempt) + text(e.failure); }
  std::string operator()(const event::Vanished& e) const { return "vanished" + text(e.state); }
  std::string operator()(const event::Broken& e) const { return "broken" + text(e.trouble); }
  std::string operator()(const event::CopyOrdered& e) const {
    return "copy ordered" + text(e.copy) + " from '" + e.source + "'";
  }
  std::string operator()(const event::CopyArrived& e) const { return "copy arrived" + text(e.attempt); }
  std::string operator()(const event::CopySaved& e) const { return "copy saved" + text(e.attempt); }
  std::string operator()(const event::CopyFailed& e) const { return "copy failed" + text(e.attempt) + " " + e.text; }
};

struct ActionWriter {
  std::string operator()(const action::Offer& a) const { return "offer" + number("", a.held.size()) + " states"; }
  std::string operator()(const action::Prepare& a) const { return "prepare" + text(a.lease); }
  std::string operator()(const action::Fetch& a) const { return "fetch" + text(a.lease) + " from " + a.source; }
  std::string operator()(const action::Read& a) const { return "read" + text(a.lease); }
  std::string operator()(const action::Train& a) const { return "train" + text(a.lease); }
  std::string operator()(const action::Abandon& a) const { return "abandon" + text(a.attempt); }
  std::string operator()(const action::TellConfirmed& a) const { return "tell confirmed" + text(a.lease); }
  std::string operator()(const action::Drop& a) const { return "drop" + text(a.attempt); }
  std::string operator()(const action::Save& a) const { return "save" + text(a.state); }
  std::string operator()(const action::CopyAhead& a) const { return "copy ahead" + text(a.state); }
  std::string operator()(const action::Delete& a) const { return "delete" + text(a.state); }
  std::string operator()(const action::Serve& a) const { return "serve" + text(a.state); }
  std::string operator()(const action::Refuse& a) const { return "refuse: " + a.text; }
  std::string operator()(const action::TellResult& a) const { return "tell result" + text(a.state); }
  std::string operator()(const action::TellFailed& a) const {
    return "tell failed" + text(a.lease) + text(a.failure) + " " + a.text;
  }
  std::string operator()(const action::End& a) const { return "end" + text(a.trouble); }
  std::string operator()(const action::FetchCopy& a) const { return "fetch copy" + text(a.copy) + " from " + a.source; }
  std::string operator()(const action::SaveCopy& a) const { return "save copy" + text(a.copy); }
  std::string operator()(const action::TellCopied& a) const { return "tell copied" + text(a.copy); }
  std::string operator()(const action::TellNotCopied& a) const {
    return "tell not copied" + text(a.copy) + " " + a.text;
  }
};

}  // namespace

std::string to_text(const worker::Event& event) { return std::visit(EventWriter{}, event); }
std::string to_text(const worker::Action& action) { return std::visit(ActionWriter{}, action); }

}  // namespace hop::hopper::simulate
