// strftime of the C locale, with glibc's flags - _ 0 ^.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <ctime>

#include "runtime/template/evaluator.h"

namespace samara::template_runtime {
namespace {

constexpr char kDays[] = "Sunday\0Monday\0Tuesday\0Wednesday\0Thursday\0Friday\0Saturday\0";
constexpr char kMonths[] =
    "January\0February\0March\0April\0May\0June\0July\0August\0September\0October\0November\0"
    "December\0";

struct Clock {
  TemplateTime t;
  int weekday;   // 0: Sunday
  int year_day;  // from 0
};

bool IsLeap(int year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

Clock MakeClock(const TemplateTime& given) {
  static constexpr int kBefore[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  Clock clock{given, 0, 0};
  TemplateTime& t = clock.t;
  t.month = std::min(std::max(t.month, 1), 12);
  t.year = std::min(std::max(t.year, 1), 9999);
  clock.year_day = kBefore[t.month - 1] + t.day - 1 + (t.month > 2 && IsLeap(t.year));
  const int before = t.year - 1;
  // 1 January of the year 1 was a Monday.
  const int days = before * 365 + before / 4 - before / 100 + before / 400 + clock.year_day;
  clock.weekday = (days + 1) % 7;
  return clock;
}

// Year and number of the ISO week.
void IsoWeek(const Clock& c, int* year, int* week) {
  const int weekday = (c.weekday + 6) % 7;  // 0: Monday
  *year = c.t.year;
  *week = (c.year_day - weekday + 10) / 7;
  const auto weeks = [](int y) {
    const int p = (y + y / 4 - y / 100 + y / 400) % 7;
    const int q = (y - 1 + (y - 1) / 4 - (y - 1) / 100 + (y - 1) / 400) % 7;
    return p == 4 || q == 3 ? 53 : 52;
  };
  if (*week < 1) {
    *week = weeks(--*year);
  } else if (*week > weeks(*year)) {
    *week = 1;
    ++*year;
  }
}

struct Field {
  int number = -1;
  int width = 2;
  char pad = '0';
  const char* text = nullptr;
  size_t n_text = SIZE_MAX;      // of `text`
  const char* format = nullptr;  // stands for others
};

bool MakeField(char code, const Clock& c, Field* f) {
  const TemplateTime& t = c.t;
  const int hour12 = t.hour % 12 == 0 ? 12 : t.hour % 12;
  int iso_year = 0, iso_week = 0;
  IsoWeek(c, &iso_year, &iso_week);
  const auto number = [f](int n, int width, char pad = '0') {
    f->number = n;
    f->width = width;
    f->pad = pad;
    return true;
  };
  const auto text = [f](const char* s, size_t n = SIZE_MAX) {
    f->text = s;
    f->n_text = std::min(n, std::strlen(s));
    return true;
  };
  const auto format = [f](const char* s) {
    f->format = s;
    return true;
  };
  switch (code) {
    case 'a':
      return text(WordAt(kDays, static_cast<uint32_t>(c.weekday)), 3);
    case 'A':
      return text(WordAt(kDays, static_cast<uint32_t>(c.weekday)));
    case 'b':
    case 'h':
      return text(WordAt(kMonths, static_cast<uint32_t>(t.month - 1)), 3);
    case 'B':
      return text(WordAt(kMonths, static_cast<uint32_t>(t.month - 1)));
    case 'c':
      return format("%a %b %e %H:%M:%S %Y");
    case 'C':
      return number(t.year / 100, 2);
    case 'd':
      return number(t.day, 2);
    case 'D':
    case 'x':
      return format("%m/%d/%y");
    case 'e':
      return number(t.day, 2, ' ');
    case 'f':
      return text("000000");
    case 'F':
      return format("%Y-%m-%d");
    case 'g':
      return number(iso_year % 100, 2);
    case 'G':
      return number(iso_year, 1);
    case 'H':
      return number(t.hour, 2);
    case 'I':
      return number(hour12, 2);
    case 'j':
      return number(c.year_day + 1, 3);
    case 'k':
      return number(t.hour, 2, ' ');
    case 'l':
      return number(hour12, 2, ' ');
    case 'm':
      return number(t.month, 2);
    case 'M':
      return number(t.minute, 2);
    case 'n':
      return text("\n");
    case 'p':
      return text(t.hour < 12 ? "AM" : "PM");
    case 'P':
      return text(t.hour < 12 ? "am" : "pm");
    case 'r':
      return format("%I:%M:%S %p");
    case 'R':
      return format("%H:%M");
    case 'S':
      return number(t.second, 2);
    case 't':
      return text("\t");
    case 'T':
    case 'X':
      return format("%H:%M:%S");
    case 'u':
      return number(c.weekday == 0 ? 7 : c.weekday, 1);
    case 'U':
      return number((c.year_day + 7 - c.weekday) / 7, 2);
    case 'V':
      return number(iso_week, 2);
    case 'w':
      return number(c.weekday, 1);
    case 'W':
      return number((c.year_day + 7 - (c.weekday + 6) % 7) / 7, 2);
    case 'y':
      return number(t.year % 100, 2);
    case 'Y':
      return number(t.year, 1);
    case 'z':
    case 'Z':
      return text("");
    case '%':
      return text("%");
    default:
      return false;
  }
}

}  // namespace

bool Evaluator::Strftime(const Value& format, Value* out) {
  TemplateTime now{};
  if (options_.now) {
    now = *options_.now;
  } else {
    const std::time_t seconds = std::time(nullptr);
    std::tm local{};
    localtime_r(&seconds, &local);
    now = {local.tm_year + 1900, local.tm_mon + 1, local.tm_mday,
           local.tm_hour,        local.tm_min,     local.tm_sec};
  }
  const Clock clock = MakeClock(now);
  Buffer buffer;
  // Formats that stand for others are one level deep.
  std::string_view rest[2] = {format.text(), {}};
  while (!rest[0].empty() || !rest[1].empty()) {
    std::string_view& s = rest[1].empty() ? rest[0] : rest[1];
    const bool data = AllData(format) && &s == &rest[0];
    const size_t percent = std::min(s.find('%'), s.size());
    if (!Append(&buffer, s.substr(0, percent), data)) return false;
    s.remove_prefix(percent);
    if (s.empty()) continue;
    size_t i = 1;
    char flag = '\0';
    while (i < s.size() && s[i] != 0 && std::strchr("-_0^", s[i])) flag = s[i++];
    Field field;
    if (i == s.size() || !MakeField(s[i], clock, &field)) {
      if (!Append(&buffer, s.substr(0, std::min(i + 1, s.size())), data)) return false;
      s.remove_prefix(std::min(i + 1, s.size()));
      continue;
    }
    s.remove_prefix(i + 1);
    if (field.format) {
      rest[1] = field.format;
      continue;
    }
    char text[32];
    size_t n = 0;
    if (field.text) {
      n = field.n_text;
      std::memcpy(text, field.text, n);
      for (size_t k = 0; flag == '^' && k < n; ++k) {
        if (text[k] >= 'a' && text[k] <= 'z') text[k] = static_cast<char>(text[k] - 32);
      }
    } else {
      char digits[12];
      const size_t n_digits = static_cast<size_t>(
          std::to_chars(digits, digits + sizeof digits, field.number).ptr - digits);
      const char pad = flag == '_' ? ' ' : flag == '0' ? '0' : field.pad;
      while (flag != '-' && n + n_digits < static_cast<size_t>(field.width)) text[n++] = pad;
      std::memcpy(text + n, digits, n_digits);
      n += n_digits;
    }
    if (!Append(&buffer, {text, n}, false)) return false;
  }
  return Finish(buffer, out);
}

}  // namespace samara::template_runtime
