// Reads Lightning invoices (BOLT 11), independently of our implementation.
import { createHash, ECDH, createPublicKey, verify } from 'node:crypto'

import { check } from './harness.mjs'

const kCharset = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const kChecksumWords = 6
const kSignatureWords = 104
const kTimestampWords = 7
const kMsatOfUnit = { '': 100_000_000_000n, m: 100_000_000n, u: 100_000n, n: 100n }

function hasValidChecksum (prefix, words) {
  const generator = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]
  const codes = [...prefix].map(c => c.charCodeAt(0))
  let sum = 1
  for (const value of [...codes.map(c => c >> 5), 0, ...codes.map(c => c & 31), ...words]) {
    const top = sum >>> 25
    sum = ((sum & 0x1ffffff) << 5) ^ value
    generator.forEach((each, i) => { if ((top >> i) & 1) sum ^= each })
  }
  return sum === 1
}

const numberOf = words => words.reduce((sum, word) => sum * 32 + word, 0)

function bytesOf (words, pad = false) {
  const bits = words.map(word => word.toString(2).padStart(5, '0')).join('')
  const size = pad ? Math.ceil(bits.length / 8) : Math.floor(bits.length / 8)
  return Buffer.from(Array.from({ length: size }, (_, i) => parseInt(bits.slice(8 * i, 8 * i + 8).padEnd(8, '0'), 2)))
}

function keyOf (hex) {
  const point = ECDH.convertKey(hex, 'secp256k1', 'hex', undefined, 'uncompressed')
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map(half => half.toString('base64url'))
  return createPublicKey({ key: { kty: 'EC', crv: 'secp256k1', x, y }, format: 'jwk' })
}

/// Returns {network, msat, timestamp, expiry, description, paymentHash} of an invoice that must be signed by the peer with
/// that id; times are in seconds. Throws an error that names what is wrong.
export function readInvoice (text, peerId) {
  const end = text.lastIndexOf('1')
  const [prefix, data] = [text.slice(0, end), text.slice(end + 1)]
  const words = [...data].map(c => kCharset.indexOf(c))
  check(!words.includes(-1) && hasValidChecksum(prefix, words), `no bech32 text: ${text}`)
  const [, network, amount, unit] = prefix.match(/^(lnbcrt|lntb|lnbc)(\d+)([munp]?)$/) ?? []
  check(unit in kMsatOfUnit, `amount of ${prefix}`)
  const signed = words.slice(0, -kChecksumWords - kSignatureWords)
  const signature = bytesOf(words.slice(-kChecksumWords - kSignatureWords, -kChecksumWords)).subarray(0, 64)
  const key = { key: keyOf(peerId), dsaEncoding: 'ieee-p1363' }
  check(verify('sha256', Buffer.concat([Buffer.from(prefix), bytesOf(signed, true)]), key, signature),
    `the invoice is not signed by ${peerId}`)

  const fields = {}
  for (let rest = signed.slice(kTimestampWords); rest.length > 0;) {
    const size = 3 + rest[1] * 32 + rest[2]
    fields[kCharset[rest[0]]] = rest.slice(3, size)
    rest = rest.slice(size)
  }
  return {
    network,
    msat: BigInt(amount) * kMsatOfUnit[unit],
    timestamp: numberOf(signed.slice(0, kTimestampWords)),
    expiry: numberOf(fields.x),
    description: bytesOf(fields.d).toString(),
    paymentHash: bytesOf(fields.p).toString('hex')
  }
}

export const sha256Hex = hex => createHash('sha256').update(Buffer.from(hex, 'hex')).digest('hex')
