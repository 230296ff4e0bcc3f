/** Every rule of reputation once, over HTTP: what happened, what it did to the score, and what the account is told of it. */

import { expect, test } from 'vitest'
import { serveBank } from '../../src/bank/server.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { bankPaths, reputationBody, signQuery } from '../../src/http/bank.ts'
import { Bank as Decide } from '../../src/protocol/index.ts'
import { amount, unixSeconds } from '../../src/wire/amount.ts'
import * as BadOpening from '../../src/wire/BadOpening.ts'
import * as Equivocation from '../../src/wire/Equivocation.ts'
import { fork } from '../protocol/adversary.ts'
import { accuse, cheat, findOut, wrongLock } from '../protocol/cheats.ts'
import {
  account,
  bankKey,
  bytesOf,
  deliver,
  must,
  now,
  payClient,
  read,
  vendorKey,
  type World,
} from '../protocol/world.ts'
import { closingOf, commandOf, releaseOf } from './acts.ts'
import { asset, buy, claimOf, type ProposalChange, propose, worldOf } from './channels.ts'
import { coarseClock, openBank, reasonOf } from './support.ts'

const forger = Schnorr.keyPair(bytesOf('a client that forges'))
const hour = 3_600n

/** A bank that is served, its clock, and what is sent to it. */
async function openTown() {
  const commandRules = { ...Decide.defaultCommandRules, depositMin: new Map([[asset, 30n]]) }
  const { bank, setClock } = openBank({ commandRules, clockRules: coarseClock })
  const server = await serveBank(bank)
  const clock = { at: 0n }
  const send = async (
    path: string,
    body: Uint8Array,
  ): Promise<{ readonly status: number; readonly bytes: Uint8Array }> => {
    const response = await fetch(server.url + path, { method: 'POST', body: new Uint8Array(body) })
    return { status: response.status, bytes: new Uint8Array(await response.arrayBuffer()) }
  }
  return {
    bank,
    close: () => server.close(),
    /** Lets time pass. */
    async pass(seconds: bigint) {
      clock.at += seconds
      await setClock(now + clock.at)
    },
    /** Sends what has to be taken. */
    async done(path: string, body: Uint8Array) {
      const { status, bytes } = await send(path, body)
      expect(status, new TextDecoder().decode(bytes)).toBe(200)
      return bytes
    },
    /** Why it is refused. */
    async refused(path: string, body: Uint8Array) {
      const { bytes } = await send(path, body)
      return (JSON.parse(new TextDecoder().decode(bytes)) as { reason: unknown }).reason
    },
    command: (kind: Parameters<typeof commandOf>[0], key = account, id: string = kind.kind) =>
      commandOf(kind, { key, id, validUntil: now + clock.at + 60n }),
    proposal: (label: string, change: ProposalChange = {}) => {
      const [openedAt, expiresAt] = [unixSeconds(now + clock.at), unixSeconds(now + clock.at + hour)]
      return propose(label, { openedAt, expiresAt, validUntil: unixSeconds(now + clock.at + 60n), ...change })
    },
    /** What an account is told of itself, the first change first. */
    async told({ publicKey, secret }: Schnorr.KeyPair) {
      const asker = signQuery(
        { publicKey, secret },
        { bank: bankKey.publicKey, validUntil: unixSeconds(now + clock.at + 60n) },
      )
      const response = await fetch(server.url + bankPaths.reputation(publicKey), { headers: { authorization: asker } })
      const text = await response.text()
      expect(text).not.toContain('counterparty')
      const { score, changes } = read(reputationBody.parse(text))
      return { score, causes: changes.map((change) => `${change.cause} ${change.score}`).reverse(), changes }
    },
  }
}

