// Peers of the exchange as processes: ours, with `exchange ctl`, and the stand-in for the original program.
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

import { check, Program, program } from './harness.mjs'

const kPollMs = 50
const kWaitMsMax = 1000 * Number(process.env.GRENACHE_TEST_LIMIT_S || 120)

/// Calls `look` again and again until it returns something else than undefined, and returns that.
export async function until (what, look) {
  const end = Date.now() + kWaitMsMax
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    check(Date.now() < end, `waited in vain for ${what}`)
    await new Promise(resolve => setTimeout(resolve, kPollMs))
  }
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'grenache-exchange-'))
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
let folderCount = 0

const exchangeBinary = () => program('ours', 'EXCHANGE_BIN')[0]

/// Runs `exchange` to its end; returns {code, stdout, stderr}.
export async function runExchange (...args) {
  return await new Promise(resolve => {
    execFile(exchangeBinary(), args, (error, stdout, stderr) => {
      resolve({ code: error ? error.code ?? error.signal : 0, stdout, stderr })
    })
  })
}

/// A process of `exchange` with a data folder of its own.
export class OurPeer extends Program {
  constructor (name, flags) {
    const dataDir = path.join(folder, `peer${++folderCount}`)
    super(`our peer ${name}`, exchangeBinary(),
      ['--data-dir', dataDir, '--name', name, '--log-format', 'json', ...flags])
    this.dataDir = dataDir
  }

  async ready () {
    const { port, peer_id: peerId } = await this.event('ready')
    return Object.assign(this, { port, peerId, endpoint: `127.0.0.1:${port}` })
  }

  /// Runs `exchange ctl` for this peer; returns {code, stdout, stderr}.
  async ctl (...words) {
    return await runExchange('ctl', '--data-dir', this.dataDir, ...words)
  }

  /// The same for a command that must succeed; returns what it prints.
  async tell (...words) {
    const { code, stdout, stderr } = await this.ctl(...words)
    check(code === 0, `exchange ctl ${words.join(' ')}: exit code ${code}, ${stderr}`)
    return stdout
  }

  async tellJson (...words) {
    return JSON.parse(await this.tell('--json', ...words))
  }

  async orders () {
    return (await this.tellJson('orders')).orders
  }

  /// Waits until the order is in the book, and returns it.
  async order (id, matches = () => true) {
    return await until(`order ${id} in the book of ${this.name}`, async () =>
      (await this.orders()).find(order => order.id === id && matches(order)))
  }

  /// Waits until the peer at that endpoint is known and its book was read.
  async synced (endpoint) {
    return await until(`${this.name} to read the book of ${endpoint}`, async () =>
      (await this.tellJson('peers')).peers.find(peer => peer.endpoint === endpoint && peer.isSynced))
  }
}

/// Starts our peer in the network of that grape, under that service name.
export async function startOurs (name, grape, service, ...flags) {
  return await new OurPeer(name, ['--grape', grape.url, '--service', service, ...flags]).ready()
}

/// A process of node/original_exchange.cjs; `run(do, fields)` runs one of its commands.
export class OriginalPeer extends Program {
  constructor (grape, service) {
    const [command, args] = program('node', '', 'original_exchange.cjs')
    super('original', command, [...args, '--grape', grape.url, '--name', service])
    this.child.stdin.on('error', () => {})
    this.count = 0
  }

  async ready () {
    const { port } = await this.event('ready')
    this.name += ` :${port}`
    return Object.assign(this, { port, endpoint: `127.0.0.1:${port}` })
  }

  /// Returns {result} or {error}.
  async try (what, fields = {}) {
    const id = ++this.count
    this.child.stdin.write(JSON.stringify({ id, do: what, ...fields }) + '\n')
    const { result, error } = await this.answer(id)
    return error === undefined ? { result } : { error }
  }

  /// Returns the result of a command that must succeed.
  async run (what, fields) {
    const { result, error } = await this.try(what, fields)
    check(error === undefined, `${this.name}, ${what}: ${error}`)
    return result
  }

  /// Returns the refusal that the command must get.
  async refusal (what, fields) {
    const { result, error } = await this.try(what, fields)
    check(error !== undefined, `${this.name}, ${what}: ${JSON.stringify(result)}`)
    const refusal = JSON.parse(error)
    check(refusal.type === 'ErrorMessage', error)
    return refusal
  }

  /// Waits until a command answers with a list of orders that has that one, and returns it.
  async order (id, what, fields) {
    return await until(`order ${id} in the answer to ${what} of ${this.name}`, async () =>
      (await this.run(what, fields)).find(order => order.id === id))
  }

  /// An order as its client publishes it, and as a server has it in its book.
  message (order) {
    return { type: 'AddOrderMessage', exchangeId: this.port, creatorType: 'client', createdAt: Date.now(), ...order }
  }
}

export async function startOriginal (grape, service) {
  return await new OriginalPeer(grape, service).ready()
}

/// Orders of the original.
export const buyOrder = (amountToBuy = 1) => ({ id: randomUUID(), buy: 'BTC', sell: 'USD', amountToBuy })
export const sellOrder = (amountToBuy = 1) => ({ id: randomUUID(), buy: 'USD', sell: 'BTC', amountToBuy })
