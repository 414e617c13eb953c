#include "grape/state.hpp"

#include <algorithm>
#include <cerrno>

#include <sys/stat.h>

#include <grenache/base/crypto.hpp>
#include <grenache/base/hex.hpp>
#include <grenache/dht/bencode.hpp>
#include <grenache/dht/bencode_writer.hpp>
#include <grenache/dht/compact.hpp>

namespace grenache::grape {
namespace {

using dht::BencodeType;
using dht::BencodeValue;

constexpr std::string_view kMagic = "grape-state 1 ";
constexpr std::size_t kHeadSize = kMagic.size() + 2 * Sha1::kSize + 1;
// Far above the bounds of a node; a larger file is not ours.
constexpr dht::BencodeDocument::Limits kLimits{.depth_max = 5, .token_count_max = 200'000};

void write_item(dht::BencodeWriter& out, dht::Item const& item) {
  out.begin_dict();
  if (auto const& owner = item.owner()) {
    out.string("k", owner->key.view());
    out.string("salt", owner->salt);
    out.integer("seq", owner->seq);
    out.string("sig", owner->signature.view());
  }
  out.string("v", item.value());
  out.end();
}

std::optional<dht::Item> read_item(BencodeValue const& value) {
  auto const v = value.dict_find("v").as_string();
  if (!v) return std::nullopt;
  auto const k = value.dict_find("k").as_string();
  if (!k) {
    auto item = dht::Item::immutable(*v);
    return item ? std::optional{std::move(*item)} : std::nullopt;
  }
  auto const key = Ed25519PublicKey::from_bytes(*k);
  auto const sig = Ed25519Signature::from_bytes(value.dict_find("sig").as_string().value_or(""));
  auto const salt = value.dict_find("salt").as_string();
  auto const seq = value.dict_find("seq").as_integer();
  if (!key || !sig || !salt || !seq) return std::nullopt;
  auto item = dht::Item::mutable_of({*key, *sig, std::string{*salt}, *seq}, *v);
  return item ? std::optional{std::move(*item)} : std::nullopt;
}

// Remaining lifetime of a service in files of versions that did not store it: more than any owner_patience.
constexpr Duration kLifeUnknown = std::chrono::hours{24};

std::optional<Snapshot::Service> read_service(BencodeValue const& value) {
  auto const name = dht::ServiceKey::from_bytes(value.dict_find("name").as_string().value_or(""));
  auto const port = value.dict_find("port").as_integer();
  auto const implied = value.dict_find("implied").as_integer();
  if (!name || !port || *port < 0 || *port > 65'535 || !implied) return std::nullopt;
  Snapshot::Service service{{*name, static_cast<std::uint16_t>(*port), *implied != 0}, kLifeUnknown};
  if (auto const left = value.dict_find("left").as_integer()) {
    std::int64_t const longest = std::chrono::floor<std::chrono::milliseconds>(kLifeUnknown).count();
    service.life_left = std::chrono::milliseconds{std::clamp<std::int64_t>(*left, 0, longest)};
  }
  return service;
}

/// Returns false when an element of the list is invalid.
template <class T, class Read>
bool read_list(BencodeValue const& list, Read read, std::vector<T>& out) {
  if (!list.is(BencodeType::list)) return false;
  for (BencodeValue value = list.first(); value; value = value.next_in(list)) {
    auto one = read(value);
    if (!one) return false;
    out.push_back(std::move(*one));
  }
  return true;
}

bool read_nodes(BencodeValue const& value, std::size_t record_size, std::vector<dht::Contact>& out) {
  auto const bytes = value.as_string();
  auto const nodes = bytes ? dht::CompactNodes::from_bytes(*bytes, record_size) : std::nullopt;
  if (!nodes) return false;
  for (std::size_t i = 0; i < nodes->size(); ++i) {
    if (auto const contact = nodes->at(i)) out.push_back(*contact);
  }
  return true;
}

Error last_error() { return {errno, boost::system::system_category()}; }

}  // namespace

std::string encode_state(Snapshot const& snapshot, WallTime now) {
  PerFamily<std::string> nodes;
  for (auto const& contact : snapshot.contacts) {
    dht::append_compact(nodes[family_of(contact.endpoint)], contact);
  }
  dht::BencodeWriter out;
  out.begin_dict();
  out.string("id", snapshot.ids.v4.view());
  out.string("id6", snapshot.ids.v6.view());
  out.string("items");
  out.begin_list();
  for (auto const& item : snapshot.items) write_item(out, item);
  out.end();
  out.string("nodes", nodes.v4);
  out.string("nodes6", nodes.v6);
  out.integer("saved", to_unix_ms(now));
  out.string("services");
  out.begin_list();
  for (auto const& [service, life_left] : snapshot.services) {
    out.begin_dict();
    out.integer("implied", service.implied_port ? 1 : 0);
    out.integer("left", std::chrono::floor<std::chrono::milliseconds>(life_left).count());
    out.string("name", service.name.bytes());
    out.integer("port", service.port);
    out.end();
  }
  out.end();
  out.end();
  std::string const body = out.take();
  return std::string{kMagic} + sha1(body).hex() + '\n' + body;
}

std::optional<Snapshot> decode_state(std::string_view bytes, WallTime now) {
  if (bytes.size() < kHeadSize || !bytes.starts_with(kMagic)) return std::nullopt;
  std::string_view const body = bytes.substr(kHeadSize);
  if (bytes.substr(0, kHeadSize) != std::string{kMagic} + sha1(body).hex() + '\n') return std::nullopt;
  dht::BencodeDocument document;
  if (!document.decode(body, kLimits)) return std::nullopt;
  BencodeValue const root = document.root();
  auto const id = NodeId::from_bytes(root.dict_find("id").as_string().value_or(""));
  auto const id6 = NodeId::from_bytes(root.dict_find("id6").as_string().value_or(""));
  if (!id || !id6) return std::nullopt;
  Snapshot out{{*id, *id6}, {}, {}, {}};
  bool const whole = read_nodes(root.dict_find("nodes"), dht::kCompactNode4Size, out.contacts) &&
                     read_nodes(root.dict_find("nodes6"), dht::kCompactNode6Size, out.contacts) &&
                     read_list(root.dict_find("items"), read_item, out.items) &&
                     read_list(root.dict_find("services"), read_service, out.services);
  if (!whole) return std::nullopt;
  if (auto const saved = root.dict_find("saved").as_integer(); saved && *saved < to_unix_ms(now)) {
    // After a day all services have lapsed.
    auto const since = std::min<WallTime::duration>(now - from_unix_ms(std::max<std::int64_t>(*saved, 0)),
                                                    std::chrono::hours{48});
    for (auto& service : out.services) service.life_left -= since;
  }
  return out;
}

Result<StateFolder> StateFolder::open(std::filesystem::path const& folder) {
  if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) return last_error();
  auto lock = FileLock::take(folder / "lock");
  if (!lock) return lock.error();
  return StateFolder{folder / "state", std::move(*lock)};
}

StateFolder::Loaded StateFolder::load(WallTime now) const {
  auto const bytes = read_private_file(file_, kSizeMax);
  if (!bytes) {
    bool const first_start = bytes.error() == boost::system::errc::no_such_file_or_directory;
    return {std::nullopt, first_start ? "" : bytes.error().message()};
  }
  auto snapshot = decode_state(*bytes, now);
  if (!snapshot) return {std::nullopt, "the file is damaged"};
  return {std::move(snapshot), ""};
}

}  // namespace grenache::grape
