// The program `exchange credit`: consoles for credit lines alone.
#pragma once

namespace grenache::exchange {

/// `exchange credit LOCAL_PORT REMOTE_PORT HOST`: two peers without grape and ledger (seed 000).
/// `exchange credit --port N [--local] USERNAME STARTING_BALANCE`: a peer with an account on the ledger (seed
/// 001). `argv[0]` is the word `credit`. Returns the exit code.
[[nodiscard]] int credit_main(int argc, char** argv);

}  // namespace grenache::exchange
