"""What the peers and their customers do, each in a thread, at random."""

import random
import threading
import time
import uuid

from control import Control
from exchange_taker import Take, btc, satoshi

COMMAND_LIMIT_S = 8     # for an answer over the control socket
REQUEST_LIMIT_S = 1.5   # for an answer of a peer: a request may go on after it
OWN_ORDERS_MAX = 8      # open ones of a peer
SHARED_TAKES_MAX = 10   # that all customers ask for
UNPAID_TAKES_MAX = 30   # that a customer has put off


class Market:
    """What all threads know: the orders that somebody has published, and the takes of the customers."""

    def __init__(self, makers):
        self.makers = makers  # by peer id: the peers with this identity
        self.lock = threading.Lock()
        self.open, self.closed = {}, {}  # orders by id, as their makers showed them
        self.takes, self.live_takes, self.unpaid = [], [], []

    def publish(self, order):
        with self.lock:
            if order["id"] not in self.closed:
                self.open[order["id"]] = order

    def close(self, order_id):
        with self.lock:
            if order := self.open.pop(order_id, None):
                self.closed[order_id] = order

    def random_open(self, rng, makers):
        with self.lock:
            found = [order for order in self.open.values() if order["maker"] in makers]
        return rng.choice(found) if found else None

    def add_take(self, take):
        with self.lock:
            self.takes.append(take)
            self.live_takes.append(take)
            del self.live_takes[:-SHARED_TAKES_MAX]

    def put_off(self, take, until):
        with self.lock:
            self.unpaid.append((until, take))
            del self.unpaid[:-UNPAID_TAKES_MAX]

    def pop_due(self, now):
        """A take that was put off until now."""
        with self.lock:
            due = next((each for each in self.unpaid if each[0] <= now), None)
            if due:
                self.unpaid.remove(due)
            return due and due[1]

    def random_take(self, rng):
        with self.lock:
            return rng.choice(self.live_takes) if self.live_takes else None


class Worker(threading.Thread):
    """Does one operation after the other until it is told to stop; run() raises what a test program must not hide."""

    pause_s = (0.02, 0.12)

    def __init__(self, name, seed, history, market):
        super().__init__(name=name, daemon=True)
        self.rng, self.history, self.market = random.Random(f"{seed}/{name}"), history, market
        self.failure = None
        self._stopped = threading.Event()

    def run(self):
        try:
            while not self._stopped.wait(self.rng.uniform(*self.pause_s)):
                self.step()
        except Exception as failure:  # for the thread that joins this one
            self.failure = failure
        finally:
            self.end()

    def end(self):
        pass

    def stop(self):
        self._stopped.set()

    def choose(self, steps):
        return self.rng.choices(list(steps), steps.values())[0]


class PeerWorker(Worker):
    """Commands to one peer, as its owner gives them."""

    def __init__(self, peer, seed, history, market):
        super().__init__(peer.name, seed, history, market)
        self.control, self.peer = Control(peer.folder), peer
        self.own, self.others, self.takes = [], [], []  # ids of open orders, orders of the book, ids of unpaid takes
        self.steps = {self.publish: 20, self.accept: 20, self.pay: 10, self.trade_at_once: 12, self.cancel: 6, self.reduce: 5, self.read: 20}

    def step(self):
        self.choose(self.steps)()

    def end(self):
        self.control.close()

    def command(self, f, command, /, **arguments):
        operation = self.history.invoke(self.name, f, arguments)
        kind, result = self.control.call(command, COMMAND_LIMIT_S, **arguments)
        if kind != "ok":
            getattr(operation, kind)(result)
            return None
        operation.ok(summary(result))
        return result

    def publish(self):
        if len(self.own) >= OWN_ORDERS_MAX:
            return self.cancel()
        terms = self.terms(self.rng.randint(1, self.rng.choice([40, 400])))
        if self.rng.random() < 0.1:
            terms["life"] = f"{self.rng.randint(5, 20)}s"
        if placed := self.command("publish", "addOrder", **terms):
            self.own.append(placed["order"]["id"])
            self.market.publish(placed["order"])

    def terms(self, hundredths):
        """Of an order that crosses some others."""
        side = self.rng.choice(["buy", "sell"])
        price = 50_000 + 100 * (self.rng.randint(-6, 1) if side == "buy" else self.rng.randint(-1, 6))
        return {"side": side, "amount": btc(hundredths * 1_000_000), "price": price}

    def trade_at_once(self):
        terms = self.terms(self.rng.randint(1, 20))
        terms["price"] = 50_000 + (500 if terms["side"] == "buy" else -500)
        self.command("trade at once", "addOrder", **terms, timeInForce=self.rng.choice(["IOC", "FOK"]))

    def accept(self):
        if not self.others:
            return self.read()
        order = self.rng.choice(self.others)
        amount = min(satoshi(order["remaining"]), 1_000_000 * self.rng.randint(1, 30))
        arguments = {"id": order["id"], "amount": btc(amount)}
        if self.rng.random() < 0.6:
            arguments["pay"] = True
        result = self.command("accept", "acceptOrder", **arguments)
        if result and "pay" not in arguments and self.rng.random() < 0.8:
            self.takes.append(result["take"])

    def pay(self):
        if self.takes:
            self.command("pay", "pay", invoice=self.takes.pop(self.rng.randrange(len(self.takes))))

    def cancel(self):
        if self.own:
            order_id = self.own.pop(self.rng.randrange(len(self.own)))
            if self.command("cancel", "cancel", id=order_id):
                self.market.close(order_id)
            elif self.rng.random() < 0.9:
                self.own.append(order_id)

    def reduce(self):
        if self.own:
            self.command("reduce", "reduce", id=self.rng.choice(self.own), by="0.01")

    def read(self):
        if result := self.command("read", "orders"):
            self.others = [order for order in result["orders"] if not order["isOwn"]]
            own = {order["id"] for order in result["orders"] if order["isOwn"]}
            for order_id in set(self.own) - own:
                self.market.close(order_id)
            self.own = [each for each in self.own if each in own]


