// Writes agreement.json: what ethers, @scure/bip39, @scure/bip32 and
// micro-key-producer make of random input, always the same. To run it again:
//   npm install ethers@6.17.0 @scure/bip39@2.4.0 @scure/bip32@2.4.0 micro-key-producer@0.8.6
//   node agreement.mjs > agreement.json
import { createHash } from 'node:crypto'
import { HDKey as Secp256k1Key } from '@scure/bip32'
import { entropyToMnemonic, mnemonicToSeedSync } from '@scure/bip39'
import { HDKey as Ed25519Key } from 'micro-key-producer/slip10.js'
import { SigningKey, TypedDataEncoder, Wallet, hashMessage, hexlify } from 'ethers'

const lists = {
  english: 'english', japanese: 'japanese', korean: 'korean', spanish: 'spanish', chinese_simplified: 'simplified-chinese',
  chinese_traditional: 'traditional-chinese', french: 'french', italian: 'italian', czech: 'czech',
}
for (const [name, file] of Object.entries(lists)) lists[name] = (await import(`@scure/bip39/wordlists/${file}.js`)).wordlist

let counter = 0
let pool = Buffer.alloc(0)
function bytes (n) {
  while (pool.length < n) pool = Buffer.concat([pool, createHash('sha512').update(`alknet agreement ${counter++}`).digest()])
  const out = Uint8Array.from(pool.subarray(0, n))
  pool = pool.subarray(n)
  return out
}
const below = n => Number(new DataView(bytes(8).buffer).getBigUint64(0) % BigInt(n))
const pick = list => list[below(list.length)]
const hex = b => Buffer.from(b).toString('hex')
const texts = ['', 'TREZOR', 'pass phrase', 'café', 'ﬁne', 'パスワード', 'ｆｕｌｌ', '한글', '🔐', 'Å', '10 000 €']

function randomPath (hardenedOnly) {
  let path = 'm'
  for (let n = below(6); n > 0; n--) path += `/${pick([below(10), below(2 ** 31)])}${hardenedOnly || below(2) ? "'" : ''}`
  return path
}

const derivations = []
for (let i = 0; i < 126; i++) {
  const list = Object.keys(lists)[i % 9]
  const mnemonic = entropyToMnemonic(bytes(16 + 4 * below(5)), lists[list])
  const passphrase = pick(texts)
  const seed = mnemonicToSeedSync(mnemonic, passphrase)
  const edPath = randomPath(true)
  const ed = Ed25519Key.fromMasterSeed(seed).derive(edPath)
  const path = randomPath(false)
  const key = Secp256k1Key.fromMasterSeed(seed).derive(path)
  const wallet = new Wallet(hexlify(key.privateKey))
  const message = bytes(below(200))
  const digest = bytes(32)
  derivations.push({
    list, mnemonic, passphrase, seed: hex(seed),
    ed25519: { path: edPath, private: hex(ed.privateKey), public: hex(ed.publicKeyRaw) },
    secp256k1: {
      path, private: hex(key.privateKey), public: hex(key.publicKey), address: wallet.address,
      message: hex(message), signature: wallet.signMessageSync(message), messageDigest: hashMessage(message).slice(2),
      digest: hex(digest), digestSignature: new SigningKey(hexlify(key.privateKey)).sign(digest).serialized,
    },
  })
}

// Random typed data: up to five struct types, each of which may hold those after it.
function randomTypedData () {
  const count = 1 + below(5)
  const types = {}
  for (let i = 0; i < count; i++) {
    types[`Type${i}`] = Array.from({ length: below(6) }, (_, j) => {
      let type = pick(['bool', 'address', 'string', 'bytes', 'bytes1', 'bytes20', 'bytes32', 'uint8', 'uint64', 'uint256', 'int8', 'int128', 'int256'])
      if (i + 1 < count && below(2)) type = `Type${i + 1}`
      for (let n = pick([0, 0, 0, 1, 2]); n > 0; n--) type += pick(['[]', '[2]', '[3]'])
      return { name: `${pick(['a', 'Value', '_x', '$y'])}${j}`, type }
    })
  }
  // Every type is used by the one before it: ethers wants one root.
  for (let i = 0; i + 1 < count; i++) if (!types[`Type${i}`].some(f => f.type.startsWith(`Type${i + 1}`))) types[`Type${i}`].push({ name: 'next', type: `Type${i + 1}` })
  const domain = {}
  if (below(2)) domain.name = pick(texts)
  if (below(2)) domain.version = '1'
  if (below(2)) domain.chainId = below(2 ** 40)
  if (below(2)) domain.verifyingContract = address()
  if (below(2)) domain.salt = hexlify(bytes(32))
  return { types, primaryType: 'Type0', domain, message: valueOf('Type0', types) }
}
const address = () => pick([a => a, a => a.toLowerCase()])(new Wallet(hexlify(bytes(32))).address)

function valueOf (type, types) {
  const array = type.match(/^(.*)\[(\d*)\]$/)
  if (array) return Array.from({ length: array[2] === '' ? below(4) : Number(array[2]) }, () => valueOf(array[1], types))
  if (types[type]) return Object.fromEntries(types[type].map(f => [f.name, valueOf(f.type, types)]))
  if (type === 'bool') return below(2) === 1
  if (type === 'address') return address()
  if (type === 'string') return pick(texts)
  if (type === 'bytes') return hexlify(bytes(below(80)))
  if (type.startsWith('bytes')) return hexlify(bytes(Number(type.slice(5))))
  const signed = type.startsWith('int')
  const bits = Number(type.slice(signed ? 3 : 4))
  const raw = BigInt(hexlify(bytes(bits / 8)))
  const value = signed ? BigInt.asIntN(bits, raw) : raw
  const small = value >= -(2n ** 53n) && value <= 2n ** 53n
  return pick([value.toString(), small ? Number(value) : value.toString(), value < 0n ? value.toString() : `0x${value.toString(16)}`])
}

const typedData = []
while (typedData.length < 120) {
  const data = randomTypedData()
  if (JSON.stringify(data).length > 1500) continue
  typedData.push({ data, digest: TypedDataEncoder.hash(data.domain, data.types, data.message).slice(2) })
}
// One value a line, so that a difference can be read.
const lines = list => '[\n' + list.map(v => JSON.stringify(v)).join(',\n') + '\n]'
process.stdout.write(`{"derivations":${lines(derivations)},\n"typedData":${lines(typedData)}}\n`)
