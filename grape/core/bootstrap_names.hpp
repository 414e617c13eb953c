// The names of bootstrap hosts, and when to resolve them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/random.hpp>
#include <grenache/base/time.hpp>

namespace grenache::grape {

/// Says which names to resolve, and what changed when one resolved. A name is resolved until it has an
/// address, and again whenever none of its addresses leads into the network: its host may have moved.
///
/// Knows no resolver: the runner asks next(), and reports each outcome with resolved().
class BootstrapNames {
 public:
  struct Options {
    /// Between two resolutions of one name: doubles with each that brings no way into the network, and is
    /// spread at random over its upper half, so that grapes that lost one host do not ask in step.
    Duration delay_min = std::chrono::seconds{2};
    Duration delay_max = std::chrono::minutes{1};
    std::size_t address_count_max = 16;  // of one name; more are ignored
    std::size_t resolve_count_max = 4;   // under way at a time: each holds a thread
  };

  /// What a resolution changed. `former` are no addresses of any name any more.
  struct Change {
    std::vector<Endpoint> addresses;
    std::vector<Endpoint> former;
  };

  explicit BootstrapNames(Options options) : options_{options} {}

  /// A name to be resolved at once.
  void add(HostPort name);

  /// The number of a name to resolve now; it is not due again before resolved(). `leads_in(addresses)` tells
  /// whether the network is reached through one of these addresses; it is asked about names that have some.
  template <class LeadsIn>
  [[nodiscard]] std::optional<std::size_t> next(TimePoint now, LeadsIn leads_in) {
    if (resolving_count_ >= options_.resolve_count_max) return std::nullopt;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      Name& name = names_[i];
      if (name.resolving || name.due > now) continue;
      if (!name.addresses.empty() && leads_in(name.addresses)) {
        name.failures = 0;
        continue;
      }
      name.resolving = true;
      ++resolving_count_;
      return i;
    }
    return std::nullopt;
  }
  [[nodiscard]] HostPort const& name(std::size_t number) const { return names_.at(number).name; }

  /// A resolution ended; with no address it failed, and the former ones stay.
  [[nodiscard]] Change resolved(std::size_t number, std::vector<IpAddress> const& addresses, TimePoint now,
                                Random& random);

  /// When a name becomes due after `now`. Names that are due already wait until they lead in no more, which
  /// next() has to be asked for.
  [[nodiscard]] TimePoint next_deadline(TimePoint now) const;

 private:
  struct Name {
    HostPort name;
    std::vector<Endpoint> addresses;
    TimePoint due = TimePoint::min();
    std::uint32_t failures = 0;  // resolutions since the network was last reached through it
    bool resolving = false;
  };
  [[nodiscard]] bool is_named(Endpoint const& address) const;

  Options options_;
  std::vector<Name> names_;
  std::size_t resolving_count_ = 0;
};

}  // namespace grenache::grape
