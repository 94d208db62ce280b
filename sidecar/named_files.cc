// SPDX-License-Identifier: Apache-2.0
#include "sidecar/named_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "sidecar/sink/tls_client.h"

namespace podtap {
namespace {

constexpr const char* kSystemBundles[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                          "/etc/ssl/cert.pem"};

std::string_view FlagOf(NamedFile file) {
  static constexpr std::string_view kFlags[] = {"--token_file", "--otlp_ca_file", "--otlp_client_certificate_file",
                                                "--otlp_client_key_file", "--redact_hash_key_file"};
  return kFlags[static_cast<size_t>(file)];
}

const std::string& PathOf(const Config& config, NamedFile file) {
  switch (file) {
    case NamedFile::kToken:
      return config.otlp.token_file;
    case NamedFile::kCaBundle:
      return config.otlp.ca_file;
    case NamedFile::kClientCertificate:
      return config.otlp.client_certificate_file;
    case NamedFile::kClientKey:
      return config.otlp.client_key_file;
    default:
      return config.redact_hash_key_file;
  }
}

Result<UniqueFd> OpenRegular(const std::string& path, std::string_view flag) {
  const std::string context = std::string(flag) + ": cannot read " + path;
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) {
    std::unexpected<Error> refused = ErrnoError(context);
    refused.error().message += "; name a file that podtap can read";
    return refused;
  }
  struct stat kind{};
  if (fstat(fd.get(), &kind) != 0 || !S_ISREG(kind.st_mode))
    return EnvironmentError(context + ": it is no regular file; name one that is");
  return fd;
}

Result<UniqueFd> OpenSystemBundle() {
  const char* own = std::getenv("SSL_CERT_FILE");
  if (own != nullptr && *own != '\0') return OpenRegular(own, "$SSL_CERT_FILE");
  for (const char* path : kSystemBundles)
    if (access(path, R_OK) == 0) return OpenRegular(path, "system certificates");
  return EnvironmentError("this system has no CA certificates; install ca-certificates or give --otlp_ca_file");
}

Result<std::string> Read(const Config& config, NamedFile file) {
  const auto fd = OpenNamedFile(config, file);
  if (!fd) return std::unexpected(fd.error());
  std::string text;
  char part[16384];
  for (ssize_t size; (size = read(fd->get(), part, sizeof(part))) > 0 && text.size() < 4 << 20;)
    text.append(part, static_cast<size_t>(size));
  return text;
}

}  // namespace

Result<UniqueFd> OpenNamedFile(const Config& config, NamedFile file) {
  const std::string& path = PathOf(config, file);
  if (!path.empty()) return OpenRegular(path, FlagOf(file));
  if (file == NamedFile::kCaBundle) return OpenSystemBundle();
  return EnvironmentError("no file is configured as " + std::string(FlagOf(file)));
}

Status CheckNamedFiles(const Config& config) {
  constexpr size_t kShortestKey = 16;
  if (!config.redact_hash_key_file.empty()) {
    const auto key = Read(config, NamedFile::kHashKey);
    if (!key) return std::unexpected(key.error());
    if (key->size() < kShortestKey)
      return EnvironmentError("--redact_hash_key_file: " + config.redact_hash_key_file +
                              " holds less than 16 bytes, which could be guessed; use a longer key");
  }
  const auto is = [](bool tls) {
    return [tls](const SinkConfig& sink) {
      return sink.address.kind == SinkAddress::Kind::kOtlp && (!tls || sink.address.path.starts_with("https://"));
    };
  };
  const auto& sinks = config.sinks;
  if (std::none_of(sinks.begin(), sinks.end(), is(false))) return {};
  if (!config.otlp.token_file.empty())
    if (auto token = OpenNamedFile(config, NamedFile::kToken); !token) return std::unexpected(token.error());
  if (std::none_of(sinks.begin(), sinks.end(), is(true))) return {};
  const FileReader read = [&](NamedFile file) { return Read(config, file); };
  if (auto context = ReadSslContext(config.otlp, read); !context) return std::unexpected(context.error());
  return {};
}

}  // namespace podtap
