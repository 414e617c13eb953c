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

#include "exchange/core/network/heartbeats.hpp"
#include "exchange/core/self.hpp"
#include "exchange/core/turn.hpp"
#include "exchange/messages/message.hpp"
#include <grenache/base/endpoint.hpp>

namespace grenache::exchange {

/// How we know an endpoint.
enum class ContactSource {
  dht,      // a lookup found it
  connect,  // a person named it: it is never forgotten
  peers,    // another peer named it
  earlier,  // an earlier run of this process knew it
};
/// "dht", "connect", "peers" or "earlier".
[[nodiscard]] std::string_view to_text(ContactSource source);

/// An endpoint at which a peer may answer.
struct Contact {
  ContactSource source = ContactSource::dht;
  bool is_met = false;         // its last ping was answered
  bool is_self = false;        // it is this process
  bool was_tried = false;      // its first ping has ended
  std::optional<PeerId> peer;  // claimed in its pong; none: a peer of the original program
  bool is_proven = false;      // `peer` has signed the nonce of our last ping, and this endpoint
  bool is_kept = false;        // has a row in the journal
  std::string name;            // claimed
  std::string instance;        // claimed: of the process that answered
  std::string trouble;         // why its last ping failed
  std::string network;         // network_of() its host
  std::string named_by;        // of source `peers`: the endpoint that named it; empty: a stranger did
  TimePoint first_seen{};
  TimePoint last_seen{};  // answered, or was named by its source
  TimePoint next_ping{};
  Duration delay{};        // before the next ping after a failure
  bool is_asking = false;  // a ping is under way
};

/// Identifies the network of a host, since addresses of one network cost little: the first 2 bytes of an IPv4
/// address (also of one mapped to IPv6), the first 4 of an IPv6 address, "name" for all DNS names.
[[nodiscard]] std::string network_of(std::string_view host);

/// Finds out who answers at which endpoint, by ping. A contact that answers stays known without the DHT; one
/// that does not is tried again with growing delays and forgotten when its source names it no more.
///
/// Identity: a claim counts for nothing. A ping carries a random nonce; the peer signs it together with the
/// endpoint where it listens, so another one that passes the ping on proves nothing about its own endpoint
/// (PeersTest.whoPassesAPingOnProvesNothing). This tells who answers, and does not protect later messages
/// from somebody on the path: what matters in them is signed by itself.
///
/// Memory of contacts: up to kept_count_max peers that have proved who they are, or that a person named and
/// that answered, have a row in the journal. They are pinged at the next start, and forgotten when neither an
/// answer nor a lookup has told of them for a day; so peers find each other again when no grape answers
/// (Trader.peersMeetAgainWithoutTheDht).
///
/// Eclipse: strangers fill at most contact_count_max places, and a newcomer takes one from the network with
/// the most contacts, so an attacker needs addresses in as many networks as there are honest ones, not many
/// addresses in one (PeersTest.manyAddressesOfOneNetworkKeepNobodyOut). The rows are shared in the same way
/// (PeersTest.aNetworkDoesNotHaveAllRows); a contact with a row is not evicted, and loses it otherwise only
/// after an hour of silence (PeersTest.aKeptPeerThatAnswersIsNotReplaced).
class Peers {
 public:
  struct Options {
    std::size_t contact_count_max = 500;
    std::size_t named_by_peers_max = 100;        // of those that other peers named and that never answered
    std::size_t named_by_one_max = 20;           // of those that one peer named; by strangers: twice as many
    std::size_t kept_count_max = 100;            // with a row in the journal
    Duration age_max = std::chrono::minutes{2};  // of last_seen
    Duration kept_age_max = std::chrono::hours{24};
    Duration kept_silence = std::chrono::hours{1};  // after which another contact may take the row
    Duration ping_interval = std::chrono::minutes{1};
    Duration retry_min = std::chrono::seconds{1};  // doubled after each failure
    Duration retry_max = std::chrono::minutes{1};
    Duration kept_retry_max = std::chrono::minutes{10};  // after age_max
  };
  /// The outcome of a ping, or of a request for contacts.
  struct Outcome {
    std::string endpoint;
    bool is_met = false;             // answers, and did not before, or is another process than before
    bool is_lost = false;            // answered before, and does not any more
    std::vector<std::string> named;  // endpoints of other peers
    std::vector<Heartbeat> heartbeats;
  };

