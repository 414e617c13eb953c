#include <iostream>

#include <grenache/rpc/blocking.hpp>

int main(int argc, char** argv) {
  auto const* grape = argc > 1 ? argv[1] : "http://127.0.0.1:30001";
  auto answer = [](grenache::rpc::Request& request) { return grenache::rpc::Reply{request.payload}; };
  grenache::rpc::BlockingServer server{grape, "rpc_test", answer};
  auto const ended = server.run();  // until SIGINT or SIGTERM
  if (!ended) std::cerr << ended.error().text() << '\n';
  return ended ? 0 : 1;
}
