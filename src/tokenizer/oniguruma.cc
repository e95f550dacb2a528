#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer/oniguruma.h"

#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>
#include <vector>

#include "base/text.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

// Members of classes, without the brackets.
constexpr std::string_view kSpace =
    R"(\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";
constexpr std::string_view kDigit = R"(\p{Nd})";
constexpr std::string_view kHexDigit = "0-9a-fA-F";
// Outside brackets \w has these too: the library asks a table of Latin-1 there.
constexpr std::string_view kLatin1Numbers = R"(\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";

constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kPosix{{
    {"alnum", R"(\p{Alphabetic}\p{Nd})"},
    {"alpha", R"(\p{Alphabetic})"},
    {"blank", R"(\t\p{Zs})"},
    {"digit", kDigit},
    {"lower", R"(\p{Lowercase})"},
    {"punct", R"(\p{P}\p{S})"},
    {"space", kSpace},
    {"upper", R"(\p{Uppercase})"},
    {"word", kWord},
}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 38> kLongNames{{
    {"other", "C"},          {"control", "Cc"},           {"format", "Cf"},
    {"unassigned", "Cn"},    {"privateuse", "Co"},        {"letter", "L"},
    {"lowercaseletter", "Ll"}, {"modifierletter", "Lm"},  {"otherletter", "Lo"},
    {"titlecaseletter", "Lt"}, {"uppercaseletter", "Lu"}, {"casedletter", "L&"},
    {"mark", "M"},           {"spacingmark", "Mc"},       {"enclosingmark", "Me"},
    {"nonspacingmark", "Mn"}, {"number", "N"},            {"decimalnumber", "Nd"},
    {"letternumber", "Nl"},  {"othernumber", "No"},       {"punctuation", "P"},
    {"connectorpunctuation", "Pc"}, {"dashpunctuation", "Pd"}, {"closepunctuation", "Pe"},
    {"finalpunctuation", "Pf"}, {"initialpunctuation", "Pi"}, {"otherpunctuation", "Po"},
    {"openpunctuation", "Ps"}, {"symbol", "S"},           {"currencysymbol", "Sc"},
    {"modifiersymbol", "Sk"}, {"mathsymbol", "Sm"},       {"othersymbol", "So"},
    {"separator", "Z"},      {"lineseparator", "Zl"},     {"paragraphseparator", "Zp"},
    {"punct", "P"},          {"digit", "Nd"},
}};

std::string_view members_of_posix(std::string_view name) {
  const auto* row = std::find_if(kPosix.begin(), kPosix.end(), [&](const auto& r) { return r.first == name; });
  return row == kPosix.end() ? std::string_view() : row->second;
}

// The members that an escape such as \s stands for; also of its capital, which means the others.
std::string_view members_of_escape(char letter) {
  switch (letter) {
    case 's': case 'S': return kSpace;
    case 'w': case 'W': return kWord;
    case 'd': case 'D': return kDigit;
    case 'h': case 'H': return kHexDigit;
    default: return {};
  }
}

bool is_script(const std::string& name) {
  const std::string pattern = "\\p{sc:" + name + "}";
  int error = 0;
  std::size_t where = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF,
                                   &error, &where, nullptr);
  pcre2_code_free(code);
  return code != nullptr;
}

