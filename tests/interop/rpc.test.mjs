// RPC over HTTP: Node's client calls our server, our client calls Node's, plain and gzip.
import { callService, checkEqual, standIn, startEchoServer, startNetwork, stopAll, suite } from './harness.mjs'

const payloads = {
  object: { hello: 'world', list: [1, 2.5, -3, true, null], nested: { a: { b: [] } } },
  string: 'hi',
  unicode: 'Überträge – サービス ☃ 𝄞 \u2028 "quoted" \\',
  null: null,
  number: 1.5e21,
  'empty string': '',
  '1 MB': { text: 'abcdefghij'.repeat(100_000) }
}

const pairs = standIn ? [['node', 'ours']] : [['node', 'ours'], ['ours', 'node'], ['ours', 'ours']]

await suite('RPC', async test => {
  const grapes = await startNetwork(['ours', 'node'])
  for (const [client, server] of pairs) {
    const name = `echo_${client}_${server}`
    const echo = await startEchoServer(server, grapes[0], name)
    const answerTo = async (payload, gzip) => {
      const before = echo.events.length
      const answer = await callService(client, grapes[1], name, payload, { gzip })
      if (server === 'node') {
        checkEqual((await echo.event('request', () => true, before)).gzip, gzip, 'request was compressed')
      }
      return answer
    }
    for (const gzip of [false, true]) {
      const how = `${client} client, ${server} server, ${gzip ? 'gzip' : 'plain'}`
      for (const [kind, payload] of Object.entries(payloads)) {
        await test(`${how}: ${kind}`, async () => {
          checkEqual(await answerTo(payload, gzip), { result: { key: name, payload } }, 'answer')
        })
      }
      await test(`${how}: an error`, async () => {
        checkEqual(await answerTo('err', gzip), { error: 'boom' }, 'answer')
      })
    }
    await echo.stop()
  }
  for (const client of ['node', 'ours']) {
    await test(`${client} client: a name nobody announced`, async () => {
      checkEqual(await callService(client, grapes[1], 'nobody', 1), { error: 'ERR_GRAPE_LOOKUP_EMPTY' }, 'answer')
    })
  }
  await stopAll(grapes)
})
