// SPDX-License-Identifier: Apache-2.0
#include "sidecar/capture/attach_errors.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/capability.h>
#include <sys/utsname.h>

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace podtap {
namespace {

thread_local std::string* collected = nullptr;
libbpf_print_fn_t previous_print = nullptr;

int Collect(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN || collected == nullptr) return 0;
  char line[512];
  const int length = vsnprintf(line, sizeof(line), format, arguments);
  if (length <= 0) return 0;
  std::string text(line);
  if (const size_t end = text.find('\n'); end != std::string::npos) text.resize(end);
  // The verifier's log comes as a message of its own; the short line before it says more.
  if (!text.empty() && text.find("BEGIN PROG LOAD LOG") == std::string::npos) *collected = std::move(text);
  return 0;
}

uint64_t EffectiveCapabilities() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("CapEff:")) return std::strtoull(line.c_str() + 7, nullptr, 16);
  }
  return 0;
}

// 5.10.0 -> 5010; 0 if unknown.
int KernelVersion(std::string& release) {
  utsname name{};
  if (uname(&name) != 0) return 0;
  release = name.release;
  int major = 0, minor = 0;
  if (sscanf(name.release, "%d.%d", &major, &minor) != 2) return 0;
  return major * 1000 + minor;
}

std::string Strerror(int error) {
  char text[128];
  return strerror_r(error, text, sizeof(text));
}

}  // namespace

LibbpfMessages::LibbpfMessages() {
  collected = new std::string;
  previous_print = libbpf_set_print(Collect);
}

LibbpfMessages::~LibbpfMessages() {
  libbpf_set_print(previous_print);
  delete collected;
  collected = nullptr;
}

std::string LibbpfMessages::last() const { return collected == nullptr ? std::string() : *collected; }

std::string MissingCapabilities() {
  const uint64_t have = EffectiveCapabilities();
  const auto has = [have](int capability) { return (have >> capability & 1) != 0; };
  std::string missing;
  const auto miss = [&missing](const char* name) {
    if (!missing.empty()) missing += ", ";
    missing += name;
  };
  if (!has(CAP_BPF) && !has(CAP_SYS_ADMIN)) miss("CAP_BPF");
  if (!has(CAP_NET_ADMIN) && !has(CAP_SYS_ADMIN)) miss("CAP_NET_ADMIN");
  return missing;
}

std::unexpected<Error> ExplainLoad(int error, const std::string& libbpf_said) {
  std::string release;
  const int version = KernelVersion(release);
  if (const std::string missing = MissingCapabilities(); !missing.empty()) {
    return EnvironmentError("cannot load BPF programs: this process lacks " + missing +
                            "; run it as root or give the container these capabilities");
  }
  if (version != 0 && version < 5010) {
    return EnvironmentError("cannot load BPF programs: Linux " + release + " is too old, 5.10 or newer is needed");
  }
  if (error == EPERM) {
    std::string hint =
        version != 0 && version < 5011 ? "CAP_SYS_RESOURCE is missing or memory is limited (RLIMIT_MEMLOCK), or " : "";
    return EnvironmentError("cannot load BPF programs: the kernel refuses (" + hint +
                            "a security policy such as seccomp, lockdown or AppArmor forbids bpf())");
  }
  if (error == ENOSYS) {
    return EnvironmentError("cannot load BPF programs: this kernel (" + release +
                            ") is built without BPF (CONFIG_BPF_SYSCALL)");
  }
  if (error == ENOMEM)
    return EnvironmentError("cannot load BPF programs: no memory for the ring; use a smaller --ring_bytes");
  std::string text = "cannot load BPF programs on Linux " + release + ": " + Strerror(error);
  if (!libbpf_said.empty()) text += " (" + libbpf_said + ")";
  return EnvironmentError(std::move(text));
}

std::unexpected<Error> ExplainAttach(int error, int cgroup_fd, bpf_attach_type type, const std::string& program) {
  if (error == EPERM) {
    // An exclusive program (attached without BPF_F_ALLOW_MULTI) at this cgroup, or one above, allows no other beside
    // it.
    uint32_t ids[64] = {};
    for (const uint32_t query_flags : {0U, uint32_t{BPF_F_QUERY_EFFECTIVE}}) {
      uint32_t flags = 0, count = 64;
      if (bpf_prog_query(cgroup_fd, type, query_flags, &flags, ids, &count) != 0 || count == 0) continue;
      if (query_flags == 0 && (flags & BPF_F_ALLOW_MULTI) != 0) break;
      return EnvironmentError("cannot attach " + program + ": BPF program " + std::to_string(ids[0]) +
                              " of somebody else is attached exclusively to this cgroup or one above it; "
                              "find it with `bpftool cgroup tree` and detach it, or attach it with BPF_F_ALLOW_MULTI");
    }
    if (const std::string missing = MissingCapabilities(); !missing.empty()) {
      return EnvironmentError("cannot attach " + program + ": this process lacks " + missing +
                              "; run it as root or give the container these capabilities");
    }
  }
  if (error == EBADF || error == EINVAL) {
    return EnvironmentError("cannot attach " + program +
                            ": the target is no cgroup v2 directory, or this kernel has no BPF links (" +
                            Strerror(error) + ")");
  }
  if (error == E2BIG)
    return EnvironmentError("cannot attach " + program +
                            ": 64 programs are attached there already; detach one (`bpftool cgroup tree`)");
  return ErrnoError("cannot attach " + program, error);
}

}  // namespace podtap
