// The program `grenache`: items, announcements, requests and messages through a grape.
#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <iostream>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <unistd.h>

#include "tools/grenache/call.hpp"
#include "tools/grenache/client.hpp"
#include "tools/grenache/common.hpp"
#include "tools/grenache/key_file.hpp"
#include "tools/grenache/pub_sub.hpp"
#include "tools/grenache/serve.hpp"
#include "tools/grenache/write_text.hpp"
#include <grenache/json/bencode_json.hpp>
#include <grenache/json/grape_api.hpp>
#include <grenache/json/grape_items.hpp>
#include <grenache/log/command_line.hpp>
#include <grenache/net/descriptors.hpp>
#include <grenache/net/steady_clock.hpp>

namespace grenache::client {
namespace {

using json::Value;

constexpr std::size_t kPeerCountMax = 1000;

struct Flags : Common {
  std::string key_path = default_key_path().string();
  bool force = false;
  std::string value;
  bool is_mutable = false;
  std::string salt;
  std::optional<std::int64_t> seq;
  std::optional<std::int64_t> cas;
  std::string hash;
  bool raw = false;
  std::string name;
  bool first = false;
  std::uint16_t port = 0;
};

std::string new_rid() {
  Random random = Random::from_system();
  return make_uuid(random);
}

/// The default seq: microseconds since 1970, so that the user need not remember the previous one.
std::int64_t seq_of_now() { return to_unix_ms(net::wall_now()) * 1000; }

std::optional<Failure> keygen(Flags const& flags) {
  Random random = Random::from_system();
  auto const key = make_key(flags.key_path, flags.force, random);
  if (!key) return key.error();
  std::string const id = key->public_key().hex();
  if (flags.json) {
    print(Value::object({{"k", id}, {"file", flags.key_path}}));
  } else {
    std::cout << id << '\n';
  }
  return std::nullopt;
}

Outcome<dht::Item> make_item(Flags const& flags) {
  if (flags.value.size() >= json::kItemStringSizeMax) {
    return Failure{"the value has " + std::to_string(flags.value.size()) + " bytes; the maximum is 999"};
  }
  std::string const v = std::to_string(flags.value.size()) + ":" + flags.value;
  if (json::to_utf8(flags.value) != flags.value) return Failure{"the value is not UTF-8"};
  Result<dht::Item> item = dht::Item::immutable(v);
  if (flags.is_mutable) {
    auto const key = load_key(flags.key_path);
    if (!key) return key.error();
    item = dht::Item::sign(*key, flags.salt, flags.seq.value_or(seq_of_now()), v);
  }
  if (!item) return Failure{item.error().message()};
  return *item;
}

std::optional<Failure> put(Flags const& flags) {
  auto const item = make_item(flags);
  if (!item) return item.error();
  Grapes grapes = flags.asked_grapes();
  // After a slow grape has stored it, another one would refuse it because of the number.
  if (flags.cas) grapes.hedge_delay = Duration::max();
  auto const body = ask(grapes, "/put", json::put_request(new_rid(), *item, flags.cas));
  if (!body) return body.error();
  auto const reply = json::parse_put_reply(*body);
  if (!reply.value) return Failure{"the grape refused: " + reply.error};
  if (*reply.value != item->target()) return Failure{"the grape answered with another hash"};
  if (!flags.json) {
    std::cout << item->target().hex() << '\n';
    return std::nullopt;
  }
  auto out = Value::object({{"hash", item->target().hex()}, {"mutable", item->is_mutable()}});
  if (auto const& owner = item->owner()) {
    out.set("k", owner->key.hex());
    out.set("seq", owner->seq);
    if (!owner->salt.empty()) out.set("salt", Value{owner->salt});
  }
  print(out);
  return std::nullopt;
}

std::optional<Failure> get(Flags const& flags) {
  json::GrapeGet const wanted{NodeId::from_hex(flags.hash).value(), flags.salt};
  auto const body = ask(flags.asked_grapes(), "/get", json::get_request(new_rid(), wanted));
  if (!body) return body.error();
  end_at_signal();
  auto const reply = json::parse_get_reply(*body, wanted);
  if (!reply.value) return Failure{flags.hash + ": " + reply.error};
  dht::Item const& item = reply.value->item;
  Value const v = json::from_bencode(item.value()).value_or(Value{});
  if (flags.raw) {
    std::cout << printable(*body, STDOUT_FILENO) << '\n';
  } else if (flags.json) {
    auto out = Value::object({{"hash", flags.hash}, {"v", v}, {"mutable", item.is_mutable()}});
    if (auto const& owner = item.owner()) {
      out.set("k", owner->key.hex());
      out.set("seq", owner->seq);
    }
    print(out);
  } else if (v.as_string()) {
    std::cout << printable(item.value().substr(item.value().find(':') + 1), STDOUT_FILENO) << '\n';
  } else {
    print(v);
  }
  return std::nullopt;
}

std::optional<Failure> lookup(Flags const& flags) {
  auto const body = ask(flags.asked_grapes(), "/lookup", json::lookup_request(new_rid(), flags.name));
  if (!body) return body.error();
  end_at_signal();
  auto reply = json::parse_lookup_reply(*body, kPeerCountMax);
  if (!reply.value) return Failure{"the grape refused: " + reply.error};
  if (flags.first && reply.value->size() > 1) reply.value->resize(1);
  if (flags.json) {
    Value::Array peers{reply.value->begin(), reply.value->end()};
    print(Value::object({{"name", flags.name}, {"peers", std::move(peers)}}));
  } else {
    for (std::string const& peer : *reply.value) std::cout << peer << '\n';
  }
  if (reply.value->empty()) return Failure{"nobody serves '" + flags.name + "'"};
  return std::nullopt;
}

std::optional<Failure> print_count(Flags const& flags, char const* count_name, std::uint64_t count) {
  if (flags.json) {
    print(Value::object({{"name", flags.name}, {"port", int{flags.port}}, {count_name, count}}));
  } else {
    std::cout << count << '\n';
  }
  return std::nullopt;
}

std::optional<Failure> announce(Flags const& flags) {
  std::string const request = json::announce_request(new_rid(), flags.name, flags.port);
  Grapes grapes = flags.asked_grapes();
  // A grape announces its own host: two at work would list the service at both.
  auto const has_other_host = [&](rpc::GrapeUrl const& url) { return url.at.host != grapes.urls[0].at.host; };
  if (std::ranges::any_of(grapes.urls, has_other_host)) grapes.hedge_delay = Duration::max();
  auto const body = ask(grapes, "/announce", request);
  if (!body) return body.error();
  auto const reply = json::parse_announce_reply(*body);
  if (!reply.value) return Failure{"the grape refused: " + reply.error};
  return print_count(flags, "stored", *reply.value);
}

/// Returns whether the answer to a lookup lists nobody with this port. False if that is unknown: for port 0
/// (the UDP port of the grape), and if the list may be incomplete.
bool shows_nobody(std::string const& answer, std::uint16_t port) {
  constexpr std::size_t kWholeListMax = 99;  // a grape returns at most 100 peers
  if (port == 0) return false;
  auto const reply = json::parse_lookup_reply(answer, kPeerCountMax);
  if (!reply.value || reply.value->size() > kWholeListMax) return false;
  std::string const ending = ":" + std::to_string(port);
  auto const has_port = [&](std::string const& peer) { return peer.ends_with(ending); };
  return std::ranges::none_of(*reply.value, has_port);
}

/// At every grape: the one through which the service was announced would announce it again.
std::optional<Failure> unannounce(Flags const& flags) {
  std::vector<Query> const queries{
      {"/lookup", json::lookup_request(new_rid(), flags.name)},
      {"/unannounce", json::announce_request(new_rid(), flags.name, flags.port)}};
  std::optional<Failure> failure;
  bool is_done = false;
  bool is_found = false;
  std::uint64_t removed = 0;
  for (auto const& answers : ask_each(flags.asked_grapes(), queries)) {
    if (!answers) {
      failure = answers.error();
      continue;
    }
    is_found |= !shows_nobody(answers->at(0), flags.port);
    auto const reply = json::parse_announce_reply(answers->at(1));
    is_done |= reply.value.has_value();
    if (!reply.value) failure = Failure{"the grape refused: " + reply.error};
    removed += reply.value.value_or(0);
  }
  if (!is_done) return failure;
  // Whatever `removed` is: a node confirms also when it stored nothing.
  if (!is_found) {
    return Failure{"nobody has announced '" + flags.name + "' with port " + std::to_string(flags.port)};
  }
  if (failure) std::cerr << "grenache: warning: not taken back everywhere: " << failure->reason << '\n';
  return print_count(flags, "removed", removed);
}

void declare_key(Command& command, Flags& flags) {
  command.add_option("--key", flags.key_path, "Key file")->capture_default_str();
}

Option* declare_salt(Command& command, Flags& flags) {
  return command.add_option("--salt", flags.salt, "Salt of a mutable item; a key can own an item per salt")
      ->check([](std::string const& text) {
        return text.size() <= dht::Item::kSaltSizeMax ? "" : "a salt has at most 64 bytes";
      });
}

void declare_items(Command& app, Flags& flags) {
  auto& keygen_command =
      *app.add_subcommand("keygen", "Create the key that signs mutable items; prints its public key");
  declare_key(keygen_command, flags);
  keygen_command.add_flag("--force", flags.force, "Replace an existing key");

  auto& put_command = *app.add_subcommand("put", "Store a value (BEP 44); prints the hash for get");
  put_command.add_option("value", flags.value, "A string of at most 999 bytes")->required();
  auto* is_mutable = put_command.add_flag("--mutable", flags.is_mutable,
                                          "Store one that can be changed under the same hash");
  declare_key(put_command, flags);
  declare_salt(put_command, flags)->needs(is_mutable);
  constexpr std::int64_t kSeqMax = std::numeric_limits<std::int64_t>::max();
  add_bounded(put_command, "--seq", flags.seq, 0, kSeqMax,
              "Sequence number of this version\n[microseconds since 1970]")
      ->needs(is_mutable);
  add_bounded(put_command, "--cas", flags.cas, 0, kSeqMax,
              "Store it only if this is the current sequence number")
      ->needs(is_mutable);

  auto& get_command = *app.add_subcommand("get", "Print a value, after verifying its hash and signature");
  get_command.add_option("hash", flags.hash, "40 hex digits, as put prints them")
      ->required()
      ->check([](std::string const& text) {
        return NodeId::from_hex(text) ? "" : "'" + text + "' is not a hash of 40 hex digits";
      });
  declare_salt(get_command, flags);
  get_command.add_flag("--raw", flags.raw, "Print the complete answer of the grape");
}

void declare_services(Command& app, Flags& flags) {
  auto& lookup_command = *app.add_subcommand("lookup", "Print who serves a name, one ip:port per line");
  declare_name(lookup_command, flags.name);
  lookup_command.add_flag("--first", flags.first, "Print only the first");
  auto& announce_command =
      *app.add_subcommand("announce", "Announce that a port of the grape's host serves a name");
  auto& unannounce_command = *app.add_subcommand(
      "unannounce", "Remove an announcement at once, at every\n--grape; prints the sum of what they confirm");
  for (Command* command : {&announce_command, &unannounce_command}) {
    declare_name(*command, flags.name);
    add_port(*command, "port", flags.port, "TCP port; 0 means the UDP port of the grape")->required();
  }
}

int run(int argc, char** argv) {
  Command app{"Talks to a Grenache network through a grape.", "grenache"};
  app.set_version_flag("--version", "grenache " GRENACHE_VERSION);
  app.footer(
      "Exit codes: 0 success, 1 failure or nothing found, 2 wrong usage.\n"
      "  grenache put hello                          an immutable item\n"
      "  grenache keygen; grenache put --mutable v1  a mutable item\n"
      "  grenache serve rpc_test --exec ./answer.sh  a service; then call it\n"
      "  grenache call rpc_test '{\"user\":7}'");
  app.column_width(27);
  app.require_subcommand();
  Flags flags;
  declare_common(app, flags);
  declare_items(app, flags);
  declare_services(app, flags);
  Action action;
  declare_call(app, flags, action);
  declare_serve(app, flags, action);
  declare_pub(app, flags, action);
  declare_sub(app, flags, action);
  app.final_callback([&flags] { rpc::check_grape_tls(flags.grape_tls_flags, flags.grape_urls()); });
  if (auto const done = parse_command_line(app, argc, argv)) return *done;

  ignore_broken_pipes();
  net::raise_descriptor_limit();
  auto grape_tls = rpc::load_grape_tls(flags.grape_tls_flags, flags.grape_urls());
  if (!grape_tls) return fail(app, grape_tls.error());
  flags.grape_tls = std::move(*grape_tls);
  std::optional<Failure> failure;
  if (action) failure = action();
  std::string const command = app.subcommand();
  if (command == "keygen") failure = keygen(flags);
  if (command == "put") failure = put(flags);
  if (command == "get") failure = get(flags);
  if (command == "lookup") failure = lookup(flags);
  if (command == "announce") failure = announce(flags);
  if (command == "unannounce") failure = unannounce(flags);
  if (!failure && !std::cout.flush()) failure = Failure{"cannot write the result"};
  return failure ? fail(app, failure->reason) : 0;
}

}  // namespace
}  // namespace grenache::client

int main(int argc, char** argv) {
  try {
    return grenache::client::run(argc, argv);
  } catch (std::exception const& error) {
    std::cerr << "grenache: " << error.what() << '\n';
    return grenache::kExitFailure;
  }
}
