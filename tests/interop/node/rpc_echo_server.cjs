// Node.js' RPC server. Answers {key, payload, caller}, where `caller` is the name in the client's certificate or null;
// the payload "err" with the error "boom"; a stream with a line of JSON that describes it, then with its own bytes.
// Reports each request over HTTP with a compressed body, since the server itself also accepts plain ones.
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

// Emitted for every request over HTTP, including those that are not streams.
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
// A WebSocket server over TLS emits this event of its HTTPS server.
socket.once('listening', () => announce(socket.address().port))
