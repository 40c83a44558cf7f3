// Journals (hopper/journal.h): the file is read, its records are applied to a ledger, and the results are told. `fsck`
// reads the same bytes as the journal of a run directory and cuts off what is not sound.
#include "hopper/journal.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "hopper/detail/restore.h"
#include "hopper/fsck.h"
#include "hopper/journal_codec_internal.h"
#include "hopper/results.h"
#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

using namespace hopper;

constexpr std::size_t kEnvelope = 16;  // u32 length, u32 CRC, u64 sequence
constexpr std::uint32_t kPartitions = 2;
constexpr std::string_view kToml = R"(
name = "toy"
data.source = "glyphs"
data.partitions = 2
model.family = "mlp"
search.epochs = 2
search.space.lr = [0.5, 0.25]
run.workers = 2
)";

const Experiment& experiment() {
  static const Experiment toy = parse_experiment(kToml, "toy.toml");
  return toy;
}

// Each record that was read can be written, and says the same then. (Bytes: a loss may be NaN, which differs from it.)
void write_again(const Record& record) {
  const std::vector<std::byte> bytes = encode(record);
  const auto again = decode(bytes);
  require(again && std::holds_alternative<Record>(*again), "a record can be read again");
  require(encode(std::get<Record>(*again)) == bytes, "a record is the same after another trip");
}

void tell_results(const Ledger& ledger) {
  Results results = summarize(ledger, Objective::ValidAccuracy);
  results.name = "toy";
  require(nlohmann::json::accept(to_json(results)), "results.json is JSON");
  require(leaderboard(results).find('\x1b') == std::string::npos, "no text reaches a terminal as it is");
}

void run(ByteView input) {
  const std::filesystem::path path = file("journal", input);
  const JournalContents survey = survey_journal(path);
  require(survey.bytes + survey.torn_bytes == input.size(), "each byte is whole or torn");
  require(survey.offsets.size() == survey.records.size(), "each record has its place");
  const JournalContents contents = read_journal(path);
  require(survey.damage.empty() && contents.records.size() == survey.records.size(), "both readers agree");
  for (const Record& record : contents.records) write_again(record);
  tell_results(restore(experiment(), kPartitions, contents).ledger);
}

void run_fsck(ByteView input) {
  static const std::filesystem::path directory = file("fsck/experiment.toml", as_bytes(kToml)).parent_path();
  file("fsck/journal", input);
  const JournalCheck check = check_journal(directory, /*cut=*/true);
  if (!check.is_sound()) {
    require(read(check.kept).size() == check.other_bytes, "what is cut off is kept");
    std::filesystem::remove(check.kept);
  }
  const JournalCheck again = check_journal(directory);
  require(again.is_sound() && again.records == check.records, "a journal is sound after fsck");
}

// ---- inputs

std::string enveloped(const std::vector<std::vector<std::byte>>& payloads);

std::vector<std::vector<std::byte>> whole_run() {
  std::vector<std::vector<std::byte>> payloads{encode(JournalHeader{"toy-1", xxh3_128(as_bytes(kToml)), {3, 4}})};
  Ledger ledger = restore(experiment(), kPartitions, {}).ledger;
  const auto asked = [](std::uint32_t id, std::optional<Parent> parent) {
    return record::Asked{.model = ModelId{id}, .config = {{"lr", 0.5 / (id + 1)}}, .epochs = 2, .parent = parent};
  };
  const auto add = [&](const Record& record) {
    ledger.apply(record);
    payloads.push_back(encode(record));
  };
  add(record::Reserve{Attempt{100}});
  add(asked(0, {}));
  add(asked(1, {}));
  add(record::Ticked{0, 2});
  add(record::Arithmetic{WorkerId{0}, "v3, oneDNN"});
  const auto commit = [&](std::uint32_t id) {
    const Model& model = ledger.model(ModelId{id});
    record::Commit c;
    c.model = model.id;
    c.unit = model.next_unit();
    c.partition = model.candidates.front();
    c.worker = ledger.itinerary().spread().owner(c.partition);
    c.attempt = Attempt{10 * id + number_of(c.unit)};
    c.parent = model.digest;
    c.digest = {id + 1, number_of(c.unit)};
    c.metrics.train_loss = 0.5;
    c.metrics.rows = 100;
    c.metrics.state_bytes = 64;
    if (ledger.itinerary().ends_epoch(c.unit)) c.metrics.valid_loss = c.metrics.valid_accuracy = 0.5;
    add(c);
  };
  for (int unit = 0; unit < 3; ++unit) commit(0);
  add(record::Rollback{ModelId{0}, Version{1},
                       ledger.itinerary().spread().owner(ledger.model(ModelId{0}).visits[0].partition),
                       ledger.model(ModelId{0}).visits[0].attempt, "version 3 is gone"});
  add(record::Quarantine{ModelId{1}, "caf\xE9: \x1b[31m no memory"});
  add(record::Retry{ModelId{1}});
  add(record::Moved{ModelId{0}, Version{1}, WorkerId{0}, Attempt{2}, "worker 1 is away"});
  for (int unit = 0; unit < 2; ++unit) commit(1);
  for (int unit = 0; unit < 1; ++unit) commit(0);
  add(SearchOrder::set_epochs(ModelId{1}, 2, "goes on"));
  add(asked(2, Parent{ModelId{1}, Epoch{0}}));
  add(record::Ticked{1, 2});
  for (int unit = 0; unit < 2; ++unit) commit(1);
  add(record::Collected{ModelId{1}, 64, std::string(64, 'a')});
  return payloads;
}

std::vector<std::string> seeds() {
  std::vector<std::vector<std::byte>> payloads = whole_run();
  std::vector<std::string> all{enveloped({payloads[0]}), enveloped(payloads)};
  all.push_back(all[1].substr(0, all[1].size() - 5));                   // torn
  all.push_back(enveloped({payloads.begin(), payloads.begin() + 11}));  // a model is set aside, with a strange reason
  // Every payload but the first begins at an odd place of the file.
  for (auto& payload : payloads) payload.resize((payload.size() + 3) / 4 * 4 + (&payload == payloads.data() ? 1 : 0));
  all.push_back(enveloped(payloads));
  return all;
}

// Sequences and CRCs; a length that passes the end of the file becomes the rest of it.
void repair(std::string& input) {
  std::size_t at = 0;
  for (std::uint64_t sequence = 0; at + kEnvelope <= input.size(); ++sequence) {
    const std::size_t rest = input.size() - at - kEnvelope;
    auto length = number_at<std::uint32_t>(input, at);
    if (length > rest) put_number(input, at, length = static_cast<std::uint32_t>(rest));
    put_number(input, at + 8, sequence);
    const ByteView bytes = as_bytes(input).subspan(at, kEnvelope + length);
    put_number(input, at + 4, crc32c(bytes.subspan(8), crc32c(bytes.first(4))));
    at += bytes.size();
  }
}

std::string enveloped(const std::vector<std::vector<std::byte>>& payloads) {
  std::string journal;
  for (const std::vector<std::byte>& payload : payloads) {
    const std::size_t at = journal.size();
    journal.append(kEnvelope, '\0').append(as_text(payload));
    put_number(journal, at, static_cast<std::uint32_t>(payload.size()));
  }
  repair(journal);
  return journal;
}

}  // namespace

constinit const Target kJournal{"journal", run, seeds, repair};
constinit const Target kFsck{"fsck", run_fsck, seeds, repair};

}  // namespace hop::fuzz
