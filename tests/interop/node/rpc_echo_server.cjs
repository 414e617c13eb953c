// Node's RPC server: answers {key, payload, caller}, `caller` being the name in the client's certificate or null; the
// payload "err" with the error "boom". A stream is answered with a line of JSON about it, then with its own bytes.
// Reports for each request over HTTP whether its body was compressed: the server itself would take a plain one as well.
'use strict'

const { announce, makePeer, report, secure } = require('./peers.cjs')

const peer = makePeer('PeerRPCServer', { secure: secure() })
const service = peer.transport('server')
service.listen(0)
service.on('request', (rid, key, payload, handler, cert) => {
  if (payload === 'err') handler.reply(new Error('boom'))
  else handler.reply(null, { key, payload, caller: cert?.subject?.CN ?? null })
})

// Emitted for every request over HTTP, also for those that are none.
service.on('stream', (request, response, meta) => {
  if (!meta.isStream) return
  const [, key] = meta.infoHeaders
  const note = request.headers['x-note']
  response.write(JSON.stringify({ key, action: meta.action, args: meta.args, note }) + '\n')
  request.pipe(response)
})

const socket = service.socket
socket.on('request', request => request.once('data', chunk => {
  report('request', { gzip: chunk[0] === 0x1f && chunk[1] === 0x8b })
}))
// A WebSocket server over TLS emits this event of the HTTPS server that it stands on.
socket.once('listening', () => announce(socket.address().port))
