// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/webhook/pods.h"
#include "webhook/server_config.h"
#include "webhook/sidecar_sink.h"

namespace podtap::webhook {
namespace {

using testing::HasSubstr;

Result<ServerCommandLine> Parse(std::vector<std::string> args, bool with_required = true) {
  if (with_required) args.insert(args.begin(), {"--sidecar_image=img", "--tls_cert_file=/c", "--tls_key_file=/k"});
  return ParseServerCommandLine(args);
}

TEST(ServerConfig, EveryFlagHasItsDefaultInTheHelpAndInTheConfiguration) {
  const auto line = Parse({});
  ASSERT_TRUE(line) << line.error().message;
  const json::value shown = Json(line->config.Json());
  for (const auto table : {ServerOptions(), InjectorOptions()})
    for (const OptionInfo& option : table) {
      EXPECT_THAT(ServerHelp(), HasSubstr("--" + std::string(option.name)));
      if (option.name == "check_config") continue;
      EXPECT_TRUE(shown.as_object().contains(option.name)) << option.name;
      // The default in the table is the default of the value: giving it changes nothing.
      if (option.default_value.empty()) continue;
      const auto again = Parse({"--" + std::string(option.name) + "=" + std::string(option.default_value)});
      ASSERT_TRUE(again) << again.error().message;
      EXPECT_EQ(again->config.Json(), line->config.Json()) << option.name;
    }
}

TEST(ServerConfig, FlagsMayBeWrittenInSeveralWays) {
  EXPECT_TRUE(Parse({"--mirror_all_namespaces"})->config.injector.mirror_all_namespaces);
  EXPECT_TRUE(Parse({"--mirror-all-namespaces=true"})->config.injector.mirror_all_namespaces);
  EXPECT_FALSE(Parse({"--norun_as_privileged"})->config.injector.run_as_privileged);
  EXPECT_FALSE(Parse({"-run_as_privileged=0"})->config.injector.run_as_privileged);
  EXPECT_EQ(Parse({"--drain_s", "7"})->config.drain_s, 7u);
  const auto sinks = Parse({"--named_sink=a=stdout", "--named_sink=b=unix:/var/run/b/x.sock"});
  ASSERT_TRUE(sinks) << sinks.error().message;
  EXPECT_EQ(sinks->config.injector.named_sinks.size(), 2u);
}

TEST(ServerConfig, ABadFlagIsOneLineThatNamesItAndWhatToUse) {
  struct Case {
    std::string flag, names;
  };
  for (const Case& c :
       std::vector<Case>{{"--nonsense", "unknown flag --nonsense"},
                         {"--logmailer=/bin/sh", "unknown flag --logmailer"},
                         {"--flagfile=/etc/passwd", "unknown flag --flagfile"},
                         {"positional", "unexpected argument positional"},
                         {"--drain_s=abc", "--drain_s=abc"},
                         {"--drain_s=-1", "use a number from 0 to 3600"},
                         {"--threads=0", "use a number from 1 to 64"},
                         {"--drain_s", "--drain_s needs a value"},
                         {"--log_level=loud", "use error, warning, info or debug"},
                         {"--certificates=cluster", "use files"},
                         {"--default_mode=both", "ingress, egress, all or off"},
                         {"--injection=magic", "use auto, native or container"},
                         {"--default_pod_security_enforce=none", "use privileged, baseline or restricted"},
                         {"--run_as_privileged=maybe", "use true or false"},
                         {"--sidecar_sink=tcp:1.2.3.4:5", "use stdout, unix:PATH"},
                         {"--sidecar_sink=file:/x", "use stdout, unix:PATH"},
                         {"--sidecar_sink=unix:relative/x.sock", "use stdout, unix:PATH"},
                         {"--sidecar_sink=unix:/run/x.sock", "a directory of its own"},
                         {"--sidecar_sink=unix:/etc/podtap/x/../y.sock", "use stdout, unix:PATH"},
                         {"--sidecar_sink=unix:/host/cgroup/x.sock", "a directory of its own"},
                         {"--sidecar_sink=unix:/x.sock", "a directory of its own"},
                         {"--named_sink=stdout", "NAME=SINK"},
                         {"--named_sink=a b=stdout", "NAME=SINK"},
                         {"--named_sink=a=nowhere", "use stdout, unix:PATH"},
                         {"--sidecar_sink=otlp:collector:4318", "use otlp:http://HOST:PORT"},
                         {"--sidecar_sink=otlp:http://", "use otlp:http://HOST:PORT"},
                         {"--sidecar_sink=otlp:http://a:0", "use otlp:http://HOST:PORT"},
                         {"--sidecar_sink=otlp:http://a:b", "use otlp:http://HOST:PORT"},
                         {"--sidecar_sink=otlp:http://user@a", "use otlp:http://HOST:PORT"},
                         {"--sidecar_sink=otlp:http://a:4318,stdout", "use otlp:http://HOST:PORT"},
                         {"--sidecar_sink=otlp:http://a/x?y", "use otlp:http://HOST:PORT"},
                         {"--named_sink=a=otlp:grpc://a:4317", "use otlp:http://HOST:PORT"},
                         {"--sidecar_arg=redact_query=x", "use --NAME=VALUE"},
                         {"--sidecar_arg=--redact_query", "use --NAME=VALUE"},
                         {"--sidecar_arg=--sink=stdout", "--sink is no flag that can be set"},
                         {"--sidecar_arg=--otlp_headers=authorization=x", "--otlp_headers is no flag"},
                         {"--sidecar_metrics_port=70000", "a port from 1 to 65535"},
                         {"--sidecar_capabilities=bpf", "such as BPF,NET_ADMIN"},
                         {"--sidecar_selinux_options=spc_t", "such as type=spc_t"},
                         {"--sidecar_token_audience=a b", "a word such as podtap"},
                         {"--sidecar_token_secret=a/b/c", "the name of a Secret"},
                         {"--sidecar_ring_bytes=3Mi", "a power of two"},
                         {"--sidecar_cpu_request=fast", "a quantity of CPUs"},
                         {"--sidecar_cpu_limit=5m", "is below --sidecar_cpu_request"},
                         {"--sidecar_memory_limit=1Ki", "a number of bytes"},
                         {"--oldest_node_kernel=new", "a kernel version"},
                         {"--sidecar_image_pull_policy=Sometimes", "Always, IfNotPresent or Never"},
                         {"--revision=", "a label value"},
                         {"--sidecar_image=a b", "an image such as"}}) {
    const auto line = Parse({c.flag});
    ASSERT_FALSE(line) << c.flag;
    EXPECT_THAT(line.error().message, HasSubstr(c.names)) << c.flag;
    EXPECT_EQ(line.error().message.find('\n'), std::string::npos);
    EXPECT_EQ(line.error().exit_code, Error::kUsage);
  }
}

TEST(ServerConfig, WhatIsRequiredIsAskedFor) {
  EXPECT_THAT(Parse({}, false).error().message, HasSubstr("--sidecar_image is required"));
  EXPECT_THAT(Parse({"--sidecar_image=x"}, false).error().message, HasSubstr("--tls_cert_file and --tls_key_file"));
  EXPECT_TRUE(Parse({"--help"}, false)->help);
  EXPECT_TRUE(Parse({"--version"}, false)->version);
}

TEST(ServerConfig, EndpointsAreTakenAsUrls) {
  for (const char* sink : {"otlp:http://collector.podtap.svc:4318", "otlp:https://collector.example",
                           "otlp:http://[::1]:4318", "otlp:https://10.0.0.1:443/v1/traces"})
    EXPECT_TRUE(Parse({"--sidecar_sink=" + std::string(sink)})) << sink;
}

TEST(SinkDirectory, IsTheDirectoryOfASocket) {
  EXPECT_EQ(SinkDirectory("unix:/var/run/c/x.sock"), "/var/run/c");
  EXPECT_EQ(SinkDirectory("unix-dgram:/a/x"), "/a");
  EXPECT_EQ(SinkDirectory("unix:/x"), "/");
  EXPECT_EQ(SinkDirectory("stdout"), "");
}

}  // namespace
}  // namespace podtap::webhook
