// Runs real processes against each other on free ports, waits for the events that they report, prints a table at the
// end, and leaves nothing running. Exit code 0: all cases passed; 1: one failed; 77: skipped, with the reason.
//
// Environment: INTEROP_MODULES folder with the installed packages; GRAPE_BIN, EXCHANGE_BIN, RPC_ECHO_SERVER_BIN,
// RPC_CALL_BIN, RPC_PUB_BIN, RPC_SUB_BIN our programs; INTEROP_OURS=node replaces ours by Node.js' programs, which tests this harness itself.
import { spawn, spawnSync } from 'node:child_process'
import dgram from 'node:dgram'
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import { createRequire } from 'node:module'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import readline from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = path.dirname(fileURLToPath(import.meta.url))
const modules = path.resolve(process.env.INTEROP_MODULES || here)
export const standIn = process.env.INTEROP_OURS === 'node'

// Limits that end a hanging test, far longer than any wait on a slow machine.
const kWaitMsMax = 1000 * Number(process.env.GRENACHE_TEST_LIMIT_S || 120) // for one condition
const kSuiteMsMax = Number(process.env.INTEROP_TIMEOUT_MS || 580000)
const threadSanitized = (process.env.GRENACHE_SANITIZE || '').includes('thread')

export function skip (reason) {
  console.log(`SKIPPED: ${reason}`)
  process.exit(77)
}

if (!fs.existsSync(path.join(modules, 'node_modules', '.complete'))) {
  skip('the Node packages are not installed; the test interop.packages says why')
}

/// Loads an installed package.
export function load (name) {
  return createRequire(path.join(modules, 'package.json'))(name)
}

/// The same for a package that is an ECMAScript module; `entry` is the file that it exports.
export async function loadModule (name, entry) {
  return await import(pathToFileURL(path.join(modules, 'node_modules', name, entry)))
}

/// The path of a file of an installed package.
export function packageFile (name) {
  return path.join(modules, 'node_modules', name)
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

/// A running program, with the events that it reports as JSON lines on stderr or stdout.
export class Program {
  constructor (name, command, args, env = {}) {
    this.name = name
    this.events = []
    this.answers = new Map()
    this.output = []
    this.waiters = new Set()
    this.child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, INTEROP_MODULES: modules, ...env }
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
      const value = JSON.parse(line)
      if (typeof value?.event === 'string') this.events.push(value)
      if (value?.id !== undefined) this.answers.set(value.id, value)
    } catch (error) {
      // Not an event; kept in `output` for the message of a failure.
    }
    this.wake()
  }

  wake () {
    for (const waiter of [...this.waiters]) waiter()
  }

  /// Waits until `look` returns something else than undefined, and returns that.
  async until (what, look) {
    return await new Promise((resolve, reject) => {
      const settle = (act, value) => {
        clearTimeout(timer)
        this.waiters.delete(again)
        act(value)
      }
      const again = () => {
        const found = look()
        if (found !== undefined) settle(resolve, found)
        else if (this.exit !== undefined) settle(reject, this.failure(`ended (${this.exit}) without reporting ${what}`))
      }
      const timer = setTimeout(() => settle(reject, this.failure(`did not report ${what}`)), kWaitMsMax)
      this.waiters.add(again)
      again()
    })
  }

  /// Waits for the first event of that name, from index `since` on, for which `matches` is true.
  async event (name, matches = () => true, since = 0) {
    return await this.until(name, () => this.events.slice(since).find(event => event.event === name && matches(event)))
  }

  /// Waits for the line that answers the call with that id.
  async answer (id) {
    const found = await this.until(`the answer ${id}`, () => this.answers.get(id))
    this.answers.delete(id)
    return found
  }

  failure (what) {
    return new Error(`${this.name} ${what}\n    ${this.output.slice(-8).map(shorten).join('\n    ')}`)
  }

  /// Ends it like a crash.
  async kill () {
    this.killed = true
    this.child.kill('SIGKILL')
    await this.ended
  }

  async stop () {
    if (this.exit === undefined) this.child.kill('SIGTERM')
    const hard = setTimeout(() => this.child.kill('SIGKILL'), kWaitMsMax)
    const look = threadSanitized ? this.repeatLostSignal() : undefined
    await this.ended
    clearTimeout(hard)
    clearInterval(look)
    return this.exit
  }

  /// Sends SIGTERM once more when the program has used no CPU time for a second. ThreadSanitizer may hold a signal back
  /// that arrives shortly before the program starts to wait, and delivers it only after that wait.
  repeatLostSignal () {
    let used
    const look = setInterval(() => {
      const before = used
      used = cpuTicks(this.child.pid)
      if (used !== before || used === undefined) return
      clearInterval(look)
      this.child.kill('SIGTERM')
    }, 1000)
    return look
  }
}

function cpuTicks (pid) {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(fields[11]) + Number(fields[12])
  } catch (error) {
    return undefined // it has ended
  }
}

// ports

