// Our peer library and Node.js', each as client and as server, over every transport.
import { createHash } from 'node:crypto'

import {
  Caller, Certificates, check, checkEqual, refusingPort, standIn, startEchoServer, startNetwork, startPublisher,
  startSubscriber, stopAll, suite
} from './harness.mjs'

const payloads = {
  object: { hello: 'world', list: [1, 2.5, -3, 1.5e21, true, null], nested: { a: { b: [] } } },
  string: 'hi',
  null: null,
  unicode: 'Überträge – サービス ☃ 𝄞 \u2028 \u0000 "quoted" \\',
  '1 MB': { text: 'abcdefghij'.repeat(100_000) }
}
const streamBytes = 4_000_000

// Node.js on both sides tests the harness itself.
const pairs = standIn ? [['node', 'ours']] : [['node', 'ours'], ['ours', 'node'], ['ours', 'ours']]

const certificates = Certificates.make()
if (!certificates) console.log('SKIPPED: https and wss, because openssl cannot make certificates')
const transports = certificates ? ['http', 'https', 'ws', 'wss'] : ['http', 'ws']
const usesTls = transport => transport === 'https' || transport === 'wss'
const usesHttp = transport => transport.startsWith('http')
const flagsOf = (transport, name) => usesTls(transport) ? certificates.flags(name) : []

const digest = payload => createHash('sha256').update(JSON.stringify(payload)).digest('hex')
const pattern = createHash('sha256')
  .update(Buffer.from(Uint8Array.from({ length: streamBytes }, (_, i) => i % 251))).digest('hex')

// Running programs. They are stopped at the end, in parallel: our services are unannounced at the stop, which waits for
// Node.js' grape, and that never answers.
const running = []
const keep = program => {
  running.push(program)
  return program
}

// One client and one server over one transport.
async function requests (test, grapes, transport, client, server) {
  const column = `${client} > ${server}`
  const name = `echo_${transport}_${client}_${server}`
  const echo = keep(await startEchoServer(server, grapes[0], name, transport, flagsOf(transport, 'server')))
  const caller = keep(new Caller(client, grapes[1], transport, flagsOf(transport, 'client')))
  const nodeServer = server === 'node' || standIn
  const echoed = payload => ({ result: { key: name, payload, caller: usesTls(transport) ? 'client' : null } })

  for (const [kind, payload] of Object.entries(payloads)) {
    await test.cell(`${transport}, ${kind}`, column, async () => {
      checkEqual(await caller.call({ name, payload }), echoed(payload), 'answer')
    })
  }
  await test.cell(`${transport}, error reply`, column, async () => {
    checkEqual(await caller.call({ name, payload: 'err' }), { error: 'boom' }, 'answer')
  })
  await test.cell(`${transport}, 20 at once`, column, async () => {
    const numbers = Array.from({ length: 20 }, (_, i) => i)
    const answers = await Promise.all(numbers.map(payload => caller.call({ name, payload })))
    checkEqual(answers, numbers.map(echoed), 'answers')
  })
  if (usesHttp(transport)) {
    await test.cell(`${transport}, gzip`, column, async () => {
      for (const payload of Object.values(payloads)) {
        checkEqual(await caller.call({ name, payload, gzip: true }), echoed(payload), 'answer')
        // The report of a server may arrive before or after its answer.
        if (nodeServer) await echo.event('compressed', ({ payloadSha256 }) => payloadSha256 === digest(payload))
      }
      checkEqual(await caller.call({ name, payload: 'err', gzip: true }), { error: 'boom' }, 'answer')
    })
    await test.cell(`${transport}, stream of 4 MB and back`, column, async () => {
      const sent = { action: 'upload', args: { deep: ['x', 1] }, note: 'a header' }
      const answer = await caller.call({ do: 'stream', name, ...sent, bytes: streamBytes })
      checkEqual(answer, { result: { head: { key: name, ...sent }, bytes: streamBytes, sha256: pattern } }, 'answer')
    })
  }
  await test.cell(`${transport}, map over two`, column, async () => {
    const both = `map_${name}`
    const start = async () =>
      keep(await startEchoServer(server, grapes[0], both, transport, flagsOf(transport, 'server')))
    await Promise.all([start(), start()])
    const answer = await caller.call({ do: 'map', name: both, payload: 7 })
    const one = { ...echoed(7).result, key: both }
    checkEqual(answer, { result: [one, one] }, 'answer')
  })
  // Node.js' clients fail the whole map, and its client over WebSocket ends its process.
  if (client === 'ours' && !standIn) {
    await test.cell(`${transport}, map over one and a dead one`, column, async () => {
      const partly = `partly_${name}`
      await grapes[0].ask('announce', [partly, await refusingPort()])
      keep(await startEchoServer(server, grapes[0], partly, transport, flagsOf(transport, 'server')))
      const { result } = await caller.call({ do: 'map', name: partly, payload: 7 })
      checkEqual(result.length, 2, 'answers')
      const [good, bad] = result[0].error ? result.reverse() : result
      checkEqual(good, { ...echoed(7).result, key: partly }, 'answer of the one alive')
      check(/^ERR_REQUEST_GENERIC: /.test(bad.error), `of the dead one: ${JSON.stringify(bad)}`)
      for (let i = 0; i < 5; i++) {
        checkEqual(await caller.call({ name: partly, payload: i }), { result: { ...echoed(i).result, key: partly } }, 'answer')
      }
    })
  }
}

