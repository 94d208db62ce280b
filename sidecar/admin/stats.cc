// SPDX-License-Identifier: Apache-2.0
#include "sidecar/admin/stats.h"

#include "base/json_line.h"

namespace podtap {

std::string StatsJson(const Counters& counters, const KernelNumbers& kernel) {
  const auto sum = [&](auto... counter) { return (counters.Get(counter) + ...); };
  JsonLine line;
  line.Number("ControlEventReceived", sum(Counter::kControlRecordsRead));
  line.Number("DataEventReceived", sum(Counter::kDataRecordsRead));
  line.Number("TotalRequestsParsed", sum(Counter::kRequestsParsed));
  line.Number("ReqParsingErrors", sum(Counter::kRequestErrors));
  line.Number("ResParsingErrors", sum(Counter::kResponseErrors));
  line.Number("EventLost", kernel.lost_records);
  line.Number("TotalRequestsSent", sum(Counter::kSinkEventsWritten));
  line.Number("TotalEventsDroppedAtEventQueueLimit", sum(Counter::kSinkQueueFull));
  line.Number("TotalEventsDroppedAtParsing", sum(Counter::kRecordsInvalid, Counter::kConnectionsForgotten));
  line.Number("KprobeEventMaxQueueSizeTillNow", sum(Counter::kSinkQueueMax));
  return line.Finish();
}

std::string ProbeStatJson(const KernelNumbers& kernel) {
  JsonLine line;
  for (const KernelNumbers::Run& run : kernel.runs) line.Number(run.program, run.count);
  return line.Finish();
}

}  // namespace podtap
