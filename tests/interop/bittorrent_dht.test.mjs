// bittorrent-dht, the DHT node of WebTorrent, and our grape in one network: each answers the other's queries and finds
// what the other stored.
import crypto from 'node:crypto'
import dgram from 'node:dgram'

import { check, checkEqual, load, loadModule, skip, standIn, startGrape, stopAll, suite } from './harness.mjs'

if (standIn) skip('Node\'s grape refuses mutable items')

const { default: Dht } = await loadModule('bittorrent-dht', 'index.js')
const bencode = load('bencode')

// signatures, which the package leaves to its user

const kSpkiHead = Buffer.from('302a300506032b6570032100', 'hex') // before the 32 bytes of an Ed25519 key

function verify (signature, message, key) {
  const spki = { key: Buffer.concat([kSpkiHead, key]), format: 'der', type: 'spki' }
  return crypto.verify(null, message, crypto.createPublicKey(spki), signature)
}

const kOld = 'sequence number less than current'
const kMismatch = 'CAS mismatch, re-read and try again'

function newOwner () {
  const { publicKey, privateKey } = crypto.generateKeyPairSync('ed25519')
  const k = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
  return { k, sign: message => crypto.sign(null, message, privateKey) }
}

/// Returns the body of our /put for an item signed by `owner`.
function signed (owner, { v, seq, salt, cas }) {
  const fields = salt === undefined ? { seq, v } : { salt, seq, v }
  const sig = owner.sign(bencode.encode(fields).subarray(1, -1))
  return { v, seq, salt, cas, k: owner.k.toString('hex'), sig: sig.toString('hex') }
}

function targetOf (owner, salt = '') {
  return crypto.createHash('sha1').update(owner.k).update(salt).digest()
}

// their node, with promises instead of callbacks

class Theirs {
  static async start (bootstrap) {
    const theirs = new Theirs()
    theirs.dht = new Dht({ bootstrap, verify, host: '127.0.0.1' })
    const ready = new Promise(resolve => theirs.dht.once('ready', resolve))
    await new Promise(resolve => theirs.dht.listen(0, '127.0.0.1', resolve))
    theirs.port = theirs.dht.address().port
    await ready
    return theirs
  }

  get address () { return `127.0.0.1:${this.port}` }
  get id () { return Buffer.from(this.dht.nodeId).toString('hex') }

  call (method, ...args) {
    return new Promise((resolve, reject) => {
      this.dht[method](...args, (error, ...results) => error ? reject(error) : resolve(results))
    })
  }

  async announce (key, port) { return (await this.call('announce', key, port))[0] }
  async get (target, options) { return (await this.call('get', target, { cache: false, ...options }))[0] }
  async put (item) {
    const [target, stored] = await this.call('put', item)
    return { target: Buffer.from(target).toString('hex'), stored }
  }

  async lookup (key) {
    const found = new Set()
    const note = (peer, of) => { if (key.equals(of)) found.add(`${peer.host}:${peer.port}`) }
    this.dht.on('peer', note)
    await this.call('lookup', key)
    this.dht.off('peer', note)
    return [...found].sort()
  }

  /// Returns the error of a refused put, from the node itself or from the nodes that it asked.
  async refusal (item) {
    return await this.put(item).then(() => 'stored', error => error.message)
  }

  stop () { return new Promise(resolve => this.dht.destroy(resolve)) }
}

// single datagrams

const socket = dgram.createSocket('udp4')
const kNobody = Buffer.from('nobody') // not an id of 20 bytes, so the sender is not added to routing tables
let nextTransaction = 0x6161

/// Repeats a query until the answer arrives, since UDP may lose it; returns the whole message.
function ask (port, q, args) {
  const t = Buffer.alloc(2)
  t.writeUInt16BE(nextTransaction++)
  const query = bencode.encode({ t, y: 'q', q, a: { id: kNobody, ...args } })
  return new Promise((resolve, reject) => {
    const send = () => socket.send(query, port, '127.0.0.1')
    const again = setInterval(send, 1000)
    const limit = setTimeout(() => end(reject, new Error(`no answer to ${q} from port ${port}`)), 10000)
    const end = (act, value) => {
      clearInterval(again)
      clearTimeout(limit)
      socket.off('message', read)
      act(value)
    }
    const read = (bytes, from) => {
      const message = bencode.decode(bytes)
      if (from.port === port && t.equals(message.t) && message.y.toString() !== 'q') end(resolve, message)
    }
    socket.on('message', read)
    send()
  })
}

