#pragma once

// The files beside this one, as they stand in a page of the lens.

#include <string_view>

namespace kinglet {

extern const std::string_view kLensPageStyle;   // style.css
extern const std::string_view kLensPageScript;  // the scripts, in the order of CMakeLists.txt

}  // namespace kinglet
