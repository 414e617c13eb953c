// Node's Grenache RPC peers for tests/bench/rpc.py.
//
//     node rpc_peer.cjs MODULES serve TRANSPORT GRAPE NAME [TLS]                  answers what it gets; prints its port when announced
//     node rpc_peer.cjs MODULES load TRANSPORT GRAPE NAME IN_FLIGHT SECONDS [TLS] prints requests, seconds, p50, p99 (us) and errors
//
// TRANSPORT: http, https, ws, wss. MODULES: the folder with node_modules. TLS: a folder with key.pem, cert.pem and ca.pem.
const fs = require('fs')
const { createRequire } = require('module')
const path = require('path')

const [modules, mode, transport, grape, name, ...rest] = process.argv.slice(2)
const load = createRequire(path.resolve(modules, 'package.json'))
const Link = load('grenache-nodejs-link')
const { PeerRPCServer, PeerRPCClient } = load(transport.startsWith('http') ? 'grenache-nodejs-http' : 'grenache-nodejs-ws')

function secure (folder) {
  if (!transport.endsWith('s') || transport === 'ws') return {}
  const read = file => fs.readFileSync(path.join(folder, file))
  const files = { key: read('key.pem'), cert: read('cert.pem'), ca: read('ca.pem') }
  return { secure: { ...files, requestCert: true, rejectUnauthorized: true, verifyClient: () => true } }
}

const link = new Link({ grape })
link.start()

if (mode === 'serve') {
  const peer = new PeerRPCServer(link, { timeout: 300000, ...secure(rest[0]) })
  peer.init()
  const service = peer.transport('server')
  const port = Number(process.env.RPC_PORT)
  service.listen(port)
  service.on('request', (rid, key, payload, handler) => handler.reply(null, payload))
  const announce = () => link.announce(name, port, {}, error => {
    if (error) return setTimeout(announce, 200)
    console.log(port)
  })
  announce()
} else {
  const [inFlight, seconds, tls] = [Number(rest[0]), Number(rest[1]), rest[2]]
  const peer = new PeerRPCClient(link, secure(tls))
  peer.init()
  const payload = { hello: 'world', number: 42 }
  const took = []
  let errors = 0
  let open = 0
  let began
  const next = () => {
    const now = process.hrtime.bigint()
    if (now - began > seconds * 1e9) {
      if (--open === 0) finish()
      return
    }
    peer.request(name, payload, { timeout: 10000 }, (error, answer) => {
      if (error || answer.number !== 42) errors++
      took.push(Number(process.hrtime.bigint() - now) / 1000)
      next()
    })
  }
  const finish = () => {
    const elapsed = Number(process.hrtime.bigint() - began) / 1e9
    took.sort((a, b) => a - b)
    const at = share => took[Math.min(took.length - 1, Math.floor(took.length * share))]
    console.log(JSON.stringify({ requests: took.length, seconds: elapsed, p50_us: at(0.5), p99_us: at(0.99), errors }))
    process.exit(0)
  }
  // The first request pays for the lookup.
  peer.request(name, payload, { timeout: 10000 }, error => {
    if (error) {
      console.error(error.message)
      process.exit(1)
    }
    began = process.hrtime.bigint()
    for (open = 0; open < inFlight; open++) setImmediate(next)
  })
}
