// The HTTP API, byte for byte as recorded from two real grapes (tests/golden/grape-http.json).
import fs from 'node:fs'

import { checkEqual, startNetwork, stopAll, suite } from './harness.mjs'

const cases = JSON.parse(fs.readFileSync(new URL('../golden/grape-http.json', import.meta.url)))
const recordedDhtPort = 20001

await suite('HTTP API', async test => {
  const grapes = await startNetwork(['ours', 'ours'], { flags: ['--check_maxPayloadSize', '8192'] })
  for (const { name, steps } of cases) {
    await test(name, async () => {
      for (const { path, body, method, status, reply } of steps) {
        const answer = await grapes[0].http(path, body, method)
        const expected = reply.replace(`:${recordedDhtPort}"`, `:${grapes[0].dht}"`)
        // A reply to get contains the id of the node that answered.
        const withoutId = text => text.replace(/"id":"[0-9a-f]{40}"/, '"id":""')
        checkEqual([answer.status, withoutId(answer.text)], [status, withoutId(expected)], `${method} ${path}`)
      }
    })
  }
  await stopAll(grapes)
})
