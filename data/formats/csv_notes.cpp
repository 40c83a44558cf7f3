#include "base/words.h"
#include "data/formats/csv_notes_internal.h"
#include "data/formats/csv_separator.h"

namespace hop::data {
namespace {

constexpr std::int64_t kFewest = 8;  // rows; fewer may count up or be alike by chance

class Notes {
 public:
  Notes(const CsvTable& table, const CsvOptions& options, const CsvTable* like)
      : table_(table), options_(options), like_(like) {}

  std::vector<std::string> lines() {
    const CsvLabels& labels = table_.labels;
    const std::vector<std::size_t>& label_places = table_.places.labels;
    if (!options_.separator && table_.separator != ',') {
      const std::string name(name_of_separator(table_.separator));
      note(name + "s separate its cells; separator = \"" + name + "\" or another word decides");
    }
    if (like_ == nullptr && options_.label == CsvOptions{}.label) {
      note("the label is " + table_.title(label_places[0]) + "; label = NUMBER or NAME decides");
    }
    if (!options_.target && labels.kind() == TargetKind::numbers) {
      note(table_.title(label_places[0]) + " holds numbers such as " + labels.fraction +
           ": regression, models predict the number; target = \"class\" or \"number\" decides");
    }
    for (std::size_t i = 0; i < table_.features.size(); ++i) on_feature(table_.features[i], table_.places.features[i]);
    if (like_ != nullptr) return std::move(lines_);
    for (const auto& [place, guess] : table_.guesses) on_guess(place, guess);
    if (labels.kind() == TargetKind::classes) return std::move(lines_);
    for (std::size_t i = 0; i < labels.numbers.size(); ++i) on_digits(labels.numbers[i], label_places[i]);
    return std::move(lines_);
  }

 private:
  void note(std::string text) { lines_.push_back(std::move(text)); }

  // `columns = { "zip" = "drop" }`
  std::string say(std::size_t place, const std::string& word) const {
    const std::string name = table_.header.empty() ? std::to_string(place) : printable(table_.header[place]);
    return "columns = { \"" + name + "\" = \"" + word + "\" }";
  }

  void on_guess(std::size_t place, const ColumnGuess& guess) {
    const std::string title = table_.title(place) + " has leading zeros, such as \"" + printable(guess.cell) + "\"";
    if (guess.rule->kind == ColumnKind::category) {
      note(title + ": a category; " + say(place, "number") + " takes it for numbers");
    } else {
      note(title + ", and hardly a value twice, like an id: left out; " + say(place, "number") +
           " takes it for numbers");
    }
  }

  void on_feature(const CsvFeature& feature, std::size_t place) {
    if (feature.words == nullptr) return on_numbers(feature.numbers, place);
    if (like_ == nullptr && table_.rows() >= kFewest && feature.words->size() == 1) {
      on_constant(place, feature.words->words().front());
    }
  }

  void on_constant(std::size_t place, const std::string& value) {
    note(table_.title(place) + " is " + (value.empty() ? "missing" : printable(value)) +
         " in every row and tells nothing: " + say(place, "drop") + " leaves it out");
  }

  void on_numbers(const NumberColumn& numbers, std::size_t place) {
    const std::string title = table_.title(place);
    if (numbers.missing > 0) {
      note(title + " lacks " + std::to_string(numbers.missing) + " of " + std::to_string(table_.rows()) +
           " values: each becomes the median of the training rows" +
           (options_.missing == MissingValues::indicator ? ", with an indicator" : "") +
           "; missing = \"median\", \"indicator\" or \"error\" decides");
    }
    if (like_ != nullptr) return;
    if (numbers.rows >= kFewest && numbers.missing == 0 && numbers.least == numbers.greatest) {
      on_constant(place, shortest(numbers.least));
    } else if (numbers.counts_up && numbers.rows >= kFewest && numbers.missing == 0 && numbers.greatest_error == 0) {
      note(title + " counts the rows: leave it out unless its number means something");
    } else if (numbers.looks_like_an_id()) {
      note(title + " has another whole number in every row, like an id: leave it out unless its size means something");
    }
    on_digits(numbers, place);
  }

  void on_digits(const NumberColumn& numbers, std::size_t place) {
    const std::string title = table_.title(place);
    if (numbers.whole_rounded) {
      note(title + " has whole numbers beyond 16,777,216, which are kept with 7 digits");
    } else if (numbers.is_blurred()) {
      note(title + " has values too near to each other for the 7 digits that are kept: subtract what they share");
    }
  }

  const CsvTable& table_;
  const CsvOptions& options_;
  const CsvTable* like_;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> notes_on_columns(const CsvTable& table, const CsvOptions& options, const CsvTable* like) {
  return Notes(table, options, like).lines();
}

}  // namespace hop::data