// Refused certificates. Node.js' client over WebSocket ends its process after a failed handshake, and all its clients
// need a certificate.
async function refusals (test, grapes, transport, client, server) {
  if (client === 'node' && transport === 'wss') return
  const column = `${client} > ${server}`
  const name = `refused_${transport}_${client}_${server}`
  const echo = keep(await startEchoServer(server, grapes[0], name, transport, flagsOf(transport, 'server')))
  const cases = {
    'client of a foreign authority is refused': certificates.flags('foreign'),
    'server of a foreign authority is refused': certificates.flags('client', 'stranger')
  }
  if (client === 'ours' && !standIn) cases['client without a certificate is refused'] = certificates.flags(null)
  for (const [what, flags] of Object.entries(cases)) {
    await test.cell(`${transport}, ${what}`, column, async () => {
      const caller = keep(new Caller(client, grapes[1], transport, flags))
      const { error } = await caller.call({ name, payload: 1 })
      check(/^ERR_REQUEST_GENERIC: /.test(error), `error: ${error}`)
    })
  }
}

async function pubSub (test, grapes, transport, subscriber, publisher) {
  const column = `${subscriber} > ${publisher}`
  const nodeSubscribes = subscriber === 'node' || standIn
  const texts = Object.values(payloads).map(payload => JSON.stringify(payload)).concat('not JSON')
  await test.cell(`${transport}, publish and subscribe`, column, async () => {
    const name = `pub_${transport}_${subscriber}_${publisher}`
    const pub = keep(await startPublisher(publisher, grapes[0], name, transport, flagsOf(transport, 'server')))
    const sub = keep(await startSubscriber(subscriber, grapes[1], name, transport, flagsOf(transport, 'client')))
    texts.forEach(pub.pub)
    await sub.received(texts.at(-1))
    checkEqual(sub.events.filter(({ event }) => event === 'message').map(({ text }) => text), texts, 'messages')
  })
  // Node.js' subscriber connects to only one publisher.
  if (nodeSubscribes) return
  await test.cell(`${transport}, three publishers, one crashes and comes back`, column, async () => {
    const name = `pubs_${transport}_${subscriber}_${publisher}`
    const start = async () =>
      keep(await startPublisher(publisher, grapes[0], name, transport, flagsOf(transport, 'server')))
    const pubs = await Promise.all([start(), start(), start()])
    const sub = keep(await startSubscriber(
      subscriber, grapes[1], name, transport, flagsOf(transport, 'client'), pubs.length))
    pubs.forEach((pub, i) => pub.pub(`from ${i}`))
    await Promise.all(pubs.map((_, i) => sub.received(`from ${i}`)))
    await pubs[0].kill()
    pubs[0] = await start()
    // It is not reported when it is connected again, and messages published before that are lost.
    const again = setInterval(() => pubs[0].pub('back again'), 20)
    await sub.received('back again').finally(() => clearInterval(again))
    pubs.forEach((pub, i) => pub.pub(`again from ${i}`))
    await Promise.all(pubs.map((_, i) => sub.received(`again from ${i}`)))
  })
}

await suite('RPC and Pub/Sub', async test => {
  const grapes = await startNetwork(['ours', 'node'])
  const callers = pairs.map(([client]) => client).filter((client, i, all) => all.indexOf(client) === i)
  for (const client of callers) {
    await test(`${client} client: a name nobody announced`, async () => {
      const caller = keep(new Caller(client, grapes[1]))
      checkEqual(await caller.call({ name: 'nobody', payload: 1 }), { error: 'ERR_GRAPE_LOOKUP_EMPTY' }, 'answer')
    })
  }
  for (const transport of transports) {
    for (const [client, server] of pairs) await requests(test, grapes, transport, client, server)
  }
  for (const transport of transports.filter(usesTls)) {
    for (const [client, server] of pairs) await refusals(test, grapes, transport, client, server)
  }
  for (const transport of transports.filter(each => !usesHttp(each))) {
    for (const [subscriber, publisher] of pairs) {
      // Node.js' publisher and subscriber do not support TLS.
      if (transport === 'ws' || (subscriber === 'ours' && publisher === 'ours' && !standIn)) {
        await pubSub(test, grapes, transport, subscriber, publisher)
      }
    }
  }
  const ends = await stopAll(running)
  await test('our programs end with exit code 0', async () => {
    running.forEach((each, i) => {
      const right = each.name.startsWith('ours') && !standIn ? 0 : ends[i]
      check(ends[i] === right || each.killed, `${each.name} ended with ${ends[i]}`)
    })
  })
  await stopAll(grapes)
})
