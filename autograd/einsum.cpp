// Every operand carries its letters, one per dimension. Two operands become one as matrices: (shared letters that stay,
// own letters, summed letters) x (shared letters that stay, summed letters, own letters).
#include "autograd/einsum.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "autograd/arrange.h"
#include "autograd/composed_internal.h"
#include "autograd/grad_mode.h"
#include "autograd/half_internal.h"
#include "autograd/matmul.h"
#include "autograd/reduce.h"
#include "autograd/view.h"

namespace hop {

using autograd::expected;

namespace {

struct Term {
  Tensor x;
  std::string letters;
};

struct Equation {
  std::vector<std::string> operands;
  std::string result;
};

bool has(const std::string& letters, char letter) { return letters.find(letter) != std::string::npos; }

[[noreturn]] void reject(std::string_view equation, const std::string& wish) {
  throw ConfigError(expected("einsum") + wish + ", got \"" + std::string(equation) + "\"");
}

constexpr char kEllipsis = '#';  // of an equation that has no such character

std::string implicit_result(const std::string& left) {
  std::string result;
  for (const char c : left) {
    if (c != ',' && c != kEllipsis && std::count(left.begin(), left.end(), c) == 1) result.push_back(c);
  }
  std::sort(result.begin(), result.end());  // ASCII: capital letters first
  return has(left, kEllipsis) ? kEllipsis + result : result;
}

/// The dimensions of an ellipsis have digits in the place of letters, the last one the last digit.
std::string ellipsis_letters(std::size_t dims) {
  return std::string("01234567").substr(static_cast<std::size_t>(kMaxDims) - dims);
}

std::string replaced(const std::string& letters, const std::string& ellipsis) {
  const std::size_t at = letters.find(kEllipsis);
  return at == std::string::npos ? letters : letters.substr(0, at) + ellipsis + letters.substr(at + 1);
}

/// As a message names it.
std::string named(char letter) {
  if (letter == kEllipsis) return "...";
  return letter >= '0' && letter <= '9' ? "a dimension of the ellipsis" : std::string(1, letter);
}

Equation parse(std::string_view equation) {
  std::string text(equation);
  std::erase(text, ' ');
  if (has(text, kEllipsis)) reject(equation, "letters, commas, \"...\" and at most one \"->\"");
  for (std::size_t at = 0; (at = text.find("...", at)) != std::string::npos; ++at) text.replace(at, 3, 1, kEllipsis);
  const std::size_t arrow = text.find("->");
  const std::string left = text.substr(0, arrow);
  const std::string right = arrow == std::string::npos ? implicit_result(left) : text.substr(arrow + 2);
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == kEllipsis; };
  const auto fits = [&](char c) { return c == ',' || is_letter(c); };
  if (!std::all_of(left.begin(), left.end(), fits) || !std::all_of(right.begin(), right.end(), is_letter))
    reject(equation, "letters, commas, \"...\" and at most one \"->\"");
  Equation parsed{{std::string()}, right};
  for (const char c : left) {
    if (c == ',')
      parsed.operands.emplace_back();
    else
      parsed.operands.back().push_back(c);
  }
  for (const std::string& letters : parsed.operands) {
    if (std::count(letters.begin(), letters.end(), kEllipsis) > 1)
      reject(equation, "\"...\" at most once in each operand");
  }
  for (const char c : right) {
    if (!has(left, c) && c != kEllipsis)
      reject(equation, std::string("a result of letters of the operands, without ") + c);
    if (std::count(right.begin(), right.end(), c) > 1) reject(equation, named(c) + " once in the result");
  }
  return parsed;
}

/// Letters for the dimensions that each ellipsis stands for.
Equation without_ellipses(Equation parsed, std::span<const Tensor> operands) {
  std::size_t most = 0;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    kernels::expect_defined("einsum", operands[i]);
    std::string& letters = parsed.operands[i];
    const bool has_ellipsis = has(letters, kEllipsis);
    const std::size_t dims = static_cast<std::size_t>(operands[i].dim()), own = letters.size() - (has_ellipsis ? 1 : 0);
    if (has_ellipsis ? dims < own : dims != own) {
      throw ShapeError(expected("einsum") + (has_ellipsis ? "at least " : "") + std::to_string(own) +
                       " dimensions for " + replaced(letters, "...") + ", got " + operands[i].describe());
    }
    if (!has_ellipsis) continue;
    letters = replaced(letters, ellipsis_letters(dims - own));
    most = std::max(most, dims - own);
  }
  parsed.result = replaced(parsed.result, ellipsis_letters(most));
  return parsed;
}

