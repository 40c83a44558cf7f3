#include "hopper/search_talk.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/words.h"
#include "hopper/journal.h"
#include "net/frame.h"

namespace hop::hopper {
namespace {

std::string name(ModelId id) { return "model " + std::to_string(id.value); }

[[noreturn]] void refuse(const std::string& expected, const std::string& got, ModelId model) {
  throw ConfigError("[search] expected " + expected + ", got " + got + " (" + name(model) + ")");
}

// A configuration travels in messages and stands in a record, with room to spare for all else that these say.
void check_length(const Config& config, ModelId id) {
  constexpr std::size_t kLongest = std::min(net::kMaxControlBytes, kMaxRecordBytes) / 4;
  const std::size_t length = std::max(config.to_json().size(), config.to_text().size());
  if (length <= kLongest) return;
  throw ConfigError("[search] expected configurations of at most " + std::to_string(kLongest) + " bytes, got one of " +
                    std::to_string(length) + " (" + name(id) +
                    "); shorten its longest value, or put the text into a file and search over the name");
}

/// What a journal can hold and a later run can read.
void check(const Config& config, ModelId id) {
  for (const auto& [key, value] : config.entries()) {
    if (!is_utf8(key)) refuse("names in UTF-8", printable(key), id);
    const auto* number = std::get_if<double>(&value);
    if (number != nullptr && !std::isfinite(*number)) refuse("finite numbers", key + " = " + shortest(*number), id);
    const auto* text = std::get_if<std::string>(&value);
    if (text != nullptr && !is_utf8(*text)) refuse("text in UTF-8", key + " = " + printable(*text), id);
  }
  check_length(config, id);
}

record::Asked checked(const Proposal& proposal, ModelId id, const Ledger& ledger, const CheckClone& check_clone) {
  check(proposal.config, id);
  const std::uint32_t most = ledger.itinerary().epochs;
  record::Asked asked{id, proposal.config, proposal.epochs == 0 ? most : proposal.epochs, proposal.parent, {}};
  if (asked.epochs > most) refuse("at most " + std::to_string(most) + " epochs", std::to_string(asked.epochs), id);
  if (!proposal.parent) return asked;
  const auto [parent, epoch] = *proposal.parent;
  if (parent.index() >= ledger.models().size()) refuse("a parent that the search knows", name(parent), id);
  const Model& model = ledger.model(parent);
  const std::string what = "epoch " + to_string(epoch) + " of " + name(parent);
  if (epoch.index() >= model.epochs.size() || model.born + epoch.value > ledger.tick()) {
    refuse("an epoch of its parent that is over", what, id);
  }
  if (number_of(epoch) >= asked.epochs) {
    refuse("a clone with an epoch left to train", what + " and " + std::to_string(asked.epochs) + " epochs in all", id);
  }
  if (check_clone) {
    std::vector<const Config*> ancestors = {&model.config};
    for (auto before = model.parent; before; before = ledger.model(before->model).parent) {
      ancestors.push_back(&ledger.model(before->model).config);
    }
    check_clone(asked, ancestors);
  }
  return asked;
}

const char* word(SearchOrder::Kind kind) {
  static constexpr const char* kWords[] = {"stop", "pause", "resume", "set epochs"};
  return kWords[static_cast<std::size_t>(kind)];
}

void check(const SearchOrder& order, const Ledger& ledger, const Search& search) {
  using Kind = SearchOrder::Kind;
  if (order.model.index() >= ledger.models().size()) refuse("orders about its models", "another one", order.model);
  const Model& model = ledger.model(order.model);
  const Status status = model.underlying();
  const std::string what = std::string("the order to ") + word(order.kind) + " while it is " + to_string(status);
  if (order.kind == Kind::Resume && status != Status::Paused) refuse("to resume a paused model", what, model.id);
  if (order.kind == Kind::SetEpochs &&
      (order.epochs < model.epochs.size() || order.epochs > ledger.itinerary().epochs)) {
    refuse(std::to_string(model.epochs.size()) + " to " + std::to_string(ledger.itinerary().epochs) + " epochs",
           std::to_string(order.epochs), model.id);
  }
  if (status == Status::Paused && order.kind != Kind::Pause) return;
  if (status != Status::Running || ledger.news(model) != News::Epoch)
    refuse("orders for living models", what, model.id);
  const Epoch epoch{ledger.tick() - model.born};
  if (search.barrier_at(epoch)) return;
  refuse("an order where the model waits", what + " and barrier_at(" + to_string(epoch) + ") is false", model.id);
}

}  // namespace

std::optional<Proposal> SearchTalk::ask(std::size_t models) {
  std::optional<Proposal> proposal = search_->ask();
  if (!proposal || models < kMostModels) return proposal;
  throw ConfigError("[search] expected at most " + std::to_string(kMostModels) +
                    " models, got another proposal: does ask() ever give none?");
}

void SearchTalk::tell(const Ledger& ledger) {
  for (const Model& model : ledger.models()) {
    const News news = ledger.news(model);
    if (news == News::Epoch) {
      const Epoch epoch{ledger.tick() - model.born};
      search_->tell(model.id, epoch, model.epochs[epoch.index()]);
    } else if (news == News::Withdrawn) {
      const bool diverged = model.underlying() == Status::Diverged;
      search_->withdrawn(model.id, diverged ? Withdrawal::Diverged : Withdrawal::Quarantined);
    }
  }
}

std::vector<Record> SearchTalk::decide(const Ledger& ledger, const FindState& find_state) {
  std::vector<Record> records;
  tell(ledger);
  if (ledger.tick() > 0) {
    std::set<ModelId> ordered;
    for (SearchOrder& order : search_->end_of_tick()) {
      check(order, ledger, *search_);
      if (!ordered.insert(order.model).second) refuse("one order in a tick", "another one", order.model);
      records.emplace_back(std::move(order));
    }
  }
  auto next = static_cast<std::uint32_t>(ledger.models().size());
  while (const std::optional<Proposal> proposal = ask(next)) {
    record::Asked asked = checked(*proposal, ModelId{next++}, ledger, check_clone_);
    if (asked.parent) asked.place = find_state(*asked.parent);
    search_->asked(asked.model, {asked.config, asked.parent, asked.epochs});
    records.emplace_back(std::move(asked));
  }
  if (next == 0) throw ConfigError("[search] expected at least one configuration, got none");
  records.emplace_back(record::Ticked{ledger.tick(), static_cast<std::uint32_t>(records.size())});
  return records;
}

void SearchTalk::repeat(const Ledger& ledger, const record::Ticked& ticked) {
  if (search_ == nullptr) return;
  tell(ledger);
  if (ledger.tick() > 0) search_->end_of_tick();
  std::vector<record::Asked> asked;
  for (const Ledger::Decision& decision : ledger.undecided().last(ticked.decisions)) {
    if (const auto* a = std::get_if<record::Asked>(&decision)) asked.push_back(*a);
  }
  std::size_t heard = 0;
  const auto confirm = [&] {
    if (heard >= asked.size()) return;
    const record::Asked& a = asked[heard++];
    search_->asked(a.model, {a.config, a.parent, a.epochs});
  };
  for (std::size_t next = ledger.models().size(); ask(next); ++next) confirm();
  while (heard < asked.size()) confirm();
}

bool SearchTalk::holds_back(const Ledger& ledger, const Model& model) const {
  if (model.is_behind() || model.epochs.empty() || !ledger.itinerary().is_between_epochs(model.version)) return false;
  const Epoch epoch{static_cast<std::uint32_t>(model.epochs.size() - 1)};
  if (model.born + epoch.value < ledger.tick()) return false;
  return search_ == nullptr || search_->barrier_at(epoch);
}

}  // namespace hop::hopper
