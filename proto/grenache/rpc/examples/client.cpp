#include <iostream>

#include <grenache/rpc/blocking.hpp>

int main(int argc, char** argv) {
  auto const* grape = argc > 1 ? argv[1] : "http://127.0.0.1:30001";
  grenache::rpc::BlockingClient client{grape};
  auto const reply = client.request("rpc_test", "hello");
  std::cout << (reply ? grenache::json::to_text(*reply) : reply.error().text()) << '\n';
  return reply ? 0 : 1;
}
