// Datagrams, each of which ends a real grape, and other nonsense: ours goes on answering.
import dgram from 'node:dgram'

import { checkEqual, skip, standIn, startGrape, stopAll, suite } from './harness.mjs'

if (standIn) skip('Node\'s grape does not survive this')

const id = 'aaaaaaaaaaaaaaaaaaaa'
const query = (name, args, t = 'aa') => `d1:ad2:id20:${id}${args}e1:q${name.length}:${name}1:t2:${t}1:y1:qe`

const killers = {
  'a query without anything': 'd1:y1:qe',
  'find_node with an integer target': query('find_node', '6:targeti1e'),
  'get_peers with an integer info_hash': query('get_peers', '9:info_hashi1e'),
  'get with an integer target': query('get', '6:targeti1e'),
  'announce_peer with an integer token': query('announce_peer', `9:info_hash20:${id}4:porti1e5:tokeni1e`),
  'put with an integer token': query('put', '5:tokeni1e1:v1:x'),
  'a reply with an integer id': 'd1:rd2:idi1ee1:t2:aa1:y1:re'
}
const nonsense = {
  'an empty datagram': '',
  'a lone d': 'd',
  'a number': 'i5e',
  'an open list, very deep': 'l'.repeat(1400),
  'an open dictionary, very deep': 'd1:a'.repeat(350),
  'a string longer than the datagram': '99999999999999999999:a',
  'a negative length': '-1:a',
  'cut in the middle': query('ping', '').slice(0, -9),
  'a query whose arguments are a list': 'd1:ale1:q4:ping1:t2:aa1:y1:qe',
  'a query name that is a number': `d1:ad2:id20:${id}e1:qi1e1:t2:aa1:y1:qe`,
  'an id of 19 bytes': `d1:ad2:id19:${id.slice(1)}e1:q4:ping1:t2:aa1:y1:qe`,
  'a reply nobody asked for': `d1:rd2:id20:${id}5:nodes26:${'n'.repeat(26)}e1:t2:zz1:y1:re`,
  'nodes of a wrong length': `d1:rd2:id20:${id}5:nodes7:nnnnnnne1:t2:zz1:y1:re`,
  'an error that is a string': 'd1:e3:bad1:t2:aa1:y1:ee',
  'a transaction id that is a list': `d1:ad2:id20:${id}e1:q4:ping1:tle1:y1:qe`,
  'a transaction id of 500 bytes': `d1:ad2:id20:${id}e1:q4:ping1:t500:${'t'.repeat(500)}1:y1:qe`,
  'an announcement of port 65536': query('announce_peer', `9:info_hash20:${id}4:porti65536e5:token1:x`),
  'an announcement of port -1': query('announce_peer', `9:info_hash20:${id}4:porti-1e5:token1:x`),
  'an enormous integer': query('announce_peer', `9:info_hash20:${id}4:porti${'9'.repeat(60)}e5:token1:x`),
  '65507 bytes': 'x'.repeat(65507)
}

// Asks until an answer comes, as UDP may drop, or the grape ends.
function ping (socket, grape, transaction) {
  return new Promise((resolve, reject) => {
    const send = () => socket.send(Buffer.from(query('ping', '', transaction), 'latin1'), grape.dht, '127.0.0.1')
    const again = setInterval(send, 500)
    const end = (act, value) => {
      clearInterval(again)
      clearTimeout(limit)
      socket.off('message', read)
      act(value)
    }
    const limit = setTimeout(() => end(reject, new Error('does not answer a ping any more')), 5000)
    const read = message => {
      const text = message.toString('latin1')
      if (text.includes(`1:t2:${transaction}`) && text.includes('1:y1:r')) end(resolve, text)
    }
    grape.ended.then(exit => end(reject, new Error(`the grape ended: ${exit}`)))
    socket.on('message', read)
    send()
  })
}

await suite('Hostile datagrams', async test => {
  const grape = await startGrape('ours')
  const socket = dgram.createSocket('udp4')
  let transaction = 0x2130
  for (const [what, datagram] of Object.entries({ ...killers, ...nonsense })) {
    await test(what, async () => {
      socket.send(Buffer.from(datagram, 'latin1'), grape.dht, '127.0.0.1')
      await ping(socket, grape, String.fromCharCode(transaction >> 8, transaction++ & 0xff))
    })
  }
  await test('announce of a number over HTTP, then get', async () => {
    await grape.http('/announce', '{"data":[123,1200]}')
    await grape.http('/get', '{"data":"zzzz"}')
    checkEqual(await grape.ask('lookup', 'nobody'), [], 'a lookup afterwards')
  })
  await test('it still announces, and stops cleanly when asked', async () => {
    await grape.ask('announce', ['after', 1500])
    checkEqual(await grape.ask('lookup', 'after'), ['127.0.0.1:1500'], 'found')
    checkEqual(await grape.stop(), 0, 'exit code')
    await grape.event('stopped')
  })
  socket.close()
  await stopAll([grape])
})