// What stands between the braces of \p{}.
std::string property(std::string_view given) {
  const bool is_negated = given.starts_with('^');
  std::string name;
  for (const char c : given.substr(is_negated ? 1 : 0))
    if (c != ' ' && c != '_' && c != '-')
      name.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  const std::string caret = is_negated ? "^" : "";
  for (const auto& [long_name, short_name] : kLongNames)
    if (name == long_name) return caret + std::string(short_name);
  const bool is_plain = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0;
  });
  if (is_plain && is_script(name)) return caret + "sc:" + name;
  return std::string(given);
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) : rest_(pattern) {}

  std::string translate() {
    std::string out;
    while (!rest_.empty()) {
      if (rest_[0] == '[')
        out += bracket();
      else if (rest_[0] == '\\')
        out += escape();
      else if (rest_.starts_with("(?"))
        out += group_start();
      else if (rest_[0] == '{')
        out += interval();
      else
        out += take(1);
    }
    return out;
  }

 private:
  std::string_view take(std::size_t count) {
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  // "(?i:", "(?m)": m is what others call s, for all lines have their ^ and $.
  std::string group_start() {
    std::string out(take(2));
    const std::size_t end = rest_.find_first_not_of("imx-");
    if (end == rest_.npos || end == 0 || (rest_[end] != ':' && rest_[end] != ')')) return out;
    std::string flags(take(end));
    std::replace(flags.begin(), flags.end(), 'm', 's');
    return out + flags;
  }

  // "{1,3}+" is no possessive quantifier but one or more of {1,3}.
  std::string interval() {
    const std::size_t close = rest_.find('}');
    const bool is_repeated = close != rest_.npos && rest_.substr(close + 1).starts_with('+') &&
                             rest_.substr(1, close - 1).find_first_not_of("0123456789,") == rest_.npos;
    if (!is_repeated || (rest_[1] != '0' && rest_[1] != '1') || rest_[2] != ',') return std::string(take(1));
    const char least = rest_[1];
    take(close + 2);
    return least == '0' ? "*" : "+";
  }

  // An escape that means the same inside brackets and outside; nothing taken where it is another.
  std::string common_escape() {
    if (rest_.size() < 2) return {};
    const char letter = rest_[1];
    if (letter == 'v') {
      take(2);
      return "\\x0b";
    }
    if (letter == 'u' && rest_.size() >= 6) {
      const std::string_view digits = take(6).substr(2);
      return "\\x{" + std::string(digits) + "}";
    }
    const std::size_t close = rest_.find('}');
    if ((letter == 'p' || letter == 'P') && rest_.size() > 2 && rest_[2] == '{' && close != rest_.npos) {
      const std::string_view whole = take(close + 1);
      return std::string(whole.substr(0, 3)) + property(whole.substr(3, whole.size() - 4)) + "}";
    }
    if (letter == 'p' || letter == 'P') return std::string(take(2).substr(1));  // no property, the letter
    return {};
  }

  std::string escape() {
    if (const std::string common = common_escape(); !common.empty()) return common;
    const char letter = rest_.size() < 2 ? '\0' : rest_[1];
    const std::string word = std::string(kWord) + std::string(kLatin1Numbers);
    const bool is_word = letter == 'w' || letter == 'W';
    if (const std::string_view members = members_of_escape(letter); !members.empty()) {
      take(2);
      const bool is_other = std::isupper(static_cast<unsigned char>(letter)) != 0;
      return (is_other ? "[^" : "[") + (is_word ? word : std::string(members)) + "]";
    }
    if (letter != 'b' && letter != 'B') return std::string(take(2));
    take(2);
    const std::string in = "[" + word + "]";
    if (letter == 'b') return "(?:(?<=" + in + ")(?!" + in + ")|(?<!" + in + ")(?=" + in + "))";
    return "(?:(?<=" + in + ")(?=" + in + ")|(?<!" + in + ")(?!" + in + "))";
  }

  // Capitals such as \S stand beside the class, as classes of their own: PCRE2's own would differ.
  std::string bracket() {
    const std::string_view whole = rest_;
    take(1);
    const bool is_negated = rest_.starts_with('^');
    if (is_negated) take(1);
    std::string members;
    std::vector<std::string_view> others;
    read_members(members, others, whole, 0);
    if (others.empty()) return (is_negated ? "[^" : "[") + members + "]";
    std::string out = "(?:";
    if (is_negated) {
      for (const std::string_view other : others) out += "(?=[" + std::string(other) + "])";
      return out + (members.empty() ? std::string("(?s:.)") : "[^" + members + "]") + ")";
    }
    for (const std::string_view other : others) out += "[^" + std::string(other) + "]|";
    if (members.empty())
      out.pop_back();
    else
      out += "[" + members + "]";
    return out + ")";
  }

  void read_members(std::string& members, std::vector<std::string_view>& others, std::string_view whole,
                    int depth) {
    for (bool is_first = true;; is_first = false) {
      if (rest_.empty())
        throw refused("a regular expression does not compile: a class has no end").found(quoted(whole));
      if (rest_[0] == ']' && !is_first) {
        take(1);
        return;
      }
      if (rest_.starts_with("&&") || rest_.starts_with("[^") || depth > 32)
        throw refused("a regular expression has set operations in a class, which are not supported")
            .found(quoted(whole));
      if (rest_.starts_with("[:")) {
        posix(members);
      } else if (rest_[0] == '[') {
        take(1);
        read_members(members, others, whole, depth + 1);
      } else if (rest_[0] == '\\') {
        class_escape(members, others);
      } else {
        members += take(1);
      }
    }
  }

  void posix(std::string& members) {
    const std::size_t end = rest_.find(":]");
    const std::string_view name = end == rest_.npos ? std::string_view() : rest_.substr(2, end - 2);
    if (const std::string_view known = members_of_posix(name); !known.empty()) {
      take(end + 2);
      members += known;
    } else {
      members += take(end == rest_.npos ? 2 : end + 2);
    }
  }

  void class_escape(std::string& members, std::vector<std::string_view>& others) {
    if (const std::string common = common_escape(); !common.empty()) {
      members += common;
      return;
    }
    const char letter = rest_.size() < 2 ? '\0' : rest_[1];
    const std::string_view known = members_of_escape(letter);
    if (known.empty()) {
      members += take(2);
      return;
    }
    take(2);
    if (std::isupper(static_cast<unsigned char>(letter)) != 0)
      others.push_back(known);
    else
      members += known;
  }

  std::string_view rest_;
};

}  // namespace

std::string pcre2_of_oniguruma(std::string_view pattern) { return Translator(pattern).translate(); }

}  // namespace kinglet
