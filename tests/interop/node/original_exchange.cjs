// A stand-in for the TypeScript program whose messages `exchange` speaks: an ExchangeServer with an order book in memory
// and an ExchangeClient, over Node.js' peer libraries.
//
// Like that program it has no keys and no prices (1 BTC is 1 USD), its exchangeId is the port of its server, only orders
// of opposite sides with equal amounts match, and it forgets no order. A message is JSON text in the RPC envelope; of each
// message it keeps the members that it knows. A request that it cannot read ends the process.
//
// Each line of stdin is a command {"id","do",…}, each line of stdout an event or an answer {"id","result"} or
// {"id","error"}; commands run in parallel. `to` is host:port; without it the request is for a random peer of the DHT.
//   ping      to
//   book      to
//   sync      reads the books of all others in the DHT; the result is the number of books
//   publish   order: {id, buy, sell, amountToBuy}; to
//   matches   orderId; to
//   execute   order: one of a book; the request is for localhost and the exchangeId of the order
//   playbook  buy, sell: orders; pollMs; pollCount; to: pings, publishes `buy`, polls for its matches, publishes `sell`
//             after pollCount polls without one, and executes the first match
//   own       the orders of the own book
// For tests of bad peers:
//   send      payload, to: sends any value as the payload; the result is the answer as it came
//   keep      orders: adds any values to the own book
//   answer    type, result, orderId: from now on answers requests of that type (and with that orderId) with `result` as
//             it is
'use strict'

const readline = require('readline')
const { link, makePeer, report, values } = require('./peers.cjs')

const requestTimeoutMs = 10000
const announceIntervalMs = 1000
const invoiceLifeMs = 15 * 60 * 1000
const invoice = 'lnbc1000u1mockinvoiceoftheoriginal'

// messages

const isText = value => typeof value === 'string'
const isTime = value => Number.isSafeInteger(value) && value > 0
const headerMembers = {
  exchangeId: Number.isSafeInteger,
  creatorType: value => value === 'client' || value === 'server' || value === null,
  createdAt: isTime
}
const members = {
  PingPongMessage: { message: value => value === 'ping' || value === 'pong' },
  AddOrderMessage: {
    id: isText,
    buy: value => value === 'BTC' || value === 'USD',
    sell: value => value === 'BTC' || value === 'USD',
    amountToBuy: value => Number.isFinite(value) && value > 0
  },
  GetOrderMatchesMessage: { orderId: isText },
  GetOrderbookMessage: {},
  ExecuteOrderMessage: { orderId: isText },
  ExecuteOrderResponse: { orderId: isText, lightningInvoice: isText, exiresAt: isTime }
}

/// Returns the known members of a message; throws if one of them is missing or malformed.
function readMessage (body) {
  const checks = members[body?.type]
  if (!checks) throw new Error(`unknown message: ${JSON.stringify(body)}`)
  const message = { type: body.type }
  for (const [name, isValid] of Object.entries({ ...headerMembers, ...checks })) {
    if (!isValid(body[name])) throw new Error(`${body.type} with ${name} ${JSON.stringify(body[name])}`)
    message[name] = body[name]
  }
  return message
}

function parseText (payload) {
  if (!isText(payload)) throw new Error(`a payload that is no text: ${JSON.stringify(payload)}`)
  return JSON.parse(payload)
}

const readOrders = payload => parseText(payload).map(readMessage)

// the two halves of a peer

const isMatch = (a, b) => a.buy === b.sell && a.sell === b.buy && a.amountToBuy === b.amountToBuy

class ExchangeServer {
  constructor () {
    this.book = []
    this.fixedAnswers = []
  }

  header (creatorType) {
    return { exchangeId: this.port, creatorType, createdAt: Date.now() }
  }

  add (order) {
    if (!this.book.some(({ id }) => id === order.id)) this.book.push(order)
  }

  matches (orderId) {
    const order = this.book.find(({ id }) => id === orderId)
    return order ? this.book.filter(other => isMatch(order, other)) : []
  }

  answer (message) {
    switch (message.type) {
      case 'PingPongMessage':
        return { type: message.type, ...this.header('server'), message: 'pong' }
      case 'AddOrderMessage':
        this.add(message)
        return 'ok'
      case 'GetOrderMatchesMessage':
        return this.matches(message.orderId)
      case 'GetOrderbookMessage':
        return this.book
      case 'ExecuteOrderMessage':
        return {
          type: 'ExecuteOrderResponse',
          ...this.header('server'),
          orderId: message.orderId,
          lightningInvoice: invoice,
          exiresAt: Date.now() + invoiceLifeMs
        }
      default:
        throw new Error(`${message.type} is no request`)
    }
  }

