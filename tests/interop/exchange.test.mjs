// Our exchange in one network with the program whose messages it speaks (node/original_exchange.cjs).
import { randomUUID } from 'node:crypto'

import { buyOrder, runExchange, sellOrder, startOriginal, startOurs, until } from './exchange_peers.mjs'
import { check, checkEqual, httpRequest, startNetwork, stopAll, suite } from './harness.mjs'
import { readInvoice } from './invoice.mjs'

const kInvoiceLifeMs = 900_000
const kSatoshi = 100_000_000

// Running peers, and how to start them. Groups of tests use networks of their own, which are service names.
const running = []
let grapes
const keep = async starting => {
  const peer = await starting
  running.push(peer)
  return peer
}
const ours = (name, service, ...flags) => keep(startOurs(name, grapes[0], service, ...flags))
const original = service => keep(startOriginal(grapes[1], service))

const sat = amount => Math.round(amount * kSatoshi)
const idOf = text => text.match(/^order +([0-9a-f-]{36})$/m)[1]
const orderText = ({ id, buy, amountToBuy }, maker) => new RegExp(
  `^${id.slice(0, 8)} +${buy === 'BTC' ? 'buy' : 'sell'} +${amountToBuy} +1 .*OPEN +(23h \\d+m|1d 0h) +${maker}$`, 'm')

/// Checks the answer of our peer to a take of the original.
function checkGrant (response, maker, order, amount, taker) {
  checkEqual(response.orderId, order.id, 'order of the answer')
  checkEqual(response.exchangeId, maker.port, 'exchangeId of the answer')
  const invoice = readInvoice(response.lightningInvoice, maker.peerId)
  checkEqual(invoice.network, 'lnbcrt', 'network')
  checkEqual(String(invoice.msat), String(sat(amount) * 1000), 'amount in msat')
  checkEqual(response.exiresAt, (invoice.timestamp + invoice.expiry) * 1000, 'end of the invoice')
  checkEqual(invoice.expiry, kInvoiceLifeMs / 1000, 'life of the invoice')
  check(Math.abs(response.exiresAt - kInvoiceLifeMs - Date.now()) < kInvoiceLifeMs / 2, `it ends at ${response.exiresAt}`)
  const text = `order ${order.id} take @003:${taker.port} fence `
  check(invoice.description.startsWith(text), `description: ${invoice.description}`)
}

