// What the programs on Node's peer libraries have in common: packages, flags, transports, TLS.
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

/// `PeerRPCServer`, … of the package for the transport.
function makePeer (kind, conf) {
  const websocket = values.transport.startsWith('ws')
  const Peer = load(websocket ? 'grenache-nodejs-ws' : 'grenache-nodejs-http')[kind]
  const peer = new Peer(link, conf)
  peer.init()
  return peer
}

/// Keys as Node's peers want them; undefined without TLS.
function secure () {
  if (!['https', 'wss'].includes(values.transport)) return undefined
  return {
    // All three must be there, on a client too.
    key: fs.readFileSync(values.key),
    cert: fs.readFileSync(values.cert),
    ca: fs.readFileSync(values.ca),
    requestCert: true,
    rejectUnauthorized: true,
    // Its WebSocket server refuses to start without this, although TLS has decided already.
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
