"""What must hold of a run: functions of what was recorded, which return sentences about what does not."""

import collections
import dataclasses
import functools
import json

from exchange_taker import satoshi
from history import pairs


@dataclasses.dataclass
class Run:
    """What is known after a run."""

    history: list                  # records
    makers: dict                   # by peer id: the names of the peers with this identity
    journals: dict                 # by name of a peer, then by kind: the rows
    books: dict                    # by name of a peer: its open orders by id, as [seq, remaining]
    books_equal_after: float       # seconds after the last fault had ended; negative if they were not equal in time
    logs: dict                     # by name of a peer: its lines
    troubles: list                 # sentences of the program about ended processes, workers and faults

    def trades(self, role):
        """(name of the peer, trade)"""
        return [(name, row) for name, rows in self.journals.items() for row in rows["trade"] if row["role"] == role]

    @functools.cached_property
    def own_orders(self):
        """By name of a peer, then by id: the rows of its orders."""
        return {name: {row["order"]["id"]: row for row in rows["order"]} for name, rows in self.journals.items()}

    @functools.cached_property
    def orders(self):
        """By id: the rows of an order, of the processes of its maker."""
        out = collections.defaultdict(list)
        for rows in self.own_orders.values():
            for order_id, row in rows.items():
                out[order_id].append(row)
        return out

    @functools.cached_property
    def operations(self):
        return pairs(self.history)

    def succeeded(self, f):
        """(invoke, end) of the operations of this kind that were ok."""
        return [(invoke, end) for invoke, end in self.operations if invoke["f"] == f and end and end["type"] == "ok"]

    def peer_ids(self):
        return {name: peer_id for peer_id, names in self.makers.items() for name in names}


def preimages(run):
    """By take of the customers: the payment hashes that were paid."""
    out = collections.defaultdict(set)
    for invoke, _ in run.succeeded("pay invoice"):
        out[(invoke["value"]["take"], invoke["value"]["order"], invoke["value"]["amount"])].add(invoke["value"]["hash"])
    return out


def served_once(run):
    """No take of a customer has two preimages, so no amount is served twice. This holds at each time of the history."""
    return [f"take {take} of order {order} was served {len(hashes)} times" for (take, order, _), hashes in preimages(run).items() if len(hashes) > 1]


def nothing_is_sold_twice(run):
    """Of an order no more is sold than its amount, by all processes of its maker together; nor served to takers."""
    out, sold = [], collections.defaultdict(dict)
    for name, row in run.trades("maker"):
        key = (row["take"], row["counterpart"])
        if sold[row["order"]].setdefault(key, row["amount"]) != row["amount"]:
            out.append(f"take {row['take']} was sold with two amounts")
    served = collections.Counter()
    for (_, order, amount), hashes in preimages(run).items():
        served[order] += satoshi(amount) * len(hashes)
    for _, row in run.trades("taker"):
        served[row["order"]] += satoshi(row["amount"])
    for order_id, (row, *_) in run.orders.items():
        amount = satoshi(row["order"]["amount"])
        for what, units in [("sold", sum(map(satoshi, sold[order_id].values()))), ("served", served[order_id])]:
            if units > amount:
                out.append(f"of order {order_id} of {row['order']['amount']} BTC {units / 1e8} BTC were {what}")
    return out


def what_trades_is_counted(run):
    """What the processes of a maker have sold of an order and taken for it is no more than its amount, and one knows it to be filled."""
    out, traded = [], collections.defaultdict(dict)
    for _, row in run.trades("maker"):
        traded[row["order"]][(row["take"], row["counterpart"])] = satoshi(row["amount"])
    for rows in run.journals.values():
        for row in rows["purchase"] + rows["taken"]:
            if row["forOrder"] and row["state"] == "settled":
                traded[row["forOrder"]][(row["take"], "own")] = satoshi(row["amount"])
    for order_id, rows in run.orders.items():
        units, filled = sum(traded[order_id].values()), max(satoshi(row["filled"]) for row in rows)
        if units > satoshi(rows[0]["order"]["amount"]):
            out.append(f"of order {order_id} of {rows[0]['order']['amount']} BTC {units / 1e8} BTC were traded")
        if units > filled:
            out.append(f"of order {order_id} {units / 1e8} BTC were traded, and {filled / 1e8} BTC count as filled")
    return out


