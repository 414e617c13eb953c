// The precompiled header of most tests without Asio; see grenache_test() in tests/CMakeLists.txt.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/system/result.hpp>
#include <gtest/gtest.h>
