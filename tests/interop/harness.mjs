// Runs real processes against each other: free ports, waiting for what they report, a table at the end, nothing left
// running. Exit code 0: all cases passed; 1: one failed; 77: not possible here, with the reason.
//
// Environment: INTEROP_MODULES folder with the installed packages; GRAPE_BIN, RPC_ECHO_BIN, RPC_CALL_BIN our
// programs; INTEROP_OURS=node puts Node's programs in the place of ours, which tests this harness itself.
import { spawn } from 'node:child_process'
import dgram from 'node:dgram'
import fs from 'node:fs'
import http from 'node:http'
import { createRequire } from 'node:module'
import net from 'node:net'
import path from 'node:path'
import readline from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = path.dirname(fileURLToPath(import.meta.url))
const modules = path.resolve(process.env.INTEROP_MODULES || here)
export const standIn = process.env.INTEROP_OURS === 'node'

const kWaitMsMax = 20000 // for one condition; a grape that misses its bootstrap needs 2 s
const kSuiteMsMax = Number(process.env.INTEROP_TIMEOUT_MS || 110000)

export function skip (reason) {
  console.log(`SKIPPED: ${reason}`)
  process.exit(77)
}

if (!fs.existsSync(path.join(modules, 'node_modules', '.complete'))) {
  skip('the Node packages are not installed; the test interop.packages says why')
}

/// Loads a package of the real peers.
export function load (name) {
  return createRequire(path.join(modules, 'package.json'))(name)
}

/// The same for a package that is an ECMAScript module; `entry` is the file that it exports.
export async function loadModule (name, entry) {
  return await import(pathToFileURL(path.join(modules, 'node_modules', name, entry)))
}

export function check (condition, message) {
  if (!condition) throw new Error(message)
}

export function checkEqual (actual, expected, message) {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)]
  check(a === b, `${message}: expected ${shorten(b)}, got ${shorten(a)}`)
}

function shorten (text) {
  return String(text).length > 300 ? `${String(text).slice(0, 300)}… (${String(text).length} characters)` : text
}

// processes

const children = new Set()
process.on('exit', () => { for (const child of children) child.kill('SIGKILL') })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

/// A running program and the events it reports as JSON lines on stderr or stdout.
export class Program {
  constructor (name, command, args) {
    this.name = name
    this.events = []
    this.output = []
    this.waiters = new Set()
    this.child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, INTEROP_MODULES: modules }
    })
    children.add(this.child)
    this.ended = new Promise(resolve => {
      const end = what => {
        children.delete(this.child)
        this.exit ??= what
        resolve(what)
        this.wake()
      }
      this.child.on('error', error => end(error.message))
      this.child.on('close', (code, signal) => end(signal || code))
    })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      readline.createInterface({ input: stream }).on('line', line => this.read(line))
    }
  }

  read (line) {
    this.output.push(line)
    try {
      const event = JSON.parse(line)
      if (event && typeof event.event === 'string') this.events.push(event)
    } catch (error) {
      // Not an event: kept for the report of a failure.
    }
    this.wake()
  }

  wake () {
    for (const waiter of [...this.waiters]) waiter()
  }

  /// The first event of that name, from the event number `since` on, for which `matches` is true.
  async event (name, matches = () => true, since = 0) {
    return await new Promise((resolve, reject) => {
      const settle = (act, value) => {
        clearTimeout(timer)
        this.waiters.delete(look)
        act(value)
      }
      const look = () => {
        const found = this.events.slice(since).find(event => event.event === name && matches(event))
        if (found) settle(resolve, found)
        else if (this.exit !== undefined) settle(reject, this.failure(`ended (${this.exit}) without reporting ${name}`))
      }
      const timer = setTimeout(() => settle(reject, this.failure(`did not report ${name}`)), kWaitMsMax)
      this.waiters.add(look)
      look()
    })
  }

  failure (what) {
    return new Error(`${this.name} ${what}\n    ${this.output.slice(-8).map(shorten).join('\n    ')}`)
  }

  async stop () {
    if (this.exit === undefined) this.child.kill('SIGTERM')
    const hard = setTimeout(() => this.child.kill('SIGKILL'), 5000)
    await this.ended
    clearTimeout(hard)
    return this.exit
  }
}

// ports

const taken = new Set()

function canListen (port) {
  return new Promise(resolve => {
    const tcp = net.createServer().once('error', () => resolve(false))
    tcp.listen(port, '0.0.0.0', () => tcp.close(() => {
      const udp = dgram.createSocket('udp4').once('error', () => resolve(false))
      udp.bind(port, '0.0.0.0', () => udp.close(() => resolve(true)))
    }))
  })
}

/// A port free for UDP and TCP, below those that the system hands out by itself.
export async function freePort () {
  for (;;) {
    const port = 11000 + Math.floor(Math.random() * 21000)
    if (taken.has(port) || !await canListen(port)) continue
    taken.add(port)
    return port
  }
}

// grapes

export class Grape extends Program {
  constructor (kind, command, args, dht, api) {
    super(`${kind} grape :${dht}`, command, args)
    Object.assign(this, { kind, dht, api, url: `http://127.0.0.1:${api}` })
  }

