// Schedules the resolution of bootstrap host names.
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

/// Decides which names to resolve, and computes what a resolution changed. A name is resolved until it has an
/// address, and again whenever the network is not reached through any of its addresses, because its host may
/// have moved.
///
/// Does no I/O: the runner calls next(), resolves the name, and reports the outcome with resolved().
class BootstrapNames {
 public:
  struct Options {
    /// Delay between two resolutions of one name. Doubles with each resolution that did not lead to the
    /// network, and is jittered over its upper half, so that grapes that lost the same host do not resolve in
    /// step.
    Duration delay_min = std::chrono::seconds{2};
    Duration delay_max = std::chrono::minutes{1};
    std::size_t address_count_max = 16;  // per name; more are ignored
    std::size_t resolve_count_max = 4;   // concurrent resolutions; each occupies a thread
  };

  /// The result of a resolution: the name's addresses, and the `former` ones that no name resolves to any
  /// more.
  struct Change {
    std::vector<Endpoint> addresses;
    std::vector<Endpoint> former;
  };

  explicit BootstrapNames(Options options) : options_{options} {}

  /// Adds a name, which is due at once.
  void add(HostPort name);

  /// Returns the index of a name to resolve now; it is not due again before resolved(). `leads_in(addresses)`
  /// returns whether the network is reached through one of these addresses; it is called for names that have
  /// addresses.
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

  /// Reports the end of a resolution. No addresses mean that it failed; the name then keeps the ones it had.
  [[nodiscard]] Change resolved(std::size_t number, std::vector<IpAddress> const& addresses, TimePoint now,
                                Random& random);

  /// Returns when the next name becomes due after `now`. Names that are already due are not counted: whether
  /// they need a resolution depends on `leads_in`, so poll next() for them.
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
