// `exchange ledger`: runs a settlement ledger.
#pragma once

namespace grenache::exchange {

/// The main function of `exchange ledger`; argv[0] is ignored. Returns 0 when a signal has stopped it, 1 if
/// it cannot start or write its journal, with the reason on stderr, or 2 if the command line is wrong.
int ledger_main(int argc, char** argv);

}  // namespace grenache::exchange
