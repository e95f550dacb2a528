#pragma once

// The plots of a profile's page, as inline SVG. Colours are the page's CSS classes. Every plot is
// drawn for a width in CSS pixels, so that text keeps its size on a phone.

#include <string>
#include <string_view>

#include "runtime/profile.h"

namespace kinglet {

// What an operation belongs to: one colour each.
enum class Family { kProjections, kAttention, kMlp, kEnds, kVectors, kAround };
constexpr std::size_t kFamilies = static_cast<std::size_t>(Family::kAround) + 1;
Family family_of(nn::Op op);
std::string_view name_of(Family family);
std::string_view colour_of(Family family);  // a CSS class

// Operations per byte that is streamed (weights and cache) against operations per second, both
// logarithmic, under the machine's limits. Steps that stream nothing are left out.
std::string roofline(const Profile::Phase& phase, int width);

// A bar for each layer, its parts by family; milliseconds of a pass.
std::string layer_bars(const Profile::Phase& phase, int width);

}  // namespace kinglet