  /// Sends a body to the HTTP API as it stands; gives status and text.
  async http (route, body, method = 'POST') {
    return await httpRequest({ port: this.api, path: route, method }, body)
  }

  /// A request as Link makes it; gives the parsed answer.
  async ask (type, data) {
    const { text } = await this.http(`/${type}`, JSON.stringify({ rid: 'r', data }))
    return JSON.parse(text)
  }
}

export function httpRequest (options, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', agent: false, timeout: kWaitMsMax, ...options }, response => {
      const chunks = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString() }))
    })
    request.on('timeout', () => request.destroy(new Error('no answer')))
    request.on('error', reject)
    request.end(body ?? undefined)
  })
}

function program (kind, variable, script) {
  if (kind === 'node' || standIn) return [process.execPath, [path.join(here, 'node', script)]]
  const binary = process.env[variable]
  if (!binary || !fs.existsSync(binary)) skip(`${variable} names no program`)
  return [binary, []]
}

/// Starts a grape: `kind` is 'node' or 'ours'. Resolves when its HTTP API listens.
export async function startGrape (kind, { bootstrap = [], flags = [], dht, api } = {}) {
  dht ??= await freePort()
  api ??= await freePort()
  const [command, args] = program(kind, 'GRAPE_BIN', 'grape.cjs')
  const log = kind === 'ours' && !standIn ? ['--log-format', 'json', '--log-level', 'debug'] : []
  const grape = new Grape(kind, command, [...args, '--dp', dht, '--aph', api, '--bn', bootstrap.join(','),
    '-b', '127.0.0.1', ...flags, ...log], dht, api)
  await grape.event('listening')
  await grape.event('api_listening')
  return grape
}

/// Starts one grape of each kind named; each has all others as bootstrap. Resolves when each knows another one.
export async function startNetwork (kinds, options = {}) {
  const ports = []
  for (const _ of kinds) ports.push(await freePort())
  const starting = kinds.map((kind, i) => startGrape(kind, {
    ...options,
    dht: ports[i],
    bootstrap: ports.filter(port => port !== ports[i]).map(port => `127.0.0.1:${port}`)
  }))
  const grapes = await Promise.all(starting)
  await Promise.all(grapes.map(async grape => {
    await grape.event('ready')
    await grape.event('node')
  }))
  return grapes
}

// RPC programs

/// Starts an echo server of that kind under a service name.
export async function startEchoServer (kind, grape, name) {
  const [command, args] = program(kind, 'RPC_ECHO_BIN', 'rpc_echo_server.cjs')
  const server = new Program(`${kind} echo server`, command, [...args, '--grape', grape.url, '--name', name])
  await server.event('ready')
  return server
}

/// Calls a service with a client of that kind; gives {result} or {error}.
export async function callService (kind, grape, name, payload, { gzip = false } = {}) {
  const [command, args] = program(kind, 'RPC_CALL_BIN', 'rpc_call.cjs')
  const client = new Program(`${kind} client`, command,
    [...args, '--grape', grape.url, ...(gzip ? ['--gzip'] : []), name, '-'])
  client.child.stdin.on('error', () => {})
  client.child.stdin.end(JSON.stringify(payload))
  await client.ended
  const line = client.output.find(text => text.startsWith('{"result"') || text.startsWith('{"error"'))
  if (line === undefined) throw client.failure(`printed no result (exit ${client.exit})`)
  const answer = JSON.parse(line)
  checkEqual(client.exit, 'error' in answer ? 1 : 0, 'exit code of the client')
  return answer
}

export async function stopAll (programs) {
  await Promise.all(programs.map(program => program.stop()))
}

// suites

/// Runs `body(test)`, where `test(label, run)` is one case; prints the table and ends the process.
export async function suite (title, body) {
  const rows = []
  let current = 'start'
  const timer = setTimeout(() => {
    rows.push({ label: current, passed: false, note: `took longer than ${kSuiteMsMax} ms` })
    finish()
  }, kSuiteMsMax)
  const finish = () => {
    clearTimeout(timer)
    const failed = rows.filter(row => !row.passed && !row.skipped)
    console.log(`\n${title}${standIn ? " (Node's own programs in the place of ours)" : ''}`)
    for (const { label, passed, skipped, ms } of rows) {
      const word = skipped ? 'not yet' : passed ? 'ok     ' : 'FAILED '
      console.log(`  ${word} ${label}${ms === undefined ? '' : ` (${ms} ms)`}`)
    }
    for (const { label, note } of failed) console.log(`\n${label}\n    ${note}`)
    const passed = rows.filter(row => row.passed).length
    console.log(`${passed} passed, ${failed.length} failed, ${rows.length - passed - failed.length} not yet`)
    process.exit(failed.length > 0 || rows.length === 0 ? 1 : 0)
  }
  const test = async (label, run) => {
    current = label
    const start = Date.now()
    try {
      await run()
      rows.push({ label, passed: true, ms: Date.now() - start })
    } catch (error) {
      rows.push({ label, passed: false, ms: Date.now() - start, note: error.message })
    }
  }
  test.notYet = label => rows.push({ label, skipped: true })
  try {
    await body(test)
  } catch (error) {
    rows.push({ label: current, passed: false, note: error.stack })
  }
  finish()
}
