// Shared by the programs that use Node.js' peer libraries: packages, flags, transports, TLS.
'use strict'

const fs = require('fs')
const path = require('path')
const { createRequire } = require('module')
const { parseArgs } = require('util')

const load = createRequire(path.join(process.env.INTEROP_MODULES, 'package.json'))

const { values } = parseArgs({
  options: {
    grape: { type: 'string' },
    name: { type: 'string' },
    transport: { type: 'string', default: 'http' },
    cert: { type: 'string' },
    key: { type: 'string' },
    ca: { type: 'string' }
  }
})

const Link = load('grenache-nodejs-link')
const link = new Link({ grape: values.grape })
link.start()

/// Creates a peer of the class `kind`, such as `PeerRPCServer`, of the package for the transport.
function makePeer (kind, conf) {
  const websocket = values.transport.startsWith('ws')
  const Peer = load(websocket ? 'grenache-nodejs-ws' : 'grenache-nodejs-http')[kind]
  const peer = new Peer(link, conf)
  peer.init()
  return peer
}

/// Returns the TLS options of Node.js' peers; undefined without TLS.
function secure () {
  if (!['https', 'wss'].includes(values.transport)) return undefined
  return {
    // All three are required, also for a client.
    key: fs.readFileSync(values.key),
    cert: fs.readFileSync(values.cert),
    ca: fs.readFileSync(values.ca),
    requestCert: true,
    rejectUnauthorized: true,
    // Required by the WebSocket server, although TLS has already verified the client.
    verifyClient: () => true
  }
}

function report (event, fields) {
  console.log(JSON.stringify({ event, ...fields }))
}

/// Announces the port of a listening socket and reports it.
function announce (port) {
  link.startAnnouncing(values.name, port, {}, error => {
    if (error) throw error
    report('ready', { port })
  })
}

module.exports = { announce, link, makePeer, report, secure, values }
