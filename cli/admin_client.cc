// SPDX-License-Identifier: Apache-2.0
#include "cli/admin_client.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace podtap {
namespace {

namespace http = boost::beast::http;
using Socket = boost::asio::local::stream_protocol::socket;
using boost::system::error_code;

constexpr std::string_view kDefaultSocket = "/run/podtap/admin.sock";

struct Options {
  std::string socket{kDefaultSocket};
  std::string format = "text";
  bool json = false;
  bool help = false;
  std::string argument;
};

int Complain(std::string_view command, const Error& error) {
  std::cerr << "podtap " << command << ": " << error.message << "\n";
  return error.exit_code;
}

Result<Options> Parse(int argc, const char* const* argv, bool takes_argument) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view text = argv[i];
    if (text.starts_with("--admin=")) {
      options.socket = text.substr(8);
      if (options.socket.starts_with("unix:")) options.socket.erase(0, 5);
    } else if (text == "--format=text" || text == "--format=eve") {
      options.format = text.substr(9);
    } else if (text == "--help" || text == "-h") {
      options.help = true;
    } else if (text == "--json") {
      options.json = true;
    } else if (!text.starts_with('-') && takes_argument && options.argument.empty()) {
      options.argument = text;
    } else {
      return UsageError("'" + std::string(text) + "' is not known here; --admin=PATH names the socket of a sidecar");
    }
  }
  return options;
}

int Help(std::string_view usage, std::string_view what) {
  std::cout << "podtap " << usage << " [--admin=PATH]\n\n"
            << what << "\n\n  --admin=PATH  the socket of the sidecar (default " << kDefaultSocket << ")\n";
  return 0;
}

class Connection {
 public:
  static Result<std::unique_ptr<Connection>> Open(const std::string& path) {
    auto connection = std::make_unique<Connection>();
    error_code error;
    if (path.size() < 108) (void)connection->socket_.connect(path, error);
    if (error || path.size() >= 108)
      return EnvironmentError("no sidecar answers at " + path + " (" + error.message() +
                              "); --admin=PATH names its socket");
    return connection;
  }

  Result<http::response<http::string_body>> Call(http::verb verb, std::string_view target, std::string body = {}) {
    http::request<http::string_body> request(verb, std::string(target), 11);
    request.set(http::field::host, "podtap");
    request.set(http::field::connection, "close");
    request.body() = std::move(body);
    request.prepare_payload();
    error_code error;
    http::write(socket_, request, error);
    http::response<http::string_body> response;
    if (!error) http::read(socket_, buffer_, response, error);
    if (error) return EnvironmentError("the sidecar's answer broke off: " + error.message());
    return response;
  }

  // Prints what comes until the other side ends.
  Status Stream(std::string_view target) {
    http::request<http::empty_body> request(http::verb::get, std::string(target), 11);
    request.set(http::field::host, "podtap");
    error_code error;
    http::write(socket_, request, error);
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(boost::none);
    if (!error) http::read_header(socket_, buffer_, parser, error);
    if (error) return EnvironmentError("the sidecar's answer broke off: " + error.message());
    if (parser.get().result() != http::status::ok)
      return EnvironmentError("the sidecar refuses: " + std::string(parser.get().reason()));
    char part[65536];
    while (!parser.is_done()) {
      parser.get().body().data = part;
      parser.get().body().size = sizeof(part);
      http::read_some(socket_, buffer_, parser, error);
      if (error && error != http::error::need_buffer) break;
      std::cout.write(part, static_cast<std::streamsize>(sizeof(part) - parser.get().body().size));
      std::cout.flush();
      if (!std::cout) break;
    }
    return {};
  }

 private:
  boost::asio::io_context context_;
  Socket socket_{context_};
  boost::beast::flat_buffer buffer_;
};

void PrintRow(std::string_view name, const boost::json::value& value) {
  if (value.is_string())
    std::cout << name << ": " << value.as_string().c_str() << "\n";
  else
    std::cout << name << ": " << value << "\n";
}

// State first, then every counter that is not zero.
void PrintStats(const boost::json::object& stats) {
  for (const auto& [key, value] : stats) {
    if (!value.is_object()) {
      PrintRow(key, value);
      continue;
    }
    std::cout << key << ":\n";
    for (const auto& [name, number] : value.as_object()) {
      const bool zero =
          (number.is_int64() && number.as_int64() == 0) || (number.is_uint64() && number.as_uint64() == 0);
      if (!zero) PrintRow("  " + std::string(name), number);
    }
  }
}

}  // namespace

int StatsCommand(int argc, const char* const* argv) {
  const auto options = Parse(argc, argv, false);
  if (!options) return Complain("stats", options.error());
  if (options->help)
    return Help("stats [--json]",
                "Prints the state and the counters of a running sidecar: for a person those that are not zero,\n"
                "with --json all of them in one line.");
  auto connection = Connection::Open(options->socket);
  if (!connection) return Complain("stats", connection.error());
  const auto answer = (*connection)->Call(http::verb::get, "/stats");
  if (!answer) return Complain("stats", answer.error());
  error_code error;
  const boost::json::value value = boost::json::parse(answer->body(), error);
  if (options->json || error || !value.is_object())
    std::cout << answer->body();
  else
    PrintStats(value.as_object());
  return 0;
}

int ModeCommand(int argc, const char* const* argv) {
  const auto options = Parse(argc, argv, true);
  if (!options) return Complain("mode", options.error());
  if (options->help)
    return Help("mode [ingress|egress|all|off]",
                "Prints what a running sidecar captures, or changes it: from the next packet on, until it is changed\n"
                "again or the sidecar starts anew.");
  auto connection = Connection::Open(options->socket);
  if (!connection) return Complain("mode", connection.error());
  const bool change = !options->argument.empty();
  const auto answer = (*connection)->Call(change ? http::verb::put : http::verb::get, "/mode", options->argument);
  if (!answer) return Complain("mode", answer.error());
  std::string text = answer->body();
  while (text.ends_with('\n')) text.pop_back();
  if (answer->result_int() >= 400) return Complain("mode", {text, Error::kUsage});
  if (!change) std::cout << text << "\n";
  return 0;
}

int TailCommand(int argc, const char* const* argv) {
  const auto options = Parse(argc, argv, false);
  if (!options) return Complain("tail", options.error());
  if (options->help)
    return Help("tail [--format=text|eve]",
                "Prints the exchanges of a running sidecar as they come, until it is interrupted.");
  auto connection = Connection::Open(options->socket);
  if (!connection) return Complain("tail", connection.error());
  const Status status = (*connection)->Stream("/tail?format=" + options->format);
  return status ? 0 : Complain("tail", status.error());
}

}  // namespace podtap
