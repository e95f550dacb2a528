// The page of a profile: HTML, CSS and SVG in one file, without scripts or anything from outside.

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/output_file.h"
#include "base/text.h"
#include "kinglet/version.h"
#include "runtime/page.h"
#include "runtime/plot.h"
#include "runtime/profile.h"

namespace kinglet {
namespace {

constexpr std::string_view kStyle = R"css(
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 10px; margin: 12px 0; }
.tile { background: var(--card); border-radius: 8px; padding: 10px 14px; }
.tile b { display: block; font-size: 21px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile span { color: var(--dim); font-size: 13px; }
.bars { display: grid; grid-template-columns: max-content 1fr max-content; gap: 5px 12px; align-items: center; }
.bars .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; font-size: 14px; }
.track { display: flex; height: 16px; background: var(--card); border-radius: 3px; overflow: hidden; }
.track i { display: block; height: 100%; } .track i.waits { opacity: .4; }
.c1 { background: var(--c1); fill: var(--c1); } .c2 { background: var(--c2); fill: var(--c2); }
.c3 { background: var(--c3); fill: var(--c3); } .c4 { background: var(--c4); fill: var(--c4); }
.c5 { background: var(--c5); fill: var(--c5); } .c6 { background: var(--c6); fill: var(--c6); }
.key { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 8px 0; font-size: 13px; color: var(--dim); }
.key i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; }
figure { margin: 0; } svg { display: block; max-width: 100%; height: auto; }
svg text { fill: var(--ink); font-size: 12px; } svg .tick, svg .axis { fill: var(--dim); }
svg .grid { stroke: var(--rule); stroke-width: 1; } svg .leader { stroke: var(--dim); stroke-width: .6; opacity: .6; }
svg .roof { stroke: var(--roof); stroke-width: 2; } svg .roofname { fill: var(--roof); }
svg .roofname, svg .name { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
svg .dot { stroke: var(--paper); stroke-width: 1.5; }
.narrow { display: none; }
@media (max-width: 760px) { .wide { display: none; } .narrow { display: block; }
  .bars { gap: 5px 8px; font-size: 14px; } .bars .number { font-size: 13px; } }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 14px; min-width: 100%; }
th, td { padding: 4px 10px; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums;
  border-bottom: 1px solid var(--rule); } th { color: var(--dim); font-weight: 600; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--paper); }
tr.total td { font-weight: 700; border-bottom: 0; }
)css";

std::string tile(std::string_view value, std::string_view name) {
  return fmt::format("<div class='tile'><b>{}</b><span>{}</span></div>\n", value, name);
}

double percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

std::string tiles(const Profile::Phase& phase) {
  const auto tokens = static_cast<double>(phase.tokens);
  std::string html = "<div class='tiles'>\n";
  html += tile(fmt::format("{:.1f}", tokens / phase.seconds), "tokens per second");
  html += tile(fmt::format("{:.3g} ms", phase.seconds * 1e3 / tokens), "per token");
  html += tile(fmt::format("{:.0f}%", 100 * phase.total.of_limit()), "of what this machine can do");
  html += tile(fmt::format("{:.1f}%", 100 * phase.total.wait_share()),
               "waiting at the barrier");
  html += tile(fmt::format("{:.1f}", phase.total.gbps()), "GB per second");
  html += tile(fmt::format("{:.1f}", phase.total.gops()), "10⁹ operations per second");
  return html + "</div>\n";
}

std::string key() {
  std::string html = "<div class='key'>";
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    html += fmt::format("<span><i class='{}'></i>{}</span>", colour_of(family), escaped(name_of(family)));
  }
  return html + "</div>\n";
}

std::string bars(const Profile::Phase& phase) {
  double most = 0;
  for (const Profile::Operation& o : phase.operations) most = std::max(most, o.seconds);
  std::string html = "<div class='bars'>\n";
  for (const Profile::Operation& o : phase.operations) {
    const double waiting = o.seconds * o.wait_share();
    const std::string_view colour = colour_of(family_of(o.op));
    html += fmt::format(
        "<span>{}</span><span class='track'><i class='{}' style='width:{:.2f}%'></i>"
        "<i class='{} waits' style='width:{:.2f}%'></i></span><span class='number'>{:.3f} ms · {:.1f}%</span>\n",
        escaped(o.name), colour, percent(o.seconds - waiting, most), colour, percent(waiting, most),
        o.seconds * 1e3 / static_cast<double>(phase.passes), percent(o.seconds, phase.seconds));
  }
  return html + "</div>\n";
}

// Both sizes of a plot; the page shows the one that fits.
template <class Plot>
std::string figure(const Plot& plot, std::string_view caption) {
  return fmt::format(
      "<figure><div class='wide'>{}</div><div class='narrow'>{}</div><figcaption>{}</figcaption></figure>\n",
      plot(1060), plot(362), caption);
}