/// Returns a TCP port that refuses connections, and that is not assigned to anyone as long as this process runs: the
/// client's port of an open connection.
export async function refusingPort () {
  const server = net.createServer(() => {}).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = net.connect(server.address().port, '127.0.0.1')
  await once(client, 'connect')
  return client.localPort
}

// grapes

export class Grape extends Program {
  constructor (kind, command, args) {
    super(`${kind} grape`, command, args)
    this.kind = kind
  }

  /// Waits until it listens, and sets `dht`, `api` and `url`.
  async listening () {
    this.dht = (await this.event('listening')).port
    this.api = (await this.event('api_listening')).port
    this.name += ` :${this.dht}`
    this.url = `http://127.0.0.1:${this.api}`
    return this
  }

  /// Sends `body` unchanged to the HTTP API; returns status and text.
  async http (route, body, method = 'POST') {
    return await httpRequest({ port: this.api, path: route, method }, body)
  }

  /// Sends a request like Link's; returns the parsed answer.
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

/// Returns command and arguments of that program of Node.js, or of ours. Without ours the test is skipped.
export function program (kind, variable, script) {
  if (kind === 'node' || standIn) return [process.execPath, [path.join(here, 'node', script)]]
  const binary = process.env[variable]
  if (!binary || !fs.existsSync(binary)) skip(`${variable} names no program`)
  return [binary, []]
}

function launchGrape (kind, { bootstrap = [], flags = [], dht = 0 }) {
  const [command, args] = program(kind, 'GRAPE_BIN', 'grape.cjs')
  const log = kind === 'ours' && !standIn ? ['--log-format', 'json', '--log-level', 'debug'] : []
  return new Grape(kind, command, [...args, '--dp', dht, '--aph', 0, '--bn', bootstrap.join(','), '-b', '127.0.0.1',
    ...flags, ...log])
}

/// Starts a grape on free ports: `kind` is 'node' or 'ours'. Resolves when its HTTP API listens.
export async function startGrape (kind, options = {}) {
  return await launchGrape(kind, options).listening()
}

async function known (grapes) {
  await Promise.all(grapes.map(async grape => {
    await grape.event('ready')
    await grape.event('node')
  }))
  return grapes
}

/// Starts a grape of each kind in the list, with those before it as bootstrap. Resolves when each knows another one.
export async function startNetwork (kinds, options = {}) {
  const grapes = []
  for (const kind of kinds) {
    grapes.push(await startGrape(kind, { ...options, bootstrap: grapes.map(({ dht }) => `127.0.0.1:${dht}`) }))
  }
  return await known(grapes)
}

/// Starts two grapes; each has the other as its bootstrap.
export async function startCircle (kinds) {
  for (;;) {
    const holder = dgram.createSocket('udp4')
    await new Promise(resolve => holder.bind(0, '127.0.0.1', resolve))
    const { port } = holder.address()
    const first = await startGrape(kinds[0], { bootstrap: [`127.0.0.1:${port}`] })
    await new Promise(resolve => holder.close(resolve))
    const second = launchGrape(kinds[1], { bootstrap: [`127.0.0.1:${first.dht}`], dht: port })
    try {
      return await known([first, await second.listening()])
    } catch (error) {
      // A UDP port cannot be reserved for a program, so another process may have got it meanwhile.
      if (!second.output.some(line => /EADDRINUSE|in use/.test(line))) throw error
      await stopAll([first, second])
    }
  }
}

// RPC programs

/// Certificates in a temporary folder: an authority, `server` and `client` signed by it, and `foreign` signed by another
/// authority. make() returns null where openssl is missing.
export class Certificates {
  static make () {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'grenache-interop-'))
    process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
    const made = new Certificates()
    made.folder = folder
    // The configuration of the system would add extensions.
    fs.writeFileSync(made.file('config'), '[req]\ndistinguished_name=name\n[name]\n')
    const authority = name => made.sign(name, ['-addext', 'basicConstraints=critical,CA:TRUE'])
    const identity = (name, by) => made.sign(name, ['-CA', made.file(`${by}.crt`), '-CAkey', made.file(`${by}.key`),
      '-addext', 'subjectAltName=IP:127.0.0.1', '-addext', 'basicConstraints=CA:FALSE'])
    const all = authority('authority') && authority('stranger') && identity('server', 'authority') &&
      identity('client', 'authority') && identity('foreign', 'stranger')
    return all ? made : null
  }

  file (name) {
    return path.join(this.folder, name)
  }

  sign (name, more) {
    const { status } = spawnSync('openssl', ['req', '-x509', '-config', this.file('config'), '-newkey', 'ec',
      '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1', '-subj', `/CN=${name}`,
      '-keyout', this.file(`${name}.key`), '-out', this.file(`${name}.crt`), ...more])
    return status === 0
  }

  /// Returns flags for the certificate of that name; without a name, for no certificate.
  flags (name, authority = 'authority') {
    const own = name ? ['--cert', this.file(`${name}.crt`), '--key', this.file(`${name}.key`)] : []
    return [...own, '--ca', this.file(`${authority}.crt`)]
  }
}