def trades_count_once_at_both_sides(run):
    """A process has one trade of a take. What a taker has paid a maker has sold, and the reverse."""
    out = []
    for name, rows in run.journals.items():
        takes = collections.Counter((row["take"], row["role"], row["order"]) for row in rows["trade"])
        out += [f"{name} has {count} trades of take {take}" for (take, role, _), count in takes.items() if count > 1]
    ids = run.peer_ids()
    sold = {(row["take"], ids[name], row["counterpart"]): satoshi(row["amount"]) for name, row in run.trades("maker")}
    bought = {(row["take"], row["counterpart"], ids[name]): satoshi(row["amount"]) for name, row in run.trades("taker")}
    customers = {(value["take"], value["maker"], value["taker"]): satoshi(value["amount"])
                 for invoke, _ in run.succeeded("pay invoice") for value in [invoke["value"]]}
    for key in {**sold, **bought, **customers}:
        here, there = sold.get(key), bought.get(key, customers.get(key))
        if here != there:
            out.append(f"take {key[0]} of {key[2][:8]}…: the maker {key[1][:8]}… has sold {here} sat, the taker has paid for {there} sat")
    return out


def invoices_differ(run):
    """Two takes never have one payment hash."""
    takes = {}
    return [f"takes {invoke['value']['take']} and {takes[end['value']['hash']]} have one payment hash" for invoke, end in run.succeeded("ask")
            if takes.setdefault(end["value"]["hash"], invoke["value"]["take"]) != invoke["value"]["take"]]


def what_is_closed_stays_closed(run):
    """After a cancel was confirmed its peer does not show the order, and no process grants a take that is new. No book has it at the end."""
    out, asked = [], {}
    closed = {invoke["value"]["id"]: end for invoke, end in run.succeeded("cancel")}
    for invoke, end in run.operations:  # the first request for a take may have been granted before its answer was lost
        if invoke["f"] == "ask":
            asked.setdefault(invoke["value"]["take"], invoke["index"])
    for invoke, end in run.succeeded("read"):
        for order_id in (shown[0] for shown in end["value"]):
            if order_id in closed and closed[order_id]["process"] == invoke["process"] and closed[order_id]["index"] < invoke["index"]:
                out.append(f"{invoke['process']} shows order {order_id}, which it has cancelled")
    for invoke, end in run.succeeded("ask"):
        value = invoke["value"]
        if value["order"] in closed and closed[value["order"]]["index"] < asked[value["take"]]:
            out.append(f"{value['at']} grants take {value['take']} of order {value['order']}, which was cancelled before")
    for name, book in run.books.items():
        for order_id in book:
            if order_id in closed or any(row["closed"] or row["order"]["status"] != "OPEN" for row in run.orders[order_id]):
                out.append(f"the book of {name} has order {order_id}, which is closed")
    return out


def books_are_equal(run):
    if run.books_equal_after >= 0:
        return []
    out, all_orders = ["the books were not equal in time"], {order_id for book in run.books.values() for order_id in book}
    for order_id in sorted(all_orders):
        versions = {name: book.get(order_id) for name, book in run.books.items()}
        if len(set(map(json.dumps, versions.values()))) > 1:
            out.append(f"order {order_id}: {versions}")
    return out


def nothing_failed(run):
    """No process has ended by itself, and none has logged an error or said anything that is no event."""
    out = list(run.troubles)
    for name, lines in run.logs.items():
        for line in lines:
            is_event = line.startswith("{")
            if not is_event or json.loads(line).get("level") == "error":
                if not (line.startswith("exchange: ") and "edis" in line):  # it does not start without its Redis
                    out.append(f"{name} said: {line}")
    return out


ALL = [served_once, nothing_is_sold_twice, what_trades_is_counted, trades_count_once_at_both_sides, invoices_differ, what_is_closed_stays_closed,
       books_are_equal, nothing_failed]


def violations(run):
    return [f"{checker.__name__}: {sentence}" for checker in ALL for sentence in checker(run)]
