// The folder in which a trading peer keeps its identity and its journal.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include <boost/system/result.hpp>

#include "exchange/identity.hpp"
#include "exchange/journal/sqlite_file.hpp"
#include <grenache/base/crypto.hpp>
#include <grenache/base/random.hpp>
#include <grenache/file/private_file.hpp>

namespace grenache::exchange {

/// An open data folder; no other process can open it.
///
///   identity      secret key, see load_or_make_identity()
///   journal.db    SQLite, see SqliteFile
///   lock          held while the folder is open
///   control.sock  of the running process
struct DataFolder {
  FileLock lock;
  SecretKey identity;
  SqliteFile journal;
};

/// Loads the identity from a folder, or makes both; the error is a sentence for an operator.
using LoadIdentity = std::function<boost::system::result<SecretKey, std::string>(
    std::filesystem::path const& folder, Random&)>;

/// Opens the folder, or makes it (mode 0700) with its parents. The error is a sentence for an operator.
[[nodiscard]] boost::system::result<DataFolder, std::string> open_data_folder(
    std::filesystem::path const& path, Random& random, LoadIdentity const& load = load_or_make_identity);

}  // namespace grenache::exchange