function idsIn (nodes) {
  return Array.from({ length: nodes.length / 26 }, (_, i) => nodes.subarray(26 * i, 26 * i + 20).toString('hex'))
}

await suite('bittorrent-dht', async test => {
  // Each node except the first joins through one of the other implementation.
  const first = await Theirs.start(false)
  const one = await startGrape('ours', { bootstrap: [first.address] })
  await one.event('ready')
  const second = await Theirs.start([`127.0.0.1:${one.dht}`])
  const two = await startGrape('ours', { bootstrap: [second.address] })
  await two.event('ready')
  const theirs = [first, second]
  const ours = [one, two]
  const ports = [first.port, second.port, one.dht, two.dht]
  const ids = {}

  await test('ping: all four answer alike', async () => {
    for (const port of ports) {
      const { y, r } = await ask(port, 'ping', {})
      checkEqual(y.toString(), 'r', `the answer of port ${port}`)
      checkEqual(Object.keys(r), ['id'], 'its fields')
      ids[port] = r.id.toString('hex')
    }
    for (const node of theirs) checkEqual(ids[node.port], node.id, 'its id')
  })
  await test('ours add theirs to the routing table, theirs add ours', async () => {
    for (const grape of ours) {
      for (const node of theirs) await grape.event('node', event => event.peer === node.address)
    }
    for (const node of theirs) {
      for (const grape of ours) {
        const known = node.dht.toJSON().nodes.some(({ port }) => port === grape.dht)
        if (!known) {
          node.dht.addNode({ host: '127.0.0.1', port: grape.dht })
          await new Promise(resolve => node.dht.once('node', resolve))
        }
      }
    }
  })
  await test('find_node: each names the three others', async () => {
    for (const port of ports) {
      for (const wanted of ports.filter(other => other !== port)) {
        const { r } = await ask(port, 'find_node', { target: Buffer.from(ids[wanted], 'hex') })
        check(idsIn(r.nodes).includes(ids[wanted]), `port ${port} does not name port ${wanted}`)
      }
    }
  })

  for (const [kind, key] of Object.entries({
    'a text': Buffer.from('a_key_of_20_letters_'),
    'a hash': crypto.createHash('sha1').update('key').digest()
  })) {
    await test(`announced by theirs under ${kind} of 20 bytes: all find it`, async () => {
      checkEqual(await first.announce(key, 3001), 3, 'nodes that stored it')
      checkEqual(await second.lookup(key), ['127.0.0.1:3001'], 'theirs found')
      for (const grape of ours) {
        const { r } = await ask(grape.dht, 'get_peers', { info_hash: key })
        checkEqual(r.values.map(value => value.toString('hex')), ['7f0000010bb9'], 'ours has stored')
        check(r.token.length > 0, 'a token')
        if (kind === 'a text') checkEqual(await grape.ask('lookup', key.toString()), ['127.0.0.1:3001'], 'ours found')
      }
    })
  }
  await test('announced on ours under a text of 20 bytes: all find it', async () => {
    const key = Buffer.from('other_key_20_letters')
    checkEqual(await one.ask('announce', [key.toString(), 3002]), 3, 'nodes that stored it')
    for (const node of theirs) checkEqual(await node.lookup(key), ['127.0.0.1:3002'], 'theirs found')
    checkEqual(await two.ask('lookup', key.toString()), ['127.0.0.1:3002'], 'ours found')
  })

  await test('an immutable value of theirs is got from ours', async () => {
    const { target, stored } = await first.put({ v: Buffer.from('from theirs') })
    checkEqual(stored, 3, 'nodes that stored it')
    for (const grape of ours) checkEqual((await grape.ask('get', target)).v, 'from theirs', 'the value')
  })
  await test('an immutable value of ours is got by theirs', async () => {
    const target = await one.ask('put', { v: 'from ours' })
    for (const node of theirs) checkEqual((await node.get(target)).v.toString(), 'from ours', 'the value')
  })
  await test('an item that nobody has put is not found', async () => {
    checkEqual((await one.http('/get', JSON.stringify({ data: '0'.repeat(40) }))).text, '', 'on ours')
    checkEqual(await first.get('0'.repeat(40)), null, 'by theirs')
  })

  for (const salt of [undefined, 'salt']) {
    const what = salt ? 'mutable value with a salt' : 'mutable value'
    const get = { salt: salt && Buffer.from(salt) }
    await test(`a ${what}, put and changed alternately by theirs and ours`, async () => {
      const owner = newOwner()
      const target = targetOf(owner, salt).toString('hex')
      const read = async (v, seq) => {
        for (const grape of ours) {
          const item = await grape.ask('get', { hash: target, salt })
          checkEqual([item.v, item.seq, item.k], [v, seq, owner.k.toString('hex')], 'got from ours')
        }
        for (const node of theirs) {
          const item = await node.get(target, get)
          checkEqual([item.v.toString(), item.seq], [v, seq], 'got by theirs')
        }
      }
      checkEqual(await first.put({ ...owner, v: Buffer.from('one'), seq: 1, ...get }), { target, stored: 3 }, 'put by theirs')
      // Theirs does not store its own items.
      checkEqual((await two.ask('get', { hash: target, salt })).v, 'one', 'got from ours')
      checkEqual((await second.get(target, get)).v.toString(), 'one', 'got by theirs')
      checkEqual(await one.ask('put', signed(owner, { v: 'two', seq: 2, salt })), target, 'put on ours')
      await read('two', 2)
      const third = { ...owner, v: Buffer.from('three'), seq: 3, cas: 2, ...get }
      checkEqual((await second.put(third)).stored, 3, 'put by theirs that knows what is there')
      checkEqual(await two.ask('put', signed(owner, { v: 'four', seq: 4, cas: 3, salt })), target, 'put on ours')
      await read('four', 4)
    })
    await test(`a ${what}: both refuse an old number and a wrong cas`, async () => {
      const owner = newOwner()
      const target = targetOf(owner, salt).toString('hex')
      checkEqual(await one.ask('put', signed(owner, { v: 'five', seq: 5, salt })), target, 'put on ours')
      const item = { ...owner, v: Buffer.from('x'), ...get }
      checkEqual(await first.refusal({ ...item, seq: 4 }), `302 ${kOld}`, 'to theirs, older')
      checkEqual(await first.refusal({ ...item, seq: 6, cas: 4 }), `301 ${kMismatch}`, 'to theirs, wrong cas')
      for (const port of ports) {
        const { r } = await ask(port, 'get', { target: Buffer.from(target, 'hex') })
        const put = (number, more) => ask(port, 'put', {
          token: r.token, v: 'x', k: owner.k, seq: number, salt, ...more,
          sig: Buffer.from(signed(owner, { v: 'x', seq: number, salt }).sig, 'hex')
        })
        checkEqual((await put(4)).e[0], 302, `code of port ${port} for an older one`)
        checkEqual((await put(6, { cas: 4 })).e[0], 301, `code of port ${port} for a wrong cas`)
      }
      for (const grape of ours) checkEqual((await grape.ask('get', { hash: target, salt })).v, 'five', 'still there')
    })
  }
  await test('a forged signature is refused by all', async () => {
    const owner = newOwner()
    const other = newOwner()
    const item = { ...signed(other, { v: 'x', seq: 1 }), k: owner.k.toString('hex') }
    checkEqual(await one.ask('put', item), 'invalid signature', 'ours')
    const forged = { k: owner.k, sign: other.sign, v: Buffer.from('x'), seq: 1 }
    checkEqual(await first.refusal(forged), 'All queries failed', 'theirs')
    checkEqual(await second.get(targetOf(owner)), null, 'got by theirs')
  })
  await test('a new grape of ours, without items, passes on why theirs and ours refuse', async () => {
    const owner = newOwner()
    const target = await one.ask('put', signed(owner, { v: 'five', seq: 5 }))
    const newcomer = await startGrape('ours', { bootstrap: [first.address] })
    await newcomer.event('ready')
    checkEqual(await newcomer.ask('put', signed(owner, { v: 'x', seq: 4 })), kOld, 'an older one')
    checkEqual(await newcomer.ask('put', signed(owner, { v: 'x', seq: 6, cas: 4 })), kMismatch, 'a wrong cas')
    checkEqual(await newcomer.ask('put', signed(owner, { v: 'six', seq: 6, cas: 5 })), target, 'the right cas')
    checkEqual((await one.ask('get', target)).v, 'six', 'got from ours')
    checkEqual(await newcomer.stop(), 0, 'exit code')
  })

  socket.close()
  await Promise.all([stopAll(ours), ...theirs.map(node => node.stop())])
})