/// Starts an RPC program of that kind.
function rpcProgram (kind, role, grape, transport, flags) {
  const variable = `RPC_${role.toUpperCase()}_BIN`
  const [command, args] = program(kind, variable, `rpc_${role}.cjs`)
  return new Program(`${kind} ${role} (${transport})`, command,
    [...args, '--grape', grape.url, '--transport', transport, ...flags])
}

/// Starts an echo server of that kind under a service name.
export async function startEchoServer (kind, grape, name, transport = 'http', flags = []) {
  const server = rpcProgram(kind, 'echo_server', grape, transport, ['--name', name, ...flags])
  await server.event('ready')
  return server
}

/// A client of that kind, for any number of calls.
export class Caller {
  constructor (kind, grape, transport = 'http', flags = []) {
    this.program = rpcProgram(kind, 'call', grape, transport, flags)
    this.program.child.stdin.on('error', () => {})
    this.count = 0
  }

  /// Returns {result} or {error}.
  async call (what) {
    const id = ++this.count
    this.program.child.stdin.write(JSON.stringify({ id, do: 'request', gzip: false, ...what }) + '\n')
    const { result, error } = await this.program.answer(id)
    return error === undefined ? { result } : { error }
  }

  get name () {
    return this.program.name
  }

  async stop () {
    return await this.program.stop()
  }
}

/// Starts a publisher of that kind; `pub(text)` publishes.
export async function startPublisher (kind, grape, name, transport = 'ws', flags = []) {
  const publisher = rpcProgram(kind, 'pub', grape, transport, ['--name', name, ...flags])
  publisher.pub = text => publisher.child.stdin.write(text + '\n')
  await publisher.event('ready')
  return publisher
}

/// Starts a subscriber of that kind. Resolves when it has a connection, ours when it has connections to `publishers`.
export async function startSubscriber (kind, grape, name, transport = 'ws', flags = [], publishers = 1) {
  const count = publishers > 1 ? ['--publishers', publishers] : []
  const subscriber = rpcProgram(kind, 'sub', grape, transport, ['--name', name, ...count, ...flags])
  subscriber.received = async text => await subscriber.event('message', message => message.text === text)
  await subscriber.event('connected')
  return subscriber
}

/// Stops them in parallel; returns their exit codes or signals.
export async function stopAll (programs) {
  return await Promise.all(programs.map(program => program.stop()))
}

// suites

/// Runs `body(test)`, where `test(label, run)` is one case; prints the table and ends the process. A case of
/// `test.cell(row, column, run)` is printed in that cell of a matrix.
export async function suite (title, body) {
  const cases = []
  let current = 'start'
  const finish = () => {
    clearTimeout(timer)
    const failed = cases.filter(each => !each.passed)
    console.log(`\n${title}${standIn ? " (with Node.js' programs instead of ours)" : ''}`)
    for (const { label, row, passed, ms } of cases) {
      if (row === undefined) console.log(`  ${passed ? 'ok    ' : 'FAILED'} ${label}${ms === undefined ? '' : ` (${ms} ms)`}`)
    }
    printMatrix(cases.filter(({ row }) => row !== undefined))
    for (const { label, note } of failed) console.log(`\n${label}\n    ${note}`)
    console.log(`${cases.length - failed.length} passed, ${failed.length} failed`)
    process.exit(failed.length > 0 || cases.length === 0 ? 1 : 0)
  }
  const timer = setTimeout(() => {
    cases.push({ label: current, passed: false, note: `took longer than ${kSuiteMsMax} ms` })
    finish()
  }, kSuiteMsMax)
  const run = async (one, act) => {
    current = one.label
    const start = Date.now()
    cases.push(one)
    try {
      await act()
      one.passed = true
    } catch (error) {
      Object.assign(one, { passed: false, note: error.message })
    }
    one.ms = Date.now() - start
  }
  const test = async (label, act) => await run({ label }, act)
  test.cell = async (row, column, act) => await run({ label: `${row}, ${column}`, row, column }, act)
  try {
    await body(test)
  } catch (error) {
    cases.push({ label: current, passed: false, note: error.stack })
  }
  finish()
}

function printMatrix (cases) {
  if (cases.length === 0) return
  const rows = [...new Set(cases.map(({ row }) => row))]
  const columns = [...new Set(cases.map(({ column }) => column))]
  const width = Math.max(...rows.map(row => row.length))
  const line = (head, cells) => console.log(`  ${head.padEnd(width)} │ ${cells.map((cell, i) => cell.padEnd(columns[i].length)).join(' │ ')}`)
  line('client > server', columns)
  for (const row of rows) {
    line(row, columns.map(column => {
      const here = cases.filter(each => each.row === row && each.column === column)
      return here.length === 0 ? '-' : here.every(({ passed }) => passed) ? 'ok' : 'FAIL'
    }))
  }
}