// A letter twice: the diagonal of its two dimensions.
Term without_repeats(Term term) {
  for (std::size_t i = 0; i < term.letters.size(); ++i) {
    const std::size_t again = term.letters.find(term.letters[i], i + 1);
    if (again == std::string::npos) continue;
    const char letter = term.letters[i];
    const auto first = static_cast<std::int64_t>(i), second = static_cast<std::int64_t>(again);
    if (term.x.size(first) != term.x.size(second)) {
      throw ShapeError(expected("einsum") + "equal sizes for both " + letter + " of one operand, got " +
                       term.x.shape().to_string());
    }
    term.x = diagonal(term.x, 0, first, second);
    term.letters.erase(again, 1);
    term.letters.erase(i, 1);
    term.letters.push_back(letter);
    --i;  // another letter stands here now
  }
  return term;
}

using Sizes = std::array<std::int64_t, 128>;  // of each letter; -1 if no operand has it

Sizes sizes_of(const std::vector<Term>& terms) {
  Sizes sizes;
  sizes.fill(-1);
  for (const auto& [x, letters] : terms) {
    for (std::size_t i = 0; i < letters.size(); ++i) {
      std::int64_t& known = sizes[static_cast<std::size_t>(letters[i])];
      const std::int64_t size = x.size(static_cast<std::int64_t>(i));
      if (known != -1 && known != 1 && size != 1 && size != known) {
        throw ShapeError(expected("einsum") + "one size for " + named(letters[i]) + ", got " + std::to_string(known) +
                         " and " + std::to_string(size));
      }
      if (known == -1 || known == 1) known = size;
    }
  }
  return sizes;
}

/// Sums over the letters that nobody else has, and gives letters of size 1 the size that they have elsewhere.
Term prepared(Term term, const std::string& needed, const Sizes& sizes) {
  Dims summed;
  Shape shape;
  std::string kept;
  for (std::size_t i = 0; i < term.letters.size(); ++i) {
    const char letter = term.letters[i];
    if (has(needed, letter)) {
      kept.push_back(letter);
      shape.push_back(sizes[static_cast<std::size_t>(letter)]);
    } else {
      summed.push_back(static_cast<std::int64_t>(i));
    }
  }
  if (!summed.empty()) term.x = sum(term.x, summed);
  return {term.x.shape() == shape ? term.x : expand(term.x, shape), kept};
}

/// x with its dimensions in the order of `letters`.
Tensor ordered(const Term& term, const std::string& letters) {
  if (term.letters == letters) return term.x;
  Dims order;
  for (const char c : letters) order.push_back(static_cast<std::int64_t>(term.letters.find(c)));
  return permute(term.x, order);
}

/// Whether prepared() sums.
bool sums(const Term& term, const std::string& needed) {
  return std::any_of(term.letters.begin(), term.letters.end(), [&](char c) { return !has(needed, c); });
}

Shape shape_of(const std::string& letters, const Sizes& sizes) {
  Shape shape;
  for (const char c : letters) shape.push_back(sizes[static_cast<std::size_t>(c)]);
  return shape;
}

