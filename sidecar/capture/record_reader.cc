// SPDX-License-Identifier: Apache-2.0
#include "sidecar/capture/record_reader.h"

#include <cstring>

namespace podtap {
namespace {

bool IsPosition(uint64_t value) { return value < PODTAP_POSITION_LIMIT; }

bool MakesSense(const segment_record& record) {
  const connection_identity& connection = record.connection;
  if (record.kind < kRecordSegment || record.kind > kRecordEarly) return false;
  if (record.direction > kRecordEgress || connection.role > kRecordRoleOpened) return false;
  if (!IsPosition(record.position) || !IsPosition(record.skipped) || !IsPosition(record.received) ||
      !IsPosition(record.acknowledged) || !IsPosition(record.position + record.payload_length + record.skipped)) {
    return false;
  }
  if (connection.slot != PODTAP_NO_SLOT && connection.generation == 0) return false;
  if (record.kind == kRecordEarly) return record.direction == kRecordIngress;
  if (connection.cookie == 0) return false;
  return record.kind == kRecordSegment || record.payload_length == 0;
}

}  // namespace

std::optional<RecordView> DecodeRecord(std::span<const std::byte> bytes) {
  std::optional<RecordView> view;
  if (bytes.size() < sizeof(segment_record)) return view;
  view.emplace();
  std::memcpy(&view->header, bytes.data(), sizeof(segment_record));
  const size_t room = bytes.size() - sizeof(segment_record);
  if (view->header.payload_length > room || !MakesSense(view->header)) return std::nullopt;
  view->payload = bytes.subspan(sizeof(segment_record), view->header.payload_length);
  return view;
}

Connection ConnectionOf(const connection_identity& identity) {
  Connection connection;
  connection.id = ConnectionId{identity.cookie};
  connection.role = static_cast<Role>(identity.role);
  connection.loopback = (identity.flags & kRecordLoopback) != 0;
  std::memcpy(connection.local.address.data(), identity.local_address, sizeof(identity.local_address));
  std::memcpy(connection.remote.address.data(), identity.remote_address, sizeof(identity.remote_address));
  connection.local.port = identity.local_port;
  connection.remote.port = identity.remote_port;
  connection.process.pid = identity.pid;
  std::memcpy(connection.process.comm.data(), identity.comm, sizeof(identity.comm));
  connection.cgroup_id = identity.cgroup_id;
  return connection;
}

}  // namespace podtap
