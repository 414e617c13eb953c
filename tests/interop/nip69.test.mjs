// Orders of our exchange as NIP-69 events, which nostr-tools verifies, and events that it signs, which our exchange reads.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

import { OurPeer } from './exchange_peers.mjs'
import { check, checkEqual, loadModule, stopAll, suite } from './harness.mjs'

const { finalizeEvent, generateSecretKey, verifyEvent } = await loadModule('nostr-tools', 'lib/esm/pure.js')

const kKind = 38383
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'grenache-nip69-'))
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))

const idOf = text => text.match(/^order +([0-9a-f-]{36})$/m)[1]
const linesOf = text => text.split('\n').filter(line => line !== '')
const tagsOf = event => Object.fromEntries(event.tags.map(([name, ...values]) => [name, values]))
const startPeer = async name => await new OurPeer(name, ['--no-grape']).ready()

function fileOf (...lines) {
  const file = path.join(folder, `events${fs.readdirSync(folder).length}.jsonl`)
  fs.writeFileSync(file, lines.join('\n') + '\n')
  return file
}

/// An event of another program; `changes` replaces tags, or leaves them out.
function foreignEvent (changes = {}) {
  const tags = {
    d: ['ede61c96-4c13-4519-bf3a-dcf7f1e9d842'],
    k: ['sell'],
    f: ['VES'],
    s: ['pending'],
    amt: ['0'],
    fa: ['100', '250.5'],
    pm: ['face to face', 'bank transfer ü'],
    premium: ['1'],
    rating: ['{"total_reviews":1,"total_rating":3.0}'],
    network: ['mainnet'],
    layer: ['lightning'],
    expires_at: ['1719391096'],
    expiration: ['1719995896'],
    y: ['lnp2pbot'],
    z: ['order'],
    ...changes
  }
  const template = {
    kind: kKind,
    created_at: 1702548701,
    content: '',
    tags: Object.entries(tags).filter(([, values]) => values).map(([name, values]) => [name, ...values])
  }
  return finalizeEvent(template, generateSecretKey())
}

