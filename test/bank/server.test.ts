import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { type ServeOptions, serveBank } from '../../src/bank/server.ts'
import type { Bank } from '../../src/bank/service.ts'
import { verifyRecord } from '../../src/chain/evidence.ts'
import * as RecordProof from '../../src/chain/RecordProof.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import {
  bankPaths,
  parseBalances,
  parseBankOffer,
  parseChannelStatus,
  parseRecordAnswer,
  parseSettlement,
  signQuery,
} from '../../src/http/bank.ts'
import { bankProblemOf, type Problem } from '../../src/http/problems.ts'
import { ListenError } from '../../src/net/listen.ts'
import type { Reason } from '../../src/protocol/index.ts'
import { StoreError } from '../../src/sqlite/open.ts'
import { amount, unixSeconds } from '../../src/wire/amount.ts'
import * as Close from '../../src/wire/Close.ts'
import * as Open from '../../src/wire/Open.ts'
import type { Parsed } from '../../src/wire/parsed.ts'
import * as Record from '../../src/wire/Record.ts'
import { account, bankKey, bytesOf, frameKey, must, now, vendorKey } from '../protocol/world.ts'
import { asset, buy, claimOf, closeOf, network, openWorld, propose, rules, worldOf } from './channels.ts'
import { checkAnswer, isDocumented } from './documented.ts'
import { contents, openBank, openFundedBank, type TestBank } from './support.ts'

const running: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of running.splice(0)) await close()
})

async function served(bank: Bank, options: ServeOptions = {}): Promise<string> {
  const server = await serveBank(bank, options)
  running.push(server.close)
  return server.url
}

async function fundedAndServed(options: ServeOptions = {}): Promise<TestBank & { readonly url: string }> {
  const funded = await openFundedBank(1_000_000n, { rules: { ...rules, fundsMin: 1_000n } })
  return { ...funded, url: await served(funded.bank, options) }
}

function post(url: string, body: Uint8Array): Promise<Response> {
  return fetch(url, { method: 'POST', body: new Uint8Array(body) })
}

async function read<T>(response: Response, parse: (text: string) => Parsed<T>): Promise<T> {
  const text = await response.text()
  expect(response.headers.get('content-type')).toBe('application/json')
  const result = parse(text)
  if (!result.ok) throw new Error(`${result.detail}: ${text}`)
  return result.value
}

