grenache_library(bolt11
  SOURCES bech32.cpp bolt11.cpp bolt11_decode.cpp bolt11_encode.cpp
  HEADERS bech32.hpp bolt11.hpp
  PUBLIC grenache::base)