async function takesOfOurOrders (test) {
  const service = 'exchange'
  const alice = await ours('alice', service)
  const taker = await original(service)
  const second = await original(service)
  let match, granted

  await test('the original finds an order of ours by its matches and gets our invoice', async () => {
    const id = idOf(await alice.tell('sell', '1', 'BTC', 'at', '1'))
    const buy = buyOrder()
    checkEqual(await taker.run('publish', { order: buy, to: alice.endpoint }), 'ok', 'answer to its order')
    match = await taker.order(id, 'matches', { orderId: buy.id, to: alice.endpoint })
    const { exchangeId, buy: bought, sell: sold, amountToBuy } = match
    checkEqual([exchangeId, bought, sold, amountToBuy], [alice.port, 'USD', 'BTC', 1], 'the match')
    granted = await taker.run('execute', { order: match })
    checkGrant(granted, alice, match, 1, taker)
  })
  await test('the original asks again and gets the same invoice', async () => {
    const again = await taker.run('execute', { order: match })
    checkEqual([again.lightningInvoice, again.exiresAt], [granted.lightningInvoice, granted.exiresAt], 'invoice')
  })
  await test('a second taker is refused while the order is reserved', async () => {
    const { code, reason, retryAfterMs } = await second.refusal('execute', { order: match })
    checkEqual(code, 'reserved', 'code')
    check(retryAfterMs > 0 && retryAfterMs <= kInvoiceLifeMs, `to be retried in ${retryAfterMs} ms`)
    check(/ask again in \d+ s$/.test(reason), reason)
    const { status, remaining, reserved } = await alice.order(match.id)
    checkEqual([status, remaining, reserved], ['OPEN', '1', '1'], 'the order')
  })
  const bob = await ours('bob', service)
  await test('a taker of ours is refused, too', async () => {
    await bob.order(match.id)
    const { code, stderr } = await bob.ctl('acceptOrder', match.id)
    checkEqual(code, 1, 'exit code')
    check(stderr.includes('the maker has refused (reserved)'), stderr)
  })
  await test('an order with a price is told to the original, which matches it in its own book', async () => {
    const placed = await alice.tellJson('addOrder', '{"buy":"USD","sell":"BTC","price":50000,"amount":0.25}')
    const told = await taker.order(placed.order.id, 'own')
    const buy = buyOrder(0.25)
    await taker.run('publish', { order: buy, to: taker.endpoint })
    checkEqual(await taker.run('matches', { orderId: buy.id, to: taker.endpoint }), [told], 'its matches')
    checkGrant(await taker.run('execute', { order: told }), alice, told, 0.25, taker)
  })
  await test('a buy order of ours is taken by the original as a whole', async () => {
    const { order } = await alice.tellJson('buy', '0.125', 'BTC', 'at', '40000')
    const told = await second.order(order.id, 'own')
    checkEqual([told.buy, told.sell, told.amountToBuy], ['BTC', 'USD', 0.125], 'the order as told')
    checkGrant(await second.run('execute', { order: told }), alice, told, 0.125, second)
  })
  await test('after a partial trade a take of the original is for the rest', async () => {
    const { order } = await alice.tellJson('sell', '2', 'BTC', 'at', '50000')
    const told = await second.order(order.id, 'own')
    await bob.order(order.id)
    await bob.tell('acceptOrder', order.id, '0.5', 'pay')
    await alice.order(order.id, ({ remaining }) => remaining === '1.5')
    checkGrant(await second.run('execute', { order: told }), alice, told, 1.5, second)
  })
  await test('orders that cannot be taken are refused by their state', async () => {
    const filled = (await alice.tellJson('sell', '0.5', 'at', '3')).order
    const cancelled = (await alice.tellJson('sell', '0.5', 'at', '4')).order
    await taker.order(filled.id, 'own')
    await taker.order(cancelled.id, 'own')
    await bob.order(filled.id)
    await bob.tell('acceptOrder', filled.id, 'pay')
    await alice.tell('cancel', cancelled.id)
    const codes = { [filled.id]: 'filled', [cancelled.id]: 'unknown', [randomUUID()]: 'unknown' }
    for (const [id, wanted] of Object.entries(codes)) {
      const { code } = await taker.refusal('execute', { order: { id, exchangeId: alice.port } })
      checkEqual(code, wanted, `code for ${id}`)
    }
  })
  await test('the original reads our book', async () => {
    const ids = orders => orders.map(({ id }) => id).sort()
    // Our peer reads the books of the others meanwhile.
    const own = await until('the book as the original reads it to be that of our peer', async () => {
      const [shown, read] = [ids(await alice.orders()), ids(await second.run('book', { to: alice.endpoint }))]
      return JSON.stringify(shown) === JSON.stringify(read) ? shown : undefined
    })
    check(own.length >= 5, `orders: ${own}`)
    const late = await original(service)
    await until('the DHT to show the others', async () => await late.run('sync') >= 4 ? true : undefined)
    const known = (await late.run('own')).map(({ id }) => id)
    check(own.every(id => known.includes(id)), `after its sync it knows ${known}`)
  })
}

