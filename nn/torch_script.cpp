#include "nn/torch_script.h"

#include <utility>
#include <vector>

#include "data/formats/csv_cells.h"
#include "nn/detail/spec_plan.h"
#include "nn/detail/spec_table.h"
#include "nn/spec.h"

namespace hop::nn {
namespace {

// Rows become numbers as in data/row_encoder.cpp, and numbers input as in data/row_scaling.h.
constexpr const char* kScript = R"py(
# The model of the safetensors file beside this one, in PyTorch: python THIS.py ROWS.csv > PREDICTIONS.csv
import collections, csv, json, math, pathlib, re, struct, sys, torch, torch.nn as nn

MISSING = {@MISSING@}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
DTYPES = dict(F64=torch.double, F32=torch.float, BF16=torch.bfloat16, F16=torch.half, I64=torch.long, I32=torch.int)

def load(path):
    data = bytearray(path.read_bytes())
    start = 8 + struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:start])
    schema = json.loads(header.pop("__metadata__")["schema"])
    return {name: torch.frombuffer(data, dtype=DTYPES[entry["dtype"]], count=math.prod(entry["shape"]),
                                   offset=start + entry["data_offsets"][0]).reshape(entry["shape"])
            for name, entry in header.items()}, schema

TENSORS, SCHEMA = load(pathlib.Path(__file__).with_suffix(".safetensors"))
SHAPE, SEPARATOR = SCHEMA["columns"][0]["shape"], SCHEMA.get("separator", ",")
PLAIN = [{"name": "", "kind": "number", "place": i} for i in range(math.prod(SHAPE))]
COLUMNS = [column for column in SCHEMA.get("table", PLAIN) if column["kind"] in ("number", "category")]
WORDS = [{name: place for place, name in enumerate(column.get("words", []), 1)} for column in COLUMNS]
@CLASSES@
model = nn.Sequential(collections.OrderedDict([
@LAYERS@])).eval()
model.load_state_dict(TENSORS)

def word(cell, words):
    """The word of a category: one of the training rows as it stands; else "" if it is missing, and 3.0 is 3."""
    whole = NUMBER.fullmatch(cell) and set(cell) & set(".eE") and float(cell).is_integer() and abs(float(cell)) <= 9e15
    return cell if cell in words else "" if cell.lower() in MISSING else str(int(float(cell))) if whole else cell

def features(row):
    for column, words, cell in sorted(zip(COLUMNS, WORDS, row), key=lambda part: "categories" in part[0]):
        missing, own = cell.lower() in MISSING, word(cell, words)
        if column["kind"] == "category":
            yield from [words.get(own, 0)] if "categories" in column else (own == w for w in words)
        else:
            if not (missing and "fill" in column or NUMBER.fullmatch(cell)):
                raise ValueError(f"column {column['place']} {column['name']!r}: expected a number, got {cell!r}")
            yield column["fill"] if missing else float(cell)
            if column.get("indicator"): yield float(missing)

def predict(rows):
    """Rows of text, a cell for each of COLUMNS -> (N, K)."""
    dtype = torch.float64 if SCHEMA["columns"][0]["dtype"] in ("f64", "i64", "i32") else torch.float32
    x = torch.tensor([list(features(row)) for row in rows], dtype=dtype)
    scales = SCHEMA.get("features") or [dict(zip(("offset", "factor"), SCHEMA["scale"]))]
    offset, factor = (torch.tensor([scale[key] for scale in scales], dtype=dtype) for key in ("offset", "factor"))
    with torch.no_grad(): y = model(((x - offset) * factor).float().reshape(-1, *SHAPE)).reshape(len(rows), -1)
    return @ANSWERS@

