import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { serveBank } from '../../src/bank/server.ts'
import { toHex } from '../../src/crypto/bytes.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import {
  type AccountJournal,
  bankOperations,
  bankPaths,
  channelsBody,
  type JournalPosting,
  journalBody,
  proofsBody,
  reputationBody,
  signQuery,
} from '../../src/http/bank.ts'
import { Bank as Decide } from '../../src/protocol/index.ts'
import { amount, unixSeconds } from '../../src/wire/amount.ts'
import * as BadOpening from '../../src/wire/BadOpening.ts'
import type { Parsed } from '../../src/wire/parsed.ts'
import { accuse, cheat, findOut, flip, wrongLock } from '../protocol/cheats.ts'
import { account, bankKey, bytesOf, deliver, must, now, payClient, vendorKey } from '../protocol/world.ts'
import { closingOf, commandOf, releaseOf } from './acts.ts'
import { asset, buy, claimOf, openWorld, propose } from './channels.ts'
import { checkAnswer, document, nameOf, seen } from './documented.ts'
import { openFundedBank, type TestBank } from './support.ts'

const committed = new URL('../../docs/reference/bank.openapi.json', import.meta.url)
const running: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of running.splice(0)) await close()
})

function asker(key: Schnorr.KeyPair, until = now + 60n, bank = bankKey.publicKey): Record<string, string> {
  return { authorization: signQuery(key, { bank, validUntil: unixSeconds(until) }) }
}

/** A bank that answers, and holds every answer against the document. */
async function documented(): Promise<TestBank & { readonly ask: Ask; readonly url: string }> {
  const commandRules = { ...Decide.defaultCommandRules, depositMin: new Map([[asset, 10n]]) }
  const funded = await openFundedBank(10_000_000n, { commandRules })
  const server = await serveBank(funded.bank, { senderOf: () => undefined })
  running.push(server.close)
  const ask: Ask = async (path, init = {}) => {
    const { body, ...rest } = init
    const sent = body === undefined ? rest : { ...rest, method: 'POST', body: new Uint8Array(body) }
    const response = await fetch(server.url + path, sent)
    const bytes = new Uint8Array(await response.arrayBuffer())
    const text = new TextDecoder().decode(bytes)
    checkAnswer(path, response, { size: bytes.length, text })
    return { status: response.status, text, bytes }
  }
  return { ...funded, ask, url: server.url }
}

type Ask = (
  path: string,
  init?: { readonly body?: Uint8Array; readonly headers?: Record<string, string> },
) => Promise<{ readonly status: number; readonly text: string; readonly bytes: Uint8Array }>

function parsed<T>(result: Parsed<T>): T {
  if (!result.ok) throw new Error(result.detail)
  return result.value
}

