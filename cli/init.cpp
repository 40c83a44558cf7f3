// hop init DATA.csv, or BOOK.txt: looks at a table or a text and writes a first experiment file for it.
#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "base/words.h"
#include "cli/commands.h"
#include "data/formats/csv.h"
#include "data/formats/csv_separator.h"
#include "data/formats/format.h"
#include "data/formats/text.h"
#include "data/table_guess.h"
#include "hopper/config.h"
#include "hopper/detail/path_text.h"
#include "hopper/experiment.h"

namespace hop::cli {
namespace {

namespace fs = std::filesystem;

struct InitArguments {
  std::string source, to;
  std::optional<std::string> label;
};

std::string quoted(const std::string& text) { return hopper::to_text(hopper::Value(text)); }

// The name of a run: what a file name has of it.
std::string run_name(const fs::path& source) {
  std::string name = source.stem().string();
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0 && c != '_' && c != '-' && c != '.'; }, '-');
  return is_plain_name(name) ? name : "experiment";
}

// How the file names a column: by its name, if it has one of its own.
std::string key_of(const data::TableGuess& guess, std::size_t place) {
  const std::string& name = guess.columns[place].name;
  const auto times = std::ranges::count(guess.columns, name, &data::GuessedColumn::name);
  return guess.has_header && times == 1 ? quoted(name) : std::to_string(place);
}

std::string columns_of(const data::TableGuess& guess) {
  std::string text;
  for (std::size_t i = 0; i < guess.columns.size(); ++i) {
    const data::GuessedColumn& column = guess.columns[i];
    text += "#   " + std::to_string(i) + (column.name.empty() ? "" : " " + printable(column.name)) + ": " +
            column.word + ", " + column.reason + "\n";
  }
  std::string words;
  for (std::size_t i = 0; i < guess.columns.size(); ++i) {
    const std::string& word = guess.columns[i].word;
    if (word == "label" || word == "number") continue;
    const std::string key = key_of(guess, i);
    words += (words.empty() ? "" : ", ") + (key.front() == '"' ? key : quoted(key)) + " = " + quoted(word);
  }
  return text + (words.empty() ? "" : "columns = { " + words + " }\n");
}

struct Size {
  std::int64_t rows;
  int batch, epochs;
};
// Small tables need many epochs of small batches; large ones would take hours with them.
constexpr std::array kSizes = {Size{2'000, 16, 30}, Size{20'000, 32, 20}, Size{200'000, 128, 20},
                               Size{2'000'000, 512, 5}};
constexpr Size kLargest = {0, 2048, 3};

Size size_for(std::int64_t rows) {
  const auto* const found = std::ranges::find_if(kSizes, [&](const Size& size) { return rows < size.rows; });
  return found != kSizes.end() ? *found : kLargest;
}

std::string target_of(const data::TableGuess& guess) {
  if (guess.target == data::TargetKind::numbers)
    return "loss = \"mse\"                        # the label is a number\n";
  constexpr double kRare = 0.1;
  if (guess.rarest >= kRare) return "loss = \"cross_entropy\"\n";
  char share[64];
  std::snprintf(share, sizeof share, "%.2g %%", 100 * guess.rarest);
  const std::string first = guess.classes == 2 ? "\"auc\", " : "";  // the first metric ranks the models
  return "loss = \"cross_entropy\"\nmetrics = [" + first + "\"macro_f1\", \"accuracy\"]  # the rarest class has " +
         std::string(share) + " of the rows: accuracy alone says little\n";
}

// Categories of many words need a model that learns a vector for each word.
bool embeds(const data::TableGuess& guess) { return guess.categories == data::Categories::index; }

// The rows that are set aside to measure the models, and the partitions of the others. Few rows allow few of both.
// Each class may set a row more aside than its share.
struct Parts {
  std::string validation;
  std::int64_t partitions = 4;
};

Parts parts_for(const data::TableGuess& guess) {
  constexpr double kShare = 0.2;
  const auto aside = static_cast<std::int64_t>(kShare * static_cast<double>(guess.rows) + 0.5);
  const auto partitions = std::clamp<std::int64_t>(guess.rows - aside - guess.classes, 1, Parts{}.partitions);
  if (aside == 0) return {"\"none\"                   # too few rows to measure models by some of them", partitions};
  const bool are_classes = guess.target == data::TargetKind::classes;
  return {are_classes ? "{ fraction = 0.2, stratified = true }  # rows that measure the models: as many of each class"
                      : "{ fraction = 0.2 }      # rows that measure the models",
          partitions};
}

// The columns that are left out or not taken for what they look like, a line each.
bool is_called_weight(std::string name) {
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name == "weight" || name == "weights" || name == "sample_weight";
}

std::string surprises(const data::TableGuess& guess) {
  constexpr std::size_t kShown = 8;
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < guess.columns.size(); ++i) {
    const data::GuessedColumn& column = guess.columns[i];
    const bool is_dropped = column.word == "drop";
    if (column.word == "number" && is_called_weight(column.name)) {
      lines.push_back("column " + std::to_string(i) + " \"" + printable(column.name) +
                      "\" is a feature; if it says how much a row counts, write " + column.name +
                      " = \"weight\" in columns\n");
    }
    if (!is_dropped && (column.word != "category" || !column.has_codes)) continue;
    lines.push_back("column " + std::to_string(i) + (column.name.empty() ? "" : " \"" + printable(column.name) + "\"") +
                    (is_dropped ? " is left out: " : " is a category: ") + column.reason + "\n");
  }
  const std::string& label = guess.columns[guess.label].name;
  const auto same = std::ranges::count(guess.columns, label, &data::GuessedColumn::name);
  std::string text;
  if (guess.has_header && same > 1) {
    text = "\"" + printable(label) + "\" is the name of " + std::to_string(same) +
           " columns: of one that repeats the label, a model learns nothing else; \"drop\" leaves it out\n";
  }
  for (std::size_t i = 0; i < std::min(lines.size(), kShown); ++i) text += lines[i];
  return lines.size() <= kShown ? text : text + "and " + std::to_string(lines.size() - kShown) + " more are left out\n";
}