await suite('NIP-69', async test => {
  const [alice, bob] = await Promise.all([startPeer('alice'), startPeer('bob')])
  const sell = idOf(await alice.tell('sell', '0.4', 'BTC', 'at', '60000.5', 'min', '0.1'))
  const buy = idOf(await alice.tell('buy', '1', 'BTC', 'at', '50000'))
  const exported = async (...words) => linesOf(await alice.tell('exportOrders', ...words)).map(line => JSON.parse(line))
  let events

  await test('each order is one line, an event that nostr-tools verifies', async () => {
    events = await exported()
    checkEqual(events.map(event => tagsOf(event).d[0]).sort(), [buy, sell].sort(), 'orders')
    for (const event of events) {
      check(verifyEvent(event), `it is not valid: ${JSON.stringify(event)}`)
      checkEqual([event.kind, event.pubkey], [kKind, alice.peerId.slice(2)], 'kind and author')
    }
    checkEqual((await alice.tellJson('exportOrders')).events.map(({ kind }) => kind), [kKind, kKind], 'events in JSON')
  })
  await test('nostr-tools rejects a changed event', async () => {
    const changed = { ...JSON.parse(JSON.stringify(events[0])), content: 'x' }
    check(!verifyEvent(changed), 'it is valid')
  })
  await test('the tags are those of the NIP', async () => {
    const tags = tagsOf(events.find(event => tagsOf(event).d[0] === sell))
    const { d, k, f, s, amt, fa, network, layer, y, z } = tags
    checkEqual([d, k, f, s, amt, fa, network, layer, y, z],
      [[sell], ['sell'], ['USD'], ['pending'], ['40000000'], ['24000.2'], ['regtest'], ['lightning'], ['grenache'], ['order']], 'tags')
    check(Number(tags.expires_at[0]) * 1000 > Date.now(), `it ends at ${tags.expires_at}`)
    check(tags.pm && tags.premium && tags.expiration, 'a mandatory tag is missing')
  })
  await test('another peer reads the orders exactly as they were signed', async () => {
    const { orders } = await bob.tellJson('importOrders', fileOf(...events.map(event => JSON.stringify(event))))
    checkEqual(orders.map(({ outcome }) => outcome), ['added', 'added'], 'outcomes')
    const strip = ({ isOwn, reserved, matched, ...order }) => order
    const byId = list => list.map(strip).sort((a, b) => a.id < b.id ? -1 : 1)
    checkEqual(byId(await bob.orders()), byId(await alice.orders()), 'book')
    const again = await bob.tellJson('importOrders', fileOf(JSON.stringify(['EVENT', 'sub', events[0]])))
    checkEqual(again.orders.map(({ outcome }) => outcome), ['known'], 'the message of a relay')
  })
  await test('orders of others are passed on with their makers in the id', async () => {
    const passed = linesOf(await bob.tell('exportOrders', 'all')).map(line => JSON.parse(line))
    checkEqual(passed.map(event => tagsOf(event).d[0]).sort(), [buy, sell].map(id => `${id}@${alice.peerId}`).sort(), 'ids')
    check(passed.every(event => verifyEvent(event) && event.pubkey === bob.peerId.slice(2)), 'not signed by Bob')
    checkEqual(linesOf(await bob.tell('exportOrders')), [], 'orders of Bob')
  })
  await test('a cancelled order is exported as canceled, and closes in the other book', async () => {
    await alice.tell('cancel', sell)
    const closed = (await exported()).find(event => tagsOf(event).d[0] === sell)
    checkEqual([tagsOf(closed).s, verifyEvent(closed)], [['canceled'], true], 'status')
    const { orders } = await bob.tellJson('importOrders', fileOf(JSON.stringify(closed)))
    checkEqual(orders.map(({ outcome }) => outcome), ['updated'], 'outcome')
    checkEqual((await bob.orders()).map(({ id }) => id), [buy], 'book of Bob')
  })
  await test('events of other programs are shown and stay out of the book', async () => {
    const before = await bob.orders()
    const file = fileOf(...[{}, { amt: ['5000'], fa: ['7'] }, { premium: undefined, z: undefined, y: ['robosats', 'temple'] }]
      .map(changes => JSON.stringify(foreignEvent(changes))))
    const { orders } = await bob.tellJson('importOrders', file)
    checkEqual(orders.map(({ outcome }) => outcome), ['foreign', 'foreign', 'foreign'], 'outcomes')
    const { side, currency, amount, fiatMin, fiatMax, paymentMethods, premium, platform, expires } = orders[0]
    checkEqual([side, currency, amount, fiatMin, fiatMax, paymentMethods, premium, platform, expires],
      ['sell', 'VES', null, '100', '250.5', ['face to face', 'bank transfer ü'], '1', 'lnp2pbot', 1719391096], 'order')
    checkEqual([orders[1].amount, orders[1].fiatMin, orders[2].platform], ['0.00005', '7', 'robosats'], 'the others')
    checkEqual(await bob.orders(), before, 'book')
    check(/^foreign +ede61c96 +sell +100 to 250\.5 VES, \+1 % +pending +lnp2pbot$/m.test(
      await bob.tell('importOrders', file)), 'the table')
  })
  await test('events that are not valid are refused with the reason', async () => {
    const good = foreignEvent()
    const forged = events[0].tags.map(([name, value]) => [name, name === 'amt' ? '1' : value])
    const cases = [
      ['not JSON', '{'],
      ['the id is not that of the event', JSON.stringify({ ...good, content: 'x' })],
      ['the signature is not that of the author', JSON.stringify({ ...good, sig: foreignEvent().sig })],
      ['not an event of an order (kind 38383)', JSON.stringify(foreignEvent({ z: ['dispute'] }))],
      ['the amount is not a number of satoshi (tag amt)', JSON.stringify(foreignEvent({ amt: ['1.5'] }))],
      ['the tags say something else than the record (tag grenache-order)',
        JSON.stringify(finalizeEvent({ kind: kKind, created_at: 1, content: '', tags: forged }, generateSecretKey()))]
    ]
    const { orders } = await bob.tellJson('importOrders', fileOf(...cases.map(([, line]) => line)))
    checkEqual(orders.map(({ outcome, reason }) => [outcome, reason]), cases.map(([reason]) => ['refused', reason]), 'outcomes')
    const { code, stderr } = await bob.ctl('importOrders', path.join(folder, 'missing'))
    check(code === 1 && stderr.includes('No such file'), stderr)
  })
  checkEqual(await stopAll([alice, bob]), [0, 0], 'exit codes')
})
