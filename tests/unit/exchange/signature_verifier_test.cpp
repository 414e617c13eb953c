#include "exchange/signature_verifier.hpp"

#include <map>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "tests/support/sample_orders.hpp"

namespace grenache::exchange {
namespace {

using namespace samples;

TEST(SignatureVerifier, tellsWhichOrdersOfABatchAreSigned) {
  boost::asio::io_context io;
  auto const good = signed_by(1, draft(1, Side::buy));
  auto forged = good;
  forged.price = PriceCents{1};
  std::map<int, std::vector<bool>> verdicts;
  SignatureVerifier verifier{io.get_executor(), 4};
  auto const work = boost::asio::make_work_guard(io);
  for (int i = 0; i < 20; ++i) {
    verifier.verify({good, forged, good}, [&, i](std::vector<bool> valid) {
      verdicts.emplace(i, std::move(valid));
      if (verdicts.size() == 20) io.stop();
    });
  }
  io.run();
  ASSERT_EQ(verdicts.size(), 20u);
  for (auto const& [batch, valid] : verdicts) EXPECT_EQ(valid, (std::vector{true, false, true})) << batch;
}

TEST(SignatureVerifier, nothingIsToldAfterItsEnd) {
  boost::asio::io_context io;
  bool was_told = false;
  {
    SignatureVerifier verifier{io.get_executor(), 1};
    for (int i = 0; i < 100; ++i) {
      verifier.verify({signed_by(1, draft(1, Side::buy))},
                      [&](std::vector<bool> const&) { was_told = true; });
    }
  }
  io.run();
  EXPECT_FALSE(was_told);
}

}  // namespace
}  // namespace grenache::exchange
