#include <gtest/gtest.h>

#include "tests/unit/grape/node_fixture.hpp"

namespace grenache::grape {
namespace {

using std::chrono::seconds;

class SnapshotTest : public NodeTest {
 protected:
  // Replaces the fixture's node by one without a fixed id.
  void start_new(Snapshot const& snapshot) {
    sent_.clear();
    events_.clear();
    NodeOptions options;
    options.port = 20001;
    node_ = std::make_unique<Node>(options, Random{2});
    node_->restore(snapshot, now_);
    node_->expire(now_);
    node_->bootstrap({}, now_);
    drain();
  }
};

TEST_F(SnapshotTest, aNodeComesBackAsItself) {
  introduce(id_of('N'), at(7000));
  introduce(id_of('M'), at(7001));
  auto const item = *dht::Item::immutable("i1e");
  ASSERT_TRUE(node_->start_put(item, now_));
  ASSERT_TRUE(node_->start_put(*dht::Item::immutable("i2e"), now_, {.cas = {}, .keep = false}));
  ASSERT_TRUE(node_->start_announce(name_of("kept"), 80, now_, true));
  ASSERT_TRUE(node_->start_announce(name_of("not kept"), 80, now_));
  Snapshot const snapshot = node_->snapshot(now_);
  EXPECT_EQ(snapshot.contacts.size(), 2u);
  EXPECT_EQ(snapshot.items.size(), 1u);
  EXPECT_EQ(snapshot.services.size(), 1u);

  start_new(snapshot);
  EXPECT_EQ(node_->id(), id_of('O'));
  EXPECT_EQ(queries().size(), 2u);
  EXPECT_TRUE(events<Ready>().empty()) << "it waits for those whom it asked";
  for (Sent const& ping : queries()) {
    NodeId const id = id_of(ping.to == at(7000) ? 'N' : 'M');
    (void)receive(ping.to, dht::encode_reply(ping.as<dht::Query>().tid, id, {}));
  }
  EXPECT_EQ(node_->node_count(), 2u);
  EXPECT_EQ(node_->stats().own_items, 1u);
  EXPECT_EQ(node_->stats().services_kept, 1u);
  ASSERT_TRUE(node_->start_get(item.target(), "", now_));
  drain();
  ASSERT_EQ(events<GetDone>().size(), 1u);
  EXPECT_TRUE(events<GetDone>()[0].item);
}

TEST_F(SnapshotTest, aServiceKeepsItsAgeOverRestarts) {
  auto const lives = [&] {
    events_.clear();
    EXPECT_TRUE(node_->start_lookup(name_of("x"), now_));
    drain();
    auto const done = events<LookupDone>();
    return !done.empty() && !done[0].peers.empty();
  };
  ASSERT_TRUE(node_->start_announce(name_of("x"), 80, now_, true));
  for (int restart = 0; restart < 5; ++restart) {
    EXPECT_TRUE(lives()) << restart;
    now_ += seconds{40};
    Snapshot snapshot = node_->snapshot(now_);
    ASSERT_EQ(snapshot.services.size(), 1u);
    EXPECT_EQ(snapshot.services[0].life_left, seconds{240 - 41 * restart - 40});
    now_ += seconds{1};
    snapshot.services[0].life_left -= seconds{1};  // while it was down
    start_new(snapshot);
  }
  EXPECT_TRUE(lives());
  now_ += seconds{35};
  EXPECT_FALSE(lives());
  node_->expire(now_);
  EXPECT_EQ(node_->stats().services_kept, 0u);
  Snapshot late = node_->snapshot(now_);
  late.services = {{{name_of("x"), 80, false}, seconds{-300}}};
  start_new(late);
  EXPECT_EQ(node_->stats().services_kept, 0u) << "nobody can hold it any more";
}

TEST_F(SnapshotTest, whoLostAllOthersTriesThemAgainAlsoAfterARestart) {
  introduce(id_of('N'), at(7000));
  // Queries in this time, none of which is answered.
  auto const queries_within = [this](seconds time) {
    std::size_t count = 0;
    TimePoint const end = now_ + time;
    while (node_->next_deadline() <= end) {
      now_ = std::max(now_, node_->next_deadline());
      sent_.clear();
      node_->expire(now_);
      drain();
      count += queries().size();
    }
    now_ = end;
    return count;
  };
  (void)queries_within(seconds{1800});
  ASSERT_EQ(node_->node_count(), 0u);
  std::size_t const tries = queries_within(seconds{600});
  EXPECT_GE(tries, 9u);
  EXPECT_LE(tries, 25u);
  start_new(node_->snapshot(now_));
  (void)queries_within(seconds{600});
  ASSERT_EQ(node_->node_count(), 0u);
  for (sent_.clear(); queries().empty();) {
    now_ = std::max(now_, node_->next_deadline());
    node_->expire(now_);
    drain();
  }
  EXPECT_EQ(queries()[0].to, at(7000));
  (void)receive(at(7000), dht::encode_reply(queries()[0].as<dht::Query>().tid, id_of('N'), {}));
  EXPECT_EQ(node_->node_count(), 1u);
}

TEST_F(SnapshotTest, contactsThatAreGoneAreForgotten) {
  introduce(id_of('N'), at(7000));
  start_new(node_->snapshot(now_));
  for (TimePoint const end = now_ + seconds{60}; now_ < end;) {
    now_ = std::max(now_, node_->next_deadline());
    node_->expire(now_);
    drain();
  }
  EXPECT_EQ(node_->node_count(), 0u);
  EXPECT_EQ(events<Ready>().size(), 1u);
}

TEST_F(SnapshotTest, anIdInTheOptionsWins) {
  Snapshot snapshot;
  snapshot.ids = {id_of('S'), id_of('S')};
  node_->restore(snapshot, now_);
  EXPECT_EQ(node_->id(), id_of('O'));
}

}  // namespace
}  // namespace grenache::grape