async function takesOfItsOrders (test) {
  const service = 'takes'
  const alice = await ours('alice', service)
  const maker = await original(service)
  const sell = sellOrder(1.5)
  let invoice

  await test('an order of the original is shown as unsigned, at 1 USD', async () => {
    await maker.run('publish', { order: sell, to: maker.endpoint })
    const { side, price, amount, maker: key, isOwn } = await alice.order(sell.id)
    checkEqual([side, price, amount, key, isOwn], ['sell', '1', '1.5', null, false], 'order')
    const text = await alice.tell('orders')
    check(orderText(sell, 'unsigned').test(text), text)
    const { asks } = await alice.tellJson('book')
    checkEqual(asks, [{ price: '1', amount: '1.5', orderCount: 1 }], 'asks')
    const peers = await alice.tell('peers')
    check(new RegExp(`^${maker.endpoint} +original +dht +read`, 'm').test(peers), peers)
  })
  await test('a part of it is refused, and so is another price', async () => {
    for (const [word, reason] of [['0.5', 'is taken as a whole: 1.5 BTC'], ['price=2', "the order's price is 1 USD"]]) {
      const { code, stderr } = await alice.ctl('acceptOrder', sell.id, word)
      checkEqual(code, 1, 'exit code')
      check(stderr.includes(reason), stderr)
    }
    check(!maker.events.some(({ message }) => message?.type === 'ExecuteOrderMessage'), 'the maker was asked')
  })
  await test('acceptOrder shows the invoice of the original', async () => {
    const text = await alice.tell('acceptOrder', sell.id.slice(0, 8))
    const { message } = await maker.event('request', ({ message }) => message.type === 'ExecuteOrderMessage')
    checkEqual([message.orderId, message.exchangeId], [sell.id, alice.port], 'request')
    for (const part of [/^terms +buy 1.5 BTC at 1 USD, 1.5 USD in all$/m, /^state +invoiced, ends in 1[45]m \d+s; .* does not/m]) {
      check(part.test(text), text)
    }
    const view = await alice.tellJson('acceptOrder', sell.id)
    invoice = view.invoice
    check(text.includes(invoice), text)
    checkEqual([view.order, view.maker, view.state, view.amount], [sell.id, null, 'invoiced', '1.5'], 'take')
    const left = view.invoiceExpires - Date.now()
    check(left > kInvoiceLifeMs / 2 && left <= kInvoiceLifeMs, `it ends in ${left} ms`)
    checkEqual(maker.events.filter(({ message }) => message?.type === 'ExecuteOrderMessage').length, 1, 'requests')
  })
  await test('paying it is refused with the reason', async () => {
    for (const words of [['pay', invoice], ['acceptOrder', sell.id, 'pay']]) {
      const { code, stderr } = await alice.ctl(...words)
      checkEqual(code, 1, 'exit code')
      check(stderr.includes('peers of the original program cannot confirm a payment'), stderr)
    }
    const text = await alice.tell('explain', sell.id)
    check(/of order \S+ at 1 USD has an invoice of a peer of the original program until /.test(text), text)
  })
  await test('an order of the original is not relayed', async () => {
    const buy = buyOrder(3)
    await maker.run('publish', { order: buy, to: alice.endpoint })
    const { order } = await alice.tellJson('buy', '3', 'at', '9')
    const bob = await ours('bob', service)
    await bob.order(order.id)
    await bob.synced(alice.endpoint)
    await bob.order(sell.id)
    check(!(await bob.orders()).some(({ id }) => id === buy.id), 'bob has it')
    check((await alice.orders()).some(({ id }) => id === buy.id), 'alice has lost it')
  })
}

async function playbooks (test) {
  const service = 'playbook'
  const alice = await ours('alice', service)
  const trader = await original(service)
  const play = async fields => await trader.run('playbook', { pollMs: 50, pollCount: 3, ...fields })
  const checkPlayed = ({ match, response }, sell, made) => {
    checkEqual([match.id, match.exchangeId], [sell.id, made.port], 'match')
    checkEqual(response.orderId, sell.id, 'order of the invoice')
  }

  await test("the original's playbook runs through random peers, one of which is ours", async () => {
    await until('the DHT to show our peer', async () => await trader.run('sync') === 1 ? true : undefined)
    await Promise.all([1, 2, 3, 4].map(async amount => {
      const sell = sellOrder(amount)
      checkPlayed(await play({ buy: buyOrder(amount), sell }), sell, trader)
    }))
  })
  await test("the original's playbook runs at each of two peers of ours", async () => {
    const bob = await ours('bob', service)
    await Promise.all([alice, bob].map(async ({ endpoint, port }, i) => {
      const sell = sellOrder(5 + i)
      const played = await play({ buy: buyOrder(5 + i), sell, to: endpoint })
      checkEqual(played.pong.exchangeId, port, 'pong')
      checkPlayed(played, sell, trader)
    }))
  })
  await test("the original's playbook ends with our invoice when we sell while it polls", async () => {
    const buy = buyOrder(7)
    const playing = play({ buy, sell: sellOrder(7), pollCount: -1, to: alice.endpoint })
    await alice.order(buy.id)
    const sell = { id: idOf(await alice.tell('sell', '7', 'BTC', 'at', '0.99')) }
    const played = await playing
    checkPlayed(played, sell, alice)
    checkGrant(played.response, alice, sell, 7, trader)
  })
  await test('exchange --playbook runs to its end beside a peer of the original with crossing orders', async () => {
    const beside = 'beside'
    const other = await original(beside)
    for (const order of [buyOrder(), sellOrder()]) await other.run('publish', { order, to: other.endpoint })
    const { code, stdout, stderr } = await runExchange('--playbook', '--grape', grapes[0].url, '--service', beside)
    checkEqual(code, 0, `exit code of ${stdout}${stderr}`)
    check(/every check held, in [\d.]+ s\n$/.test(stdout), stdout)
    const told = (await other.run('own')).map(({ exchangeId }) => exchangeId)
    check(told.some(id => id !== other.port), 'the peer of the original was told no order')
  })
}

