// SPDX-License-Identifier: Apache-2.0
// podtap.v1.HttpEvent, length-delimited. proto/podtap/v1/http_event.proto says what each field means; the numbers here
// are those.
#include <utility>

#include "sidecar/sink/proto_writer.h"
#include "sidecar/sink/sink.h"

namespace podtap {
namespace {

uint64_t UnixNano(WallTime time) { return time.ns > 0 ? static_cast<uint64_t>(time.ns) : 0; }
uint64_t UnixNano(const HttpEvent& event, Timestamp at) { return at ? UnixNano(event.WallAt(at)) : 0; }

void AppendFields(uint32_t field, const HeaderList& fields, ProtoWriter& writer) {
  for (size_t i = 0; i < fields.size(); ++i) {
    const auto [name, value] = fields[i];
    const size_t header = writer.Begin(field);
    writer.String(1, name);
    writer.String(2, value);
    writer.End(header);
  }
}

void AppendEndpoint(uint32_t field, const Endpoint& endpoint, ProtoWriter& writer) {
  const size_t message = writer.Begin(field);
  writer.Bytes(1, endpoint.AddressText());
  writer.Varint(2, endpoint.port);
  writer.End(message);
}

void AppendMessage(uint32_t field, const HttpEvent& event, const HttpMessage& message, bool without_bodies,
                   ProtoWriter& writer) {
  if (!message.seen) return;
  const size_t begin = writer.Begin(field);
  AppendFields(1, message.headers, writer);
  AppendFields(2, message.trailers, writer);
  if (!without_bodies) writer.Bytes(3, message.body);
  writer.Varint(4, message.body_bytes);
  writer.Varint(5, message.header_bytes);
  writer.Varint(6, message.missing_bytes);
  writer.Fixed64(7, UnixNano(event, message.start));
  writer.Fixed64(8, UnixNano(event, message.end));
  writer.Bool(9, message.body_decoded);
  writer.End(begin);
}

void AppendGrpc(const GrpcCall& call, ProtoWriter& writer) {
  const size_t begin = writer.Begin(100);
  writer.String(1, call.service);
  writer.String(2, call.method);
  if (call.status) writer.AlwaysVarint(3, *call.status);
  writer.String(4, call.message);
  writer.String(5, call.timeout);
  if (call.requests.count) writer.AlwaysVarint(6, *call.requests.count);
  if (call.responses.count) writer.AlwaysVarint(7, *call.responses.count);
  writer.Bool(8, call.compressed);
  writer.Bool(9, call.web);
  writer.End(begin);
}

void AppendHttp2(const Http2Stream& stream, ProtoWriter& writer) {
  const size_t begin = writer.Begin(101);
  writer.Varint(1, stream.id);
  if (stream.request_error) writer.AlwaysVarint(2, *stream.request_error);
  if (stream.response_error) writer.AlwaysVarint(3, *stream.response_error);
  writer.End(begin);
}

class ProtoEncoder : public Encoder {
 public:
  explicit ProtoEncoder(Identity identity) : run_id_(std::move(identity.run_id)) {
    ProtoWriter writer(identity_fields_);
    writer.String(23, identity.namespace_name);
    writer.String(24, identity.pod);
    writer.String(25, identity.node);
    writer.String(26, identity.service);
  }

  void Encode(const HttpEvent& event, bool without_bodies, std::string& out) const override {
    ProtoWriter writer(out);
    const size_t record = writer.BeginLength();
    const size_t id = writer.Begin(1);
    AppendEventId(event, run_id_, out);
    writer.End(id);
    writer.Varint(2, event.connection.role == Role::kOpened ? 2 : 1);
    writer.Fixed64(3, UnixNano(event.wall));
    writer.Varint(4, event.duration_ns());
    AppendEndpoint(5, event.client(), writer);
    AppendEndpoint(6, event.server(), writer);
    writer.String(7, event.method);
    writer.String(8, event.target);
    writer.String(9, event.version);
    AppendMessage(10, event, event.request, without_bodies, writer);
    writer.Varint(11, event.status);
    AppendMessage(12, event, event.response, without_bodies, writer);
    writer.Bool(13, event.complete);
    TagSet tags = event.tags;
    if (without_bodies) tags.Add(Tag::kBodiesDropped);
    tags.ForEach([&](Tag tag) { writer.Bytes(14, TextOf(tag)); });
    writer.String(16, event.reason);
    writer.String(17, event.response_version);
    if (!event.informational.empty()) {
      const size_t packed = writer.Begin(18);
      for (const uint16_t status : event.informational) writer.Raw(status);
      writer.End(packed);
    }
    writer.Varint(19, event.exchange);
    writer.Fixed64(20, event.connection.id.value);
    writer.Bool(21, event.connection.loopback);
    writer.Bool(22, event.connection.transport == Transport::kTls);
    out += identity_fields_;
    writer.Bytes(27, event.container_id);
    writer.Varint(28, event.connection.process.pid);
    writer.String(29, event.connection.process.CommText());
    writer.String(30, event.scheme);
    writer.String(31, event.authority);
    if (event.grpc) AppendGrpc(*event.grpc, writer);
    if (event.http2) AppendHttp2(*event.http2, writer);
    writer.End(record);
  }

 private:
  const std::string run_id_;
  std::string identity_fields_;  // encoded already: they are the same on every event
};

}  // namespace

std::unique_ptr<Encoder> MakeProtoEncoder(Identity identity) {
  return std::make_unique<ProtoEncoder>(std::move(identity));
}

}  // namespace podtap
