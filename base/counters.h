// SPDX-License-Identifier: Apache-2.0
// Counters: every number that podtap's own code counts, one table. Loss is never silent: whatever is dropped, cut,
// refused or left out has a row here. What the kernel programs count has its own table, bpf/counters.h. Thread-safe,
// relaxed order.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace podtap {

// X(enumerator, metric name, label, one sentence). Metric names follow Prometheus' rules; rows of one metric are apart
// by their label (`reason="ring_full"`), which is empty for a metric with one row.
#define PODTAP_COUNTERS(X)                                                                                             \
  X(kRecordsRead, "podtap_records_total", "", "Records read from the ring.")                                           \
  X(kControlRecordsRead, "podtap_control_records_total", "", "Records about a connection itself: opened, closed.")     \
  X(kDataRecordsRead, "podtap_data_records_total", "", "Records that carry payload.")                                  \
  X(kPayloadBytesRead, "podtap_payload_bytes_total", "", "Payload bytes that crossed the ring.")                       \
  X(kRecordsInvalid, "podtap_records_invalid_total", "",                                                               \
    "Records that the reader refused because they made no sense.")                                                     \
  X(kConnectionsOpened, "podtap_connections_total", "", "Connections seen.")                                           \
  X(kConnectionsForgotten, "podtap_connections_forgotten_total", "", "Connections dropped to stay within limits.")     \
  X(kSegmentsOutOfOrder, "podtap_segments_out_of_order_total", "", "Segments that waited for an earlier one.")         \
  X(kSegmentsDuplicate, "podtap_segments_duplicate_total", "", "Segments that brought nothing new.")                   \
  X(kTcpConflicts, "podtap_tcp_conflicts_total", "",                                                                   \
    "Two versions of one range of a stream, or segments that the kernel did not accept.")                              \
  X(kGapsLost, "podtap_gaps_total", "reason=\"lost\"", "Holes in streams, by reason.")                                 \
  X(kGapsSkipped, "podtap_gaps_total", "reason=\"skipped\"", "Holes in streams, by reason.")                           \
  X(kGapsJoinedLate, "podtap_gaps_total", "reason=\"joined_late\"", "Holes in streams, by reason.")                    \
  X(kGapBytes, "podtap_gap_bytes_total", "", "Bytes inside holes of known length.")                                    \
  X(kEarlyExpired, "podtap_early_payload_expired_total", "",                                                           \
    "Payload that came with a handshake and was never joined to a connection.")                                        \
  X(kRequestsParsed, "podtap_messages_total", "kind=\"request\"", "HTTP messages whose head was read, by kind.")       \
  X(kResponsesParsed, "podtap_messages_total", "kind=\"response\"", "HTTP messages whose head was read, by kind.")     \
  X(kRequestErrors, "podtap_parse_errors_total", "kind=\"request\"", "Bytes that were not the message expected.")      \
  X(kResponseErrors, "podtap_parse_errors_total", "kind=\"response\"", "Bytes that were not the message expected.")    \
  X(kLateResponses, "podtap_late_responses_total", "", "HTTP/1 answers that came after their exchange had timed out.") \
  X(kHttp2Refound, "podtap_http2_frames_lost_total", "",                                                               \
    "Times that HTTP/2's frames had to be found again after a hole in a stream.")                                      \
  X(kHpackJoined, "podtap_http2_tables_lost_total", "reason=\"joined_late\"",                                          \
    "Header compression tables whose contents became unknown, by reason.")                                             \
  X(kHpackLost, "podtap_http2_tables_lost_total", "reason=\"lost\"",                                                   \
    "Header compression tables whose contents became unknown, by reason.")                                             \
  X(kHpackRetried, "podtap_http2_header_blocks_retried_total", "",                                                     \
    "Header blocks that were decoded a second time with a larger table.")                                              \
  X(kHpackFailed, "podtap_http2_header_blocks_unknown_total", "", "Header blocks that could not be decoded.")          \
  X(kHpackUnpaid, "podtap_http2_header_tables_refused_total", "",                                                      \
    "Header blocks for which no table was prepared, because too many before them could not be decoded.")               \
  X(kHpackUnknownFields, "podtap_http2_header_fields_unknown_total", "",                                               \
    "Header fields that referred to an unknown entry of a compression table.")                                         \
  X(kEventsEmitted, "podtap_events_total", "", "Exchanges emitted to the sinks.")                                      \
  X(kEventsIncomplete, "podtap_events_incomplete_total", "", "Exchanges emitted with bytes or messages missing.")      \
  X(kEventsIgnoredUserAgent, "podtap_events_skipped_total", "reason=\"user_agent\"",                                   \
    "Exchanges left out at the operator's wish, by reason.")                                                           \
  X(kEventsOtherRole, "podtap_events_skipped_total", "reason=\"mode\"",                                                \
    "Exchanges left out at the operator's wish, by reason.")                                                           \
  X(kEventsSkippedPath, "podtap_events_skipped_total", "reason=\"path\"",                                              \
    "Exchanges left out at the operator's wish, by reason.")                                                           \
  X(kEventsSkippedMethod, "podtap_events_skipped_total", "reason=\"method\"",                                          \
    "Exchanges left out at the operator's wish, by reason.")                                                           \
  X(kEventsSkippedHost, "podtap_events_skipped_total", "reason=\"host\"",                                              \
    "Exchanges left out at the operator's wish, by reason.")                                                           \
  X(kEventsSkippedStatus, "podtap_events_skipped_total", "reason=\"status\"",                                          \
    "Exchanges left out at the operator's wish, by reason.")                                                           \
  X(kEventsSkippedPort, "podtap_events_skipped_total", "reason=\"port\"",                                              \
    "Exchanges left out at the operator's wish, by reason.")                                                           \
  X(kEventsSkippedSample, "podtap_events_skipped_total", "reason=\"sample_rate\"",                                     \
    "Exchanges left out at the operator's wish, by reason.")                                                           \
  X(kEventsSkippedRate, "podtap_events_skipped_total", "reason=\"max_exchanges_per_second\"",                          \
    "Exchanges left out at the operator's wish, by reason.")                                                           \
  X(kBodiesDecoded, "podtap_bodies_decoded_total", "", "Bodies whose content coding was undone.")                      \
  X(kBodiesNotDecoded, "podtap_bodies_not_decoded_total", "",                                                          \
    "Bodies whose content coding could not be undone, or not within its limits.")                                      \
  X(kBodiesWithheld, "podtap_bodies_withheld_total", "", "Bodies that a rule applies to and that could not be read.")  \
  X(kBodiesLeftOut, "podtap_bodies_left_out_total", "", "Bodies of content types that are not kept.")                  \
  X(kBodiesCutByMemory, "podtap_bodies_cut_total", "reason=\"memory\"", "Bodies cut before their limit, by reason.")   \
  X(kConnectionsTls, "podtap_connections_by_protocol_total", "protocol=\"tls\"", "Connections by what they speak.")    \
  X(kConnectionsHttp1, "podtap_connections_by_protocol_total", "protocol=\"http1\"",                                   \
    "Connections by what they speak.")                                                                                 \
  X(kConnectionsHttp2, "podtap_connections_by_protocol_total", "protocol=\"http2\"",                                   \
    "Connections by what they speak.")                                                                                 \
  X(kConnectionsOther, "podtap_connections_by_protocol_total", "protocol=\"other\"",                                   \
    "Connections by what they speak.")                                                                                 \
  X(kSinkEventsWritten, "podtap_sink_events_total", "", "Exchanges written to a sink.")                                \
  X(kSinkQueueFull, "podtap_events_lost_total", "reason=\"queue_full\"", "Exchanges that never left, by reason.")      \
  X(kSinkWriteFailed, "podtap_events_lost_total", "reason=\"write_failed\"", "Exchanges that never left, by reason.")  \
  X(kSinkTooLarge, "podtap_events_lost_total", "reason=\"too_large\"", "Exchanges that never left, by reason.")        \
  X(kSinkRefused, "podtap_events_lost_total", "reason=\"refused\"", "Exchanges that never left, by reason.")           \
  X(kSinkRejected, "podtap_events_lost_total", "reason=\"rejected\"", "Exchanges that never left, by reason.")         \
  X(kSinkShutdown, "podtap_events_lost_total", "reason=\"shutdown\"", "Exchanges that never left, by reason.")         \
  X(kSinkBodiesDropped, "podtap_sink_bodies_dropped_total", "",                                                        \
    "Exchanges sent without bodies: a datagram did not fit, or the queue was full.")                                   \
  X(kSinkReconnects, "podtap_sink_reconnects_total", "", "Times a sink was opened again.")                             \
  X(kSinkWriteErrors, "podtap_sink_write_errors_total", "", "Writes to a sink that failed and were tried again.")      \
  X(kConnectionsShed, "podtap_connections_left_out_total", "reason=\"cpu\"",                                           \
    "Whole connections left out to stay within limits, by reason.")                                                    \
  X(kTailDropped, "podtap_tail_dropped_total", "", "Exchanges that a client of /tail read too slowly to get.")         \
  X(kSinkQueueMax, "podtap_sink_queue_events_max", "", "The most exchanges that ever waited in a sink's queue.")