// Why the validation will say little; empty if it may say something.
std::string doubt_of(const data::TableGuess& guess) {
  constexpr std::int64_t kFew = 5;  // one of them is set aside
  if (guess.rows < kFew) return std::to_string(guess.rows) + " rows are too few to learn from and to measure by\n";
  if (guess.target == data::TargetKind::numbers || guess.rarest_rows >= kFew) return "";
  return "the class \"" + printable(guess.rarest_class) + "\" has " + std::to_string(guess.rarest_rows) +
         (guess.rarest_rows == 1 ? " row: a model that learns it cannot be measured by it\n"
                                 : " rows: hardly enough to learn it and to measure by it\n");
}

// What both kinds of files say before their data.
std::string front_of(const std::string& what, const fs::path& source) {
  return "# Written by `hop init`: " + what + " of " + printable(source.filename().string()) +
         ". Look it over, then: hop run THIS_FILE\n# Every key: docs/experiment-file.md\nname = " +
         quoted(run_name(source)) + "\nseed = 1\n\n[data]\nsource = " + quoted(hopper::text_of_path(source.string())) +
         "\n";
}

std::string experiment_text(const data::TableGuess& guess, const fs::path& source) {
  const Size size = size_for(guess.rows);
  const Parts parts = parts_for(guess);
  const std::string label = key_of(guess, guess.label);
  const std::int64_t workers = std::clamp<std::int64_t>(std::thread::hardware_concurrency(), 1, parts.partitions);
  return front_of(std::to_string(guess.rows) + " rows", source) + "partitions = " + std::to_string(parts.partitions) +
         "\nvalidation = " + parts.validation + "\nlabel = " + label + "  # " + guess.label_reason + "\n" +
         (guess.separator == ','
              ? ""
              : "separator = " + quoted(std::string(data::name_of_separator(guess.separator))) + "\n") +
         (guess.has_header ? "header = true\n"
                           : "# header = true or false: if neither is said, the import looks and tells\n") +
         "# The columns; a word for one: number, standard, minmax, none, category, weight or drop.\n" +
         columns_of(guess) +
         (guess.has_missing ? "missing = \"median\"                 # or \"indicator\", \"error\"\n" : "") +
         (embeds(guess) ? "categories = \"index\"              # the model learns a vector for each word\n" : "") +
         "\n[model]\n" +
         (embeds(guess) ? "layers = [\"embed $embed\", \"linear $hidden\", \"relu\", \"dropout $dropout\", "
                          "\"linear $hidden\", \"relu\", \"linear $outputs\"]\n"
                        : "family = \"mlp\"\n") +
         target_of(guess) + "\n[search]\nmethod = \"grid\"\nepochs = " + std::to_string(size.epochs) +
         "\nkeep = \"best\"                        # the state after a model's best epoch is its answer" +
         "\n\n[search.space]                        # every combination is a model: 8\n"
         "lr = [0.01, 0.001]\nhidden = [32, 128]\ndropout = [0.0, 0.2]\n" +
         (embeds(guess) ? "embed = [8]\n" : "depth = [2]\n") + "batch_size = [" + std::to_string(size.batch) +
         "]\noptimizer = [\"adam\"]\n\n[run]\nworkers = " + std::to_string(workers) + "\n";
}

// ---- a text

