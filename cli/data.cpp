// hop data import | info | split: turns raw files into partitions, describes a partitioned data set, and hands its
// partitions out to nodes.
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/table.h"
#include "base/words.h"
#include "cli/commands.h"
#include "data/formats/csv_separator.h"
#include "data/prepare.h"
#include "hopper/hand_out.h"

namespace hop::cli {
namespace {

struct ImportArguments {
  std::string format;
  std::vector<std::filesystem::path> sources;
  std::filesystem::path out;
  std::uint32_t partitions = 4;
  std::uint64_t seed = 0;
  std::string target, missing = "median", categories = "one_hot", separator;
  std::vector<std::string> labels = {"0"}, columns;
  bool has_header = false, has_none = false;
  std::optional<std::int64_t> tail;
  std::optional<double> fraction;
  std::optional<std::int64_t> context;
  bool stratified = false;
};

// A number is a column's place; any other text is its name in the header row.
data::ColumnPlace column_place(const std::string& text) {
  const bool number =
      !text.empty() && text.find_first_not_of("0123456789", text[0] == '-' ? 1 : 0) == std::string::npos;
  std::int64_t place = 0;
  if (!number) return text;
  if (std::from_chars(text.data(), text.data() + text.size(), place).ec != std::errc{}) {
    throw ConfigError("[data] --label: expected a column's number or name, got " + text);
  }
  return place;
}

// One column, or several.
data::LabelColumn label_column(const std::vector<std::string>& texts) {
  std::vector<data::ColumnPlace> places;
  for (const std::string& text : texts) places.push_back(column_place(text));
  if (places.size() != 1) return places;
  return std::visit([](const auto& place) { return data::LabelColumn(place); }, places[0]);
}

// "age=minmax" -> {"age": "minmax"}. A name may hold "=".
data::ColumnWords column_words(const std::vector<std::string>& texts) {
  data::ColumnWords words;
  for (const std::string& text : texts) {
    const std::size_t at = text.rfind('=');
    if (at == std::string::npos) throw ConfigError("[data] --column: expected COLUMN=WORD, got " + printable(text));
    const bool is_new = words.emplace(text.substr(0, at), text.substr(at + 1)).second;
    if (!is_new) throw ConfigError("[data] --column: " + printable(text.substr(0, at)) + ": the column is named twice");
  }
  return words;
}

std::string format_names() {
  const std::vector<std::string_view> names = names_of(data::formats());
  return list_of(names);
}

// One line on a terminal that says how far a long import is. It goes when the import has ended, in whatever way.
class ProgressLine {
 public:
  void show(std::string_view what, double share) {
    if (!is_terminal_ || watch_.seconds() < kFirst || watch_.seconds() < shown_ + kStep) return;
    shown_ = watch_.seconds();
    std::fprintf(stderr, "\r%s: %3.0f %% \x1b[K", std::string(what).c_str(), 100 * share);
  }
  ~ProgressLine() {
    if (shown_ > 0) std::fputs("\r\x1b[K", stderr);
  }

