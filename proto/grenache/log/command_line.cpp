#include "grenache/log/command_line.hpp"

#include <charconv>
#include <csignal>
#include <deque>
#include <iostream>
#include <sstream>
#include <utility>

#include <CLI/CLI.hpp>

#include <grenache/log/log.hpp>

namespace grenache {
namespace {

template <class Number>
std::optional<Number> parse_number(std::string const& text, Number min, Number max) {
  Number value{};
  char const* const end = text.data() + text.size();
  auto const [rest, error] = std::from_chars(text.data(), end, value);
  // Written so that a NaN is outside of every range.
  if (error != std::errc{} || rest != end || !(value >= min && value <= max)) return std::nullopt;
  return value;
}

template <class Number>
CLI::Validator number_from(Number min, Number max) {
  std::ostringstream range;
  range << min << " to " << max;
  auto const check = [min, max, range = range.str()](std::string& text) -> std::string {
    if (parse_number(text, min, max)) return {};
    return "'" + text + "' is not a number from " + range;
  };
  return CLI::Validator{check, ""};
}

template <class Number>
CLI::Option& add(CLI::App& app, std::string const& names, std::string const& help, Number min, Number max,
                 std::function<void(Number)> set, std::function<std::string()> default_text) {
  auto const parse = [min, max, set = std::move(set)](CLI::results_t const& texts) {
    auto const value = parse_number(texts.front(), min, max);
    if (value) set(*value);
    return value.has_value();
  };
  return *app.add_option(names, parse, help, false, std::move(default_text))->check(number_from(min, max));
}

}  // namespace

// Option

Option* Option::required() {
  option_->required();
  return this;
}

Option* Option::check(Check check) {
  option_->check(std::move(check));
  return this;
}

Option* Option::one_of(std::initializer_list<char const*> values) {
  option_->check(CLI::IsMember{std::vector<std::string>(values.begin(), values.end())});
  return this;
}

Option* Option::needs(Option const* other) {
  option_->needs(other->option_);
  return this;
}

Option* Option::type_name(std::string const& name) {
  option_->type_name(name);
  return this;
}

Option* Option::group(std::string const& heading) {
  option_->group(heading);
  return this;
}

Option* Option::capture_default_str() {
  option_->capture_default_str();
  return this;
}

Option* Option::default_str(std::string const& text) {
  option_->default_str(text);
  return this;
}

Option* Option::allow_extra_args(bool allowed) {
  option_->allow_extra_args(allowed);
  return this;
}

// Command

struct Command::Parts {
  std::unique_ptr<CLI::App> owned;  // of the whole command line
  CLI::App* app;
  std::deque<Option> options;
  std::vector<std::unique_ptr<Command>> subcommands;
};

Command::Command(std::string const& description, std::string const& name) : parts_{new Parts} {
  parts_->owned = std::make_unique<CLI::App>(description, name);
  parts_->app = parts_->owned.get();
}

Command::Command(CLI::App& subcommand) : parts_{new Parts} { parts_->app = &subcommand; }

Command::~Command() = default;

Option* Command::own(CLI::Option& option) { return &parts_->options.emplace_back(option); }

Option* Command::add_option(std::string const& names, std::string& target, std::string const& help) {
  return own(*parts_->app->add_option(names, target, help));
}

Option* Command::add_option(std::string const& names, std::vector<std::string>& target,
                            std::string const& help) {
  return own(*parts_->app->add_option(names, target, help));
}

Option* Command::add_flag(std::string const& names, bool& target, std::string const& help) {
  return own(*parts_->app->add_flag(names, target, help));
}

Option* Command::add_integer(std::string const& names, std::string const& help, std::int64_t min,
                             std::int64_t max, std::function<void(std::int64_t)> set,
                             std::function<std::string()> default_text) {
  return own(add(*parts_->app, names, help, min, max, std::move(set), std::move(default_text)))
      ->type_name("N");
}

Option* Command::add_decimal(std::string const& names, double& target, double min, double max,
                             std::string const& help) {
  std::function<void(double)> set = [&target](double value) { target = value; };
  auto const default_text = [&target] {
    std::ostringstream out;
    out << target;
    return out.str();
  };
  return own(add(*parts_->app, names, help, min, max, std::move(set), default_text))->type_name("N");
}

Command* Command::add_subcommand(std::string const& name, std::string const& description) {
  CLI::App& app = *parts_->app->add_subcommand(name, description);
  return parts_->subcommands.emplace_back(new Command{app}).get();
}

void Command::set_version_flag(std::string const& name, std::string const& version) {
  parts_->app->set_version_flag(name, version);
}

void Command::footer(std::string const& text) { parts_->app->footer(text); }

void Command::column_width(std::size_t width) { parts_->app->get_formatter()->column_width(width); }

void Command::require_subcommand() {
  parts_->app->require_subcommand(1);
  parts_->app->fallthrough();
}

void Command::final_callback(std::function<void()> callback) {
  parts_->app->final_callback(std::move(callback));
}

std::string Command::name() const { return parts_->app->get_name(); }

std::size_t Command::count(std::string const& option) const { return parts_->app->count(option); }

std::string Command::subcommand() const { return parts_->app->get_subcommands().front()->get_name(); }

// Shared by the programs

Log LogOptions::make() const { return Log{*parse_log_level(level), *parse_log_format(format)}; }

void add_log_options(Command& app, LogOptions& options) {
  app.add_option("--log-level", options.level, "Lowest level to log on stderr: error, warn, info or debug")
      ->one_of({"error", "warn", "info", "debug"})
      ->capture_default_str();
  app.add_option("--log-format", options.format, "Format of the log: text, or json (one object per line)")
      ->one_of({"text", "json"})
      ->capture_default_str();
}

void ignore_broken_pipes() { std::signal(SIGPIPE, SIG_IGN); }

std::optional<int> parse_command_line(Command& app, int argc, char** argv) {
  std::string reason;
  try {
    app.parts_->app->parse(argc, argv);
    return std::nullopt;
  } catch (CLI::ParseError const& error) {
    if (error.get_exit_code() == 0) return app.parts_->app->exit(error);
    reason = error.what();
  } catch (UsageError const& error) {
    reason = error.what();
  }
  std::cerr << app.name() << ": " << reason << " (see " << app.name() << " --help)\n";
  return kExitUsage;
}

int fail(Command const& app, std::string const& reason) {
  std::cerr << app.name() << ": " << reason << '\n';
  return kExitFailure;
}

}  // namespace grenache
