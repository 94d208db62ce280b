// SPDX-License-Identifier: Apache-2.0
#include "sidecar/capture/packet_capture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "packet_capture.skel.h"
#include "sidecar/capture/attach_errors.h"
#include "sidecar/capture/bpf_skeleton.h"
#include "sidecar/capture/mapping.h"

namespace podtap {
namespace {

using Skeleton = BpfSkeleton<packet_capture, packet_capture__open, packet_capture__destroy>;

constexpr size_t kSmallestRing = 256 << 10;
constexpr size_t kLargestRing = 1 << 30;
constexpr long kCgroup2Magic = 0x63677270;
constexpr size_t kMaxSlots = 1 << 20;
// Above three quarters only the beginning of a turn is copied: enough for most HTTP heads, so little that many short
// transfers together do not fill the rest. Above seven eighths less: what is left is for start lines and first fields.
constexpr size_t kHeadBytesWhenTight = 4 << 10;
constexpr size_t kHeadBytesWhenTightest = 1 << 10;
constexpr uint64_t kAnnounceAfterNs = 1'000'000'000;

size_t RingBytes(size_t wanted) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return std::bit_ceil(std::clamp(wanted, std::max(kSmallestRing, page), kLargestRing));
}

uint32_t ToU32(size_t value) { return static_cast<uint32_t>(std::min<size_t>(value, UINT32_MAX)); }

// The fields that user space decides. target_level is found out by the kernel side.
capture_settings MakeSettings(const PacketCapture::Options& options, uint64_t target_cgroup_id, size_t ring_bytes) {
  capture_settings settings{};
  settings.mode_and_epoch = static_cast<uint32_t>(options.mode);
  settings.target_cgroup_id = target_cgroup_id;
  settings.own_cgroup_id = options.own_cgroup_id;
  settings.turn_bytes = ToU32(options.max_header_bytes + options.max_body_bytes);
  settings.head_bytes = ToU32(std::min(options.max_header_bytes, kHeadBytesWhenTight));
  settings.least_bytes = ToU32(std::min(options.max_header_bytes, kHeadBytesWhenTightest));
  settings.early_bytes_per_second = ToU32(options.early_bytes_per_second);
  settings.half_full = ring_bytes / 2;
  settings.three_quarters_full = ring_bytes / 4 * 3;
  settings.seven_eighths_full = ring_bytes / 8 * 7;
  settings.wakeup_bytes = ring_bytes / 8;
  settings.announce_after_ns = kAnnounceAfterNs;
  return settings;
}

Status CheckTarget(int cgroup_fd, uint64_t& id) {
  struct statfs filesystem{};
  struct stat directory{};
  if (fstatfs(cgroup_fd, &filesystem) != 0 || fstat(cgroup_fd, &directory) != 0) {
    return ErrnoError("cannot look at the target cgroup");
  }
  if (filesystem.f_type != kCgroup2Magic) {
    return EnvironmentError("the target is not a cgroup v2 directory; this node needs cgroup v2 (mount -t cgroup2)");
  }
  id = directory.st_ino;
  return {};
}

bool ValidMode(int mode) { return mode >= kCaptureIngress && mode <= kCaptureOff; }

}  // namespace

class PacketCapture::Impl {
 public:
  Status Load(const Options& options);
  Status Map();
  Status FillSlots();
  Status AttachTo(int cgroup_fd);
  Status Mark(int fd);

  Skeleton skeleton = Skeleton::Open();
  std::vector<bpf_link*> links;
  UniqueFd ring_fd;
  Mapping consumer, producer_and_data, settings, reader, slots, counters;
  CaptureMemory memory;
  capture_settings* live = nullptr;

  ~Impl() {
    for (bpf_link* link : links) bpf_link__destroy(link);
  }
};