if __name__ == "__main__":
    with open(sys.argv[1], newline="", encoding="utf-8-sig") as file:
        records = [[c.strip() for c in r] for r in csv.reader(file, delimiter=SEPARATOR) if r] or sys.exit("no rows")
    first, names = records[0], [column["name"] for column in COLUMNS]
    named = any(names) and set(names) <= set(first)
    if any(names) and not named and not any(NUMBER.fullmatch(cell) or cell.lower() in MISSING for cell in first):
        sys.exit(f"{sys.argv[1]}: no column named " + ", ".join(sorted(set(names) - set(first))))
    every = SCHEMA.get("table", PLAIN)
    layouts = {len(part): part for part in (COLUMNS, [c for c in every if c["kind"] not in ("label", "weight")], every)}
    width = len(first) if named or len(first) in layouts else len(every)
    for number, record in enumerate(records, 1):
        if len(record) != width: sys.exit(f"{sys.argv[1]}, row {number}: expected {width} columns, got {len(record)}")
    places = [at for at, column in enumerate(layouts.get(width, [])) if column["kind"] in ("number", "category")]
    if named: places = [[at for at, x in enumerate(first) if x == n][names[:i].count(n)] for i, n in enumerate(names)]
    y = predict([[record[place] for place in places] for record in records[named:]])
    table = csv.writer(sys.stdout, lineterminator="\n")
@PRINT@
)py";

// As nn::CategoryEmbedding.
constexpr const char* kEmbed = R"py(class Embed(nn.Embedding):
    def __init__(self, words, size):
        super().__init__(sum(words) + len(words), size)
        self.register_buffer("first", torch.zeros(len(words) + 1).long())
    def forward(self, x):
        numbers = x.shape[1] - len(self.first) + 1
        return torch.cat([x[:, :numbers], super().forward(x[:, numbers:].long() + self.first[:-1]).flatten(1)], 1)
)py";

constexpr const char* kPrintClasses = R"py(    classes = SCHEMA["class_names"] or [str(i) for i in range(y.shape[1])]
    table.writerow(["class"] + [f"p({name})" for name in classes])
    table.writerows([classes[row.argmax()]] + row.tolist() for row in y))py";

constexpr const char* kPrintNumbers =
    R"py(    table.writerow([target["name"] or f"prediction {i}" for i, target in enumerate(SCHEMA["targets"])])
    table.writerows(y.tolist()))py";

// As nn::Embedding, which takes indices as floats.
constexpr const char* kLookup = R"py(class Lookup(nn.Embedding):
    def forward(self, x): return super().forward(x.long())
)py";

// As nn::Normalize.
constexpr const char* kNormalize = R"py(class Normalize(nn.Module):
    def __init__(self, mean, std):
        super().__init__()
        for name, values in (("mean", mean), ("std", std)): self.register_buffer(name, torch.tensor(values).float())
    def forward(self, x): return (x - self.mean[:, None, None]) / self.std[:, None, None]
)py";

// As nn::Residual, whose shortcut may be the input itself.
constexpr const char* kResidual = R"py(class Residual(nn.Module):
    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body, self.shortcut = body, shortcut or nn.Identity()
    def forward(self, x): return self.body(x) + self.shortcut(x)
)py";

// As nn::Concat.
constexpr const char* kConcat = R"py(class Concat(nn.ModuleList):
    def __init__(self, dim, *branches):
        super().__init__(branches)
        self.dim = dim
    def forward(self, x): return torch.cat([x] * (len(self) == 1) + [branch(x) for branch in self], self.dim)
)py";

// As nn::LSTM, nn::GRU and nn::RNN of a Sequential, and as nn::LastState of them.
constexpr const char* kRecurrent = R"py(def recurrent(kind):
    class Recurrent(kind):
        def __init__(self, *sizes, last, **options):
            super().__init__(*sizes, batch_first=True, **options)
            self.last = last
        def forward(self, x):
            y = super().forward(x)[0]
            ends = [y[:, -1, :self.hidden_size], y[:, 0, self.hidden_size:]]
            return torch.cat(ends, 1) if self.last else y
    return Recurrent
)py";

// As nn::SelfAttention, nn::PositionalEmbedding, and nn::ImageTokens, nn::TransposeTokens, nn::TokenMean and
// nn::LastToken.
constexpr const char* kAttention = R"py(class Attention(nn.MultiheadAttention):
    def __init__(self, size, heads, causal):
        super().__init__(size, heads, batch_first=True)
        self.causal = causal
    def forward(self, x):
        later = torch.ones(x.shape[1], x.shape[1]).triu(1).bool() if self.causal else None
        return super().forward(x, x, x, attn_mask=later, need_weights=False)[0]
)py";

constexpr const char* kPositions = R"py(class Positions(nn.Module):
    def __init__(self, tokens, size):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(tokens, size))
    def forward(self, x): return x + self.weight
)py";

