#include "runtime/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "runtime/page.h"

namespace kinglet {
namespace {

constexpr int kLine = 16;  // pixels from one line of text to the next

// From values to pixels: a power of ten after the other.
struct LogScale {
  double first, last;  // powers of ten
  double from, to;     // pixels

  double at(double value) const {
    return from + (to - from) * (std::log10(value) - first) / (last - first);
  }
  double value(double power) const { return std::pow(10.0, power); }
};

LogScale scale_for(double least, double most, double from, double to) {
  const double first = std::floor(std::log10(least)), last = std::ceil(std::log10(most));
  return {first, std::max(last, first + 1), from, to};
}

// 0.001, 0.1, 1, 100, 1k, 1M
std::string tick(double power) {
  if (power >= 6) return fmt::format("{:g}M", std::pow(10.0, power - 6));
  if (power >= 3) return fmt::format("{:g}k", std::pow(10.0, power - 3));
  return fmt::format("{:g}", std::pow(10.0, power));
}

std::string text(double x, double y, std::string_view anchor, std::string_view content,
                 std::string_view more = "") {
  return fmt::format("<text x='{:.1f}' y='{:.1f}' text-anchor='{}' {}>{}</text>\n", x, y, anchor, more,
                     content);
}

std::string line(double x1, double y1, double x2, double y2, std::string_view css) {
  return fmt::format("<line x1='{:.1f}' y1='{:.1f}' x2='{:.1f}' y2='{:.1f}' class='{}'/>\n", x1, y1, x2,
                     y2, css);
}

std::string open_svg(int width, int height, std::string_view label) {
  return fmt::format(
      "<svg viewBox='0 0 {0} {1}' width='{0}' height='{1}' role='img' aria-label='{2}'>\n", width,
      height, label);
}

std::string rate(double value) {
  return value >= 100 ? fmt::format("{:.0f}", value) : fmt::format("{:.2g}", value);
}

struct Point {
  const Profile::Operation* operation;
  double x, y;         // operations per streamed byte, 10^9 operations per second
  double label_y = 0;  // pixels
};

// Steps that stream nothing have no place under the roof.
std::vector<Point> points_of(const Profile::Phase& phase) {
  std::vector<Point> points;
  for (const Profile::Operation& operation : phase.operations) {
    const Cost& cost = operation.cost;
    if (cost.operations() <= 0 || cost.streamed() <= 0 || operation.seconds <= 0) continue;
    points.push_back({&operation, cost.operations() / cost.streamed(), operation.gops()});
  }
  return points;
}

// Labels stand in a column in the points' order, a line apart at least, within [top, bottom].
void place_labels(std::vector<Point>& points, const LogScale& y, double top, double bottom) {
  std::sort(points.begin(), points.end(), [](const Point& a, const Point& b) { return a.y > b.y; });
  double next = top;
  for (Point& point : points) {
    point.label_y = std::max(next, y.at(point.y));
    next = point.label_y + kLine;
  }
  double most = bottom;
  for (auto point = points.rbegin(); point != points.rend(); ++point) {
    point->label_y = std::min(point->label_y, most);
    most = point->label_y - kLine;
  }
}

struct Frame {
  double left, right, top, bottom;
};

std::string axes(const Frame& f, const LogScale& x, const LogScale& y) {
  std::string svg;
  for (double power = x.first; power <= x.last; ++power) {
    const double at = x.at(x.value(power));
    svg += line(at, f.top, at, f.bottom, "grid");
    svg += text(at, f.bottom + kLine, "middle", tick(power), "class='tick'");
  }
  for (double power = y.first; power <= y.last; ++power) {
    const double at = y.at(y.value(power));
    svg += line(f.left, at, f.right, at, "grid");
    svg += text(f.left - 6, at + 4, "end", tick(power), "class='tick'");
  }
  svg += text((f.left + f.right) / 2, f.bottom + 2.3 * kLine, "middle", "operations per byte of weights and cache",
              "class='axis'");
  const double middle = (f.top + f.bottom) / 2;
  svg += text(13, middle, "middle", "10⁹ operations per second",
              fmt::format("class='axis' transform='rotate(-90 13 {:.1f})'", middle));
  return svg;
}

// A slope: `gbps` times the operations per byte, up to the highest peak. Its name follows it.
std::string slope(const Frame& f, const LogScale& x, const LogScale& y, double gbps, double peak,
                  std::string_view name, double name_above) {
  const double x1 = std::max(x.value(x.first), y.value(y.first) / gbps);
  const double x2 = std::min(x.value(x.last), peak / gbps);
  if (gbps <= 0 || x1 >= x2) return "";
  const double px1 = x.at(x1), py1 = y.at(x1 * gbps), px2 = x.at(x2), py2 = y.at(x2 * gbps);
  const double angle = std::atan2(py2 - py1, px2 - px1) * 180 / 3.14159265358979;
  const double middle_x = std::max(f.left + 4, px1 + 0.45 * (px2 - px1));
  const double middle_y = py1 + (py2 - py1) * (middle_x - px1) / (px2 - px1);
  return line(px1, py1, px2, py2, "roof") +
         text(middle_x, middle_y + name_above, "middle", fmt::format("{} {} GB/s", name, rate(gbps)),
              fmt::format("class='roofname' transform='rotate({:.1f} {:.1f} {:.1f})'", angle, middle_x,
                          middle_y));
}

std::string ceiling(const Frame& f, const LogScale& x, const LogScale& y, double peak, double gbps,
                    std::string_view name) {
  if (peak <= 0 || gbps <= 0) return "";
  const double from = std::clamp(x.at(peak / gbps), f.left, f.right);
  const double at = y.at(peak);
  return line(from, at, f.right, at, "roof") +
         text(f.right - 4, at - 5, "end", fmt::format("{} {}", name, rate(peak)), "class='roofname'");
}

}  // namespace

Family family_of(nn::Op op) {
  using nn::Op;
  switch (op) {
    case Op::kQkv:
    case Op::kAttentionOut: return Family::kProjections;
    case Op::kRope:
    case Op::kAttention: return Family::kAttention;
    case Op::kGateUp:
    case Op::kActivation:
    case Op::kDown: return Family::kMlp;
    case Op::kEmbed:
    case Op::kHead: return Family::kEnds;
    case Op::kAttentionNorm:
    case Op::kMlpNorm:
    case Op::kFinalNorm: return Family::kVectors;
    case Op::kGather:
    case Op::kStart:
    case Op::kJoin:
    case Op::kCheck:
    case Op::kSample: break;
  }
  return Family::kAround;
}

std::string_view name_of(Family family) {
  switch (family) {
    case Family::kProjections: return "attention's matrices";
    case Family::kAttention: return "attention";
    case Family::kMlp: return "MLP";
    case Family::kEnds: return "embedding, head";
    case Family::kVectors: return "norms";
    case Family::kAround: break;
  }
  return "around the pass";
}

std::string_view colour_of(Family family) {
  static constexpr std::array<std::string_view, kFamilies> kClasses = {"c1", "c2", "c3", "c4", "c5", "c6"};
  return kClasses[static_cast<std::size_t>(family)];
}

std::string roofline(const Profile::Phase& phase, int width) {
  std::vector<Point> points = points_of(phase);
  const Limits& limits = phase.limits;
  if (points.empty() || limits.memory_gbps <= 0) return "";
  const double peak = std::max(limits.float_gflops, limits.int8_gops);
  const double fastest = std::max(limits.memory_gbps, limits.cache_gbps);

  const int height = std::max(width * 5 / 9, 330);
  const Frame f = {.left = 54, .right = width - 92.0, .top = 14, .bottom = height - 46.0};
  double least_x = 0.1, most_x = 2 * peak / limits.memory_gbps, least_y = peak;
  for (const Point& point : points) {
    least_x = std::min(least_x, point.x);
    most_x = std::max(most_x, point.x);
    least_y = std::min(least_y, point.y);
  }
  const LogScale x = scale_for(least_x, most_x, f.left, f.right);
  const LogScale y = scale_for(least_y, 1.3 * peak, f.bottom, f.top);

  std::string svg = open_svg(width, height, "Roofline plot: speed against operations per byte");
  svg += axes(f, x, y);
  svg += slope(f, x, y, limits.memory_gbps, peak, "memory", 14);
  svg += slope(f, x, y, limits.cache_gbps, peak, "cache", -5);
  svg += ceiling(f, x, y, limits.int8_gops, fastest, "int8");
  if (phase.total.cost.bfloat_operations > 0) svg += ceiling(f, x, y, limits.bfloat_gflops, fastest, "bf16");
  svg += ceiling(f, x, y, limits.float_gflops, fastest, "f32");

  place_labels(points, y, f.top + 4, f.bottom);
  for (const Point& point : points) {
    svg += line(x.at(point.x), y.at(point.y), f.right + 6, point.label_y, "leader");
  }
  for (const Point& point : points) {
    const Profile::Operation& o = *point.operation;
    svg += fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='5' class='dot {}'><title>{}: {:.3g} operations "
                       "per byte, {:.3g} G/s, {:.0f}% of its limit</title></circle>\n",
                       x.at(point.x), y.at(point.y), colour_of(family_of(o.op)), escaped(o.name), point.x,
                       point.y, 100 * o.of_limit());
    svg += text(f.right + 9, point.label_y + 4, "start", escaped(o.name), "class='name'");
  }
  return svg + "</svg>\n";
}

