// The folder in which a trading peer keeps its identity and its journal.
#pragma once

#include <filesystem>
#include <string>

#include <boost/system/result.hpp>

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

/// Opens the folder, or makes it (mode 0700) with its parents. The error is a sentence for an operator.
[[nodiscard]] boost::system::result<DataFolder, std::string> open_data_folder(
    std::filesystem::path const& path, Random& random);

}  // namespace grenache::exchange