describe('the OpenAPI document', () => {
  test('is the one in the docs, made of the code', () => {
    // To write it anew: node scripts/openapi.ts
    expect(readFileSync(committed, 'utf8')).toBe(`${JSON.stringify(document, null, 2)}\n`)
  })

  test('is served', async () => {
    const { ask } = await documented()
    expect(JSON.parse((await ask(bankPaths.openapi)).text)).toEqual(document)
  })

  test('has every path that the code asks for, and no other', () => {
    const id = new Uint8Array(32)
    const used = Object.entries(bankPaths).map(([name, path]) => {
      if (typeof path === 'string') return nameOf(path)
      return nameOf(name === 'head' ? bankPaths.head(1) : (path as (...ids: Uint8Array[]) => string)(id, id))
    })
    expect(used.sort()).toEqual(Object.keys(bankOperations).sort())
    expect(Object.keys(document.paths as object).sort()).toEqual(
      Object.values(bankOperations)
        .map(({ path }) => path)
        .sort(),
    )
  })

  test('names no status without a body, and no schema that is not there', () => {
    const text = JSON.stringify(document)
    const names = Object.keys((document.components as { schemas: object }).schemas)
    for (const [, name] of text.matchAll(/#\/components\/schemas\/(\w+)/g)) expect(names).toContain(name)
    for (const name of names) expect(text).toContain(`#/components/schemas/${name}`)
  })
})

test('a running bank answers everything as its document says', async () => {
  const { ask, bank, setClock } = await documented()
  const { publicKey } = account
  const until = { validUntil: now + 80_000n }
  await ask(bankPaths.offer)

  // A channel from its opening to its record, with all that its parties leave.
  const command = propose('one')
  await ask(bankPaths.open, { body: command.bytes })
  const world = await openWorld(bank, 'two', { lockScheme: 'ecdsa-xor' })
  const cheating = await openWorld(bank, 'three')
  buy(world, 3)
  for (let extra = 0; extra < 2; extra++) must(deliver(world, payClient(world, 20n, `extra ${extra}`)))
  const { channelId } = world.client
  await ask(bankPaths.channel(channelId))
  await ask(bankPaths.closing, { body: closingOf(world) })
  await ask(bankPaths.command, { body: commandOf({ kind: 'fetchClosing', channelId }, until) })
  await ask(bankPaths.command, { body: commandOf({ kind: 'dispute', channelId }, until) })
  await ask(bankPaths.command, { body: commandOf({ kind: 'release', release: releaseOf(world) }, until) })
  await ask(bankPaths.command, { body: commandOf({ kind: 'fetchRelease', channelId }, { ...until, key: vendorKey }) })
  await ask(bankPaths.close, { body: claimOf(world, { amount: amount(100n) }) })
  await ask(bankPaths.release, { body: releaseOf(world) })
  await ask(bankPaths.channel(channelId))
  await bank.record()
  await ask(bankPaths.record(channelId))
  await ask(bankPaths.head('latest'))
  await ask(bankPaths.head(1))

  // Frauds.
  await ask(bankPaths.overcharge, { body: closingOf(world) })
  cheat(cheating, { payments: 3, at: 2, trick: wrongLock })
  const { checkpoint } = findOut(cheating)
  const evidence = BadOpening.encode(accuse(cheating, { index: 2, checkpoint }))
  await ask(bankPaths.evidence, { body: evidence })
  const { proofs } = parsed(proofsBody.parse((await ask(bankPaths.proofs(cheating.client.channelId))).text))
  const shown = await ask(bankPaths.proof(cheating.client.channelId, proofs[0]!.reference))
  expect(shown.bytes).toEqual(evidence)

  // Accounts.
  const ann = Schnorr.keyPair(bytesOf('ann'))
  must(await bank.deposit(ann.publicKey, asset, 100n))
  await ask(bankPaths.command, { body: commandOf({ kind: 'register', asset }, { key: ann }) })
  const withdraw = { kind: 'withdraw', asset, amount: amount(7n), destination: new Uint8Array(32) } as const
  await ask(bankPaths.command, { body: commandOf(withdraw, { key: ann }) })
  for (const key of [account, vendorKey, ann]) {
    const headers = asker(key)
    await ask(bankPaths.balance(key.publicKey), { headers })
    await ask(bankPaths.journal(key.publicKey), { headers })
    await ask(bankPaths.reputation(key.publicKey), { headers })
    await ask(`${bankPaths.channels(key.publicKey)}?role=client`, { headers })
    await ask(`${bankPaths.channels(key.publicKey)}?role=vendor`, { headers })
  }

  // Refusals of every kind.
  await setClock(now + 4_201n)
  await ask(bankPaths.command, { body: commandOf({ kind: 'expire', channelId: command.channelId }, until) })
  await ask(bankPaths.channel(command.channelId))
  const unknown = bytesOf('unknown')
  for (const path of [bankPaths.channel(unknown), bankPaths.proofs(unknown), bankPaths.record(unknown)]) await ask(path)
  await ask(bankPaths.proof(channelId, unknown))
  await ask(bankPaths.head(9))
  await ask(bankPaths.record(command.channelId))
  await ask(bankPaths.balance(publicKey))
  for (const path of [bankPaths.open, bankPaths.close, bankPaths.command, bankPaths.evidence, bankPaths.overcharge]) {
    await ask(path, { body: new Uint8Array(0) })
    await ask(path, { body: new Uint8Array(400_000) })
    await ask(path, { body: Uint8Array.of(0x29, 1, 2) })
  }
  await ask(bankPaths.open, { body: propose('late').bytes })
  await ask(bankPaths.close, { body: flip(claimOf(cheating), 1) })
  await ask(bankPaths.close, { body: claimOf(cheating) })
  await ask(bankPaths.command, { body: commandOf(withdraw, { key: ann, id: 'another', validUntil: now }) })
  await ask(bankPaths.command, { body: commandOf({ kind: 'expire', channelId }, { ...until, id: 'closed' }) })
  await ask(bankPaths.overcharge, { body: closingOf(world, 70n) })

  const actions = ['expire', 'fetchClosing', 'dispute', 'fetchRelease', 'release', 'withdraw', 'register']
  const causes = ['overcharge overcharge', 'evidence badOpening']
  const everything = [...Object.keys(bankOperations), ...actions.map((action) => `command ${action}`), ...causes]
  expect(everything.filter((one) => !seen.has(one))).toEqual([])
  const refusals = [...seen].filter((one) => one.startsWith('refusal '))
  expect(refusals.length).toBeGreaterThan(9)
})

describe('what is an account’s', () => {
  test('is told to it alone', async () => {
    const { ask, url } = await documented()
    const { publicKey } = account
    for (const path of [bankPaths.balance, bankPaths.journal, bankPaths.channels, bankPaths.reputation]) {
      const refused = async (headers: Record<string, string>): Promise<unknown> =>
        (JSON.parse((await ask(path(publicKey), { headers })).text) as { readonly reason: string }).reason
      expect(await refused({})).toBe('QueryUnsigned')
      expect(await refused(asker(vendorKey))).toBe('SignatureInvalid')
      expect(await refused(asker(account, now - 1n))).toBe('CommandExpired')
      expect(await refused(asker(account, now + 301n))).toBe('CommandLifeTooLong')
      expect(await refused(asker(account, now + 60n, vendorKey.publicKey))).toBe('SignatureInvalid')
      expect(await refused({ authorization: 'Basic abc' })).toBe('Malformed')
      expect(await refused({ authorization: 'Lockstep !!!' })).toBe('Malformed')
      const { authorization = '' } = asker(account)
      expect(await refused({ authorization: `${authorization.slice(0, -2)}AA` })).toBe('SignatureInvalid')
      expect((await ask(path(publicKey), { headers: asker(account) })).status).toBe(200)
      const response = await fetch(url + path(publicKey))
      expect(response.headers.get('www-authenticate')).toBe('Lockstep')
    }
  })

  test('is the whole journal, page by page, newest first, and comes to the balance', async () => {
    const { ask, bank, setClock } = await documented()
    for (let number = 0; number < 7; number++) {
      const world = await openWorld(bank, `channel ${number}`)
      buy(world, number)
      must(await bank.close(claimOf(world)))
      if (number % 3 === 0) await setClock(now + BigInt(number + 1))
    }
    const headers = asker(account)
    const found: JournalPosting[] = []
    let next: string | undefined = ''
    for (let pages = 0; next !== undefined; pages++) {
      const path = `${bankPaths.journal(account.publicKey)}?limit=4${next === '' ? '' : `&before=${next}`}`
      const page: AccountJournal = parsed(journalBody.parse((await ask(path, { headers })).text))
      found.push(...page.postings)
      next = page.next
      expect(pages).toBeLessThan(10)
    }
    expect(found).toHaveLength(15)
    expect(found.at(-1)).toMatchObject({ kind: 'deposit', amount: 10_000_000n })
    const times = found.map(({ at }) => at)
    expect(times).toEqual([...times].sort((left, right) => Number(right - left)))
    const sum = found.reduce((total, one) => total + one.amount, 0n)
    expect(await bank.balance(account.publicKey, asset)).toEqual({ ok: true, balance: sum })
  })

  test('is every channel, to its client and to its vendor, who does not learn of the other’s account', async () => {
    const { ask, bank } = await documented()
    const opened: string[] = []
    for (let number = 0; number < 5; number++) {
      opened.push(toHex((await openWorld(bank, `channel ${number}`)).client.channelId))
    }
    for (const [key, role] of [[account, 'client'] as const, [vendorKey, 'vendor'] as const]) {
      const found: string[] = []
      let next: string | undefined = ''
      while (next !== undefined) {
        const path = `${bankPaths.channels(key.publicKey)}?role=${role}&limit=2${next === '' ? '' : `&before=${next}`}`
        const { text } = await ask(path, { headers: asker(key) })
        if (key === vendorKey) expect(text).not.toContain(toHex(account.publicKey))
        const page: { channels: readonly { channelId: Uint8Array }[]; next?: string } = parsed(channelsBody.parse(text))
        found.push(...page.channels.map(({ channelId }) => toHex(channelId)))
        next = page.next
      }
      expect(found.sort()).toEqual([...opened].sort())
    }
    const none = await ask(bankPaths.channels(vendorKey.publicKey), { headers: asker(vendorKey) })
    expect(parsed(channelsBody.parse(none.text)).channels).toEqual([])
  })

  test('is its reputation with every cause, without those it dealt with', async () => {
    const { ask, bank } = await documented()
    const world = await openWorld(bank, 'one')
    buy(world, 2)
    must(await bank.close(claimOf(world)))
    const { text } = await ask(bankPaths.reputation(vendorKey.publicKey), { headers: asker(vendorKey) })
    expect(text).not.toContain(toHex(account.publicKey))
    expect(parsed(reputationBody.parse(text))).toEqual({
      account: vendorKey.publicKey,
      score: 61,
      changes: [
        { cause: 'completed', at: now, score: 61, channelId: world.client.channelId },
        { cause: 'registered', at: now, score: 60 },
      ],
    })
  })

  test.each(['limit=0', 'limit=101', 'limit=x', 'before=x', 'before=1.x.00.0.0', 'before='])(
    'is refused with %s',
    async (query) => {
      const { ask } = await documented()
      const { text } = await ask(`${bankPaths.journal(account.publicKey)}?${query}`, { headers: asker(account) })
      expect(JSON.parse(text)).toMatchObject({ reason: 'Malformed', status: 400 })
    },
  )
})
