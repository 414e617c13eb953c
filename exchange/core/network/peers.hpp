// The peers that we know, and how we reach them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/core/self.hpp"
#include "exchange/core/turn.hpp"
#include "exchange/messages/message.hpp"

namespace grenache::exchange {

/// How we know an endpoint.
enum class ContactSource {
  dht,      // a lookup found it
  connect,  // a person named it: it is never forgotten
  peers,    // another peer named it
};
/// "dht", "connect" or "peers".
[[nodiscard]] std::string_view to_text(ContactSource source);

/// An endpoint at which a peer may answer.
struct Contact {
  ContactSource source = ContactSource::dht;
  bool is_met = false;         // its last ping was answered
  bool is_self = false;        // it is this process
  bool was_tried = false;      // its first ping has ended
  std::optional<PeerId> peer;  // claimed in its pong, not proven; none: a peer of the original program
  std::string name;
  std::string instance;   // claimed too: of the process that answered
  std::string trouble;    // why its last ping failed
  TimePoint last_seen{};  // answered, or was named by its source
  TimePoint next_ping{};
  Duration delay{};        // before the next ping after a failure
  bool is_asking = false;  // a ping is under way
};

/// Finds out who answers at which endpoint, by ping. A contact that answers stays known without the DHT; one
/// that does not is tried again with growing delays and forgotten when its source names it no more.
class Peers {
 public:
  struct Options {
    std::size_t contact_count_max = 500;         // a contact that never answered makes room for a new one
    std::size_t named_by_peers_max = 100;        // of those that other peers named and that never answered
    Duration age_max = std::chrono::minutes{2};  // of last_seen
    Duration ping_interval = std::chrono::minutes{1};
    Duration retry_min = std::chrono::seconds{1};  // doubled after each failure
    Duration retry_max = std::chrono::minutes{1};
  };
  /// The outcome of a ping, or of a request for contacts.
  struct Outcome {
    std::string endpoint;
    bool is_met = false;             // answers, and did not before, or is another process than before
    bool is_lost = false;            // answered before, and does not any more
    std::vector<std::string> named;  // endpoints of other peers
  };

  /// `self` must outlive this object.
  Peers(Options options, Self const& self) : options_{options}, self_{self} {}
  Peers(Peers const&) = delete;
  Peers& operator=(Peers const&) = delete;

  /// Adds the endpoints that are new, and pings them.
  void found(std::vector<std::string> const& endpoints, ContactSource source, Turn& turn);
  /// Pings an endpoint that a person named, and ends the command with what answers there.
  void connect(CommandId command, std::string const& endpoint, Turn& turn);
  void handle(RequestId request, PayloadForm form, PingPongMessage const& message, Turn& turn) const;
  /// Answers with the endpoints of those who answer us, and pings the one who asks.
  void handle(RequestId request, PayloadForm form, GetPeersMessage const& message, Turn& turn);
  [[nodiscard]] Outcome on_answered(std::uint64_t key, CallAnswer answer, Turn& turn);
  /// Pings the contacts that are due and forgets stale ones; returns the endpoints of all that were forgotten
  /// since the last call.
  [[nodiscard]] std::vector<std::string> expire(Turn& turn);
  [[nodiscard]] TimePoint next_expiry() const;

  /// The endpoints that answered as `peer`; unproven.
  [[nodiscard]] std::vector<std::string> endpoints_of(PeerId const& peer) const;
  /// The endpoints where peers answer, ourselves excluded.
  [[nodiscard]] std::vector<std::string> met() const;
  [[nodiscard]] Contact const* find(std::string_view endpoint) const;
  [[nodiscard]] std::map<std::string, Contact, std::less<>> const& all() const { return contacts_; }
  /// True when every contact was pinged once.
  [[nodiscard]] bool all_tried() const;

 private:
  struct Asked {
    std::string endpoint;
    bool for_peers = false;  // asks for contacts
  };

  Contact* add(std::string const& endpoint, ContactSource source, Turn& turn);
  bool make_room();
  void ping(std::string const& endpoint, Contact& contact, Turn& turn);
  void ask_for_peers(std::string const& endpoint, Turn& turn);
  void on_pong(Contact& contact, PingPongMessage const& pong, Turn& turn) const;
  void on_failure(Contact& contact, std::string trouble, Turn& turn) const;
  void end_commands(std::string const& endpoint, Contact const& contact, Turn& turn);

  Options options_;
  Self const& self_;
  std::map<std::string, Contact, std::less<>> contacts_;
  std::map<std::uint64_t, Asked> asked_;
  std::multimap<std::string, CommandId> commands_;  // that wait for a ping, by endpoint
  std::vector<std::string> forgotten_;              // for expire()
  std::uint64_t last_key_ = 0;
};

}  // namespace grenache::exchange