 private:
  static constexpr double kFirst = 1, kStep = 0.2;  // seconds: a short import shows nothing
  bool is_terminal_ = ::isatty(STDERR_FILENO) != 0;
  Stopwatch watch_;
  double shown_ = 0;
};

int import(const ImportArguments& arguments) {
  ProgressLine progress;
  data::ImportOptions options;
  options.on_progress = [&](std::string_view what, double share) { progress.show(what, share); };
  options.partitions = arguments.partitions;
  options.seed = arguments.seed;
  options.label = label_column(arguments.labels);
  if (!arguments.target.empty()) options.target = data::target_kind_from_name(arguments.target);
  options.columns = column_words(arguments.columns);
  options.missing = find_row(data::missing_rules(), arguments.missing, "[data] --missing").missing;
  options.categories = find_row(data::category_rules(), arguments.categories, "[data] --categories").categories;
  if (!arguments.separator.empty()) {
    options.separator = data::parse_separator(arguments.separator, "[data] --separator");
  }
  if (arguments.has_header || arguments.has_none) options.header = arguments.has_header;
  if (arguments.tail) options.validation = data::Validation::tail(*arguments.tail);
  if (arguments.fraction) options.validation = data::Validation::fraction(*arguments.fraction, arguments.stratified);
  options.context = arguments.context;
  const data::Dataset dataset =
      data::import_dataset(data::find_format(arguments.format), arguments.sources, arguments.out, options);
  std::fputs(data::describe(dataset).c_str(), stdout);
  return kOk;
}

// The data set that is meant: of a run, its own copy.
std::filesystem::path described_by(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  if (data::Dataset::is_dataset(path) || !fs::exists(path)) return path;
  if (fs::is_regular_file(path)) {
    throw DataError("[data] expected the folder of a data set, got the file " + path.string() + ": `hop init " +
                    path.string() + "` looks at a table, `hop data import` makes a data set of it");
  }
  const bool is_run = fs::exists(path / "experiment.toml") && data::Dataset::is_dataset(path / "data");
  return is_run ? path / "data" : path;
}

int info(const std::string& path) {
  const std::filesystem::path folder = described_by(path);
  const data::Dataset dataset = data::Dataset::open(folder, data::Files::present);
  std::string here;
  std::uint32_t present = 0;
  for (std::uint32_t q = 0; q < dataset.partition_count(); ++q) {
    if (!dataset.has_partition(PartitionId(q))) continue;
    dataset.partition(PartitionId(q));  // checks every block
    here += " " + std::to_string(q);
    ++present;
  }
  if (dataset.has_validation()) dataset.validation();
  std::fputs(data::describe(dataset).c_str(), stdout);
  if (present < dataset.partition_count()) {
    std::printf("%-12s %u of %u partitions:%s\n", "in this folder", present, dataset.partition_count(), here.c_str());
  }
  return kOk;
}

struct SplitArguments {
  std::string folder;
  std::vector<std::filesystem::path> out;
  std::uint32_t replicas = 1;
};

int split(const SplitArguments& arguments) {
  const data::Dataset dataset = data::Dataset::open(arguments.folder);
  hopper::hand_out(dataset, arguments.out, arguments.replicas);
  const auto nodes = static_cast<std::uint32_t>(arguments.out.size());
  const auto of_nodes = hopper::nodes_partitions(dataset.partition_count(), nodes, arguments.replicas);
  for (std::size_t n = 0; n < arguments.out.size(); ++n) {
    std::printf("%s:", arguments.out[n].c_str());
    for (const PartitionId id : of_nodes[n]) std::printf(" %u", id.value);
    std::printf("\n");
  }
  return kOk;
}

void add_import(CLI::App& data, Action& action) {
  auto arguments = std::make_shared<ImportArguments>();
  CLI::App* command = data.add_subcommand("import", "Partition raw files: hop data import idx SOURCE... --out DIR");
  command->add_option("format", arguments->format, "One of " + format_names())->required();
  command->add_option("sources", arguments->sources, "A folder, or files")->required();
  command->add_option("--partitions", arguments->partitions, "How many (default 4)")->transform(whole_number(1));
  command->add_option("--out", arguments->out, "The data set's folder; must not exist or be empty")->required();
  command
      ->add_option("--label", arguments->labels,
                   "CSV: the label's column, by number or name (default 0); repeatable for several numbers to predict")
      ->allow_extra_args(false);
  command->add_option("--target", arguments->target,
                      "What labels are: class, or number (to predict); default: labels with a fraction are numbers");
  auto* header = command->add_flag("--header", arguments->has_header, "CSV: the first line is a header");
  command->add_flag("--no-header", arguments->has_none, "CSV: the first line is data")->excludes(header);
  command->add_option(
      "--column", arguments->columns,
      "CSV: what a column is, COLUMN=WORD: number, standard, minmax, none, category, weight or drop; repeatable");
  command->add_option("--missing", arguments->missing, "CSV: missing numbers: median (default), indicator or error");
  command->add_option("--categories", arguments->categories,
                      "CSV: how categories become features: one_hot (default), or index for a layer \"embed\"");
  command->add_option("--separator", arguments->separator,
                      "CSV: comma, tab, semicolon or bar, or the character itself (default: found in the first lines)");
  command
      ->add_option(
          "--context", arguments->context,
          "Text: characters of a row, before the one to predict (" + std::to_string(data::CsvOptions{}.context) + ")")
      ->transform(whole_number(1));
  command->add_option("--seed", arguments->seed, "Of the shuffle (default 0)")->transform(whole_number());
  auto* tail = command->add_option("--validation-tail", arguments->tail, "Validate on the last N rows")
                   ->transform(whole_number(1));
  auto* fraction =
      command->add_option("--validation-fraction", arguments->fraction, "Validate on a random share of the rows")
          ->excludes(tail);
  command->add_flag("--stratified", arguments->stratified, "The same share of each class")->needs(fraction);
  command->callback([=, &action] { action = [=] { return import(*arguments); }; });
}

void add_info(CLI::App& data, Action& action) {
  auto folder = std::make_shared<std::string>();
  CLI::App* command = data.add_subcommand("info", "Check a data set and say what it holds");
  command->add_option("folder", *folder, "The data set's folder, or a run directory: the data of the run")->required();
  command->callback([=, &action] { action = [=] { return info(*folder); }; });
}

void add_split(CLI::App& data, Action& action) {
  auto arguments = std::make_shared<SplitArguments>();
  CLI::App* command =
      data.add_subcommand("split", "Hand the partitions out to nodes: hop data split DIR --out A --out B");
  command->add_option("folder", arguments->folder, "The data set's folder")->required();
  command
      ->add_option("--out", arguments->out,
                   "A folder for each node, in the order of the workers; must not exist or be empty")
      ->required()
      ->allow_extra_args(false);
  command->add_option("--replicas", arguments->replicas, "How many nodes get each partition (default 1)")
      ->transform(whole_number(1));
  command->callback([=, &action] { action = [=] { return split(*arguments); }; });
}

}  // namespace

void add_data(CLI::App& app, Action& action) {
  CLI::App* data = app.add_subcommand("data", "Import, inspect and hand out data sets");
  data->require_subcommand(1);
  add_import(*data, action);
  add_info(*data, action);
  add_split(*data, action);
}

}  // namespace hop::cli
