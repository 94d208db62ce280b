// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <array>
#include <cstring>
#include <ctime>

namespace podtap {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

uint64_t Read(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * kSecond + static_cast<uint64_t>(now.tv_nsec);
}

constexpr std::array<char, 200> kTwoDigits = [] {
  std::array<char, 200> digits{};
  for (size_t i = 0; i < 100; ++i) {
    digits[2 * i] = static_cast<char>('0' + i / 10);
    digits[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return digits;
}();

// Writes 0..99 and a separator.
char* WriteTwo(uint64_t value, char* to, char behind) {
  std::memcpy(to, &kTwoDigits[2 * value], 2);
  to[2] = behind;
  return to + 3;
}

char* WriteDigits(uint64_t value, int width, char* to) {
  for (int i = width; i-- > 0; value /= 10) to[i] = static_cast<char>('0' + value % 10);
  return to + width;
}

// Appends "YYYY-MM-DDTHH:MM:SS.<fraction>". Civil date from day number: Howard Hinnant, "chrono-compatible low-level
// date algorithms"; gmtime_r would take the time zone lock on every event.
void AppendUtc(WallTime time, int fraction_digits, TextCursor& out) {
  int64_t seconds = time.ns / kSecond;
  int64_t fraction = time.ns % kSecond;
  if (fraction < 0) fraction += kSecond, --seconds;
  int64_t day = seconds / 86400;
  int64_t second_of_day = seconds % 86400;
  if (second_of_day < 0) second_of_day += 86400, --day;
  day += 719468;
  const int64_t era = (day >= 0 ? day : day - 146096) / 146097;
  const auto day_of_era = static_cast<uint64_t>(day - era * 146097);
  const uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const uint64_t shifted_month = (5 * day_of_year + 2) / 153;
  const uint64_t day_of_month = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  const uint64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  const auto year = static_cast<uint64_t>(static_cast<int64_t>(year_of_era) + era * 400 + (month <= 2 ? 1 : 0));
  char* to = out.Room(48);
  to = WriteDigits(year, 4, to);
  *to++ = '-';
  to = WriteTwo(month, to, '-');
  to = WriteTwo(day_of_month, to, 'T');
  to = WriteTwo(static_cast<uint64_t>(second_of_day / 3600), to, ':');
  to = WriteTwo(static_cast<uint64_t>(second_of_day / 60 % 60), to, ':');
  to = WriteTwo(static_cast<uint64_t>(second_of_day % 60), to, '.');
  for (int digits = fraction_digits; digits < 9; ++digits) fraction /= 10;
  out.MoveTo(WriteDigits(static_cast<uint64_t>(fraction), fraction_digits, to));
}

}  // namespace

Timestamp MonotonicNow() { return Timestamp{Read(CLOCK_MONOTONIC)}; }

void WallClock::Measure() {
  const uint64_t before = Read(CLOCK_MONOTONIC);
  const uint64_t wall = Read(CLOCK_REALTIME);
  const uint64_t after = Read(CLOCK_MONOTONIC);
  offset_ns_ = static_cast<int64_t>(wall) - static_cast<int64_t>(before + (after - before) / 2);
}

void AppendRfc3339(WallTime time, int digits, TextCursor& out) {
  AppendUtc(time, digits, out);
  out += 'Z';
}
void AppendRfc3339(WallTime time, int digits, std::string& out) {
  TextCursor cursor(out);
  AppendRfc3339(time, digits, cursor);
}

void AppendEveTimestamp(WallTime time, TextCursor& out) {
  AppendUtc(time, 6, out);
  out += "+0000";
}
void AppendEveTimestamp(WallTime time, std::string& out) {
  TextCursor cursor(out);
  AppendEveTimestamp(time, cursor);
}

}  // namespace podtap
