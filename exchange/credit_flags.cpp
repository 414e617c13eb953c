#include "exchange/credit_flags.hpp"

#include "exchange/messages/ledger_message.hpp"

namespace grenache::exchange {

void add_credit_flags(grenache::Command& app, CreditFlags& flags) {
  app.add_option(
         "--ledger", flags.ledger,
         "Settle debts of credit lines on the ledger that announces\nthis name, such as exchange:ledger "
         "[on none]")
      ->type_name("NAME");
  app.add_option("--ledger-key", flags.ledger_key,
                 "Trust the ledger with this key alone [the first that\nanswers under the name]")
      ->type_name("KEY")
      ->check([](std::string const& text) {
        return PeerId::from_hex(text) ? "" : "'" + text + "' is not a key of 66 hex digits";
      });
  app.add_option("--account", flags.account, "Name of our account on the ledger [the one of --name]")
      ->type_name("NAME")
      ->check([](std::string const& text) {
        return is_account_name(text) ? "" : "'" + text + "' cannot be the name of an account";
      });
  app.add_option("--start-balance", flags.start, "Open the account with so much, if there is none")
      ->type_name("USD")
      ->capture_default_str()
      ->check([](std::string const& text) {
        return UsdCents::parse(text) ? "" : "'" + text + "' is not an amount of USD";
      });
}

void apply(CreditFlags const& flags, Trader::Options& options) {
  auto& settlements = options.credit.settlements;
  settlements.ledger.service = flags.ledger;
  if (!flags.ledger_key.empty()) settlements.ledger.key = PeerId::from_hex(flags.ledger_key);
  settlements.account = flags.account;
  settlements.start = *UsdCents::parse(flags.start);
}

}  // namespace grenache::exchange
