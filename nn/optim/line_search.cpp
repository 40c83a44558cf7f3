#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "nn/optim/line_search_internal.h"

namespace hop::optim {
namespace {

// The minimum of the cubic through both points with both slopes, limited to low..high. Where it has none: the middle.
double cubic_minimum(const LinePoint& p, const LinePoint& q, double low, double high) {
  const LinePoint &a = p.t <= q.t ? p : q, &b = p.t <= q.t ? q : p;
  const double d1 = p.slope + q.slope - 3 * (p.loss - q.loss) / (p.t - q.t);
  const double square = d1 * d1 - p.slope * q.slope;
  if (!(square >= 0)) return (low + high) / 2;
  const double d2 = std::sqrt(square);
  const double t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2));
  return std::min(std::max(t, low), high);
}

std::size_t lower_of(const std::array<LinePoint, 2>& ends) { return ends[0].loss <= ends[1].loss ? 0 : 1; }

// The next t to try within the interval. A minimum close to an end is tried once. After that, and at the end itself,
// the try moves a tenth of the interval inwards.
double next_inside(const std::array<LinePoint, 2>& ends, bool& was_close) {
  const double left = std::min(ends[0].t, ends[1].t), right = std::max(ends[0].t, ends[1].t);
  const double t = cubic_minimum(ends[0], ends[1], left, right), margin = 0.1 * (right - left);
  if (std::min(right - t, t - left) >= margin) {
    was_close = false;
    return t;
  }
  if (!was_close && t < right && t > left) {
    was_close = true;
    return t;
  }
  was_close = false;
  return std::abs(t - right) < std::abs(t - left) ? right - margin : left + margin;
}

}  // namespace

LineSearchResult strong_wolfe(const LineSearch& search, const LinePoint& start, double first) {
  const auto is_too_high = [&](const LinePoint& p) { return p.loss > start.loss + 1e-4 * p.t * start.slope; };
  const auto is_flat = [&](const LinePoint& p) { return std::abs(p.slope) <= -0.9 * start.slope; };

  LinePoint before = start, now = search.evaluate(first);
  std::array<LinePoint, 2> ends;
  std::int64_t rounds = 0;  // evaluations after the first one
  for (; rounds < search.max_evaluations; ++rounds) {
    ends = {before, now};
    if (is_too_high(now) || (rounds > 1 && now.loss >= before.loss)) break;
    if (is_flat(now)) return {now, rounds + 1};
    if (now.slope >= 0) break;
    const double next = cubic_minimum(before, now, now.t + 0.01 * (now.t - before.t), now.t * 10);
    before = std::exchange(now, search.evaluate(next));
  }
  if (rounds == search.max_evaluations) ends = {start, now};

  std::size_t low = lower_of(ends);
  bool was_close = false;
  while (rounds < search.max_evaluations && std::abs(ends[1].t - ends[0].t) * search.largest >= search.tolerance) {
    now = search.evaluate(next_inside(ends, was_close));
    ++rounds;
    if (is_too_high(now) || now.loss >= ends[low].loss) {
      ends[1 - low] = now;
      low = lower_of(ends);
      continue;
    }
    const bool is_found = is_flat(now);
    if (!is_found && now.slope * (ends[1 - low].t - ends[low].t) >= 0) ends[1 - low] = ends[low];
    ends[low] = now;
    if (is_found) break;
  }
  return {ends[low], rounds + 1};
}

}  // namespace hop::optim
