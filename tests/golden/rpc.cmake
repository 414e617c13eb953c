grenache_test(golden_rpc ASIO SOURCES ${CMAKE_CURRENT_LIST_DIR}/rpc_test.cpp LINK grenache::rpc LABELS golden)
target_compile_definitions(golden_rpc PRIVATE RPC_VECTORS="${CMAKE_CURRENT_LIST_DIR}/rpc_node.json")
