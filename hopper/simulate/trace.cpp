#include "hopper/simulate/trace.h"

#include <array>

namespace hop::hopper::simulate {
namespace {

std::string number(const char* name, std::uint64_t value) { return std::string(" ") + name + std::to_string(value); }
std::string text(const Peer& peer) {
  return number("w", peer.worker.value) + "." + std::to_string(peer.incarnation.value);
}
std::string text(ModelId model) { return number("m", model.value); }
std::string text(StateFile file) { return file == StateFile::Best ? " best" : ""; }
std::string text(Attempt attempt) { return number("attempt ", attempt.value); }

struct RecordWriter {
  std::string operator()(const record::Reserve& r) const { return " RESERVE until" + number("", r.until.value); }
  std::string operator()(const record::Commit& r) const {
    return " COMMIT" + text(r.model) + number("unit ", r.unit.value) + number("partition ", r.partition.value) +
           number("w", r.worker.value) + text(r.attempt);
  }
  std::string operator()(const record::Quarantine& r) const { return " QUARANTINE" + text(r.model) + ": " + r.reason; }
  std::string operator()(const record::Collected& r) const { return " COLLECTED" + text(r.model); }
  std::string operator()(const record::Arithmetic& r) const {
    return " ARITHMETIC" + number("w", r.worker.value) + ": " + r.text;
  }
  std::string operator()(const record::Rollback& r) const {
    return " ROLLBACK" + text(r.model) + number("to version ", r.version.value) +
           (r.worker ? " on" + number("w", r.worker->value) + text(r.attempt) : "") + ": " + r.reason;
  }
  std::string operator()(const record::Retry& r) const { return " RETRY" + text(r.model); }
  std::string operator()(const record::Asked& r) const {
    return " ASKED" + text(r.model) + " " + r.config.to_text() + number("epochs ", r.epochs) +
           (r.parent ? " from" + text(r.parent->model) + number("epoch ", r.parent->epoch.value) : "") +
           (r.place ? " on" + number("w", r.place->worker.value) : "");
  }
  std::string operator()(const record::Ordered& r) const {
    static constexpr const char* kKinds[] = {" stop", " pause", " resume", " set epochs"};
    return " ORDERED" + text(r.model) + kKinds[static_cast<std::size_t>(r.kind)] + number("", r.epochs) + ": " +
           r.reason;
  }
  std::string operator()(const record::Extended& r) const { return " EXTENDED" + number("", r.epochs); }
  std::string operator()(const record::Moved& r) const {
    return " MOVED" + text(r.model) + number("version ", r.version.value) + " to" + number("w", r.worker.value) +
           text(r.attempt) + ": " + r.reason;
  }
  std::string operator()(const record::Ticked& r) const {
    return " TICKED" + number("", r.tick) + number("decisions ", r.decisions);
  }
};

struct EventWriter {
  std::string operator()(const event::Started& e) const {
    std::string line = "STARTED";
    for (const ModelId model : e.retry) line += " retries" + text(model);
    return line;
  }
  std::string operator()(const event::WorkerUp& e) const {
    std::string line = "WORKER_UP" + text(e.peer);
    for (const HeldState& h : e.held)
      line += " holds" + text(h.model) + number("version ", h.version.value) + text(h.attempt);
    return line;
  }
  std::string operator()(const event::WorkerDown& e) const { return "WORKER_DOWN" + text(e.peer); }
  std::string operator()(const event::Result& e) const {
    return "RESULT" + text(e.peer) + text(e.model) + number("unit ", e.unit.value) + text(e.attempt);
  }
  std::string operator()(const event::UnitFailed& e) const {
    return "UNIT_FAILED" + text(e.peer) + text(e.model) + number("unit ", e.unit.value) + text(e.attempt) + ": " +
           std::string(failure_name(e.failure)) + " " + e.text;
  }
  std::string operator()(const event::Synced& e) const { return "SYNCED" + number("", e.sequence); }
  std::string operator()(const event::Timer&) const { return "TIMER"; }
  std::string operator()(const event::StopRequested&) const { return "STOP_REQUESTED"; }
  std::string operator()(const event::Collected& e) const { return "COLLECTED" + text(e.model) + text(e.file); }
  std::string operator()(const event::WorkerCrashed& e) const { return "WORKER_CRASHED" + text(e.peer) + ": " + e.how; }
  std::string operator()(const event::CollectFailed& e) const {
    return "COLLECT_FAILED" + text(e.model) + ": " + e.text;
  }
  std::string operator()(const event::Copied& e) const {
    return "COPIED" + text(e.peer) + text(e.model) + text(e.attempt);
  }
  std::string operator()(const event::CopyFailed& e) const {
    return "COPY_FAILED" + text(e.peer) + text(e.model) + text(e.attempt) + ": " + e.text;
  }
  std::string operator()(const event::Confirmed& e) const {
    return "CONFIRMED" + text(e.peer) + text(e.model) + text(e.attempt);
  }
  std::string operator()(const event::WorkerLeaves& e) const { return "WORKER_LEAVES" + text(e.peer); }
};

struct ActionWriter {
  std::string operator()(const action::Append& a) const {
    return "APPEND" + number("", a.sequence) + std::visit(RecordWriter{}, a.record);
  }
  std::string operator()(const action::SendLease& a) const {
    return "SEND_LEASE" + text(a.peer) + text(a.lease.model) + number("unit ", a.lease.unit.value) +
           number("partition ", a.lease.partition.value) + text(a.lease.attempt) +
           (a.lease.source ? " from" + number("w", a.lease.source->value) : "") +
           (a.lease.has_group() ? number("rank ", a.lease.rank) : "") +
           (a.lease.trained_as ? " as" + text(*a.lease.trained_as) : "") +
           (a.lease.stored_as ? " stored as" + text(*a.lease.stored_as) : "");
  }
  std::string operator()(const action::CancelLease& a) const {
    return (a.abandon ? "ABANDON_LEASE" : "CANCEL_LEASE") + text(a.peer) + text(a.model) + text(a.attempt);
  }
  std::string operator()(const action::SourceGone& a) const { return "SOURCE_GONE" + text(a.peer) + text(a.attempt); }
  std::string operator()(const action::Answer& a) const {
    return "ANSWER" + text(a.peer) + text(a.model) + number("unit ", a.unit.value) + text(a.attempt) +
           (a.verdict == Verdict::Committed ? " COMMITTED" : " STALE");
  }
  std::string operator()(const action::Release& a) const {
    return "RELEASE" + text(a.peer) + text(a.model) + number("version ", a.version.value) + text(a.attempt);
  }
  std::string operator()(const action::SendCollect& a) const {
    return "COLLECT" + text(a.peer) + text(a.model) + text(a.file) + number("version ", a.version.value);
  }
  std::string operator()(const action::SendCopy& a) const {
    return "COPY" + text(a.peer) + text(a.copy.model) + number("version ", a.copy.version.value) +
           text(a.copy.attempt) + " from" + number("w", a.copy.source.value) +
           (a.copy.stored_as ? " stored as" + text(*a.copy.stored_as) : "");
  }
  std::string operator()(const action::SendHome& a) const { return "SEND_HOME" + text(a.peer); }
  std::string operator()(const action::SetTimer& a) const {
    return "SET_TIMER" + number("at ", static_cast<std::uint64_t>(a.at.count()));
  }
  std::string operator()(const action::Finish& a) const {
    return a.outcome == Outcome::Completed ? "FINISH completed" : "FINISH interrupted";
  }
};

}  // namespace

std::string_view failure_name(Failure failure) {
  static constexpr std::array<std::string_view, 9> kNames = {"source unreachable", "out of memory", "error",
                                                             "cancelled",          "state lost",    "state damaged",
                                                             "member lost",        "source gone",   "no room"};
  return kNames.at(static_cast<std::size_t>(failure));
}

std::string to_text(const Event& event) { return std::visit(EventWriter{}, event); }
std::string to_text(const Action& action) { return std::visit(ActionWriter{}, action); }

}  // namespace hop::hopper::simulate
