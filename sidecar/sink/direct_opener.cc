// SPDX-License-Identifier: Apache-2.0
// Opens sinks by name in this process. Files: O_APPEND, made with mode 0640. The last component must not be a symbolic
// link, and the file must not be part of /proc or /sys: a path in a volume that the pod's other containers can write is
// not to be trusted with the privileges of this process.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>

#include <cstdio>

#include "sidecar/sink/sink.h"

namespace podtap {
namespace {

// What whoever gave this address can do about it; empty if nothing better than the error's own words is known.
std::string_view RemedyFor(const SinkAddress& address, int error) {
  const bool file = address.kind == SinkAddress::Kind::kFile;
  switch (error) {
    case ENOENT:
      return file ? "make its folder, or name another file" : "start its reader, or name another socket";
    case ECONNREFUSED:
      return "nobody listens there; start its reader, or name another socket";
    case EPROTOTYPE:
      return "its reader made the other kind of socket; unix: is for streams, unix-dgram: for datagrams";
    case EISDIR:
      return "name a file in it";
    case ENOTDIR:
      return "a part of its path is no folder; name another file";
    case EACCES:
    case EPERM:
      return "give this process the right to write there, or name another sink";
    case EROFS:
      return "name a file on a file system that can be written";
    case ENAMETOOLONG:
      return file ? "name a file with a shorter name" : "a socket's path has at most 107 bytes; name another";
    case ENXIO:
      return "nobody reads this pipe; start its reader first";
    default:
      return {};
  }
}

std::unexpected<Error> CannotWrite(const SinkAddress& address, int error) {
  std::string context = "cannot write to sink " + address.Text();
  if (error == ELOOP) return EnvironmentError(context + ": it is a symbolic link; name the file itself");
  std::unexpected<Error> result = ErrnoError(std::move(context), error);
  if (const std::string_view remedy = RemedyFor(address, error); !remedy.empty())
    result.error().message.append("; ").append(remedy);
  return result;
}

// A writer that was killed can leave half a record at the end of a file. Ends that line, so that the next record is
// whole.
void EndLastLine(int file, const std::string& path) {
  struct stat here{};
  if (fstat(file, &here) != 0 || !S_ISREG(here.st_mode) || here.st_size == 0) return;
  const UniqueFd reader(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat there{};
  if (!reader || fstat(reader.get(), &there) != 0 || there.st_dev != here.st_dev || there.st_ino != here.st_ino) return;
  char last = '\n';
  if (pread(reader.get(), &last, 1, here.st_size - 1) == 1 && last != '\n')
    while (write(file, "\n", 1) < 0 && errno == EINTR) {
    }
}

bool OfTheKernel(int file) {
  struct statfs system{};
  if (fstatfs(file, &system) != 0) return false;
  switch (static_cast<unsigned long>(system.f_type)) {
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
    case DEBUGFS_MAGIC:
    case TRACEFS_MAGIC:
    case SECURITYFS_MAGIC:
      return true;
    default:
      return false;
  }
}

Result<UniqueFd> OpenFile(const SinkAddress& address) {
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK;
  UniqueFd file(open(address.path.c_str(), kFlags, 0640));
  if (!file) return CannotWrite(address, errno);
  if (OfTheKernel(file.get()))
    return EnvironmentError("cannot write to sink " + address.Text() +
                            ": it is a file of the kernel; name one on a disk or in a volume");
  if (!address.framed) EndLastLine(file.get(), address.path);
  return file;
}

Result<UniqueFd> OpenSocket(const SinkAddress& address) {
  const int type = address.kind == SinkAddress::Kind::kUnixStream ? SOCK_STREAM : SOCK_DGRAM;
  UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return CannotWrite(address, errno);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (address.path.size() >= sizeof(name.sun_path)) return CannotWrite(address, ENAMETOOLONG);
  address.path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  // A full backlog is EAGAIN here and an error like any other: the caller tries again later.
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) != 0)
    return CannotWrite(address, errno);
  return socket;
}

// For a pipe or terminal a new file description, so that "never block" does not reach those who share the old one.
Result<UniqueFd> OpenStdout(const SinkAddress& address) {
  struct stat kind{};
  if (fstat(STDOUT_FILENO, &kind) != 0) return CannotWrite(address, errno);
  if ((fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY)
    return EnvironmentError("cannot write to sink stdout: standard output is closed; give another --sink");
  if (S_ISFIFO(kind.st_mode) || S_ISCHR(kind.st_mode)) {
    UniqueFd own(open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (own) return own;
  }
  UniqueFd copy(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  if (!copy) return CannotWrite(address, errno);
  return copy;
}

class DirectOpener : public Opener {
 public:
  Result<UniqueFd> Open(const SinkAddress& address) override {
    switch (address.kind) {
      case SinkAddress::Kind::kFile:
        return OpenFile(address);
      case SinkAddress::Kind::kUnixStream:
      case SinkAddress::Kind::kUnixDatagram:
        return OpenSocket(address);
      case SinkAddress::Kind::kOtlp:
        return EnvironmentError("sink " + address.Text() + " is connected by the worker, not opened by name");
      case SinkAddress::Kind::kStdout:
        break;
    }
    return OpenStdout(address);
  }

  Status Rotate(const SinkAddress& address) override {
    const std::string old = address.path + ".1";
    if (std::rename(address.path.c_str(), old.c_str()) != 0)
      return ErrnoError("cannot rename " + address.path + " to " + old);
    return {};
  }
};

}  // namespace

std::unique_ptr<Opener> MakeDirectOpener() { return std::make_unique<DirectOpener>(); }

}  // namespace podtap