std::string text_experiment(const data::RawData& raw, const fs::path& source) {
  const std::int64_t rows = raw.train->rows();
  const Size size = size_for(rows);
  const std::int64_t partitions = std::clamp<std::int64_t>(rows - rows / 10 - 1, 1, Parts{}.partitions);
  const std::int64_t workers = std::clamp<std::int64_t>(std::thread::hardware_concurrency(), 1, partitions);
  return front_of(std::to_string(rows) + " rows", source) + "partitions = " + std::to_string(partitions) +
         "\ncontext = " + std::to_string(raw.train->feature_shape().numel()) +
         "                          # a row is so many characters, its label the next one\n" +
         (raw.test != nullptr ? "" : "# Without a valid.txt the end of the text measures the models.\n") +
         "\n[model]\nlayers = [\"embedding $outputs 16\", \"flatten\", \"linear $hidden\", \"relu\", \"linear "
         "$outputs\"]\nloss = \"cross_entropy\"\nmetrics = [\"perplexity\", \"accuracy\"]  # the first one ranks the "
         "models\n\n[search]\nmethod = \"grid\"\nepochs = " +
         std::to_string(size.epochs) +
         "\nkeep = \"best\"                        # the state after a model's best epoch is its answer"
         "\n\n[search.space]                        # every combination is a model: 4\n"
         "lr = [0.01, 0.001]\nhidden = [64, 256]\nbatch_size = [" +
         std::to_string(size.batch) + "]\noptimizer = [\"adam\"]\n\n[run]\nworkers = " + std::to_string(workers) + "\n";
}

// The files of a text, as the experiment will find them; none if the source is something else.
std::vector<fs::path> texts_in(const fs::path& source) {
  if (!fs::exists(source)) return {};
  if (fs::is_directory(source))
    return data::find_csv(source).empty() ? data::find_text(source) : std::vector<fs::path>();
  return data::format_of_file(source).has_context ? std::vector{source} : std::vector<fs::path>();
}

// ---- both

// The file, and what people are told.
struct Written {
  std::string text, told;
};

Written written_for_text(const std::vector<fs::path>& files, const fs::path& source, const InitArguments& arguments) {
  if (arguments.label) throw ConfigError("[init] --label: expected none for a text, whose labels are characters");
  const data::RawData raw = data::open_text(files, data::CsvOptions{}.context);
  Written written{text_experiment(raw, source), {}};
  for (const std::string& note : raw.notes) written.told += note + "\n";
  return written;
}

fs::path table_in(const fs::path& source) {
  if (!fs::exists(source)) throw DataError("[init] expected a CSV file, got nothing at " + source.string());
  if (!fs::is_directory(source)) return source;
  const std::vector<fs::path> files = data::find_csv(source);
  if (files.empty()) throw DataError("[init] expected a CSV file in " + source.string() + ", got none");
  return files.front();
}

Written written_for_table(const fs::path& source, const InitArguments& arguments) {
  const data::TableGuess guess = data::guess_table(table_in(source), arguments.label);
  const data::GuessedColumn& label = guess.columns[guess.label];
  return {experiment_text(guess, source),
          std::to_string(guess.rows) + " rows, " + std::to_string(guess.columns.size()) +
              " columns; the label is column " + std::to_string(guess.label) +
              (label.name.empty() ? "" : " \"" + printable(label.name) + "\"") + " (" + guess.label_reason +
              "): " + label.reason + "\n" + surprises(guess) + doubt_of(guess)};
}

int init(const InitArguments& arguments) {
  const fs::path source = without_trailing_slash(arguments.source);
  const fs::path file = arguments.to.empty() ? fs::path(run_name(source) + ".toml") : fs::path(arguments.to);
  const bool is_stream = file.string().starts_with("/dev/");  // /dev/stdout may be a file that the shell has made
  const bool is_taken = fs::is_regular_file(file) || fs::is_directory(file);  // a pipe may be written to
  if (is_taken && !is_stream)
    throw ConfigError("[init] expected a new file, got " + file.string() + ": --to names another");
  const std::vector<fs::path> texts = texts_in(source);
  const auto [text, told] =
      texts.empty() ? written_for_table(source, arguments) : written_for_text(texts, source, arguments);
  hopper::parse_experiment(text, file.string());  // what it writes is right, or it writes nothing
  write_output(file, as_bytes(text), raise<ConfigError>);
  std::FILE* const people =
      fs::is_regular_file(file) && !is_stream ? stdout : stderr;  // the text may have gone to stdout
  std::fprintf(people, "%swrote %s; next: hop run %s\n", told.c_str(), file.c_str(), file.c_str());
  return kOk;
}

}  // namespace

void add_init(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<InitArguments>();
  CLI::App* command = app.add_subcommand("init", "Look at a CSV file or a text and write an experiment file for it");
  command->add_option("source", arguments->source, "A CSV file, a text (.txt), or a folder with train.csv or train.txt")
      ->required();
  command->add_option("--to", arguments->to, "The file to write (default: the source's name, .toml)");
  command->add_option("--label", arguments->label, "The label's column, by name or place");
  command->callback([=, &action] { action = [=] { return init(*arguments); }; });
}

}  // namespace hop::cli