std::string cells(const Profile::Line& line, const Profile::Phase& phase) {
  const bool has_cost = line.cost.bytes() > 0;
  const auto cell = [](bool is_known, double value) {
    return is_known ? fmt::format("<td>{:.1f}</td>", value) : std::string("<td></td>");
  };
  return fmt::format("<td>{:.3f}</td><td>{:.1f}%</td><td>{}</td><td>{}</td>", line.seconds * 1e3,
                     percent(line.seconds, phase.seconds), line.calls,
                     has_cost ? human_bytes(static_cast<std::uint64_t>(
                                    line.cost.bytes() / static_cast<double>(line.calls)))
                              : "") +
         cell(has_cost, line.gbps()) + cell(line.cost.operations() > 0, line.gops()) +
         (line.limit_seconds > 0
              ? fmt::format("<td>{:.0f}%</td><td>{}</td>", 100 * line.of_limit(), line.bound())
              : "<td></td><td></td>") +
         fmt::format("<td>{}</td><td>{:.1f}%</td><td>{:.2f}</td>", escaped(line.kernel),
                     100 * line.wait_share(), line.imbalance());
}

template <class Lines>
std::string table(const Lines& lines, std::string_view first, const Profile::Phase& phase) {
  std::string html = fmt::format(
      "<div class='scroll'><table><tr><th>{}</th><th>ms</th><th>share</th><th>calls</th><th>a call</th>"
      "<th>GB/s</th><th>GFLOP/s</th><th>of limit</th><th>limit</th><th>kernel</th><th>barrier</th>"
      "<th>uneven</th></tr>\n",
      first);
  for (const auto& line : lines) {
    html += fmt::format("<tr><td>{}</td>{}</tr>\n", escaped(line.name), cells(line, phase));
  }
  return html;
}

std::string section(const Profile::Phase& phase) {
  const std::string name = phase.name == "prefill" ? "Prefill" : "Decode";
  std::string html = fmt::format("<h2>{}</h2>\n<p class='dim'>{} tokens in {} pass{}, {:.1f} ms, on {} thread{}.</p>\n",
                                 name, phase.tokens, phase.passes, phase.passes == 1 ? "" : "es", phase.seconds * 1e3, phase.threads,
                                 phase.threads == 1 ? "" : "s");
  html += tiles(phase);
  html += "<h3>Where the time goes</h3>\n<p class='dim'>Milliseconds of a pass; pale: waiting at the barrier.</p>\n";
  html += bars(phase) + key();
  const std::string plot = roofline(phase, 1060);
  if (!plot.empty()) {
    html += "<h3>How near to the limits</h3>\n";
    html += figure([&](int width) { return roofline(phase, width); },
                   "A point below a slope could be faster if memory were the only limit; below a ceiling, "
                   "if only arithmetic were. Limits were measured on this machine.");
  }
  if (!phase.layers.empty()) {
    html += "<h3>Layer by layer</h3>\n";
    html += figure([&](int width) { return layer_bars(phase, width); }, "") + key();
  }
  html += "<h3>All numbers</h3>\n" + table(phase.operations, "operation", phase);
  html += fmt::format("<tr class='total'><td>all</td>{}</tr>\n</table></div>\n", cells(phase.total, phase));
  html += "<details><summary class='dim'>By layer</summary>\n" + table(phase.layers, "layer", phase) +
          "</table></div></details>\n";
  return html;
}

}  // namespace

void write_html(const Profile& profile, const std::filesystem::path& path) {
  std::string html = page_start("kinglet profile: " + profile.model, kStyle);
  html += fmt::format("<h1>{}</h1>\n<p class='dim'>{}, {} layers, KV cache {}, kernels {}, kinglet {}.",
                      escaped(profile.model), escaped(profile.format), profile.layers, profile.cache_type,
                      profile.isa, version());
  if (!profile.phases.empty()) {
    const Limits& limits = profile.phases.back().limits;
    html += fmt::format(" {}: memory {:.1f} GB/s, cache {:.0f} GB/s, f32 {:.0f} GFLOP/s, bf16 {:.0f} GFLOP/s, int8 {:.0f} Gop/s.",
                        escaped(printable(limits.host.cpu)), limits.memory_gbps, limits.cache_gbps,
                        limits.float_gflops, limits.bfloat_gflops, limits.int8_gops);
  }
  html += "</p>\n";
  if (profile.recorded < profile.passes) {
    html += fmt::format("<p>The first {} of {} passes were recorded.</p>\n", profile.recorded, profile.passes);
  }
  for (const Profile::Phase& phase : profile.phases) html += section(phase);
  html += page_end();
  OutputFile file(path);
  file.write(html);
  file.commit();
}

}  // namespace kinglet