async function books (test) {
  const service = 'books'
  const alice = await ours('alice', service)
  const other = await original(service)
  // Returns when all our peers have read the book of the original again.
  const reread = async (...peers) => {
    const order = other.message(buyOrder(0.001))
    await other.run('keep', { orders: [order] })
    await Promise.all(peers.map(peer => peer.order(order.id)))
  }
  const signed = async peer => (await peer.orders()).filter(({ maker }) => maker !== null)

  await test('copies of our orders in the book of the original are not shown as its orders', async () => {
    const bob = await ours('bob', service)
    const { order } = await alice.tellJson('sell', '1', 'at', '50000')
    await other.order(order.id, 'own')
    await reread(alice, bob)
    for (const peer of [alice, bob]) {
      const found = (await peer.orders()).filter(({ id }) => id === order.id)
      checkEqual(found.map(({ price }) => price), ['50000'], `${peer.name}: prices of the order`)
      checkEqual((await peer.tellJson('book')).asks, [{ price: '50000', amount: '1', orderCount: 1 }], 'asks')
    }
    await alice.tell('cancel', order.id)
    const late = await ours('late', service)
    await reread(alice, bob, late)
    for (const peer of [alice, bob, late]) {
      check(!(await peer.orders()).some(({ id }) => id === order.id), `${peer.name} shows the cancelled order`)
    }
  })
  await test('an order that comes twice gets ok, and the first version stays', async () => {
    const first = buyOrder(2)
    for (const order of [first, first, { ...first, amountToBuy: 9 }, { ...first, buy: 'USD', sell: 'BTC' }]) {
      checkEqual(await other.run('publish', { order, to: alice.endpoint }), 'ok', 'answer')
    }
    const found = (await alice.orders()).filter(({ id }) => id === first.id)
    checkEqual(found.map(({ side, amount }) => [side, amount]), [['buy', '2']], 'the order')
  })
  await test('an unsigned order with the id of an order of ours does not hide it', async () => {
    const { order } = await alice.tellJson('sell', '1', 'at', '40000')
    await other.run('publish', { order: { ...sellOrder(3), id: order.id }, to: alice.endpoint })
    checkEqual((await signed(alice)).filter(({ id }) => id === order.id).length, 1, 'signed versions')
    checkGrant(await other.run('execute', { order: { id: order.id, exchangeId: alice.port } }), alice, order, 1, other)
  })
  await test('with --signed-only orders and takes of the original are refused', async () => {
    const strict = await ours('strict', service, '--signed-only')
    const { order } = await strict.tellJson('sell', '1', 'at', '30000')
    const codes = [
      await other.refusal('publish', { order: buyOrder(), to: strict.endpoint }),
      await other.refusal('execute', { order: { id: order.id, exchangeId: strict.port } })
    ].map(({ code }) => code)
    checkEqual(codes, ['signature', 'signature'], 'codes')
    await strict.synced(other.endpoint)
    check((await strict.orders()).every(({ maker }) => maker !== null), 'it has an unsigned order')
    checkEqual((await other.run('ping', { to: strict.endpoint })).exchangeId, strict.port, 'pong')
  })
}

const day = 86_400_000
const badOrders = {
  invalid: [
    { id: undefined }, { id: 7 }, { id: 'x' }, { id: '' }, { id: null }, { buy: undefined }, { buy: 'USD' },
    { buy: 'EUR' }, { buy: 1 }, { sell: ['USD'] }, { amountToBuy: undefined }, { amountToBuy: null }, { amountToBuy: 0 },
    { amountToBuy: -1 }, { amountToBuy: 1e-9 }, { amountToBuy: 1.000000001 }, { amountToBuy: 1e30 },
    { amountToBuy: 'much' }, { amountToBuy: {} }, { amountToBuy: true }, { exchangeId: 'x' }, { exchangeId: 1.5 },
    { exchangeId: {} }, { creatorType: 'robot' }, { creatorType: 1 }, { createdAt: undefined }, { createdAt: 'today' },
    { createdAt: -1 }, { createdAt: 1e300 }, { price: 5 }, { signature: 'x' }, { signature: 7 }, { maker: 'x' },
    { createdAt: Date.now() + day }
  ],
  expired: [{ createdAt: 1 }, { createdAt: Date.now() - day - 1 }]
}
const badPayloads = [
  null, 7, true, '', 'hello', '{', '"', 'null', '7', '[]', '{}', '[[[[', [], {}, { type: 'PingPongMessage' },
  '{"type":"Moon"}', '{"type":7}', '{"type":null}', '{"type":"PingPongMessage","message":"pang"}',
  '{"type":"PingPongMessage","message":7}', '{"type":"ExecuteOrderMessage"}',
  '{"type":"ExecuteOrderMessage","orderId":7}', '{"type":"ExecuteOrderMessage","orderId":"x","takeId":"x"}',
  '{"type":"GetOrderMatchesMessage","orderId":{}}', `{"type":"GetOrderMatchesMessage","orderId":"${'x'.repeat(1000)}"}`,
  '{"type":"ExecuteOrderResponse","orderId":"x"}', '['.repeat(30_000), '{"type":"PingPongMessage","message":"ping"'
]