  /// `self` and `heartbeats` must outlive this object.
  Peers(Options options, Self const& self, Heartbeats& heartbeats)
      : options_{options}, self_{self}, heartbeats_{heartbeats} {}
  Peers(Peers const&) = delete;
  Peers& operator=(Peers const&) = delete;

  /// Adds the endpoints that are new, and pings them. `named_by` is the endpoint of the peer that named them.
  void found(std::vector<std::string> const& endpoints, ContactSource source, Turn& turn,
             std::string const& named_by = {});
  /// Pings an endpoint that a person named, and ends the command with what answers there.
  void connect(CommandId command, std::string const& endpoint, Turn& turn);
  void handle(RequestId request, PayloadForm form, PingPongMessage const& message, Turn& turn);
  /// Answers with the endpoints of those who answer us.
  void handle(RequestId request, PayloadForm form, GetPeersMessage const& message, Turn& turn) const;
  /// A peer that says that it listens at `endpoint` has called us from `from`: pings it, if that is its host.
  void called_by(std::string const& endpoint, IpAddress const& from, Turn& turn);
  [[nodiscard]] Outcome on_answered(std::uint64_t key, CallAnswer answer, Turn& turn);
  /// Pings the contacts that are due and forgets stale ones; returns the endpoints of all that were forgotten
  /// since the last call.
  [[nodiscard]] std::vector<std::string> expire(Turn& turn);
  [[nodiscard]] TimePoint next_expiry() const;

  /// Reads a row of kind "contact". False if it is malformed. Call resume() after all rows.
  [[nodiscard]] bool restore(Row const& row);
  /// Pings the contacts of earlier runs.
  void resume(Turn& turn);
  /// Appends the rows that restore() reads, by key.
  void dump(std::vector<Row>& out) const;
  static constexpr char const* kRowKind = "contact";

  /// The endpoints where `peer` has proved that it answers.
  [[nodiscard]] std::vector<std::string> endpoints_of(PeerId const& peer) const;
  /// The name under which `peer` was seen at one of these; empty if there is none.
  [[nodiscard]] std::string name_of(PeerId const& peer) const;
  /// The endpoints where peers answer, ourselves excluded.
  [[nodiscard]] std::vector<std::string> met() const;
  [[nodiscard]] Contact const* find(std::string_view endpoint) const;
  [[nodiscard]] std::map<std::string, Contact, std::less<>> const& all() const { return contacts_; }
  /// True when every contact was pinged once.
  [[nodiscard]] bool all_tried() const;

 private:
  struct Asked {
    std::string endpoint;
    PingNonce nonce{};
    bool for_peers = false;        // asks for contacts
    std::vector<PeerId> wanted{};  // whose heartbeats are asked for
  };

  Contact* add(std::string const& endpoint, ContactSource source, std::string const& named_by, Turn& turn);
  [[nodiscard]] bool may_be_named(std::string const& named_by) const;
  bool make_room(std::string const& network);
  /// Gives a contact a row, if there is room for one.
  void keep(std::string const& endpoint, Contact& contact, Turn& turn);
  [[nodiscard]] bool is_stale(Contact const& contact, TimePoint now) const;
  [[nodiscard]] Duration age_max(Contact const& contact) const;
  [[nodiscard]] static Row row_of(std::string const& endpoint);
  void ping(std::string const& endpoint, Contact& contact, Turn& turn);
  void ask_for_peers(std::string const& endpoint, Turn& turn);
  void on_pong(Asked const& asked, Contact& contact, PingPongMessage const& pong, Turn& turn) const;
  void on_failure(Contact& contact, std::string trouble, Turn& turn) const;
  void end_commands(std::string const& endpoint, Contact const& contact, Turn& turn);

  Options options_;
  Self const& self_;
  Heartbeats& heartbeats_;
  std::map<std::string, Contact, std::less<>> contacts_;
  std::map<std::uint64_t, Asked> asked_;
  std::multimap<std::string, CommandId> commands_;  // that wait for a ping, by endpoint
  std::vector<std::string> forgotten_;              // for expire()
  std::uint64_t last_key_ = 0;
};

}  // namespace grenache::exchange