  listen (ready) {
    const service = makePeer('PeerRPCServer', { timeout: 300000 }).transport('server')
    service.listen(0)
    service.on('request', (rid, key, payload, handler) => {
      const message = readMessage(parseText(payload))
      report('request', { message })
      const fixed = this.fixedAnswers.find(({ type, orderId }) =>
        type === message.type && (orderId === undefined || orderId === message.orderId))
      handler.reply(null, fixed ? fixed.result : JSON.stringify(this.answer(message)))
    })
    service.socket.once('listening', () => {
      this.port = service.socket.address().port
      link.startAnnouncing(values.name, this.port, { interval: announceIntervalMs }, error => {
        if (error) throw error
        ready()
      })
    })
  }
}

class ExchangeClient {
  constructor (server) {
    this.server = server
    this.peer = makePeer('PeerRPCClient', {})
  }

  /// Sends any value and returns the answer as it came.
  async send (payload, to) {
    return await new Promise((resolve, reject) => {
      const done = (error, answer) => error ? reject(error) : resolve(answer)
      const options = { timeout: requestTimeoutMs }
      if (to) this.peer.transport(to, {}).request(values.name, payload, options, done)
      else this.peer.request(values.name, payload, options, done)
    })
  }

  async request (type, fields, to) {
    return await this.send(JSON.stringify({ type, ...this.server.header('client'), ...fields }), to)
  }

  async ping (to) {
    const pong = readMessage(parseText(await this.request('PingPongMessage', { message: 'ping' }, to)))
    if (pong.message !== 'pong') throw new Error('the answer to a ping is no pong')
    return pong
  }

  async book (to) {
    return readOrders(await this.request('GetOrderbookMessage', {}, to))
  }

  async sync () {
    link.cache.lookup.clear() // which holds results for ten seconds
    const found = await new Promise((resolve, reject) => {
      link.lookup(values.name, {}, (error, result) => error ? reject(error) : resolve(result))
    })
    const others = found.filter(endpoint => !endpoint.endsWith(`:${this.server.port}`))
    for (const endpoint of others) {
      for (const order of await this.book(endpoint)) this.server.add(order)
    }
    return others.length
  }

  async publish (order, to) {
    return parseText(await this.request('AddOrderMessage', order, to))
  }

  async matches (orderId, to) {
    return readOrders(await this.request('GetOrderMatchesMessage', { orderId }, to))
  }

  async execute (order) {
    const to = `localhost:${order.exchangeId}`
    return readMessage(parseText(await this.request('ExecuteOrderMessage', { orderId: order.id }, to)))
  }

  async playbook ({ buy, sell, pollMs, pollCount, to }) {
    const pong = await this.ping(to)
    await this.publish(buy, to)
    let match
    for (let polls = 0; !match; polls++) {
      [match] = await this.matches(buy.id, to)
      if (!match && polls === pollCount) await this.publish(sell, to)
      if (!match) await new Promise(resolve => setTimeout(resolve, pollMs))
    }
    return { pong, match, response: await this.execute(match) }
  }
}

// commands

const server = new ExchangeServer()
const client = new ExchangeClient(server)

const actions = {
  ping: ({ to }) => client.ping(to),
  book: ({ to }) => client.book(to),
  sync: () => client.sync(),
  publish: ({ order, to }) => client.publish(order, to),
  matches: ({ orderId, to }) => client.matches(orderId, to),
  execute: ({ order }) => client.execute(order),
  playbook: call => client.playbook(call),
  own: () => server.book,
  send: ({ payload, to }) => client.send(payload, to),
  keep: ({ orders }) => server.book.push(...orders),
  answer: ({ type, result, orderId }) => server.fixedAnswers.unshift({ type, result, orderId })
}

server.listen(() => {
  readline.createInterface({ input: process.stdin }).on('line', async line => {
    const { id, ...call } = JSON.parse(line)
    try {
      console.log(JSON.stringify({ id, result: await actions[call.do](call) }))
    } catch (error) {
      console.log(JSON.stringify({ id, error: error.message }))
    }
  })
  report('ready', { port: server.port })
})