async function hostileRequests (test) {
  const service = 'hostile'
  const alice = await ours('alice', service)
  const bad = await original(service)

  await test('malformed requests are refused', async () => {
    for (const payload of badPayloads) {
      const { code, reason } = await bad.refusal('send', { payload, to: alice.endpoint })
      checkEqual(code, 'invalid', `code for ${JSON.stringify(payload)}`)
      check(reason.length > 0, 'there is no reason')
    }
  })
  await test('malformed orders are refused and not kept', async () => {
    for (const [wanted, changes] of Object.entries(badOrders)) {
      for (const change of changes) {
        const payload = JSON.stringify({ ...bad.message(buyOrder()), ...change })
        const { code } = await bad.refusal('send', { payload, to: alice.endpoint })
        checkEqual(code, wanted, `code for ${JSON.stringify(change)}`)
      }
    }
    checkEqual(await alice.orders(), [], 'orders')
  })
  await test('a request that is too large is refused', async () => {
    const body = JSON.stringify(['rid', service, 'x'.repeat(200_000)])
    const { status, text } = await httpRequest({ port: alice.port, method: 'POST', path: '/' }, body)
    checkEqual([status, text], [413, '[null, "ERR_REQUEST_SIZE", null]'], 'answer')
    checkEqual((await bad.run('ping', { to: alice.endpoint })).exchangeId, alice.port, 'pong')
  })
  await test('a flood of orders ends at the limit of unsigned ones', async () => {
    const answers = new Set()
    for (let i = 0; i < 11; i++) {
      const orders = Array.from({ length: 100 }, () => buyOrder(0.01))
      for (const { error } of await Promise.all(orders.map(order => bad.try('publish', { order, to: alice.endpoint })))) {
        answers.add(error === undefined ? 'ok' : JSON.parse(error).code)
      }
    }
    checkEqual([...answers], ['ok', 'limit'], 'answers')
    const { orderCount } = await alice.tellJson('status')
    checkEqual(orderCount, 1000, 'orders')
    await alice.tell('sell', '1', 'at', '2')
  })
}

const badBooks = [7, '{}', '[{', '"ok"', null]