async function problemIn(response: Response): Promise<Problem> {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const text = await response.text()
  const problem = JSON.parse(text) as Problem
  const { pathname } = new URL(response.url)
  if (isDocumented(pathname)) checkAnswer(pathname, response, { size: text.length, text })
  expect(problem.status).toBe(response.status)
  expect(problem).toEqual(bankProblemOf(problem))
  // Neither a stack nor a path of this machine.
  expect(JSON.stringify(problem)).not.toMatch(/\.ts\b|\bat [^\s"]+:\d+|node_modules|\/tmp\//)
  return problem
}

describe('over HTTP', () => {
  test('a channel opens, closes, is recorded, and its proof is verified offline', async () => {
    const { bank, url } = await fundedAndServed()
    const offer = await read(await fetch(url + bankPaths.offer), parseBankOffer)
    expect(offer).toEqual({
      version: 1,
      bank: bankKey.publicKey,
      rules: bank.rules,
      limits: bank.limits,
      commands: bank.commandRules,
      chain: { kind: 'embedded', log: 0 },
      now,
    })

    const command = propose('one')
    const opening = await post(url + bankPaths.open, command.bytes)
    expect(opening.headers.get('content-type')).toBe('application/octet-stream')
    const answer = new Uint8Array(await opening.arrayBuffer())
    expect(answer).toHaveLength(160)
    const world = worldOf(command, answer)
    const { channelId } = world.client
    expect(await read(await fetch(url + bankPaths.channel(channelId)), parseChannelStatus)).toEqual({
      channelId,
      vendor: vendorKey.publicKey,
      asset,
      funds: 100_000n,
      openedAt: now,
      expiresAt: now + 3600n,
      deadline: now + 4200n,
      status: 'open',
    })
    expect(await problemIn(await fetch(url + bankPaths.record(channelId)))).toMatchObject({ status: 404 })

    buy(world, 7)
    const claim = claimOf(world)
    const settlement = await read(await post(url + bankPaths.close, claim), parseSettlement)
    expect(settlement).toEqual({ settled: 140n, refund: 99_860n, receipt: world.opened.receipt, basis: 'claimed' })
    expect(await read(await post(url + bankPaths.close, claim), parseSettlement)).toEqual(settlement)
    expect((await problemIn(await fetch(url + bankPaths.record(channelId)))).detail).toMatch(/queued/)

    const authorization = signQuery(vendorKey, { bank: bankKey.publicKey, validUntil: unixSeconds(now + 60n) })
    const balance = await read(
      await fetch(url + bankPaths.balance(vendorKey.publicKey), { headers: { authorization } }),
      parseBalances,
    )
    expect(balance).toEqual({
      account: vendorKey.publicKey,
      balances: new Map([
        [asset, 140n],
        ['EUR/2', 0n],
      ]),
    })

    await bank.record()
    const { record, proof } = await read(await fetch(url + bankPaths.record(channelId)), parseRecordAnswer)
    const parsed = RecordProof.parse(proof)
    if (!parsed.ok) throw new Error(parsed.detail)
    const trust = { bank: offer.bank, network }
    expect(await verifyRecord({ leaf: Record.leaf(record), proof: parsed.value, trust })).toMatchObject({ ok: true })
    expect(Record.parse(record)).toMatchObject({ value: { channelId, settled: 140n } })
  })

  test('a repeated opening gets the same bytes', async () => {
    const { url } = await fundedAndServed()
    const { bytes } = propose('one')
    const answers = await Promise.all(
      [1, 2, 3].map(async () => (await post(url + bankPaths.open, bytes)).arrayBuffer()),
    )
    expect(new Set(answers.map((answer) => Buffer.from(answer).toString('hex'))).size).toBe(1)
  })

  test('HEAD is answered like GET, without a body', async () => {
    const { url } = await fundedAndServed()
    const response = await fetch(url + bankPaths.offer, { method: 'HEAD' })
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('')
  })
})

describe('every refusal is a problem document, and stores nothing:', () => {
  const poor = Schnorr.keyPair(bytesOf('poor'))
  const doubtful = Schnorr.keyPair(bytesOf('doubtful'))
  const stranger = Schnorr.keyPair(bytesOf('stranger'))

  function openings(): readonly (readonly [Reason, Uint8Array])[] {
    const { bytes } = propose('new')
    const forged = bytes.slice()
    forged[forged.length - 1]! ^= 1
    const version2 = bytes.slice()
    version2[0] = 0x29
    return [
      ['VersionUnsupported', bytes.subarray(1)],
      ['Malformed', new Uint8Array(0)],
      ['Malformed', bytes.subarray(0, 528)],
      ['VersionUnsupported', version2],
      ['BankMismatch', propose('new', { bank: stranger.publicKey }).bytes],
      ['NetworkMismatch', propose('new', { network: 'eip155:1' }).bytes],
      ['AssetMismatch', propose('new', { asset: 'GBP/2' }).bytes],
      ['CommandExpired', propose('new', { validUntil: unixSeconds(now - 1n) }).bytes],
      ['ClockSkewed', propose('new', { openedAt: unixSeconds(now - 301n) }).bytes],
      ['LifeOutOfRange', propose('new', { graceSeconds: 1 }).bytes],
      ['FundsTooSmall', propose('new', { funds: amount(640n) }).bytes],
      ['SignatureInvalid', forged],
      ['AccountUnknown', propose('new', { client: stranger }).bytes],
      ['VendorUnknown', propose('new', { vendor: stranger.publicKey }).bytes],
      ['ReputationTooLow', propose('new', { client: doubtful }).bytes],
      ['ChannelKeyReused', propose('new', { secretsOf: 'known', funds: amount(2_000n) }).bytes],
      ['BalanceTooLow', propose('new', { client: poor }).bytes],
      ['CommandConflict', propose('new', { commandId: bytesOf('known command', 16) }).bytes],
    ]
  }

  test('of openings', async () => {
    const { bank, path, url } = await fundedAndServed()
    must(await bank.register(poor.publicKey))
    must(await bank.register(doubtful.publicKey, 50))
    must(await bank.open(propose('known').bytes))
    const before = contents(path)
    for (const [reason, body] of openings()) {
      const problem = await problemIn(await post(url + bankPaths.open, body))
      expect(problem).toMatchObject({ reason, status: bankProblemOf({ reason, detail: '' }).status })
    }
    expect(contents(path)).toEqual(before)
  })

  test('of closes', async () => {
    const { bank, path, url, setClock } = await fundedAndServed()
    const world = await openWorld(bank, 'one')
    const closed = await openWorld(bank, 'two')
    must(await bank.close(claimOf(closed)))
    buy(world, 5)
    const close = closeOf(world)
    const before = contents(path)
    const refused: readonly (readonly [Reason, Uint8Array])[] = [
      ['Malformed', new Uint8Array(0)],
      ['Malformed', new Uint8Array(Close.sizeMax).fill(0x18)],
      ['VersionUnsupported', new Uint8Array(Close.sizeMax)],
      ['ChannelUnknown', claimOf(world, { channelId: bytesOf('another') })],
      ['ChannelClosed', claimOf(closed, { evidence: { kind: 'coins', step: 0, coin: new Uint8Array(32) } })],
      ['SignatureInvalid', Close.encode(Close.sign(frameKey, close))],
      ['EvidenceInvalid', claimOf(world, { transcript: bytesOf('another') })],
      ['AmountUnproven', claimOf(world, { amount: amount(101n) })],
    ]
    for (const [reason, body] of refused) {
      const problem = await problemIn(await post(url + bankPaths.close, body))
      expect(problem).toMatchObject({ reason, status: bankProblemOf({ reason, detail: '' }).status })
    }
    expect(contents(path)).toEqual(before)
    await setClock(now + 4201n)
    expect(await problemIn(await post(url + bankPaths.close, claimOf(world)))).toMatchObject({
      reason: 'DeadlinePassed',
    })
  })

  test('of questions', async () => {
    const { url } = await fundedAndServed()
    const unknown = bytesOf('another')
    const paths = [
      [bankPaths.channel(unknown), 'ChannelUnknown'],
      [bankPaths.proofs(unknown), 'ChannelUnknown'],
      [bankPaths.proof(unknown, unknown), 'NotFound'],
      [bankPaths.record(unknown), 'ChannelUnknown'],
      [bankPaths.head('latest'), 'NotFound'],
      [bankPaths.head(1), 'NotFound'],
      ['/v1/heads/0', 'NotFound'],
      ['/v1/channels/zz', 'NotFound'],
      [`/v1/channels/${'AB'.repeat(32)}`, 'NotFound'],
      [`/v1/channels/${'ab'.repeat(33)}`, 'NotFound'],
      ['/', 'NotFound'],
      [`/${'x'.repeat(4000)}`, 'NotFound'],
      ['/v1/offer/..%2f..', 'NotFound'],
    ] as const
    for (const [path, reason] of paths) {
      expect(await problemIn(await fetch(url + path)), path).toMatchObject({ reason, status: 404 })
    }
  })

  test.each([
    [bankPaths.offer, 'POST', 'GET, HEAD'],
    [bankPaths.open, 'GET', 'POST'],
    [bankPaths.close, 'DELETE', 'POST'],
    [bankPaths.channel(bytesOf('one')), 'PUT', 'GET, HEAD'],
  ])('of methods: %s by %s', async (path, method, allow) => {
    const { url } = await fundedAndServed()
    const response = await fetch(url + path, { method })
    expect(response.headers.get('allow')).toBe(allow)
    expect(await problemIn(response)).toMatchObject({ status: 405, reason: 'MethodNotAllowed' })
  })
})

test('claims that do not hold are judged at a rate for each sender, and good ones of others go on', async () => {
  const { bank, url } = await fundedAndServed()
  const world = await openWorld(bank, 'one')
  buy(world, 1)
  const forged = Close.encode(Close.sign(frameKey, closeOf(world)))
  for (let number = 0; number < 20; number++) {
    expect(await problemIn(await post(url + bankPaths.close, forged))).toMatchObject({ reason: 'SignatureInvalid' })
  }
  expect(await problemIn(await post(url + bankPaths.close, claimOf(world)))).toMatchObject({ status: 429 })
  const elsewhere = await served(bank, { senderOf: () => 'another' })
  expect((await post(elsewhere + bankPaths.close, claimOf(world))).status).toBe(200)
})

describe('a body that is too large', () => {
  test.each([
    ['by a byte, announced', bankPaths.open, Open.size + 1],
    ['by a byte, announced', bankPaths.close, Close.sizeMax + 1],
    ['by far, announced', bankPaths.open, 400_000],
    ['on a question', bankPaths.channel(bytesOf('one')), 1],
  ])('%s, is refused: %s, %i bytes', async (_, path, size) => {
    const { url } = await fundedAndServed()
    const method = path.includes('channels') ? 'GET' : 'POST'
    const outgoing = request(url + path, { method, headers: { 'Content-Length': size } })
    outgoing.end(new Uint8Array(size))
    expect(await statusOf(outgoing)).toBe(413)
  })

  test('is refused before it is sent', async () => {
    const { url } = await fundedAndServed()
    const outgoing = request(url + bankPaths.open, { method: 'POST', headers: { 'Content-Length': 10 ** 12 } })
    outgoing.flushHeaders()
    expect(await statusOf(outgoing)).toBe(413)
    outgoing.on('error', () => undefined).destroy()
  })

  test('and never ends is cut off', async () => {
    const { url } = await fundedAndServed()
    const socket = connect(Number(new URL(url).port), '127.0.0.1').setEncoding('utf8')
    let [sent, answer] = [0, '']
    const ended = new Promise((resolve) => socket.on('error', resolve).on('close', resolve))
    socket.on('data', (text: string) => {
      answer += text
    })
    socket.write('POST /v1/open HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n')
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`
    const push = (): void => {
      while (!socket.destroyed && sent < 2 ** 28) {
        sent += chunk.length
        if (!socket.write(chunk)) return void socket.once('drain', push)
      }
    }
    push()
    await ended
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    expect(sent).toBeLessThan(2 ** 25)
  })

  test('and then comes too slowly is answered once', async () => {
    const { url } = await fundedAndServed({ requestTimeoutMs: 200 })
    const answer = await raw(url, 'POST /v1/open HTTP/1.1\r\nHost: b\r\nContent-Length: 9999\r\n\r\nabc')
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 413'])
  })

  test('stores nothing, and the bank goes on', async () => {
    const { path, url } = await fundedAndServed()
    const before = contents(path)
    expect(await problemIn(await post(url + bankPaths.open, new Uint8Array(100_000)))).toMatchObject({
      status: 413,
      reason: 'BodyTooLarge',
    })
    expect(contents(path)).toEqual(before)
    expect((await post(url + bankPaths.open, propose('one').bytes)).status).toBe(200)
  })
})

describe('a connection', () => {
  test.each([
    ['that sends its head too slowly', 'GET /v1/offer HTTP/1.1\r\nHost: b\r\n'],
    ['that sends its body too slowly', 'POST /v1/open HTTP/1.1\r\nHost: b\r\nContent-Length: 529\r\n\r\nabc'],
  ])('%s is answered 408 and closed', async (_, sent) => {
    const { url } = await fundedAndServed({ requestTimeoutMs: 200 })
    const answer = await raw(url, sent)
    expect(answer).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/)
    expect(answer).toContain('application/problem+json')
    expect(answer).toContain('"reason":"RequestTimeout"')
  })

  test('with a head that is too long is answered 431', async () => {
    const { url } = await fundedAndServed()
    const answer = await raw(url, `GET /v1/offer HTTP/1.1\r\nHost: b\r\nX: ${'x'.repeat(9000)}\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 431 /)
    expect(answer).toContain('"reason":"HeaderTooLarge"')
  })

  test.each(['nonsense\r\n\r\n', '\u0000\u0001\u0002\r\n\r\n', 'GET /v1/offer HTTP/9.9\r\n\r\n'])(
    'that speaks no HTTP is answered 400: %j',
    async (sent) => {
      const { url } = await fundedAndServed()
      const answer = await raw(url, sent)
      expect(answer).toMatch(/^HTTP\/1\.1 400 /)
      expect(answer).toContain('"reason":"Malformed"')
    },
  )

  test.each([
    ['names no host', 'GET /v1/offer HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['expects what nobody can', 'GET /v1 HTTP/1.1\r\nHost: b\r\nExpect: magic\r\nConnection: close\r\n\r\n', 404],
    ['asks for a tunnel', 'CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n', 405],
  ])('that %s is told why in a problem document', async (_, sent, status) => {
    const { url } = await fundedAndServed()
    const answer = await raw(url, sent)
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(answer).toMatch(/^content-type: application\/problem\+json\r$/im)
    expect((await fetch(url + bankPaths.offer)).status).toBe(200)
  })

  test('that breaks off in the middle of a command leaves nothing, and no complaint', async () => {
    const errors: unknown[] = []
    const { path, url } = await fundedAndServed({ onError: (error) => errors.push(error) })
    const before = contents(path)
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.write('POST /v1/open HTTP/1.1\r\nHost: b\r\nContent-Length: 529\r\n\r\nabc')
    await once(socket, 'connect')
    await new Promise((resolve) => setTimeout(resolve, 50))
    socket.destroy()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(contents(path)).toEqual(before)
    expect(errors).toEqual([])
  })
})

describe('a failure', () => {
  test.each([
    [new StoreError('/tmp/secret/bank.sqlite: The disk is full.'), 503, 'StoreUnavailable'],
    [new TypeError('cannot read properties of undefined at /tmp/x.ts:1:2'), 500, 'Internal'],
  ])('of the bank is told to its operator, not to the client: %s', async (error, status, reason) => {
    const errors: unknown[] = []
    const { bank } = openBank()
    const url = await served(
      { ...bank, status: () => Promise.reject(error) },
      { onError: (found) => errors.push(found) },
    )
    const problem = await problemIn(await fetch(url + bankPaths.channel(bytesOf('one'))))
    expect(problem).toMatchObject({ status, reason })
    expect(JSON.stringify(problem)).not.toContain(error.message)
    expect(errors).toEqual([error])
  })
})

describe('a server', () => {
  test('on a port in use says what to do', async () => {
    const { bank, url } = await fundedAndServed()
    const starting = serveBank(bank, { port: Number(new URL(url).port) })
    await expect(starting).rejects.toBeInstanceOf(ListenError)
    await expect(starting).rejects.toThrow(/in use.*another port/)
  })

  test('on an address of another machine says what to do', async () => {
    const { bank } = openBank()
    await expect(serveBank(bank, { host: '192.0.2.1' })).rejects.toThrow(/does not have the address/)
  })

  test('that closes answers what is under way, takes nothing new, and waits for no idle connection', async () => {
    const { bank } = await openFundedBank()
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const slow: Bank = { ...bank, open: (command) => held.then(() => bank.open(command)) }
    const server = await serveBank(slow)
    await (await fetch(server.url + bankPaths.offer)).text()
    const answering = post(server.url + bankPaths.open, propose('one').bytes)
    await new Promise((resolve) => setTimeout(resolve, 50))
    const closing = server.close()
    await expect(fetch(server.url + bankPaths.offer)).rejects.toThrow()
    release()
    expect((await answering).status).toBe(200)
    await closing
    expect(await bank.balance(account.publicKey, asset)).toMatchObject({ ok: true })
  })

  test('that closes lets nobody hold it up for ever', async () => {
    const { bank } = openBank()
    const server = await serveBank({ ...bank, status: () => new Promise(() => undefined) }, { closeTimeoutMs: 100 })
    const answer = fetch(server.url + bankPaths.channel(bytesOf('one'))).then(String, () => 'cut off')
    await new Promise((resolve) => setTimeout(resolve, 50))
    await server.close()
    expect(await answer).toBe('cut off')
  })
})

async function statusOf(outgoing: ReturnType<typeof request>): Promise<number | undefined> {
  const [response] = (await once(outgoing, 'response')) as [import('node:http').IncomingMessage]
  response.resume()
  return response.statusCode
}

/** Sends text on a socket of its own and reads until the server closes it. */
async function raw(url: string, sent: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').setEncoding('utf8')
  socket.write(sent)
  let answer = ''
  for await (const chunk of socket) answer += String(chunk)
  return answer
}
