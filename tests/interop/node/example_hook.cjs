// Loaded before an example of Node.js' packages. Lets it use the grape in GRAPE instead of http://127.0.0.1:30001, and
// listen on a free port instead of a random one, which may be in use. Replaces its certificates, which expired in 2020,
// by those in the folder CERTIFICATES.
'use strict'

const fs = require('fs')
const Module = require('module')
const net = require('net')
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

// An example chooses its port before it listens, so a listening socket is created when it chooses.
const chosen = new Map()
const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (where, ...rest) {
  const port = typeof where === 'object' && where !== null ? where.port : where
  const holder = chosen.get(port)
  if (!holder) return listen.call(this, where, ...rest)
  chosen.delete(port)
  return listen.call(this, holder, ...rest.filter(each => typeof each === 'function'))
}
function choosePort () {
  const holder = net.createServer().listen(0)
  const { port } = holder.address()
  chosen.set(port, holder)
  return port
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
  if (name === 'lodash') loaded.random = () => choosePort() - 1024
  return loaded
}
