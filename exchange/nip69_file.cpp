#include "exchange/nip69_file.hpp"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <grenache/file/file_descriptor.hpp>

namespace grenache::exchange {
namespace {

result::Failure file_failure(std::string const& path, std::string const& why) {
  return {result::FailureCode::invalid, "cannot read " + path + ": " + why, {}};
}
std::string last_error() { return Error{errno, boost::system::system_category()}.message(); }

boost::system::result<std::string, result::Failure> read_text(std::string const& path) {
  // O_NONBLOCK: opening a FIFO would wait for its writer.
  FileDescriptor const file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat info {};
  if (!file.is_open() || ::fstat(file.number(), &info) != 0) return file_failure(path, last_error());
  if (!S_ISREG(info.st_mode)) return file_failure(path, "not a regular file");
  std::string out(kNip69FileSizeMax + 1, '\0');
  std::size_t size = 0;
  while (size < out.size()) {
    auto const count = ::read(file.number(), out.data() + size, out.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return file_failure(path, last_error());
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  if (size > kNip69FileSizeMax) {
    return file_failure(path, "larger than " + std::to_string(kNip69FileSizeMax) + " bytes");
  }
  out.resize(size);
  return out;
}

}  // namespace

boost::system::result<command::AddImported, result::Failure> read_nip69_file(std::string const& path) {
  auto const text = read_text(path);
  if (!text) return text.error();
  command::AddImported out;
  std::string_view rest = *text;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    auto const line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (out.lines.size() < kImportedMax) {
      out.lines.push_back({number, parse_nip69(line)});
    } else {
      ++out.left_out;
    }
  }
  return out;
}

}  // namespace grenache::exchange
