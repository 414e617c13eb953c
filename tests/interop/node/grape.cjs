// Node.js' grape with those flags of our grape that the tests use. Reports its events as JSON lines.
'use strict'

const path = require('path')
const { createRequire } = require('module')
const { parseArgs } = require('util')

const load = createRequire(path.join(process.env.INTEROP_MODULES, 'package.json'))
const { Grape } = load('grenache-grape')

const { values } = parseArgs({
  options: {
    dp: { type: 'string' },
    aph: { type: 'string' },
    bn: { type: 'string' },
    bind: { type: 'string', short: 'b' },
    check_maxPayloadSize: { type: 'string', default: '8192' }
  }
})

const report = (event, fields) => console.error(JSON.stringify({ event, ...fields }))

const grape = new Grape({
  host: values.bind,
  dht_port: Number(values.dp),
  api_port: values.aph, // the number 0 is refused
  dht_bootstrap: values.bn ? values.bn.split(',') : [],
  check_maxPayloadSize: Number(values.check_maxPayloadSize)
})
grape.on('ready', () => report('ready'))
grape.on('node', () => report('node'))
grape.on('announce', name => report('announce', { name }))
grape.on('peer', peer => report('peer', { peer }))
grape.start(error => {
  if (error) throw error
  // Used for an announcement of port 0.
  grape.conf.dht_port = grape.node.address().port
  report('listening', { port: grape.conf.dht_port })
  report('api_listening', { port: grape._interface.http.address().port })
})
