// `exchange ctl`: sends one command to a running peer.
#pragma once

namespace grenache::exchange {

/// The main function of `exchange ctl`; argv[0] is ignored. Prints the answer on stdout: text, or JSON lines
/// with --json. Returns 0, 1 if the command failed or no peer answered, with the reason on stderr, or 2 if
/// the command line is wrong. `watch` prints events until SIGINT or SIGTERM.
int ctl(int argc, char** argv);

}  // namespace grenache::exchange
