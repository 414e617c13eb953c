grenache_library(bolt11
  SOURCES bech32.cpp bolt11.cpp
  HEADERS bech32.hpp bolt11.hpp
  PUBLIC grenache::base)
