// Node.js' grapes and ours in one network: a service announced on one is found on every other.
import { check, checkEqual, startCircle, startGrape, startNetwork, stopAll, suite } from './harness.mjs'

const names = {
  short: 'a',
  'exactly 20 bytes': 'service_of_20_bytes_',
  long: 'a_service_with_a_name_longer_than_twenty_bytes',
  '300 bytes': 'n'.repeat(300),
  unicode: 'Dienst für Überträge – サービス ☃'
}
checkEqual(Buffer.byteLength(names['exactly 20 bytes']), 20, 'length of the 20-byte name')

let nextPort = 2000

async function announceAndFind (name, from, others) {
  const port = nextPort++
  const stored = await from.ask('announce', [name, port])
  check(Number.isInteger(stored) && stored >= 1, `announce on ${from.name} answered ${JSON.stringify(stored)}`)
  for (const other of others) {
    const found = await other.ask('lookup', name)
    check(Array.isArray(found) && found.includes(`127.0.0.1:${port}`),
      `${other.name} finds ${JSON.stringify(found)} instead of 127.0.0.1:${port}`)
  }
}

await suite('Grapes', async test => {
  const pairs = {
    'each the other\'s bootstrap': () => startCircle(['node', 'ours']),
    'ours is the bootstrap': async () => {
      const ours = await startGrape('ours')
      const node = await startGrape('node', { bootstrap: [`127.0.0.1:${ours.dht}`] })
      await Promise.all([ours.event('node'), node.event('node'), node.event('ready')])
      return [node, ours]
    },
    'Node\'s is the bootstrap': async () => {
      const node = await startGrape('node')
      const ours = await startGrape('ours', { bootstrap: [`127.0.0.1:${node.dht}`] })
      await Promise.all([ours.event('node'), node.event('node'), ours.event('ready')])
      return [node, ours]
    }
  }
  for (const [shape, start] of Object.entries(pairs)) {
    let grapes = []
    await test(`${shape}: both know each other`, async () => { grapes = await start() })
    if (grapes.length === 0) continue
    const [node, ours] = grapes
    for (const [kind, name] of Object.entries(names)) {
      await test(`${shape}: ${kind} name, announced on Node's, looked up on ours`,
        () => announceAndFind(`${name}1`.slice(kind === 'exactly 20 bytes' ? 1 : 0), node, [ours]))
      await test(`${shape}: ${kind} name, announced on ours, looked up on Node's`,
        () => announceAndFind(`${name}2`.slice(kind === 'exactly 20 bytes' ? 1 : 0), ours, [node]))
    }
    await test(`${shape}: an unknown name is found nowhere`, async () => {
      checkEqual(await node.ask('lookup', 'nobody'), [], 'on Node\'s')
      checkEqual(await ours.ask('lookup', 'nobody'), [], 'on ours')
    })
    await stopAll(grapes)
  }

  let four = []
  await test('two of each: each knows another one', async () => {
    four = await startNetwork(['node', 'ours', 'node', 'ours'])
  })
  for (const [i, from] of four.entries()) {
    await test(`two of each: announced on ${from.kind} ${i + 1}, found on the three others`,
      () => announceAndFind(`four-${i}`, from, four.filter(grape => grape !== from)))
  }
  await stopAll(four)
})
