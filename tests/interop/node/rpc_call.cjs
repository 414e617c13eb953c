// Node.js' RPC client. Each line of stdin is a call {"id","do","name","payload",…}, each line of stdout an answer
// {"id","result"} or {"id","error"}; calls run in parallel.
//   request  payload, gzip
//   map      payload; the result is a list
//   stream   bytes, action, args, note: sends that many bytes; the result contains the line with which the service
//            describes the stream, and the number and SHA-256 of the bytes that follow
'use strict'

const crypto = require('crypto')
const readline = require('readline')
const { makePeer, secure } = require('./peers.cjs')

const timeout = 60000
const peer = makePeer('PeerRPCClient', { secure: secure() })

function stream (call, done) {
  const headers = { _a: call.action, _ar: call.args, 'x-note': call.note }
  const duplex = peer.stream(call.name, { headers, timeout })
  const received = []
  duplex.on('error', done)
  duplex.on('data', piece => received.push(piece))
  duplex.on('end', () => {
    const all = Buffer.concat(received)
    const line = all.indexOf('\n')
    const body = all.subarray(line + 1)
    done(null, {
      head: JSON.parse(all.subarray(0, line)),
      bytes: body.length,
      sha256: crypto.createHash('sha256').update(body).digest('hex')
    })
  })
  const bytes = Buffer.alloc(call.bytes)
  for (let i = 0; i < bytes.length; i++) bytes[i] = i % 251
  duplex.end(bytes)
}

const actions = {
  request: (call, done) => peer.request(call.name, call.payload, { timeout, compress: call.gzip }, done),
  map: (call, done) => peer.map(call.name, call.payload, { timeout }, done),
  stream
}

readline.createInterface({ input: process.stdin }).on('line', line => {
  const call = JSON.parse(line)
  actions[call.do](call, (error, result) => {
    console.log(JSON.stringify(error ? { id: call.id, error: error.message } : { id: call.id, result }))
  })
})
