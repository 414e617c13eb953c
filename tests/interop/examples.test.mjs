// The examples of our peer library and the unchanged examples of Node.js' packages, each with its counterpart.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import {
  Certificates, check, checkEqual, packageFile, Program, skip, startNetwork, stopAll, suite
} from './harness.mjs'

const examples = process.env.EXAMPLES
if (!examples || !fs.existsSync(path.join(examples, 'rpc_server'))) skip('EXAMPLES names no folder of programs')
const hook = fileURLToPath(new URL('node/example_hook.cjs', import.meta.url))
const certificates = Certificates.make()

const http = 'grenache-nodejs-http/examples'
const ws = 'grenache-nodejs-ws/examples'

// Node.js' servers announce a second after their start.
const node = async (grape, script) => new Program(`Node's ${script}`, process.execPath,
  ['--require', hook, packageFile(script)], { GRAPE: grape.url, CERTIFICATES: certificates?.folder })
const ours = async (grape, name, ...args) =>
  new Program(`our ${name}`, path.join(examples, name), [grape.url, ...args])
const pem = name => ['crt', 'key'].map(kind => certificates.file(`${name}.${kind}`))
  .concat(certificates.file('authority.crt'))

// Waits for `count` lines that match, and checks that there are no more. Node.js' clients do not end by themselves.
async function expectLines (program, pattern, count = 1) {
  const lines = await program.until(`${count} lines like ${pattern}`, () => {
    const found = program.output.filter(line => pattern.test(line))
    return found.length >= count ? found : undefined
  })
  checkEqual(lines.length, count, `lines like ${pattern}`)
}

await suite('Examples', async test => {
  // Each pair has a network of its own, because the examples share service names.
  const together = async (label, name, startServer, ...uses) => await test(label, async () => {
    const grapes = await startNetwork(['ours', 'ours'])
    const server = await startServer(grapes[0])
    await grapes[1].event('announce', event => event.name === name)
    for (const use of uses) {
      const client = await use(grapes[1], server)
      if (client) await client.stop()
    }
    await stopAll([server, ...grapes])
  })
  const ends = async (program, pattern, count) => {
    checkEqual(await program.ended, 0, `exit code of ${program.name}: ${program.output.slice(-3).join(' | ')}`)
    await expectLines(program, pattern, count)
  }
  const prints = async (program, pattern, count) => {
    await expectLines(program, pattern, count)
    return program
  }

  // The example ends when one of its thousand concurrent requests takes 10 s, which happens on a busy machine.
  const printsInTime = async (start, pattern, count) => {
    for (let left = 5; ; --left) {
      const program = await start()
      try {
        return await prints(program, pattern, count)
      } catch (error) {
        if (left === 0 || !program.output.some(line => line.includes('ERR_TIMEOUT'))) throw error
      }
    }
  }

  await together("Node's rpc_client and rpc_client_map call our rpc_server", 'rpc_test',
    grape => ours(grape, 'rpc_server'),
    async grape => await printsInTime(() => node(grape, `${http}/rpc_client.js`), /^null world$/, 1000),
    async grape => await prints(await node(grape, `${http}/rpc_client_map.js`), /^null \[ 'world' \]$/, 10))
  await together("our rpc_client and rpc_client_map call Node's rpc_server", 'rpc_test',
    grape => node(grape, `${http}/rpc_server.js`),
    async grape => await ends(await ours(grape, 'rpc_client'), /^1000 requests in \d+ ms$/),
    async grape => await ends(await ours(grape, 'rpc_client_map'), /^127\.0\.0\.1:\d+: "world"$/, 10))
  await together("Node's rpc_client_map calls our rpc_server over WebSocket", 'rpc_test',
    grape => ours(grape, 'rpc_server', 'ws'),
    async grape => await prints(await node(grape, `${ws}/rpc_client_map.js`), /^null \[ 'world' \]$/, 10))
  await together("our rpc_client and rpc_client_map call Node's rpc_server over WebSocket", 'rpc_test',
    grape => node(grape, `${ws}/rpc_server.js`),
    async grape => await ends(await ours(grape, 'rpc_client', 'ws'), /^1000 requests in \d+ ms$/),
    async grape => await ends(await ours(grape, 'rpc_client_map', 'ws'), /^127\.0\.0\.1:\d+: "world"$/, 10))

  await together("Node's rpc_client_stream calls our rpc_server_stream", 'rpc_stream',
    grape => ours(grape, 'rpc_server_stream'),
    async (grape, server) => {
      const client = await prints(await node(grape, `${http}/rpc_client_stream.js`), /^response \["[-0-9a-f]{36}",null,"world"\]$/)
      await expectLines(server, /^action uploadNewPublicStream, arguments {"foo":"bar"}, content type application\/pdf$/)
      // Node.js' example never ends its stream.
      await client.stop()
      await expectLines(server, /^hello$/)
    })
  await together("our rpc_client_stream calls Node's rpc_server_stream", 'rpc_stream',
    grape => node(grape, `${http}/rpc_server_stream.js`),
    async (grape, server) => {
      await ends(await ours(grape, 'rpc_client_stream'), /^response \["[-0-9a-f]{36}",null,"world"\]$/)
      await expectLines(server, /action: 'uploadNewPublicStream',/)
      await expectLines(server, /args: \{ foo: 'bar' \}/)
    })

  if (certificates) {
    await together("Node's ssl/rpc_client_map calls our ssl_server", 'rpc_test',
      grape => ours(grape, 'ssl_server', ...pem('server')),
      async (grape, server) => {
        const client = await prints(await node(grape, `${http}/ssl/rpc_client_map.js`), /^null \[ 'world' \]$/, 10)
        await expectLines(server, /^CN=client [0-9a-f]{64}$/, 10)
        return client
      })
    await together("our ssl_client_map calls Node's ssl/rpc_server", 'rpc_test',
      grape => node(grape, `${http}/ssl/rpc_server.js`),
      async (grape, server) => {
        await ends(await ours(grape, 'ssl_client_map', ...pem('client')), /^127\.0\.0\.1:\d+: "world"$/)
        await expectLines(server, /^([0-9A-F]{2}:){19}[0-9A-F]{2}$/)
      })
  } else {
    console.log('SKIPPED: ssl, because openssl cannot make certificates')
  }

  const receives = async (program, grapes) => {
    await program.until('three messages', () => program.output.filter(line => line === 'world').length >= 3 || undefined)
    check(program.output.includes('connected'), 'it never reported that it is connected')
    return program
  }
  await together("Node's sub receives from our pub", 'pub_test', grape => ours(grape, 'pub'),
    async grape => await receives(await node(grape, `${ws}/sub.js`)))
  await together("our sub receives from Node's pub", 'pub_test', grape => node(grape, `${ws}/pub.js`),
    async grape => await receives(await ours(grape, 'sub')))
})
