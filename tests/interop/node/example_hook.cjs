// Loaded before an example of Node's packages: it asks the grape in GRAPE instead of http://127.0.0.1:30001, and
// listens on the port in PORT instead of one by chance, which may be taken. Its certificates have expired in 2020: those
// in the folder CERTIFICATES take their place.
'use strict'

const fs = require('fs')
const Module = require('module')
const path = require('path')

const certificates = {
  'ca-crt.pem': 'authority.crt',
  'client1-crt.pem': 'client.crt',
  'client1-key.pem': 'client.key',
  'server-crt.pem': 'server.crt',
  'server-key.pem': 'server.key'
}
const read = fs.readFileSync
fs.readFileSync = (name, ...rest) => {
  const other = typeof name === 'string' && certificates[path.basename(name)]
  return read(other ? path.join(process.env.CERTIFICATES, other) : name, ...rest)
}

const load = Module._load
Module._load = function (name, ...rest) {
  const loaded = load.call(this, name, ...rest)
  if (name === 'grenache-nodejs-link') {
    return class extends loaded {
      constructor (conf) {
        super({ ...conf, grape: process.env.GRAPE })
      }
    }
  }
  if (name === 'lodash') loaded.random = () => Number(process.env.PORT) - 1024
  return loaded
}
