// Node.js' Link with our grapes.
import { check, checkEqual, load, startNetwork, stopAll, suite } from './harness.mjs'

const Link = load('grenache-nodejs-link')

// Calls a method of Link that takes a callback; returns a promise.
const call = (link, method, ...args) => new Promise((resolve, reject) => {
  link[method](...args, (error, result) => error ? reject(error) : resolve(result))
})

await suite('Link', async test => {
  const grapes = await startNetwork(['ours', 'ours'])
  const link = new Link({ grape: grapes[0].url })
  link.start()

  await test('announce, then lookup', async () => {
    checkEqual(await call(link, 'announce', 'rpc_test', 1337, {}), 1, 'answer to announce')
    checkEqual(await call(link, 'lookup', 'rpc_test', {}), ['127.0.0.1:1337'], 'found')
  })
  await test('lookup of an unknown name is ERR_GRAPE_LOOKUP_EMPTY', async () => {
    const message = await call(link, 'lookup', 'nobody', {}).then(() => 'found', error => error.message)
    checkEqual(message, 'ERR_GRAPE_LOOKUP_EMPTY', 'error')
  })
  await test('many lookups of one name at once agree', async () => {
    const links = Array.from({ length: 20 }, () => new Link({ grape: grapes[1].url }).start())
    const all = await Promise.all(links.map(each => call(each, 'lookup', 'rpc_test', {})))
    for (const found of all) checkEqual(found, ['127.0.0.1:1337'], 'found')
    links.forEach(each => each.stop())
  })
  await test('startAnnouncing repeats, stopAnnouncing ends it', async () => {
    let rounds = 0
    const announce = link.announce.bind(link)
    link.announce = (...args) => {
      rounds++
      announce(...args)
    }
    const third = new Promise(resolve => {
      const post = link._post.bind(link)
      link._post = (url, data, opts, cb) => post(url, data, opts, (error, answer) => {
        cb(error, answer)
        if (rounds === 3) resolve(answer)
      })
    })
    await call(link, 'startAnnouncing', 'repeated', 1400, { interval: 50 })
    checkEqual(await third, 1, 'answer to the third announcement')
    checkEqual(await call(link, 'lookup', 'repeated', {}), ['127.0.0.1:1400'], 'found')
    link.stopAnnouncing('repeated', 1400)
    check(link._announces.size === 0, 'still announcing')
    await grapes[1].event('announce', event => event.name === 'repeated')
  })
  link.stop()
  await stopAll(grapes)
})
