// The faces of a peer without the peer: `exchange ctl`, and a control socket and a console whose commands are
// executed by a table in memory.
//
//   exchange_faces ctl …            as exchange ctl
//   exchange_faces peer FOLDER      serves FOLDER/control.sock, and the console if stdin is a terminal
//   exchange_faces password FOLDER  opens FOLDER/identity with a password, asks twice for a new one, prints
//   the id
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "exchange/console/password.hpp"
#include "exchange/console/repl.hpp"
#include "exchange/console/terminal.hpp"
#include "exchange/control/control_socket.hpp"
#include "exchange/control/ctl.hpp"
#include "exchange/control/data_dir.hpp"
#include "exchange/locked_identity.hpp"
#include <grenache/log/command_line.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/rethrow.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/termination_signals.hpp>

namespace grenache::exchange {
namespace {

namespace asio = boost::asio;

/// Keeps orders, connects to everything, and never answers `status`.
class FakePeer {
 public:
  FakePeer(asio::io_context& io, std::filesystem::path const& folder)
      : ended_{io.get_executor()},
        control_{io.get_executor(), handlers()},
        repl_{io.get_executor(),
              {.commands = handlers(), .ids = [this] { return ids(); }},
              {.history_file = folder / "history", .colour = stdout_has_colour()}} {}

  std::optional<std::string> start(std::filesystem::path const& folder) {
    if (auto failure = control_.listen(control_socket_path(folder))) return failure;
    if (Repl::is_possible() && !repl_.start()) return "the terminal cannot be used";
    return std::nullopt;
  }

  static net::Awaitable<void> run(FakePeer& self, net::TerminationSignals& signals) {
    signals.on_signal([&self] { self.stop(); });
    while (!self.stopping_) {
      auto const wake = co_await self.ended_.wait();
      if (wake == net::Wake::cancelled) break;
    }
    self.repl_.stop();
    bool const has_ended = co_await self.control_.stop();
    if (!has_ended) std::cerr << "the control socket did not end\n";
  }

 private:
  using Done = std::function<void(CommandResult)>;

  ControlHandlers handlers() {
    return {.execute = [this](Command const& command, Done done) { execute(command, std::move(done)); },
            .stop = [this] { stop(); }};
  }
  void stop() {
    stopping_ = true;
    ended_.notify_all();
  }
  std::vector<std::string> ids() const {
    std::vector<std::string> out;
    for (auto const& view : orders_) out.push_back(view.order.id);
    return out;
  }
  void publish(Event const& event) {
    control_.publish(event);
    repl_.publish(event);
  }

  void execute(Command const& command, Done done) {
    if (auto const* const add = std::get_if<command::AddOrder>(&command)) return done(this->add(*add));
    if (std::holds_alternative<command::ListOrders>(command)) return done(result::OrderList{orders_, 0});
    if (auto const* const connect = std::get_if<command::Connect>(&command)) {
      done(result::Connected{connect->endpoint, "Bob", std::nullopt});
      return publish(event::PeerMet{connect->endpoint, std::nullopt, "Bob"});
    }
    if (std::holds_alternative<command::ShowStatus>(command)) return pending_.push_back(std::move(done));
    done(result::Failure{result::FailureCode::not_found, "there is no such order", "'orders' lists them."});
  }

  CommandResult add(command::AddOrder const& add) {
    auto const number = std::to_string(orders_.size() + 1);
    result::OrderView view;
    view.order.id = "3f2a91b" + number + "-1b2c-4d3e-8f90-123456789abc";
    view.order.side = add.side;
    view.order.price = add.price;
    view.order.amount = view.order.remaining = add.amount;
    view.order.created = net::wall_now();
    view.order.expires = view.order.created + std::chrono::hours{24};
    view.is_own = true;
    orders_.push_back(view);
    publish(event::OrderChanged{view.order, true, true});
    return result::Placed{view};
  }

  std::vector<result::OrderView> orders_;
  std::vector<Done> pending_;
  bool stopping_ = false;
  net::AsyncEvent ended_;
  ControlSocket control_;
  Repl repl_;
};

int serve(std::filesystem::path const& folder) {
  ignore_broken_pipes();
  asio::io_context io{1};
  net::TerminationSignals signals{io.get_executor()};
  FakePeer peer{io, folder};
  if (auto const failure = peer.start(folder)) {
    std::cerr << "exchange_faces: " << *failure << '\n';
    return 1;
  }
  asio::co_spawn(io, FakePeer::run(peer, signals), [&](std::exception_ptr const& thrown) {
    io.stop();
    net::kRethrow(thrown);
  });
  io.run();
  return 0;
}

Result<std::string> ask_password(bool is_new) {
  auto password = read_password("Password: ");
  if (!password || !is_new) return password;
  auto again = read_password("Repeat it: ");
  if (again && *again != *password) return PasswordErrc::no_input;
  return again;
}

int open_identity(std::filesystem::path const& path) {
  auto const failed = [](Error const& error) {
    std::cerr << "exchange_faces: " << error.message() << '\n';
    return 1;
  };
  auto password = ask_password(!std::filesystem::exists(path));
  if (!password) return failed(password.error());
  auto random = Random::from_system();
  auto const key = load_or_create_locked_identity(path, *password, random);
  wipe(*password);
  if (!key) return failed(key.error());
  std::cout << "id " << key->public_key().hex() << '\n';
  return 0;
}

}  // namespace
}  // namespace grenache::exchange

int main(int argc, char** argv) {
  std::string_view const program = argc > 1 ? argv[1] : "";
  if (program == "ctl") return grenache::exchange::ctl(argc - 1, argv + 1);
  if (program == "peer" && argc == 3) return grenache::exchange::serve(argv[2]);
  if (program == "password" && argc == 3) {
    return grenache::exchange::open_identity(std::filesystem::path{argv[2]} / "identity");
  }
  std::cerr << "usage: exchange_faces ctl|password|peer …\n";
  return 2;
}
