#include "grape/metrics.hpp"

#include <chrono>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace grenache::grape {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// Metric families, built for each request from a copy of the counters of the core and the servers. A
// prometheus::Registry would hold the same numbers a second time.
class Families {
 public:
  template <class Number>
  void counter(std::string name, std::string help, Number value) {
    add(std::move(name), std::move(help), MetricType::Counter).counter.value = static_cast<double>(value);
  }
  template <class Number>
  void gauge(std::string name, std::string help, Number value) {
    add(std::move(name), std::move(help), MetricType::Gauge).gauge.value = static_cast<double>(value);
  }
  ClientMetric& add(std::string name, std::string help, MetricType type) {
    all_.push_back({std::move(name), std::move(help), type, {}});
    return another();
  }
  ClientMetric& another() { return all_.back().metric.emplace_back(); }
  [[nodiscard]] std::string text() const { return prometheus::TextSerializer{}.Serialize(all_); }

 private:
  std::vector<MetricFamily> all_;
};

double in_seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

void add_node(Families& out, NodeStats const& node) {
  out.gauge("grape_ready", "1 when bootstrapping has ended", node.ready ? 1 : 0);
  out.gauge("grape_nodes", "Nodes in the routing table", node.nodes);
  out.gauge("grape_replacements", "Replacement nodes of the routing table", node.replacements);
  out.gauge("grape_queries_in_flight", "Queries sent and not yet answered", node.queries_in_flight);
  out.gauge("grape_names_stored", "Service names stored", node.names_stored);
  out.gauge("grape_peers_stored", "Announced peers stored", node.peers_stored);
  out.gauge("grape_items_stored", "Items (BEP 44) stored", node.items_stored);
  out.gauge("grape_services_kept", "Services re-announced until they are unannounced", node.services_kept);
  out.gauge("grape_own_items", "Items of users, republished every hour", node.own_items);
  out.gauge("grape_lookups_running", "Lookups in progress", node.lookups_running);
  out.gauge("grape_requests_waiting", "Requests of users in progress", node.requests_waiting);
  out.counter("grape_datagrams_received_total", "Datagrams received", node.datagrams_in);
  out.counter("grape_datagrams_sent_total", "Datagrams sent", node.datagrams_out);
  out.counter("grape_queries_received_total", "Queries answered, including by errors", node.queries_in);
  out.counter("grape_queries_sent_total", "Queries sent to other nodes", node.queries_out);
  out.counter("grape_errors_sent_total", "Queries answered with an error", node.errors_sent);
  out.counter("grape_timeouts_total", "Queries sent that timed out", node.timeouts);
  out.counter("grape_lookups_total", "Lookups started by users", node.lookups);
  out.counter("grape_announces_total", "Announcements started by users", node.announces);
  out.counter("grape_announces_stored_total", "Announcements stored for other nodes", node.announces_stored);
  out.counter("grape_unannounces_total", "Unannounces started by users", node.unannounces);
  out.counter("grape_peers_taken_back_total", "Announcements removed by other nodes", node.peers_unannounced);
  out.counter("grape_gets_total", "Gets started by users", node.gets);
  out.counter("grape_puts_total", "Puts started by users", node.puts);
  out.counter("grape_items_put_total", "Items put by other nodes, refreshes included", node.items_put);
  for (std::size_t i = 0; i < kDropReasonCount; ++i) {
    constexpr char kName[] = "grape_datagrams_dropped_total";
    ClientMetric& dropped =
        i == 0 ? out.add(kName, "Datagrams dropped, by reason", MetricType::Counter) : out.another();
    dropped.label.push_back({"reason", std::string{to_string(static_cast<DropReason>(i))}});
    dropped.counter.value = static_cast<double>(node.dropped[i]);
  }
}

void add_socket(Families& out, SocketCounters const& socket) {
  out.counter("grape_udp_receive_calls_total", "System calls that received datagrams", socket.receive_calls);
  out.counter("grape_udp_send_calls_total", "System calls that sent datagrams", socket.send_calls);
  out.counter("grape_udp_send_failures_total", "Datagrams lost because the system did not accept them",
              socket.send_failures);
}

void add_http(Families& out, Status const& status) {
  auto const& http = status.http;
  out.gauge("grape_http_connections", "Open HTTP connections", status.http_connections);
  out.counter("grape_http_connections_total", "HTTP connections accepted", http.connections);
  out.counter("grape_http_connections_evicted_total", "Idle HTTP connections evicted at the limit",
              http.connections_evicted);
  out.counter("grape_http_connections_refused_total", "HTTP connections refused at the limit",
              http.connections_refused);
  out.counter("grape_http_requests_total", "HTTP requests", http.requests);
  out.counter("grape_http_malformed_total", "Requests that are not HTTP", http.malformed);
  out.counter("grape_http_too_large_total", "Requests with a body above the limit", http.too_large);
  out.counter("grape_http_timeouts_total", "HTTP connections closed for being too slow", http.timed_out);
  out.counter("grape_http_aborted_total", "Requests whose client has gone before the answer", http.aborted);
  out.counter("grape_http_handler_failures_total", "Requests answered with 500 after a failure inside",
              http.handler_failures);
}

}  // namespace

std::string metrics_text(Status const& status) {
  Families out;
  ClientMetric& info = out.add("grape_info", "Always 1; the information is in the labels", MetricType::Gauge);
  info.label = {{"version", status.version}, {"id", status.id.hex()}};
  info.gauge.value = 1;
  out.gauge("grape_healthy", "1 when /health answers with 200", status.health() == Health::ok ? 1 : 0);
  out.gauge("grape_uptime_seconds", "Time since the start", in_seconds(status.uptime));
  if (status.last_lookup_age) {
    out.gauge("grape_last_lookup_age_seconds", "Time since a lookup found a peer; missing when none has",
              in_seconds(*status.last_lookup_age));
  }
  add_node(out, status.node);
  add_socket(out, status.socket);
  add_http(out, status);
  out.gauge("process_resident_memory_bytes", "Resident memory size in bytes.", status.process.resident_bytes);
  out.counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
              status.process.cpu_seconds);
  return out.text();
}

}  // namespace grenache::grape