enum class Counter : uint16_t {
#define X(enumerator, name, label, help) enumerator,
  PODTAP_COUNTERS(X)
#undef X
      kCount
};

inline constexpr size_t kCounterCount = static_cast<size_t>(Counter::kCount);

struct CounterInfo {
  std::string_view metric;
  std::string_view label;  // `key="value"`, or empty
  std::string_view help;
};
const CounterInfo& InfoOf(Counter counter);

class Counters {
 public:
  void Add(Counter counter, uint64_t n = 1) { At(counter).fetch_add(n, std::memory_order_relaxed); }
  // Keeps the larger of what is there and `value`.
  void Max(Counter counter, uint64_t value) {
    auto& at = At(counter);
    uint64_t seen = at.load(std::memory_order_relaxed);
    while (seen < value && !at.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
    }
  }
  // As `other` now; not at one moment.
  void CopyFrom(const Counters& other) {
    for (size_t i = 0; i < kCounterCount; ++i)
      values_[i].store(other.values_[i].load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
  uint64_t Get(Counter counter) const { return values_[static_cast<size_t>(counter)].load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t>& At(Counter counter) { return values_[static_cast<size_t>(counter)]; }
  std::array<std::atomic<uint64_t>, kCounterCount> values_{};
};

}  // namespace podtap
