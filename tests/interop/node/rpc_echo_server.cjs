// Node's RPC server: answers {key, payload}; the payload "err" with the error "boom". Reports for each request whether
// its body was compressed: the server itself would take a plain one as well.
'use strict'

const path = require('path')
const { createRequire } = require('module')
const { parseArgs } = require('util')

const load = createRequire(path.join(process.env.INTEROP_MODULES, 'package.json'))
const { PeerRPCServer } = load('grenache-nodejs-http')
const Link = load('grenache-nodejs-link')

const { values } = parseArgs({ options: { grape: { type: 'string' }, name: { type: 'string' } } })

const link = new Link({ grape: values.grape })
link.start()
const peer = new PeerRPCServer(link, {})
peer.init()
const service = peer.transport('server')
service.listen(0)
service.on('request', (rid, key, payload, handler) => {
  if (payload === 'err') handler.reply(new Error('boom'))
  else handler.reply(null, { key, payload })
})
service.socket.on('request', request => request.once('data', chunk => {
  const gzip = chunk[0] === 0x1f && chunk[1] === 0x8b
  console.log(JSON.stringify({ event: 'request', gzip }))
}))
service.socket.once('listening', () => {
  const { port } = service.socket.address()
  link.startAnnouncing(values.name, port, {}, error => {
    if (error) throw error
    console.log(JSON.stringify({ event: 'ready', port }))
  })
})
