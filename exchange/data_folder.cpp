#include "exchange/data_folder.hpp"

#include <utility>

#include <sys/stat.h>

namespace grenache::exchange {

boost::system::result<DataFolder, std::string> open_data_folder(std::filesystem::path const& path,
                                                                Random& random, LoadIdentity const& load) {
  std::error_code failure;
  std::filesystem::create_directories(path.parent_path().empty() ? "." : path.parent_path(), failure);
  if (failure) return "cannot make " + path.parent_path().string() + ": " + failure.message();
  auto identity = load(path, random);
  if (!identity) return identity.error();
  auto lock = FileLock::take(path / "lock");
  if (!lock && lock.error() == boost::system::errc::resource_unavailable_try_again) {
    return "another exchange is using the data folder " + path.string();
  }
  if (!lock) return "cannot lock " + (path / "lock").string() + ": " + lock.error().message();
  auto journal = SqliteFile::open(path / "journal.db");
  if (!journal) return journal.error();
  return DataFolder{std::move(*lock), *identity, std::move(*journal)};
}

}  // namespace grenache::exchange
