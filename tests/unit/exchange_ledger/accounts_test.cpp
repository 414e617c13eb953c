#include "exchange/ledger/accounts.hpp"

#include <gtest/gtest.h>

namespace grenache::exchange {
namespace {

PeerId key(std::uint8_t n) {
  PeerId out;
  out.array()[0] = 2;
  out.array()[1] = n;
  return out;
}

Account account(std::uint8_t n, std::string name, std::int64_t cents) {
  return {std::move(name), key(n), UsdCents{cents}, UsdCents{cents}, "", from_unix_ms(5), 0};
}

class AccountsTest : public testing::Test {
 protected:
  void SetUp() override {
    accounts.add(account(1, "alice", 100));
    accounts.add(account(2, "bob", 0));
  }
  std::int64_t balance(std::uint8_t n) const { return accounts.find(key(n))->balance.units(); }

  Accounts accounts{3};
};

TEST_F(AccountsTest, aTransferMovesMoneyAndKeepsTheTotal) {
  EXPECT_FALSE(accounts.transfer(key(1), key(2), UsdCents{60}));
  EXPECT_EQ(balance(1), 40);
  EXPECT_EQ(balance(2), 60);
  EXPECT_FALSE(accounts.transfer(key(1), key(2), UsdCents{40}));
  EXPECT_EQ(balance(1), 0);
  EXPECT_EQ(accounts.total().units(), 100);
  EXPECT_TRUE(accounts.check());
}

TEST_F(AccountsTest, aRefusedTransferChangesNothing) {
  EXPECT_EQ(accounts.transfer(key(1), key(2), UsdCents{101}), LedgerErrc::insufficient);
  EXPECT_EQ(accounts.transfer(key(2), key(1), UsdCents{1}), LedgerErrc::insufficient);
  EXPECT_EQ(accounts.transfer(key(1), key(1), UsdCents{1}), LedgerErrc::own_account);
  EXPECT_EQ(accounts.transfer(key(3), key(1), UsdCents{1}), LedgerErrc::unknown_payer);
  EXPECT_EQ(accounts.transfer(key(1), key(3), UsdCents{1}), LedgerErrc::unknown_payee);
  EXPECT_EQ(accounts.transfer(key(1), key(2), UsdCents{UsdCents::kMax}), LedgerErrc::insufficient);
  EXPECT_EQ(balance(1), 100);
  EXPECT_EQ(balance(2), 0);
  EXPECT_TRUE(accounts.check());
}

TEST_F(AccountsTest, namesAndKeysAreUnique) {
  EXPECT_EQ(accounts.check_new(account(1, "carol", 0)), LedgerErrc::key_taken);
  EXPECT_EQ(accounts.check_new(account(3, "bob", 0)), LedgerErrc::name_taken);
  EXPECT_FALSE(accounts.check_new(account(3, "Bob", 0)));
}

TEST_F(AccountsTest, theirNumberAndTheirSumAreBounded) {
  EXPECT_FALSE(accounts.check_new(account(3, "carol", UsdCents::kMax - 100)));
  EXPECT_EQ(accounts.check_new(account(3, "carol", UsdCents::kMax - 99)), LedgerErrc::full);
  accounts.add(account(3, "carol", UsdCents::kMax - 100));
  EXPECT_TRUE(accounts.check());
  EXPECT_EQ(accounts.check_new(account(4, "dave", 0)), LedgerErrc::full);
  EXPECT_FALSE(accounts.transfer(key(3), key(1), UsdCents{UsdCents::kMax - 100}));
  EXPECT_EQ(balance(1), UsdCents::kMax);
  EXPECT_TRUE(accounts.check());
}

TEST_F(AccountsTest, areFoundByNameAndListedInItsOrder) {
  accounts.add(account(3, "Zed", 7));
  EXPECT_EQ(accounts.find("bob")->key, key(2));
  EXPECT_EQ(accounts.find("nobody"), nullptr);
  auto const names = [&](std::string_view after, std::size_t count) {
    std::string out;
    for (auto const* const each : accounts.page(after, count)) out += each->name + " ";
    return out;
  };
  EXPECT_EQ(names("", 10), "Zed alice bob ");
  EXPECT_EQ(names("", 2), "Zed alice ");
  EXPECT_EQ(names("alice", 10), "bob ");
  EXPECT_EQ(names("b", 10), "bob ");
  EXPECT_EQ(names("bob", 10), "");
}

TEST_F(AccountsTest, afterClearingNamesAndKeysAreFree) {
  accounts.clear();
  EXPECT_EQ(accounts.size(), 0);
  EXPECT_EQ(accounts.total().units(), 0);
  EXPECT_EQ(accounts.find("bob"), nullptr);
  EXPECT_FALSE(accounts.check_new(account(2, "alice", 5)));
  EXPECT_TRUE(accounts.check());
}

TEST_F(AccountsTest, aRowHoldsAllOfAnAccount) {
  Account const sent{"Zoë", key(9), UsdCents{12'345}, UsdCents{7}, "127.0.0.1:5000", from_unix_ms(17), 3};
  auto row = to_row(sent);
  EXPECT_EQ(row.kind, "account");
  EXPECT_EQ(account_from_row(row), sent);
  row.key = "x";
  EXPECT_FALSE(account_from_row(row));
  for (auto const* const body : {"", "{}", "[]", R"({"name":"","start":"1","balance":"1"})"}) {
    EXPECT_FALSE(account_from_row({"account", key(9).hex(), body}));
  }
}

}  // namespace
}  // namespace grenache::exchange
