// Node.js' publisher: announces, then publishes each line of stdin. Plain WebSocket only, since it does not support TLS.
'use strict'

const readline = require('readline')
const { announce, makePeer } = require('./peers.cjs')

const service = makePeer('PeerPub', {}).transport('server')
service.listen(0)
service.socket.once('listening', () => announce(service.socket.address().port))
readline.createInterface({ input: process.stdin }).on('line', line => service.pub(line))
