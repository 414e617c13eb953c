// Node.js' subscriber: reports when it is connected, and each message. It connects to one publisher of the name, and does
// not reconnect.
'use strict'

const { makePeer, report, values } = require('./peers.cjs')

const peer = makePeer('PeerSub', {})
peer.on('connected', () => report('connected'))
peer.on('message', text => report('message', { text: String(text) }))
peer.sub(values.name)
