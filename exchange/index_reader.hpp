// Reads the prices of indexes from the DHT.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/core/trade/reference_price.hpp"
#include <grenache/base/crypto.hpp>
#include <grenache/base/random.hpp>
#include <grenache/base/time.hpp>
#include <grenache/log/log.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/rpc/grape_url.hpp>

namespace grenache::exchange {

/// An index and the keys that publish its price: each as the BEP 44 mutable item of the key and salt, whose
/// value is a text for parse_index_quote().
struct IndexSource {
  struct Publisher {
    Ed25519PublicKey key;
    std::string salt;
    friend bool operator==(Publisher const&, Publisher const&) = default;
  };
  static constexpr std::size_t kPublisherCountMax = 15;

  std::string name;
  std::vector<Publisher> publishers;
};

/// Parses `NAME=KEY[:SALT],KEY[:SALT],…`: a key has 64 hex digits, a salt at most 64 bytes and no comma, and
/// there are 1 to kPublisherCountMax different publishers. Nothing for other texts.
[[nodiscard]] std::optional<IndexSource> parse_index_source(std::string_view text);

/// Asks a grape for the items of all publishers, one after the other, again and again. If a grape does not
/// answer, the next one is asked. Signatures are verified here.
class IndexReader {
 public:
  struct Options {
    std::vector<rpc::GrapeUrl> grapes;
    net::TlsOptions tls;  // see rpc::Link::Options::tls
    std::vector<IndexSource> indexes;
    Duration interval = std::chrono::seconds{10};  // between rounds
    Duration timeout = std::chrono::seconds{5};    // of a request
  };
  using OnUpdate = std::function<void(IndexUpdate const&)>;

  /// `log` must outlive the object. Its coroutine may outlive it: it ends then, and calls nothing back.
  IndexReader(net::Executor executor, Options options, Random random, OnUpdate on_update, Log const& log);
  ~IndexReader();
  IndexReader(IndexReader const&) = delete;
  IndexReader& operator=(IndexReader const&) = delete;

  /// Reads until stop() or cancellation.
  [[nodiscard]] net::Awaitable<void> run();
  /// Makes run() end as soon as what it waits for ends.
  void stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace grenache::exchange