async function hostileServers (test) {
  const service = 'servers'
  const bad = await original(service)
  const order = amount => bad.message(sellOrder(amount))
  const answer = async (type, result, orderId) => await bad.run('answer', { type, result, orderId })
  const good = order(1)
  // What each order's maker answers to a take of it.
  const response = { ...good, type: 'ExecuteOrderResponse', lightningInvoice: 'lnbc1', exiresAt: Date.now() + kInvoiceLifeMs }
  const wrong = [
    7, 'hello', 'null', '[]', '"ok"', { orderId: randomUUID() }, { lightningInvoice: undefined }, { lightningInvoice: '' },
    { lightningInvoice: 7 }, { lightningInvoice: 'x'.repeat(8000) }, { exiresAt: undefined }, { exiresAt: 'soon' },
    { exiresAt: -1 }, { exiresAt: 1e18 }, { type: 'AddOrderMessage' }
  ].map((change, i) => ({ change, order: order(2 + i) }))
  const odd = order(90)
  for (const { change, order } of wrong) {
    const isMessage = typeof change === 'object'
    const result = isMessage ? JSON.stringify({ ...response, orderId: order.id, ...change }) : change
    await answer('ExecuteOrderMessage', result, order.id)
  }
  const oddInvoice = 'ln\u001b[31mbc\u0000\n\u202e1'
  await answer('ExecuteOrderMessage', JSON.stringify(
    { ...response, orderId: odd.id, lightningInvoice: oddInvoice, exiresAt: Date.now() + 365 * day }), odd.id)
  const changed = Object.values(badOrders).flat().map(change => ({ ...bad.message(buyOrder()), ...change }))
  await bad.run('keep', {
    orders: [null, 7, 'x', [], {}, [[]], { type: 'Moon' }, { ...good, type: 'PingPongMessage' }, ...changed, good, good,
      ...wrong.map(({ order }) => order), odd]
  })
  const gone = await startOriginal(grapes[1], service)
  const lost = gone.message(sellOrder(92))
  await gone.run('keep', { orders: [lost] })
  const alice = await ours('alice', service)
  const bob = await ours('bob', service)
  await Promise.all([alice, bob].flatMap(peer => [odd, lost].map(({ id }) => peer.order(id))))
  await gone.kill()
  // Each of them is repeated until the patience of our peer ends. A peer serves at most 16 clients at a time.
  const taking = wrong.map(async ({ change, order }, i) =>
    ({ change, answer: await [alice, bob][i % 2].ctl('acceptOrder', order.id) }))
  const takingLost = alice.ctl('acceptOrder', lost.id)

  await test('of a book with malformed orders the others are read', async () => {
    const ids = [good, odd, lost, ...wrong.map(({ order }) => order)].map(({ id }) => id).sort()
    checkEqual((await alice.orders()).map(({ id }) => id).sort(), ids, 'orders')
  })
  await test('peers with books that cannot be read do not stop the others', async () => {
    await Promise.all(badBooks.map(async result => {
      const other = await original(service)
      await other.run('answer', { type: 'GetOrderbookMessage', result })
      await other.event('request', ({ message }) => message.type === 'GetOrderbookMessage', other.events.length)
    }))
    const late = order(91)
    await bad.run('keep', { orders: [late] })
    await alice.order(late.id)
  })
  await test('who answers a ping with something else is no peer', async () => {
    const other = await original(service)
    await other.run('answer', { type: 'PingPongMessage', result: '{"type":"PingPongMessage","message":"ping"}' })
    const { code, stderr } = await alice.ctl('connect', other.endpoint)
    checkEqual(code, 1, 'exit code')
    check(stderr.includes(`no peer answers at ${other.endpoint}`), stderr)
  })
  await test('an invoice with control characters and a late end is shown in a printable form', async () => {
    const text = await alice.tell('acceptOrder', odd.id)
    // eslint-disable-next-line no-control-regex
    check(!/[\u0000-\u0009\u000b-\u001f\u202e]/.test(text), JSON.stringify(text))
    const { invoice, invoiceExpires } = await alice.tellJson('acceptOrder', odd.id)
    checkEqual(invoice, oddInvoice, 'invoice')
    check(invoiceExpires < Date.now() + day, `it ends at ${invoiceExpires}`)
  })
  await test('a take that is answered wrongly fails with the reason', async () => {
    for (const { change, answer: { code, stdout, stderr } } of await Promise.all(taking)) {
      const what = JSON.stringify(change)
      check(code === 1 && stdout === '', `${what}: exit code ${code}, ${stdout}`)
      check(stderr.includes(`the maker does not answer: ${bad.endpoint}: `), `${what}: ${stderr}`)
    }
  })
  await test('a take of an order whose maker is gone fails with the reason', async () => {
    const { code, stderr } = await takingLost
    check(code === 1 && stderr.includes(`the maker does not answer: ${gone.endpoint}: `), stderr)
  })
}

await suite('Exchange', async test => {
  grapes = await startNetwork(['ours', 'ours'])
  await test('two peers of the original trade with each other', async () => {
    const [one, other] = [await original('originals'), await original('originals')]
    const sell = sellOrder()
    const { match } = await one.run('playbook', { buy: buyOrder(), sell, pollMs: 50, pollCount: 3, to: other.endpoint })
    checkEqual([match.id, match.exchangeId], [sell.id, one.port], 'match')
    await until('the DHT to show the other', async () => await one.run('sync') === 1 ? true : undefined)
    check((await one.run('own')).some(({ id }) => id === sell.id), 'it has not read the order')
  })
  for (const group of [takesOfOurOrders, takesOfItsOrders, playbooks, books, hostileRequests, hostileServers]) {
    await group(test)
  }
  await test('all peers run until they are stopped, and ours end with exit code 0', async () => {
    for (const peer of running) check(peer.exit === undefined, `${peer.name} ended with ${peer.exit}`)
    const ends = await stopAll(running)
    running.forEach((peer, i) => checkEqual(ends[i], peer.name.startsWith('original') ? 'SIGTERM' : 0, peer.name))
  })
  await stopAll(grapes)
})