def summary(result):
    """What the checkers need of a result."""
    if result["type"] == "orders":
        return [[order["id"], order["seq"], order["remaining"]] for order in result["orders"]]
    if result["type"] == "placed":
        return {key: result["order"][key] for key in ("id", "side", "price", "amount", "status")}
    return {key: value for key, value in result.items() if key != "invoice"}


class Customer(Worker):
    """Signed requests to the processes of some makers; each take is known to all customers.

    They ask for one take again and again at each process, and pay each invoice at each.
    """

    def __init__(self, name, makers, seed, history, market):
        super().__init__(name, seed, history, market)
        self.makers, self.twins = makers, [maker for maker in makers if len(market.makers[maker]) > 1]
        self.steps = {self.begin: 40, self.ask: 6, self.pay: 30, self.resume: 10}

    def step(self):
        self.choose(self.steps)()

    def begin(self):
        order = self.market.random_open(self.rng, self.rng.choice([self.makers, self.twins]))
        if not order:
            return
        amount = min(satoshi(order["amount"]), 1_000_000 * self.rng.randint(1, 25))
        take = Take(order, btc(amount), self.rng.getrandbits(240) + 1)
        take.id = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        self.market.add_take(take)
        peer = self.rng.choice(self.market.makers[order["maker"]])
        if ask(take, peer, self.history, self.name).code:
            return
        if self.rng.random() < 0.7:
            self.pay_at(peer, take, 0)
        else:
            self.market.put_off(take, self.history.now() + self.rng.uniform(1, 5))

    def resume(self):
        """Buys what was put off at one process, then pays each invoice at each."""
        if not (take := self.market.pop_due(self.history.now())):
            return
        peers = self.rng.sample(self.market.makers[take.maker.hex()], len(self.market.makers[take.maker.hex()]))
        answer = ask(take, peers[0], self.history, self.name)
        if not answer.code:
            pay(take, peers[0], take.hashes.index(answer.hash), self.history, self.name)
        for which in range(len(take.hashes)):
            for peer in peers:
                pay(take, peer, which, self.history, self.name)

    def ask(self):
        if take := self.market.random_take(self.rng):
            ask(take, self.rng.choice(self.market.makers[take.maker.hex()]), self.history, self.name)

    def pay(self):
        take = self.market.random_take(self.rng)
        if not take or not take.hashes:
            return
        self.pay_at(self.rng.choice(self.market.makers[take.maker.hex()]), take, self.rng.randrange(len(take.hashes)))

    def pay_at(self, peer, take, which):
        """Pays an invoice; if nobody answers, asks another process for one and pays that."""
        if pay(take, peer, which, self.history, self.name).code != "silence":
            return
        others = [each for each in self.market.makers[take.maker.hex()] if each is not peer]
        if others and not (answer := ask(take, others[0], self.history, self.name)).code:
            pay(take, others[0], take.hashes.index(answer.hash), self.history, self.name)


class Auditor(Customer):
    """Pays the invoices of takes that have several: at most one of them has a preimage."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.steps = {self.pay_again: 1}

    def pay_again(self):
        with self.market.lock:
            found = [take for take in self.market.takes if len(take.hashes) > 1]
        if found:
            take = self.rng.choice(found[-20:])
            pay(take, self.rng.choice(self.market.makers[take.maker.hex()]), self.rng.randrange(len(take.hashes)), self.history, self.name)


def about(take, peer):
    return {"take": take.id, "taker": take.key.hex(), "order": take.order["id"], "maker": take.maker.hex(), "amount": btc(take.amount),
            "at": peer.name}


def ask(take, peer, history, name):
    """Asks a peer for an invoice; returns the answer."""
    operation = history.invoke(name, "ask", about(take, peer))
    return end(operation, take.ask(peer.endpoint, REQUEST_LIMIT_S), lambda answer: {"hash": answer.hash.hex()})


def pay(take, peer, which, history, name):
    """Asks a peer for a preimage; returns the answer."""
    paid = take.hashes[which].hex()
    operation = history.invoke(name, "pay invoice", about(take, peer) | {"hash": paid})
    return end(operation, take.pay(peer.endpoint, REQUEST_LIMIT_S, which), lambda answer: {"hash": paid})


def end(operation, answer, value):
    if not answer.code:
        operation.ok(value(answer))
    elif answer.code in ("silence", "unavailable"):
        operation.info(f"{answer.code}: {answer.reason}")
    else:
        operation.fail(f"{answer.code}: {answer.reason}")
    return answer


def finish(market, history, until):
    """Pays each invoice of the customers that is not known to be paid or refused, at each process of its maker.

    Returns the takes without a definite answer at the time `until` of the history.
    """
    open_ones = []
    for take in market.takes:
        for which, paid in enumerate(take.hashes):
            if len(take.hashes) == 1 and paid in take.preimages:
                continue
            for peer in market.makers[take.maker.hex()]:
                while not (answer := pay(take, peer, which, history, "finish")).is_final and history.now() < until:
                    time.sleep(0.05)
                if not answer.is_final:
                    open_ones.append(take.id)
    return open_ones