test('reputation starts with a deposit, rises, falls and recovers by the rules, and its account is told each cause', async () => {
  const town = await openTown()
  const { bank, done, refused, command, proposal, told, pass } = town
  const open = async (label: string, change: ProposalChange = {}): Promise<World> => {
    const proposed = proposal(label, change)
    return worldOf(proposed, await done(bankPaths.open, proposed.bytes))
  }
  const claim = (world: World, sum?: bigint): Promise<Uint8Array> =>
    done(bankPaths.close, claimOf(world, sum === undefined ? {} : { amount: amount(sum) }))
  try {
    // Registration needs the minimum deposit, which it locks.
    const register = { kind: 'register', asset } as const
    must(await bank.deposit(account.publicKey, asset, 29n))
    expect(await refused(bankPaths.command, command(register))).toBe('DepositTooSmall')
    expect(await refused(bankPaths.open, proposal('early').bytes)).toBe('AccountUnknown')
    for (const key of [account, forger, vendorKey]) {
      must(await bank.deposit(key.publicKey, asset, 1_000_000n))
      await done(bankPaths.command, command(register, key))
    }
    expect(await told(account)).toMatchObject({ score: 60, causes: ['registered 60'] })

    // A channel that paid something counts for both sides, once an hour.
    for (const label of ['one', 'two']) {
      const world = await open(label)
      buy(world, 2)
      await claim(world)
    }
    expect((await told(account)).causes).toEqual(['registered 60', 'completed 61'])
    expect((await told(vendorKey)).causes).toEqual(['registered 60', 'completed 61'])
    await pass(hour)

    // A release withheld through grace costs five, which a late one gives back.
    const silent = await open('silent', { lockScheme: 'ecdsa-xor' })
    const { channelId } = silent.client
    buy(silent, 2)
    await done(bankPaths.closing, closingOf(silent))
    await done(bankPaths.command, command({ kind: 'fetchClosing', channelId }))
    await claim(silent)
    await pass(hour + 601n)
    expect(await bank.review()).toBe(1)
    expect((await told(account)).causes.slice(2)).toEqual(['completed 62', 'releaseWithheld 57'])
    await done(bankPaths.release, releaseOf(silent))
    const { changes, causes } = await told(account)
    expect(causes.slice(4)).toEqual(['releasedLate 62'])
    expect(changes[0]).toMatchObject({ cause: 'releasedLate', channelId })

    // Proven frauds of a client cost fifty each, once a channel and kind; then nobody opens a channel with it.
    const [forged, twofold] = [await open('forged', { client: forger }), await open('twofold', { client: forger })]
    cheat(forged, { payments: 4, at: 3, trick: wrongLock })
    const { checkpoint } = findOut(forged)
    const bad = BadOpening.encode(accuse(forged, { index: 3, checkpoint }))
    const [bread, wine] = ['bread', 'wine'].map((label) => {
      const { core, receipt } = payClient(fork(twofold), 10n, label)
      return { transaction: core.slice(0, 84), receipt }
    })
    const equivocation = Equivocation.encode(Equivocation.create(bread!, wine!))
    for (const evidence of [bad, bad, equivocation, equivocation]) await done(bankPaths.evidence, evidence)
    expect(await told(forger)).toMatchObject({ score: 0, causes: ['registered 60', 'badOpening 10', 'equivocation 0'] })
    expect(await refused(bankPaths.open, proposal('never', { client: forger }).bytes)).toBe('ReputationTooLow')

    // So does an overcharge of a vendor.
    const overcharged = await open('overcharged')
    buy(overcharged, 2)
    must(deliver(overcharged, payClient(overcharged, 20n, 'not served')))
    await claim(overcharged, 60n)
    for (const _ of [1, 2]) await done(bankPaths.overcharge, closingOf(overcharged))
    expect(await told(vendorKey)).toMatchObject({
      score: 13,
      causes: [expect.anything(), expect.anything(), expect.anything(), 'completed 63', 'overcharge 13'],
    })
    expect(await refused(bankPaths.open, proposal('no more').bytes)).toBe('ReputationTooLow')

    // Days heal, by one each; what cannot be read was never counted.
    await pass(3n * 86_400n)
    expect((await told(forger)).score).toBe(3)
    expect((await told(vendorKey)).score).toBe(16)
    expect((await told(account)).score).toBe(63)
    expect(reasonOf(await bank.evidence(new Uint8Array(2)))).toBe('Malformed')
    expect((await told(forger)).causes).toHaveLength(3)
  } finally {
    await town.close()
  }
})
