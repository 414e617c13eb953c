# Language level, warnings, hardening and sanitizers as one INTERFACE target, and the functions that make a target of a folder.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

# ccache serves files with a precompiled header only when told that time stamps do not matter.
find_program(GRENACHE_CCACHE ccache)
if(GRENACHE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime "${GRENACHE_CCACHE}")
endif()

add_library(grenache_options INTERFACE)
target_compile_features(grenache_options INTERFACE cxx_std_20)
# -fPIC for programs too: a precompiled header serves only files that are compiled with the same option.
target_compile_options(grenache_options INTERFACE
  -fPIC $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Woverloaded-virtual
  -Wcast-align -Wformat=2 -Wimplicit-fallthrough -Wdouble-promotion
  # g++ 12 sees false positives in "(" + std::to_string(n), and where it inlines the frame of a coroutine.
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond;-Wlogical-op;-Wno-restrict;-Wno-mismatched-new-delete>
  # In a unity build g++ takes what a file keeps for itself for part of a header.
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:${CMAKE_UNITY_BUILD}>>:-Wno-subobject-linkage>
  $<$<BOOL:${GRENACHE_WERROR}>:-Werror>)
target_compile_definitions(grenache_options INTERFACE _GLIBCXX_ASSERTIONS)
if(NOT GRENACHE_SANITIZE)
  target_compile_options(grenache_options INTERFACE -fstack-protector-strong
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>)
else()
  add_compile_options(-fsanitize=${GRENACHE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${GRENACHE_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND GRENACHE_SANITIZE MATCHES "undefined")
    # clang 14 cannot assemble coroutines with it (LLVM issue 49689).
    add_compile_options(-fno-sanitize=function "-fsanitize-ignorelist=${CMAKE_CURRENT_LIST_DIR}/sanitizer-ignore.txt")
  endif()
endif()

# For what is not worth optimizing, which then compiles in half the time. Not for files that are full of templates of
# Asio and linked with code that must be fast: the linker may keep their copies of functions that both have.
add_library(grenache_cold_options INTERFACE)
target_link_libraries(grenache_cold_options INTERFACE grenache_options)
# With -O1 g++ 12 sees false positives in moved variants and in strings that are joined.
target_compile_options(grenache_cold_options INTERFACE $<$<NOT:$<CONFIG:Debug>>:-O1
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized;-Wno-array-bounds>>)

set(GRENACHE_PROTO_DIR "${PROJECT_SOURCE_DIR}/proto")
set(GRENACHE_EXCHANGE_DIR "${PROJECT_SOURCE_DIR}/exchange")

# grenache_library(name SOURCES … [PUBLIC target…] [PRIVATE target…] [HEADERS header…])
# makes grenache_<name>, alias grenache::<name>, of the current folder. Headers named are public and get installed,
# except those of exchange/. Those below proto/ are included by their path from there, <grenache/rpc/client.hpp>; others
# by their path from the top of the repository.
function(grenache_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;HEADERS;PUBLIC;PRIVATE" ${ARGN})
  set(target grenache_${name})
  cmake_path(IS_PREFIX GRENACHE_PROTO_DIR "${CMAKE_CURRENT_SOURCE_DIR}" in_proto)
  cmake_path(IS_PREFIX GRENACHE_EXCHANGE_DIR "${CMAKE_CURRENT_SOURCE_DIR}" in_exchange)
  set(include_root "${PROJECT_SOURCE_DIR}")
  if(in_proto)
    set(include_root "${GRENACHE_PROTO_DIR}")
  endif()
  if(arg_SOURCES)
    add_library(${target} STATIC ${arg_SOURCES})
    set(scope PUBLIC)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(grenache::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_sources(${target} ${scope} FILE_SET HEADERS BASE_DIRS ${include_root} FILES ${arg_HEADERS})
  target_compile_features(${target} ${scope} cxx_std_20)
  target_link_libraries(${target} ${scope} ${arg_PUBLIC})
  if(arg_SOURCES)
    target_link_libraries(${target} PRIVATE ${arg_PRIVATE} $<BUILD_INTERFACE:grenache_options>)
  endif()
  if(NOT in_exchange)
    set_property(GLOBAL APPEND PROPERTY GRENACHE_LIBRARIES ${target})
  endif()
endfunction()

# grenache_program(name SOURCES … LINK target…) makes bin/<name>.
function(grenache_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name}_program ${arg_SOURCES})
  set_target_properties(${name}_program PROPERTIES OUTPUT_NAME ${name})
  target_link_libraries(${name}_program PRIVATE ${arg_LINK} grenache_options)
  target_include_directories(${name}_program PRIVATE "${PROJECT_SOURCE_DIR}")
  target_compile_definitions(${name}_program PRIVATE GRENACHE_VERSION="${PROJECT_VERSION}")
  install(TARGETS ${name}_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

# grenache_precompile(target… [TESTS]): these targets include Asio in most of their files, and with TESTS GoogleTest too;
# they share one precompiled header. What a file needs it includes all the same: the preset clang goes without.
function(grenache_precompile)
  cmake_parse_arguments(arg "TESTS" "" "" ${ARGN})
  set(owner grenache_asio)
  if(arg_TESTS)
    set(owner test_support)
  endif()
  foreach(target IN LISTS arg_UNPARSED_ARGUMENTS)
    target_precompile_headers(${target} REUSE_FROM ${owner})
  endforeach()
endfunction()