constexpr const char* kTokens = R"py(class Tokens(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind
    def forward(self, x):
        if self.kind == "transpose": return x.transpose(1, 2)
        return x.flatten(2).transpose(1, 2) if self.kind == "image" else x.mean(1) if self.kind == "mean" else x[:, -1]
)py";

std::string replaced(std::string text, std::string_view mark, const std::string& by) {
  const std::size_t at = text.find(mark);
  return at == std::string::npos ? text : text.replace(at, mark.size(), by);
}

// Of the layers that are no modules of PyTorch, those that the model has.
std::string classes_in_python(const std::string& layers) {
  std::string text;
  for (const auto& [call, definition] :
       {std::pair("Embed(", kEmbed), std::pair("Lookup(", kLookup), std::pair("Normalize(", kNormalize),
        std::pair("Residual(", kResidual), std::pair("Attention(", kAttention), std::pair("Positions(", kPositions),
        std::pair("Tokens(", kTokens), std::pair("Concat(", kConcat), std::pair("recurrent(", kRecurrent)}) {
    const std::size_t at = layers.find(call);  // in a branch it stands behind a bracket
    if (at != std::string::npos && (layers[at - 1] == ' ' || layers[at - 1] == '(')) text += definition;
  }
  return text;
}

std::string missing_in_python() {
  std::string text;
  for (const std::string_view word : data::missing_words()) {
    text += (text.empty() ? "\"" : ", \"") + std::string(word) + "\"";
  }
  return text;
}

// As TargetScaling::answers. A column that does not vary has the factor 0: the answer is the number of the training
// rows.
std::string answers_in_python(Output output) {
  switch (output) {
    case Output::Scores:
      return "y.softmax(-1)";
    case Output::Standard:
      return "torch.stack([t[\"offset\"] + y[:, i] * (1 / t[\"factor\"] if t[\"factor\"] else 0)\n"
             "                        for i, t in enumerate(SCHEMA[\"targets\"])], 1)";
    case Output::LogRate:
      return "y.exp()";
    case Output::Logit:
      return "y.sigmoid()";
    case Output::Plain:
    case Output::Input:
      break;
  }
  return "y";
}

// `("0", nn.Linear(16, 10, bias=True)), ..`: as many on a line as fit. Empty if PyTorch lacks one.
std::string layers_in_python(const Predictor& predictor) {
  const data::Input sample = predictor.schema().input();
  const std::vector<NamedLayer> named = layers_of(predictor.description(), sample, predictor.target().outputs());
  std::vector<std::string> texts;
  for (const NamedLayer& layer : named) texts.push_back(layer.text);
  if (texts.empty()) return "";
  const std::vector<LayerSpec> layers = parse_spec(texts);
  const SpecPlan plan = plan_spec(layers, sample);
  constexpr std::size_t kWidth = 120;
  std::string text, line;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const detail::LayerKind& kind = *detail::find_layer_kind(layers[i].kind);
    if (kind.torch == nullptr) return "";
    const detail::Arguments arguments = detail::arguments_of(layers[i], detail::words_for(i, sample));
    const std::string made = kind.torch(arguments, i == 0 ? sample.shape : plan.shapes[i - 1]);
    const std::string next = "(\"" + named[i].name + "\", " + made + "),";
    if (!line.empty() && line.size() + next.size() + 1 > kWidth) {
      text += line + "\n";
      line.clear();
    }
    line += (line.empty() ? "    " : " ") + next;
  }
  return text + line;
}

}  // namespace

std::string torch_script(const Predictor& predictor) {
  const ModelDescription& description = predictor.description();
  if (description.family.empty() && description.layers.empty()) return "";
  const std::string layers = layers_in_python(predictor);
  if (layers.empty()) return "";
  std::string text = std::string(kTorchScriptMark) + replaced(kScript, "@LAYERS@", layers);
  text = replaced(text, "@CLASSES@\n", classes_in_python(layers));
  text = replaced(text, "@MISSING@", missing_in_python());
  text = replaced(text, "@ANSWERS@", answers_in_python(predictor.output()));
  const bool is_classes = predictor.target().kind == data::TargetKind::classes;
  return replaced(text, "@PRINT@", is_classes ? kPrintClasses : kPrintNumbers);
}

}  // namespace hop::nn
