#include "runtime/page.h"

#include <fmt/format.h>

namespace kinglet {
namespace {

// Colours by role, for both schemes, and type.
constexpr std::string_view kStyle = R"css(
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --dim: #5b6470; --rule: #d9dee4;
  --card: #f5f7f9; --roof: #9a3412; --c1: #2f6fd0; --c2: #c2410c; --c3: #0f8a6a; --c4: #8b46c9;
  --c5: #8a6d00; --c6: #77808c; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --ink: #e6e9ed; --dim: #9aa4b0;
  --rule: #333a43; --card: #1d2228; --roof: #fdba74; --c1: #6ea5ff; --c2: #fb8a4c; --c3: #3ecfa3;
  --c4: #c596f5; --c5: #dcbb3f; --c6: #98a2ae; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 20px 48px; max-width: 1120px; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; overflow-wrap: anywhere; line-height: 1.25; }
h2 { font-size: 21px; margin: 40px 0 8px; padding-top: 16px; border-top: 2px solid var(--rule); }
h3 { font-size: 16px; margin: 28px 0 8px; }
p { margin: 4px 0; } .dim, figcaption { color: var(--dim); font-size: 14px; }
@media (max-width: 760px) { body { padding: 16px 14px 32px; } }
)css";

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string page_start(std::string_view title, std::string_view style) {
  return fmt::format(
      "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>\n"
      "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
      "<title>{}</title>\n<style>{}{}</style></head>\n<body>\n",
      escaped(title), kStyle, style);
}

std::string page_end() { return "</body></html>\n"; }

}  // namespace kinglet
