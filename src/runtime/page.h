#pragma once

// The pages that kinglet writes: HTML in one file, nothing from outside, light and dark.

#include <string>
#include <string_view>

namespace kinglet {

std::string escaped(std::string_view text);  // for HTML

// From the doctype to the start of the body: the style that all pages share, then the page's own.
// `title` is escaped here.
std::string page_start(std::string_view title, std::string_view style);
std::string page_end();

}  // namespace kinglet