std::string layer_bars(const Profile::Phase& phase, int width) {
  const double count = static_cast<double>(phase.layers.size());
  double most = 0;
  for (const Profile::Layer& layer : phase.layers) most = std::max(most, layer.seconds);
  if (count == 0 || most == 0 || phase.passes == 0) return "";
  const double to_ms = 1e3 / static_cast<double>(phase.passes);
  // Ticks at 1, 2 or 5 times a power of ten: three to six of them.
  const double power = std::pow(10.0, std::floor(std::log10(most * to_ms / 3)));
  const double ratio = most * to_ms / 3 / power;
  const double step = power * (ratio < 2 ? 1 : ratio < 5 ? 2 : 5);
  const double highest = std::ceil(most * to_ms / step) * step;

  const int height = 230;
  const Frame f = {.left = 54, .right = width - 8.0, .top = 12, .bottom = height - 44.0};
  const auto y = [&](double ms) { return f.bottom - (f.bottom - f.top) * ms / highest; };
  std::string svg = open_svg(width, height, "A bar for each layer: milliseconds of a pass");
  for (double ms = 0; ms < highest + step / 2; ms += step) {
    svg += line(f.left, y(ms), f.right, y(ms), "grid");
    svg += text(f.left - 6, y(ms) + 4, "end", fmt::format("{:.3g}", ms), "class='tick'");
  }
  const double slot = (f.right - f.left) / count;
  const double bar = std::min(slot * 0.78, 64.0);
  const auto label_every = static_cast<std::size_t>(std::ceil(22 / slot));
  for (std::size_t i = 0; i < phase.layers.size(); ++i) {
    const Profile::Layer& layer = phase.layers[i];
    std::array<double, kFamilies> parts{};
    for (std::size_t op = 0; op < nn::kOps; ++op) {
      parts[static_cast<std::size_t>(family_of(static_cast<nn::Op>(op)))] += layer.seconds_of[op] * to_ms;
    }
    const double left = f.left + slot * (static_cast<double>(i) + 0.5) - bar / 2;
    double below = 0;
    svg += fmt::format("<g><title>layer {}: {:.4g} ms</title>", i, layer.seconds * to_ms);
    for (std::size_t family = 0; family < kFamilies; ++family) {
      if (parts[family] <= 0) continue;
      svg += fmt::format("<rect x='{:.1f}' y='{:.2f}' width='{:.1f}' height='{:.2f}' class='{}'/>", left,
                         y(below + parts[family]), bar, y(below) - y(below + parts[family]),
                         colour_of(static_cast<Family>(family)));
      below += parts[family];
    }
    svg += "</g>\n";
    if (i % label_every == 0) {
      svg += text(left + bar / 2, f.bottom + kLine, "middle", fmt::format("{}", i), "class='tick'");
    }
  }
  svg += text((f.left + f.right) / 2, f.bottom + 2.3 * kLine, "middle", "layer", "class='axis'");
  const double middle = (f.top + f.bottom) / 2;
  svg += text(13, middle, "middle", "ms of a pass",
              fmt::format("class='axis' transform='rotate(-90 13 {:.1f})'", middle));
  return svg + "</svg>\n";
}

}  // namespace kinglet