/// The product of two prepared terms; `later` are the letters of the result and of the operands behind.
Term contract(const Term& a, const Term& b, const std::string& later, const Sizes& sizes) {
  std::string batch, rows, columns, summed;
  for (const char c : a.letters) (!has(b.letters, c) ? rows : has(later, c) ? batch : summed).push_back(c);
  for (const char c : b.letters) {
    if (!has(a.letters, c)) columns.push_back(c);
  }
  const auto matrices = [&](const std::string& first, const std::string& second) {
    const std::int64_t m = shape_of(first, sizes).numel(), n = shape_of(second, sizes).numel();
    return batch.empty() ? Shape{m, n} : Shape{shape_of(batch, sizes).numel(), m, n};
  };
  const Tensor left = reshape(ordered(a, batch + rows + summed), matrices(rows, summed));
  const Tensor right = reshape(ordered(b, batch + summed + columns), matrices(summed, columns));
  const std::string letters = batch + rows + columns;
  return {reshape(summed.empty() ? left * right : matmul(left, right), shape_of(letters, sizes)), letters};
}

/// Whether all are of one dtype of 16 bits.
bool are_half(std::span<const Tensor> operands) {
  const DType dtype = operands[0].dtype();
  return is_half(dtype) && std::ranges::all_of(operands, [&](const Tensor& x) { return x.dtype() == dtype; });
}

bool are_recorded(std::span<const Tensor> operands) {
  return is_grad_enabled() && std::ranges::any_of(operands, [](const Tensor& x) { return x.requires_grad(); });
}

/// Whether a term is broadcast, so that its gradient is summed: along a letter of size 1 or, in an elementwise product,
/// along a letter that it lacks.
bool any_broadcast(const std::vector<Term>& terms, const std::string& result, const Sizes& sizes) {
  const bool is_elementwise = std::ranges::none_of(terms, [&](const Term& term) { return sums(term, result); });
  return std::ranges::any_of(terms, [&](const Term& term) {
    return term.x.shape() != shape_of(term.letters, sizes) || (is_elementwise && term.letters.size() < result.size());
  });
}

/// einsum() of operands of 16 bits in f32, rounded at the end. If one product is the only step, all factors in it and
/// in its gradients have 16 bits, so the mode of their dtype is exact.
Tensor in_one_rounding(std::string_view equation, std::span<const Tensor> operands, bool has_steps) {
  const DType dtype = operands[0].dtype();
  const kernels::PrecisionScope precision(has_steps ? kernels::Precision::strict : kernels::exact_precision(dtype));
  std::vector<Tensor> wide;
  for (const Tensor& x : operands) wide.push_back(autograd::in_f32(x));
  return to(einsum(equation, wide), dtype);
}

}  // namespace

Tensor einsum(std::string_view equation, std::span<const Tensor> operands) {
  Equation parsed = parse(equation);
  if (operands.size() != parsed.operands.size()) {
    throw ShapeError(expected("einsum") + std::to_string(parsed.operands.size()) + " operands for \"" +
                     std::string(equation) + "\", got " + std::to_string(operands.size()));
  }
  parsed = without_ellipses(std::move(parsed), operands);
  std::vector<Term> terms;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    terms.push_back(without_repeats({operands[i], parsed.operands[i]}));
  }
  const Sizes sizes = sizes_of(terms);
  // needed(i): the letters of the result and of the operands from i on
  const auto needed = [&](std::size_t i) {
    std::string letters = parsed.result;
    for (; i < terms.size(); ++i) letters += terms[i].letters;
    return letters;
  };
  if (are_half(operands)) {
    const bool has_sums =
        terms.size() == 2 && (sums(terms[0], needed(1)) || sums(terms[1], parsed.result + terms[0].letters));
    const bool has_steps = terms.size() > 2 || has_sums;
    if (has_steps || (are_recorded(operands) && any_broadcast(terms, parsed.result, sizes)))
      return in_one_rounding(equation, operands, has_steps);
  }
  Term all = prepared(terms[0], needed(1), sizes);
  for (std::size_t i = 1; i < terms.size(); ++i) {
    const Term next = prepared(terms[i], needed(i + 1) + all.letters, sizes);
    all = contract(all, next, needed(i + 1), sizes);
  }
  return ordered(all, parsed.result);
}

Tensor einsum(std::string_view equation, std::initializer_list<Tensor> operands) {
  return einsum(equation, std::span(operands.begin(), operands.size()));
}

}  // namespace hop
