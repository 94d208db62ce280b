// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <ctime>

namespace podtap {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

uint64_t Read(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * kSecond + static_cast<uint64_t>(now.tv_nsec);
}

void AppendDigits(uint64_t value, int width, std::string& out) {
  char digits[20];
  for (int i = width; i-- > 0; value /= 10) digits[i] = static_cast<char>('0' + value % 10);
  out.append(digits, static_cast<size_t>(width));
}

// Appends "YYYY-MM-DDTHH:MM:SS.<fraction>". Civil date from day number: Howard Hinnant, "chrono-compatible low-level
// date algorithms"; gmtime_r would take the time zone lock on every event.
void AppendUtc(WallTime time, int fraction_digits, std::string& out) {
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
  AppendDigits(year, 4, out), out += '-';
  AppendDigits(month, 2, out), out += '-';
  AppendDigits(day_of_month, 2, out), out += 'T';
  AppendDigits(static_cast<uint64_t>(second_of_day / 3600), 2, out), out += ':';
  AppendDigits(static_cast<uint64_t>(second_of_day / 60 % 60), 2, out), out += ':';
  AppendDigits(static_cast<uint64_t>(second_of_day % 60), 2, out), out += '.';
  for (int digits = fraction_digits; digits < 9; ++digits) fraction /= 10;
  AppendDigits(static_cast<uint64_t>(fraction), fraction_digits, out);
}

}  // namespace

Timestamp MonotonicNow() { return Timestamp{Read(CLOCK_MONOTONIC)}; }

void WallClock::Measure() {
  const uint64_t before = Read(CLOCK_MONOTONIC);
  const uint64_t wall = Read(CLOCK_REALTIME);
  const uint64_t after = Read(CLOCK_MONOTONIC);
  offset_ns_ = static_cast<int64_t>(wall) - static_cast<int64_t>(before + (after - before) / 2);
}

void AppendRfc3339(WallTime time, int digits, std::string& out) {
  AppendUtc(time, digits, out);
  out += 'Z';
}

void AppendEveTimestamp(WallTime time, std::string& out) {
  AppendUtc(time, 6, out);
  out += "+0000";
}

}  // namespace podtap
