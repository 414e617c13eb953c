"""A libtorrent DHT node on a free port of 127.0.0.1, which it prints."""

import socket
import threading

import libtorrent

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
    holder.bind(("127.0.0.1", 0))
    port = holder.getsockname()[1]
session = libtorrent.session({
    "listen_interfaces": f"127.0.0.1:{port}", "enable_dht": True, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "dht_bootstrap_nodes": "", "dht_restrict_routing_ips": False, "dht_restrict_search_ips": False, "dht_prefer_verified_node_ids": False,
    "dht_enforce_node_id": False, "dht_ignore_dark_internet": False, "dht_upload_rate_limit": 2_000_000_000,
    "dht_block_ratelimit": 1_000_000_000, "alert_mask": 0})
print(port, flush=True)
threading.Event().wait()