Status PacketCapture::Impl::Load(const Options& options) {
  uint64_t target_cgroup_id = 0;
  if (Status ok = CheckTarget(options.cgroup_fd, target_cgroup_id); !ok) return ok;
  if (!skeleton) return ErrnoError("cannot read the BPF programs built into this binary");
  if (const std::string missing = MissingCapabilities(); !missing.empty()) return ExplainLoad(EPERM, "");
  memory.ring_bytes = RingBytes(options.ring_bytes);
  memory.slot_count = std::clamp<size_t>(options.slots, 1, kMaxSlots);
  memory.cpus = static_cast<size_t>(std::max(libbpf_num_possible_cpus(), 1));
  auto& maps = skeleton->maps;
  bpf_map__set_max_entries(maps.ring, ToU32(memory.ring_bytes));
  bpf_map__set_max_entries(maps.counters, ToU32(memory.cpus * PODTAP_KERNEL_COUNTER_STRIDE));
  bpf_map__set_max_entries(maps.slots, ToU32(memory.slot_count));
  bpf_map__set_max_entries(maps.generations, ToU32(memory.slot_count));
  bpf_map__set_max_entries(maps.free_slots, ToU32(memory.slot_count));
  LibbpfMessages messages;
  if (const int error = packet_capture__load(skeleton.get()); error != 0) return ExplainLoad(-error, messages.last());
  if (Status ok = Map(); !ok) return ok;
  *live = MakeSettings(options, target_cgroup_id, memory.ring_bytes);
  return FillSlots();
}

Status PacketCapture::Impl::Map() {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const auto pages = [page](size_t bytes) { return (bytes + page - 1) / page * page; };
  auto& maps = skeleton->maps;
  const int ring = bpf_map__fd(maps.ring);
  ring_fd.reset(fcntl(ring, F_DUPFD_CLOEXEC, 3));
  const bool mapped = ring_fd && consumer.Map(ring, page, true) &&
                      producer_and_data.Map(ring, page + 2 * memory.ring_bytes, false, page) &&
                      settings.Map(bpf_map__fd(maps.settings), pages(sizeof(capture_settings)), true) &&
                      reader.Map(bpf_map__fd(maps.reader), pages(sizeof(reader_page)), true) &&
                      slots.Map(bpf_map__fd(maps.slots), pages(memory.slot_count * sizeof(feedback_slot)), true) &&
                      counters.Map(bpf_map__fd(maps.counters),
                                   pages(memory.cpus * PODTAP_KERNEL_COUNTER_STRIDE * sizeof(uint64_t)), false);
  if (!mapped) return ErrnoError("cannot map the memory shared with the BPF programs");
  memory.ring_fd = ring_fd.get();
  memory.consumer = consumer.as<uint64_t>();
  memory.producer = producer_and_data.as<uint64_t>();
  memory.ring = producer_and_data.as<std::byte>() + page;
  memory.reader = reader.as<reader_page>();
  memory.reader->reading_position = PODTAP_NOT_READING;
  memory.slots = slots.as<feedback_slot>();
  memory.counters = counters.as<uint64_t>();
  live = settings.as<capture_settings>();
  return {};
}

Status PacketCapture::Impl::FillSlots() {
  const int queue = bpf_map__fd(skeleton->maps.free_slots);
  for (uint32_t slot = 0; slot < memory.slot_count; ++slot) {
    if (bpf_map_update_elem(queue, nullptr, &slot, 0) != 0)
      return ErrnoError("cannot fill the queue of feedback slots");
  }
  return {};
}

Status PacketCapture::Impl::AttachTo(int cgroup_fd) {
  auto& programs = skeleton->progs;
  // The packet programs come last: when the first packet comes, handshakes and creators have been seen to since before.
  const std::pair<bpf_program*, bpf_attach_type> order[] = {
      {programs.cap_sock_create, BPF_CGROUP_INET_SOCK_CREATE},
      {programs.cap_sock_close, BPF_CGROUP_INET_SOCK_RELEASE},
      {programs.cap_sock_ops, BPF_CGROUP_SOCK_OPS},
      {programs.cap_skb_egress, BPF_CGROUP_INET_EGRESS},
      {programs.cap_skb_ingress, BPF_CGROUP_INET_INGRESS},
  };
  LibbpfMessages messages;
  for (const auto& [program, type] : order) {
    bpf_link* link = bpf_program__attach_cgroup(program, cgroup_fd);
    if (link == nullptr) return ExplainAttach(errno, cgroup_fd, type, bpf_program__name(program));
    links.push_back(link);
  }
  return {};
}

