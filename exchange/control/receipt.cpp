#include "exchange/control/receipt.hpp"

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "exchange/console/tables.hpp"
#include <grenache/file/file_descriptor.hpp>
#include <grenache/log/command_line.hpp>
#include <grenache/log/printable.hpp>

namespace grenache::exchange {
namespace {

struct ReceiptFlags {
  std::string file;
  bool json = false;
};

/// Says which of the two peers owes the other how much after the payment.
struct ReceiptDebt {
  PeerId debtor;
  PeerId creditor;
  UsdCents amount;
};

ReceiptDebt debt_after(CreditReceipt const& receipt) {
  auto const& [low, high] = receipt.parties;
  auto const balance = receipt.balance();
  return balance > 0 ? ReceiptDebt{high, low, UsdCents{balance}} : ReceiptDebt{low, high, UsdCents{-balance}};
}

std::string usd_text(UsdCents amount) { return amount.to_text() + " USD"; }

/// At most kCreditReceiptSizeMax bytes, and one more of a file that is too long.
Result<std::string> read_some(FileDescriptor const& file) {
  std::string out(kCreditReceiptSizeMax + 1, '\0');
  std::size_t size = 0;
  while (size < out.size()) {
    auto const count = ::read(file.number(), out.data() + size, out.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error{errno, boost::system::system_category()};
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  out.resize(size);
  return out;
}

Result<std::string> read_receipt_file(std::string const& path) {
  FileDescriptor const file{path == "-" ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file.is_open()) return Error{errno, boost::system::system_category()};
  return read_some(file);
}

std::string_view without_white_space(std::string_view text) {
  constexpr std::string_view kWhiteSpace = " \t\r\n";
  auto const begin = text.find_first_not_of(kWhiteSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kWhiteSpace) - begin + 1);
}

int refuse(grenache::Command const& app, ReceiptFlags const& flags, std::string_view code,
           std::string const& reason) {
  if (flags.json) {
    auto error = json::Value::object({{"code", code}, {"text", reason}});
    std::cout << escape_invisible(
                     json::to_text(json::Value::object({{"valid", false}, {"error", std::move(error)}})))
              << '\n'
              << std::flush;
  }
  return fail(app, reason);
}

int try_verify_receipt(int argc, char** argv) {
  grenache::Command app{"Verifies a receipt of a payment over a credit line, and says what it proves.",
                        "exchange verify-receipt"};
  ReceiptFlags flags;
  app.column_width(27);
  app.add_option("file", flags.file, "The receipt; - reads it from stdin")->type_name("FILE")->required();
  app.add_flag("--json", flags.json, "Print one JSON object");
  app.footer(
      "The receipt alone is read: no peer, network or data folder is needed. Both peers have signed each of\n"
      "its two records. The amount owed is that of these two records; either peer may have a newer one.\n"
      "Exit codes: 0 valid, 1 not valid or not readable, 2 wrong usage.\n"
      "Example:\n  exchange verify-receipt receipt.json");
  if (auto const done = parse_command_line(app, argc, argv)) return *done;
  ignore_broken_pipes();
  auto const text = read_receipt_file(flags.file);
  auto const name = flags.file == "-" ? "stdin" : printable(flags.file);
  if (!text) return refuse(app, flags, "unreadable", "cannot read " + name + ": " + text.error().message());
  if (text->size() > kCreditReceiptSizeMax) {
    return refuse(
        app, flags, "too-long",
        name + " is no receipt: it has more than " + std::to_string(kCreditReceiptSizeMax) + " bytes");
  }
  auto const receipt = verify_receipt(without_white_space(*text));
  if (!receipt) {
    auto const code = static_cast<CreditErrc>(receipt.error().value());
    return refuse(app, flags, to_text(code), name + " proves nothing: " + receipt.error().message());
  }
  std::cout << (flags.json ? json::to_text(to_json(*receipt)) + "\n" : describe(*receipt));
  return std::cout.flush() ? EXIT_SUCCESS : kExitFailure;
}

}  // namespace

std::string describe(CreditReceipt const& receipt) {
  auto const& entry = receipt.entry;
  auto const payer = receipt.parties.key(receipt.payer).hex();
  auto const payee = receipt.parties.key(other_side(receipt.payer)).hex();
  auto const debt = debt_after(receipt);
  std::string out = "The receipt is valid: both peers have signed it.\n";
  out += entry.kind == CreditKind::pay
             ? payer + " paid " + payee + " " + usd_text(entry.amount) + " over their credit line.\n"
             : payer + " credited " + payee + " with " + usd_text(entry.amount) +
                   ", as paid outside of their credit line (a settlement).\n";
  out += "The " + std::string{entry.kind == CreditKind::pay ? "payment" : "settlement"} + " has the id " +
         entry.id + " and would have expired at " + time_text(entry.expires) + " UTC.\n";
  out += debt.amount.units() == 0 ? "By its two records, neither owed the other anything after it.\n"
                                  : "By its two records, " + debt.debtor.hex() + " owed " +
                                        debt.creditor.hex() + " " + usd_text(debt.amount) + " after it.\n";
  return out;
}

json::Value to_json(CreditReceipt const& receipt) {
  auto const debt = debt_after(receipt);
  auto out = json::Value::object({{"valid", true},
                                  {"kind", to_text(receipt.entry.kind)},
                                  {"id", receipt.entry.id},
                                  {"payer", receipt.parties.key(receipt.payer).hex()},
                                  {"payee", receipt.parties.key(other_side(receipt.payer)).hex()},
                                  {"amount", receipt.entry.amount.to_text()},
                                  {"expires", to_unix_ms(receipt.entry.expires)},
                                  {"owed", debt.amount.to_text()}});
  if (debt.amount.units() != 0) {
    out.set("debtor", debt.debtor.hex());
    out.set("creditor", debt.creditor.hex());
  }
  return out;
}

int verify_receipt_command(int argc, char** argv) {
  try {
    return try_verify_receipt(argc, argv);
  } catch (std::exception const& error) {
    std::cerr << "exchange verify-receipt: " << error.what() << '\n';
    return kExitFailure;
  }
}

}  // namespace grenache::exchange
