// Node's RPC client: calls NAME with a JSON payload (`-`: from stdin), prints {"result":…} or {"error":"…"}.
'use strict'

const fs = require('fs')
const path = require('path')
const { createRequire } = require('module')
const { parseArgs } = require('util')

const load = createRequire(path.join(process.env.INTEROP_MODULES, 'package.json'))
const { PeerRPCClient } = load('grenache-nodejs-http')
const Link = load('grenache-nodejs-link')

const { values, positionals } = parseArgs({
  options: { grape: { type: 'string' }, gzip: { type: 'boolean', default: false } },
  allowPositionals: true
})
const [name, text] = positionals
const payload = JSON.parse(text === '-' ? fs.readFileSync(0, 'utf8') : text)

const link = new Link({ grape: values.grape })
link.start()
const peer = new PeerRPCClient(link, {})
peer.init()
peer.request(name, payload, { timeout: 10000, compress: values.gzip }, (error, result) => {
  const answer = error ? { error: error.message } : { result }
  process.stdout.write(JSON.stringify(answer) + '\n', () => process.exit(error ? 1 : 0))
})
