// SIGHUP, which a program gets when its terminal is closed.
#pragma once

namespace grenache::net {

/// For servers: ignores SIGHUP from now on, so that closing the terminal does not end them. An empty handler,
/// unlike SIG_IGN, is not inherited by programs that they start. Keeps the SIG_IGN of nohup(1), and a handler
/// of the program.
void survive_hangup();

}  // namespace grenache::net