Status PacketCapture::Impl::Mark(int fd) {
  auto& maps = skeleton->maps;
  const int creators = bpf_map__fd(maps.creators), connections = bpf_map__fd(maps.connections);
  // struct creator of bpf/connections.bpf.h, as the kernel's map knows it.
  std::vector<std::byte> creator(bpf_map__value_size(maps.creators));
  if (bpf_map_lookup_elem(creators, &fd, creator.data()) != 0 && errno != ENOENT) {
    return ErrnoError("cannot mark a socket as podtap's own");
  }
  const uint32_t yes = 1;
  std::memcpy(creator.data() + PODTAP_CREATOR_IGNORED_OFFSET, &yes, sizeof(yes));
  if (bpf_map_update_elem(creators, &fd, creator.data(), BPF_ANY) != 0) {
    return ErrnoError("cannot mark a socket as podtap's own");
  }
  std::vector<std::byte> connection(bpf_map__value_size(maps.connections));
  if (bpf_map_lookup_elem(connections, &fd, connection.data()) != 0) return {};
  uint32_t flags = 0;
  std::memcpy(&flags, connection.data() + PODTAP_CONNECTION_FLAGS_OFFSET, sizeof(flags));
  flags |= PODTAP_CONNECTION_IGNORED;
  std::memcpy(connection.data() + PODTAP_CONNECTION_FLAGS_OFFSET, &flags, sizeof(flags));
  if (bpf_map_update_elem(connections, &fd, connection.data(), BPF_EXIST) != 0) {
    return ErrnoError("cannot mark a connected socket as podtap's own");
  }
  return {};
}

PacketCapture::PacketCapture() : impl_(std::make_unique<Impl>()) {}
PacketCapture::~PacketCapture() = default;

Result<std::unique_ptr<PacketCapture>> PacketCapture::Attach(const Options& options) {
  if (!ValidMode(options.mode)) return UsageError("unknown capture mode " + std::to_string(options.mode));
  std::unique_ptr<PacketCapture> capture(new PacketCapture);
  if (Status ok = capture->impl_->Load(options); !ok) return std::unexpected(ok.error());
  if (Status ok = capture->impl_->AttachTo(options.cgroup_fd); !ok) return std::unexpected(ok.error());
  return capture;
}

const CaptureMemory& PacketCapture::memory() const { return impl_->memory; }

Status PacketCapture::SetMode(int mode) {
  if (!ValidMode(mode)) return UsageError("unknown capture mode " + std::to_string(mode));
  if (impl_->live == nullptr) return EnvironmentError("the BPF programs were given up by this process");
  const uint32_t old = __atomic_load_n(&impl_->live->mode_and_epoch, __ATOMIC_RELAXED);
  if (static_cast<int>(old & 0xff) == mode) return {};
  const uint32_t next = ((old >> 8) + 1) << 8 | static_cast<uint32_t>(mode);
  __atomic_store_n(&impl_->live->mode_and_epoch, next, __ATOMIC_RELEASE);
  return {};
}

int PacketCapture::mode() const {
  if (impl_->live == nullptr) return kCaptureOff;
  return static_cast<int>(__atomic_load_n(&impl_->live->mode_and_epoch, __ATOMIC_RELAXED) & 0xff);
}

Status PacketCapture::IgnoreSocket(int fd) {
  if (!impl_->skeleton) return EnvironmentError("the BPF programs were given up by this process");
  return impl_->Mark(fd);
}

bool PacketCapture::SkipRecord() {
  CaptureMemory& memory = impl_->memory;
  const uint64_t reading = __atomic_load_n(&memory.reader->reading_position, __ATOMIC_ACQUIRE);
  const uint64_t consumer = __atomic_load_n(memory.consumer, __ATOMIC_RELAXED);
  const uint64_t producer = __atomic_load_n(memory.producer, __ATOMIC_ACQUIRE);
  // The reader wrote this word and is not trusted: it must name a place between what was read and what was written.
  if (reading % 8 != 0 || reading - consumer >= producer - consumer) return false;
  const auto* header = reinterpret_cast<const uint32_t*>(memory.ring + (reading & (memory.ring_bytes - 1)));
  const uint32_t length = __atomic_load_n(header, __ATOMIC_ACQUIRE);
  if ((length & BPF_RINGBUF_BUSY_BIT) != 0) return false;
  const uint64_t size = ((length & ~BPF_RINGBUF_DISCARD_BIT) + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
  if (size > producer - reading) return false;
  __atomic_store_n(&memory.reader->reading_position, PODTAP_NOT_READING, __ATOMIC_RELAXED);
  __atomic_store_n(memory.consumer, reading + size, __ATOMIC_RELEASE);
  return true;
}

void PacketCapture::ForgetPrograms() {
  for (bpf_link* link : impl_->links) bpf_link__destroy(link);
  impl_->links.clear();
  impl_->skeleton.Reset();
  impl_->settings = {};
  impl_->live = nullptr;
}

}  // namespace podtap
