// Node's RPC server: answers {key, payload, caller}, `caller` being the name in the client's certificate or null; the
// payload "err" with the error "boom". A stream is answered with a line of JSON about it, then with its own bytes.
// Reports each request over HTTP whose body was compressed: the server itself would take a plain one as well.
'use strict'

const { createHash } = require('crypto')
const zlib = require('zlib')
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
socket.on('request', request => {
  const chunks = []
  request.on('data', chunk => chunks.push(chunk))
  request.on('end', () => {
    const body = Buffer.concat(chunks)
    if (body[0] !== 0x1f || body[1] !== 0x8b) return
    const [, , payload] = JSON.parse(zlib.gunzipSync(body))
    report('compressed', { payloadSha256: createHash('sha256').update(JSON.stringify(payload)).digest('hex') })
  })
})
// A WebSocket server over TLS emits this event of the HTTPS server that it stands on.
socket.once('listening', () => announce(socket.address().port))
