// strftime of the C locale with what chat templates use: a A b B c d D e f F h H I j m M p S T x X y Y
// z Z %, and the flag - (no padding).
#include <algorithm>
#include <charconv>
#include <ctime>

#include "runtime/template/evaluator.h"

namespace samara::template_runtime {
namespace {

constexpr char kDays[] = "Sunday\0Monday\0Tuesday\0Wednesday\0Thursday\0Friday\0Saturday\0";
constexpr char kMonths[] =
    "January\0February\0March\0April\0May\0June\0July\0August\0September\0October\0November\0"
    "December\0";

int DayOfYear(const TemplateTime& t) {  // from 0
  static constexpr int16_t kBefore[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  const bool leap = (t.year % 4 == 0 && t.year % 100 != 0) || t.year % 400 == 0;
  return kBefore[t.month - 1] + t.day - 1 + (t.month > 2 && leap);
}

uint32_t Weekday(const TemplateTime& t) {  // 0: Sunday
  // 1 January of the year 1 was a Monday.
  const int before = t.year - 1;
  const int days = before * 365 + before / 4 - before / 100 + before / 400 + DayOfYear(t);
  return static_cast<uint32_t>(days + 1) % 7;
}

}  // namespace

bool Evaluator::AppendTime(Buffer* buffer, std::string_view format, const TemplateTime& t) {
  while (!format.empty()) {
    const size_t percent = std::min(format.find('%'), format.size());
    if (!Append(buffer, format.substr(0, percent), false)) return false;
    format.remove_prefix(percent);
    if (format.empty()) break;
    const bool plain = format.substr(1).starts_with('-');
    const size_t at = plain ? 2 : 1;
    const char code = at < format.size() ? format[at] : '\0';
    format.remove_prefix(std::min(at + 1, format.size()));
    int number = 0;
    size_t width = 2;
    char pad = '0';
    std::string_view text;
    const char* others = nullptr;  // stands for these
    switch (code) {
      case 'a':
      case 'A':
        text = WordAt(kDays, Weekday(t));
        break;
      case 'b':
      case 'B':
      case 'h':
        text = WordAt(kMonths, static_cast<uint32_t>(t.month - 1));
        break;
      case 'c':
        others = "%a %b %e %H:%M:%S %Y";
        break;
      case 'D':
      case 'x':
        others = "%m/%d/%y";
        break;
      case 'F':
        others = "%Y-%m-%d";
        break;
      case 'T':
      case 'X':
        others = "%H:%M:%S";
        break;
      case 'p':
        text = t.hour < 12 ? "AM" : "PM";
        break;
      case 'f':
        text = "000000";
        break;
      case '%':
        text = "%";
        break;
      case 'z':
      case 'Z':
        continue;
      case 'e':
        pad = ' ';
        [[fallthrough]];
      case 'd':
        number = t.day;
        break;
      case 'H':
        number = t.hour;
        break;
      case 'I':
        number = (t.hour + 11) % 12 + 1;
        break;
      case 'j':
        number = DayOfYear(t) + 1;
        width = 3;
        break;
      case 'm':
        number = t.month;
        break;
      case 'M':
        number = t.minute;
        break;
      case 'S':
        number = t.second;
        break;
      case 'y':
        number = t.year % 100;
        break;
      case 'Y':
        number = t.year;
        break;
      default:
        return FailUnsupported("this code of strftime_now");
    }
    if (others) {
      if (!AppendTime(buffer, others, t)) return false;
      continue;
    }
    char digits[16] = {pad, pad};
    if (text.empty()) {
      const size_t n =
          static_cast<size_t>(std::to_chars(digits + 2, digits + 16, number).ptr - (digits + 2));
      const size_t padding = plain || n >= width ? 0 : width - n;
      text = {digits + 2 - padding, n + padding};
    }
    if (code == 'a' || code == 'b' || code == 'h') text = text.substr(0, 3);
    if (!Append(buffer, text, false)) return false;
  }
  return true;
}

bool Evaluator::Strftime(const Value& format, Value* out) {
  TemplateTime t{};
  if (options_.now) {
    t = *options_.now;
  } else {
    const std::time_t seconds = std::time(nullptr);
    std::tm local{};
    localtime_r(&seconds, &local);
    t = {local.tm_year + 1900, local.tm_mon + 1, local.tm_mday,
         local.tm_hour,        local.tm_min,     local.tm_sec};
  }
  t.year = std::clamp(t.year, 1, 9999);
  t.month = std::clamp(t.month, 1, 12);
  t.day = std::clamp(t.day, 1, 31);
  Buffer buffer;
  return AppendTime(&buffer, format.text(), t) && Finish(buffer, out);
}

}  // namespace samara::template_runtime
