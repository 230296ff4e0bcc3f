import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat } from '../../src/crypto/bytes.ts'
import type { Runner } from '../../src/sql/program.ts'
import type { StoredChannel, VendorDatabase } from '../../src/vendor/store/contract.ts'
import { vendorStore } from '../../src/vendor/store/tasks.ts'
import { deadlineOf } from '../../src/vendor/store/writes.ts'
import { unixSeconds } from '../../src/wire/amount.ts'
import * as Terms from '../../src/wire/Terms.ts'
import { bytesOf, now } from '../protocol/world.ts'
import { kindsOf, type Place } from './places.ts'
import { usePostgres } from './postgres.ts'
import { channelNamed, paidUpTo, payment, segment } from './vendorChannels.ts'
import { schema, tasks } from './vendorTasks.ts'

const server = usePostgres()
const kinds = kindsOf({ schema, tasks, module: new URL('./vendorTasks.ts', import.meta.url) }, server)

interface Opened {
  readonly place: Place
  readonly store: VendorDatabase
  readonly runner: Runner
  /** Another process on the same database. */
  readonly other: () => Promise<VendorDatabase>
}

describe.each(kinds)('a vendor’s store on $name', ({ make }) => {
  const open = async (): Promise<Opened> => {
    const place = await make()
    const runner = await place.open()
    return { place, runner, store: vendorStore(runner), other: async () => vendorStore(await place.open()) }
  }
  const reference = ({ channelId }: StoredChannel): Uint8Array => channelId.subarray(0, 16)

  describe('keeps', () => {
    test('a channel with all that it holds, and changes it in place', async () => {
      const { store, other } = await open()
      const channel = channelNamed('one')
      expect(await store.channel(reference(channel))).toBeUndefined()
      expect(await store.commit({ channels: [channel], payments: [] })).toEqual({ fenced: [] })
      expect(await store.channel(reference(channel))).toEqual(channel)

      const later = paidUpTo(channel, 3, {
        phase: 'closing',
        suspended: 'strikes',
        strikes: 3,
        paid: 2n ** 62n,
        closing: bytesOf('closing', 141),
        release: bytesOf('release', 268),
        claim: bytesOf('claim', 400),
      })
      await store.commit({
        channels: [later],
        payments: [payment(channel, 1), payment(channel, 2), payment(channel, 3)],
      })
      expect(await (await other()).channel(reference(channel))).toEqual(later)
    })

    test('segments that payments may still name, and payments ahead of the prefix', async () => {
      const { store } = await open()
      const channel = channelNamed('one')
      const segments = [segment(0, 5), segment(1, 2), segment(2)]
      const payments = [payment(channel, 1), payment(channel, 2, { segment: 1 }), payment(channel, 4, { segment: 2 })]
      const channels = [paidUpTo(channel, 2, { segments })]
      await store.commit({ channels, payments })
      const stored = (await store.channel(reference(channel)))!
      expect(stored.segments).toEqual(segments.slice(1))
      expect(stored.ahead).toEqual([payments[2]])
      expect(await store.checkpoints(channel.channelId)).toEqual(segments.slice(1).map((one) => one.checkpoint))
      // What is used up stays for evidence, and is not given with the channel again.
      await store.commit({ channels: [paidUpTo(channel, 2, { segments: [segment(1, 3)] })], payments: [] })
      expect((await store.channel(reference(channel)))!.segments).toEqual([segment(1, 3), segment(2)])
    })

    test('payments with their answers, and cores in their order', async () => {
      const { store } = await open()
      const channel = channelNamed('one')
      const answer = {
        status: 200,
        headers: [['content-type', 'text/plain; charset="ütf"']] as const,
        body: bytesOf('b'),
      }
      const payments = [
        payment(channel, 2, { answer }),
        payment(channel, 1),
        payment(channel, 5, { status: 'accepted' }),
      ]
      await store.commit({ channels: [paidUpTo(channel, 2, { paid: 100n })], payments })
      expect(await store.payment(channel.channelId, 2)).toEqual(payments[0])
      expect(await store.payment(channel.channelId, 3)).toBeUndefined()
      expect(await store.payment(bytesOf('none'), 1)).toBeUndefined()
      expect(await store.cores(channel.channelId, 2)).toEqual([payments[1]!.core, payments[0]!.core])
      expect(await store.cores(channel.channelId, 1)).toEqual([payments[1]!.core])
    })

    test('which payments run, which channels are unsettled, and which are due', async () => {
      const { store } = await open()
      const [one, two, three] = [channelNamed('one'), channelNamed('two'), channelNamed('three')]
      const running = payment(one, 1, { status: 'running', charged: 0n })
      await store.commit({
        channels: [paidUpTo(one, 1), paidUpTo(two, 1, { phase: 'closed' }), three],
        payments: [running, payment(two, 1)],
      })
      expect(await store.running()).toEqual([running])
      expect(await store.unsettled()).toEqual([reference(one)])
      const deadline = unixSeconds(now + 4200n)
      expect(await store.due(deadline, 10)).toEqual([{ reference: reference(one), deadline }])
      expect(await store.due(unixSeconds(deadline - 1n), 10)).toEqual([])
      await store.commit({ channels: [], payments: [{ ...running, status: 'charged', charged: 10n }] })
      expect(await store.running()).toEqual([])
      // One whose last is stated is due at once, also where nothing was paid.
      await store.commit({ channels: [{ ...three, phase: 'closing' }], payments: [] })
      expect(await store.due(unixSeconds(0n), 10)).toEqual([{ reference: reference(three), deadline }])
      expect(await store.unsettled()).toHaveLength(2)
    })

    test('everything, whoever opens it next', async () => {
      const { store, other } = await open()
      const channel = paidUpTo(channelNamed('one'), 2)
      await store.commit({ channels: [channel], payments: [payment(channel, 1), payment(channel, 2)] })
      await store.close()
      expect(await (await other()).channel(reference(channel))).toEqual(channel)
    })

    test('what a channel was opened with, once it was told, and takes no channel without it', async () => {
      const { store } = await open()
      const channel = channelNamed('one')
      const { terms: _terms, grant: _grant, ...later } = paidUpTo(channel, 1)
      await expect(store.commit({ channels: [later], payments: [] })).rejects.toThrow(/store refused a write/)
      expect(await store.channel(reference(channel))).toBeUndefined()
      await store.commit({ channels: [channel], payments: [] })
      await store.commit({ channels: [later], payments: [payment(channel, 1)] })
      expect(await store.channel(reference(channel))).toEqual(paidUpTo(channel, 1))
      expect(await store.due(unixSeconds(now + 4200n), 10)).toHaveLength(1)
    })

    test('nothing from another process, unless it asks', async () => {
      const { store, other } = await open()
      const second = await other()
      const channel = channelNamed('one')
      await store.commit({ channels: [channel], payments: [] })
      expect(await second.channel(reference(channel))).toEqual(channel)
    })
  })

  describe('refuses as a whole a batch', () => {
    const known = paidUpTo(channelNamed('known'), 3)
    const settled = payment(known, 1)
    const bad: readonly (readonly [string, StoredChannel, readonly ReturnType<typeof payment>[], RegExp])[] = [
      ['in which paid falls', { ...known, paid: 29n, spent: 0n }, [], /never fall|constraint/],
      ['in which spent falls', { ...known, spent: 29n }, [], /never fall/],
      ['in which the prefix falls', { ...known, contiguous: 2 }, [], /never fall/],
      ['that spends more than was paid', { ...known, spent: 31n }, [], /constraint/],
      ['in which a segment goes back', { ...known, segments: [segment(0, 2)] }, [], /never falls/],
      ['that settles a payment again', known, [{ ...settled, charged: 9n }], /settled once/],
      ['that releases what was charged', known, [{ ...settled, status: 'released', charged: 0n }], /settled once/],
      [
        'that changes what was paid for',
        known,
        [{ ...payment(known, 4, { status: 'accepted' }), core: bytesOf('x') }],
        /constraint/,
      ],
      ['with a payment of no channel', known, [payment(channelNamed('unknown'), 1)], /constraint/],
    ]
    test.each(bad)('%s', async (_, channel, payments, message) => {
      const { store, place } = await open()
      await store.commit({ channels: [known], payments: [settled, payment(known, 2), payment(known, 3)] })
      const before = await contents(place)
      const fresh = channelNamed('fresh')
      const batch = { channels: [fresh, channel], payments: [payment(fresh, 1), ...payments] }
      await expect(store.commit(batch)).rejects.toThrow(message)
      expect(await contents(place)).toEqual(before)
      // And is usable as before.
      expect(await store.commit({ channels: [fresh], payments: [payment(fresh, 1)] })).toEqual({ fenced: [] })
    })

    test('that gives a payment that is open other bytes', async () => {
      const { store, place } = await open()
      const open_ = payment(known, 4, { status: 'accepted', charged: 0n })
      await store.commit({ channels: [known], payments: [open_] })
      const before = await contents(place)
      const other = { ...open_, core: payment(known, 5).core }
      await expect(store.commit({ channels: [known], payments: [other] })).rejects.toThrow('keeps its bytes')
      expect(await contents(place)).toEqual(before)
      await store.commit({ channels: [known], payments: [{ ...open_, status: 'charged', charged: 10n }] })
    })
  })

  describe('gives a lease', () => {
    const { channelId } = channelNamed('one')
    const at = (
      seconds: number,
    ): { readonly channelId: Uint8Array; readonly now: typeof now; readonly ttl: number } => ({
      channelId,
      now: unixSeconds(now + BigInt(seconds)),
      ttl: 10,
    })

    test('to one node at a time, and to the next when it is over', async () => {
      const { store, other } = await open()
      const second = await other()
      const until = unixSeconds(now + 10n)
      expect(await store.acquire({ ...at(0), node: 'a' })).toEqual({ ok: true, channelId, epoch: 1, until })
      expect(await second.acquire({ ...at(9), node: 'b' })).toEqual({ ok: false, node: 'a', until })
      expect(await second.acquire({ ...at(10), node: 'b' })).toMatchObject({ ok: true, epoch: 2 })
      expect(await store.acquire({ ...at(11), node: 'a' })).toMatchObject({ ok: false, node: 'b' })
    })

    test('to a node that started anew, whose older one ends', async () => {
      const { store } = await open()
      await store.acquire({ ...at(0), node: 'a' })
      expect(await store.acquire({ ...at(1), node: 'a' })).toMatchObject({ ok: true, epoch: 2 })
      expect((await store.commit({ channels: [channelNamed('one', { epoch: 1 })], payments: [] })).fenced).toHaveLength(
        1,
      )
    })

    test('that can be prolonged while nobody else has it, even if it was over', async () => {
      const { store } = await open()
      await store.acquire({ ...at(0), node: 'a' })
      const lease = { channelId, epoch: 1 }
      expect(await store.renew('a', [lease], unixSeconds(now + 20n))).toEqual([])
      expect(await store.acquire({ ...at(15), node: 'b' })).toMatchObject({ ok: false })
      expect(await store.renew('a', [lease], unixSeconds(now + 40n))).toEqual([])
      await store.acquire({ ...at(40), node: 'b' })
      expect(await store.renew('a', [lease], unixSeconds(now + 90n))).toEqual([channelId])
      expect(await store.renew('b', [{ channelId, epoch: 1 }], unixSeconds(now + 90n))).toEqual([channelId])
      expect(await store.renew('a', [], unixSeconds(now + 90n))).toEqual([])
    })

    test('that is handed over at once, and not by anybody else', async () => {
      const { store } = await open()
      await store.commit({ channels: [channelNamed('one')], payments: [] })
      await store.acquire({ ...at(0), node: 'a' })
      await store.relinquish('b', [{ channelId, epoch: 1 }])
      expect(await store.acquire({ ...at(1), node: 'b' })).toMatchObject({ ok: false })
      await store.relinquish('a', [{ channelId, epoch: 1 }])
      expect((await store.commit({ channels: [channelNamed('one', { epoch: 1 })], payments: [] })).fenced).toHaveLength(
        1,
      )
      expect(await store.acquire({ ...at(1), node: 'b' })).toMatchObject({ ok: true, epoch: 3 })
      expect((await store.commit({ channels: [channelNamed('one', { epoch: 3 })], payments: [] })).fenced).toEqual([])
    })

    test('that leaves out, as a whole, the channels of those who lost theirs, and no other', async () => {
      const { store, place } = await open()
      const [mine, lost, fresh] = [channelNamed('mine'), channelNamed('lost'), channelNamed('fresh')]
      for (const { channelId: id } of [mine, lost, fresh]) await store.acquire({ ...at(0), channelId: id, node: 'a' })
      const epoch = 1
      await store.commit({
        channels: [
          { ...mine, epoch },
          { ...lost, epoch },
        ],
        payments: [],
      })
      for (const { channelId: id } of [lost, fresh]) await store.acquire({ ...at(10), channelId: id, node: 'b' })
      const before = await contents(place, mine.channelId)

      const batch = [mine, lost, fresh].map((channel) => paidUpTo(channel, 1, { epoch }))
      const payments = batch.map((channel) => payment(channel, 1))
      const { fenced } = await store.commit({ channels: batch, payments })
      expect(new Set(fenced.map(hex))).toEqual(new Set([hex(lost.channelId), hex(fresh.channelId)]))
      expect(await contents(place, mine.channelId)).toEqual(before)
      expect(await store.channel(reference(mine))).toEqual(batch[0])
      expect(await store.payment(mine.channelId, 1)).toEqual(payments[0])
    })

    test('after which nothing is written without one', async () => {
      const { store } = await open()
      const channel = channelNamed('one')
      await store.commit({ channels: [channel], payments: [] })
      await store.acquire({ ...at(0), node: 'a' })
      expect((await store.commit({ channels: [paidUpTo(channel, 1)], payments: [] })).fenced).toEqual([channelId])
      expect((await store.channel(reference(channel)))!.epoch).toBe(1)
    })

    test('to exactly one of many that ask at the same moment', async () => {
      const { store, other } = await open()
      const nodes = [store, await other(), await other()]
      const answers = await Promise.all(
        nodes.flatMap((one, at_) => [1, 2].map((number) => one.acquire({ ...at(0), node: `${at_} ${number}` }))),
      )
      expect(answers.filter(({ ok }) => ok)).toHaveLength(1)
    })

    test('so that of two writers racing on one channel, each that lost it is fenced, and nothing is spent twice', async () => {
      const { store, other } = await open()
      const writers = [store, await other()]
      const channel = channelNamed('one')
      await store.commit({ channels: [channel], payments: [] })
      let clock = 0
      let acknowledged = 0
      let fencedOff = 0
      const write = async (writer: VendorDatabase, node: string): Promise<void> => {
        while (acknowledged < 30 || fencedOff < 5) {
          // Each finds the other's lease over: late clocks, long pauses.
          clock += 100
          const lease = await writer.acquire({ ...at(clock), node })
          if (!lease.ok) continue
          let current = (await writer.channel(reference(channel)))!
          for (let lost = false; !lost; ) {
            const next = paidUpTo(channel, current.contiguous + 1, { epoch: lease.epoch })
            const { fenced } = await writer.commit({ channels: [next], payments: [payment(channel, next.contiguous)] })
            lost = fenced.length > 0
            if (lost) fencedOff += 1
            else acknowledged += 1
            current = next
            await sleep(Math.random() * 3)
            if (Math.random() < 0.2) break
          }
        }
      }
      await Promise.all(writers.map((writer, at_) => write(writer, `node ${at_}`)))
      const end = (await store.channel(reference(channel)))!
      expect(end.contiguous).toBe(acknowledged)
      expect(end.spent).toBe(BigInt(acknowledged) * 10n)
      expect(await store.cores(channel.channelId, acknowledged + 1)).toHaveLength(acknowledged)
    })
  })

  describe('packs', () => {
    test('the payments of a closed channel, which are read as before, without their answers', async () => {
      const { store, place } = await open()
      const channel = paidUpTo(channelNamed('one'), 2500, { phase: 'closed' })
      const answer = { status: 200, headers: [], body: bytesOf('b') }
      const payments = Array.from({ length: 2500 }, (_, at) => payment(channel, at + 1, at % 7 === 0 ? { answer } : {}))
      const ahead = payment(channel, 2600, { status: 'accepted', charged: 0n })
      await store.commit({ channels: [channel], payments: [...payments, ahead] })
      const opened = Array.from({ length: 2501 }, (_, at) => concat(bytesOf(`${at}`), bytesOf(`of ${at}`)))
      const cores = await store.cores(channel.channelId, 2500)

      expect(await store.unpacked(5)).toEqual([reference(channel)])
      await store.pack(channel.channelId, opened)
      expect(await store.unpacked(5)).toEqual([])
      expect(await place.sql('SELECT count(*) AS rows FROM payments')).toEqual([{ rows: 0n }])
      expect(await place.sql('SELECT first_number, last_number FROM packs ORDER BY first_number')).toEqual([
        { first_number: 1n, last_number: 1024n },
        { first_number: 1025n, last_number: 2048n },
        { first_number: 2049n, last_number: 2600n },
      ])
      expect(await store.cores(channel.channelId, 2500)).toEqual(cores)
      expect(await store.cores(channel.channelId, 1500)).toEqual(cores.slice(0, 1500))
      for (const index of [1, 1024, 1025, 2500]) {
        expect(await store.payment(channel.channelId, index)).toEqual({ ...payments[index - 1], answer: undefined })
      }
      expect(await store.payment(channel.channelId, 2600)).toEqual(ahead)
      expect(await store.payment(channel.channelId, 2550)).toBeUndefined()

      const kept = await allReceipts(store, channel)
      expect(kept).toHaveLength(2501)
      for (const { index, core, charged, receipt, status } of kept.slice(0, 2500)) {
        expect({ core, charged, receipt, status }).toEqual({
          core: payments[index - 1]!.core,
          charged: 10n,
          receipt: opened[index],
          status: 'charged',
        })
      }
      expect(kept.at(-1)).toEqual({
        index: 2600,
        core: ahead.core,
        charged: 0n,
        receipt: undefined,
        status: 'accepted',
      })
      await store.pack(channel.channelId, opened)
      expect(await allReceipts(store, channel)).toEqual(kept)
    })

    test('no channel that is open', async () => {
      const { store, place } = await open()
      const channel = paidUpTo(channelNamed('one'), 1, { phase: 'closing' })
      await store.commit({ channels: [channel], payments: [payment(channel, 1)] })
      const before = await contents(place)
      await expect(store.pack(channel.channelId, [])).rejects.toThrow('closed')
      expect(await contents(place)).toEqual(before)
    })

    test('a channel that was not released without its receipts, which are listed all the same', async () => {
      const { store } = await open()
      const channel = paidUpTo(channelNamed('one'), 2, { phase: 'closed' })
      await store.commit({ channels: [channel], payments: [payment(channel, 1), payment(channel, 2)] })
      const before = await store.receipts(channel.channelId, 1)
      expect(before.map(({ receipt }) => receipt)).toEqual([undefined, undefined])
      await store.pack(channel.channelId, [])
      expect(await store.receipts(channel.channelId, 1)).toEqual(before)
      expect(await store.receipts(channel.channelId, 2)).toEqual(before.slice(1))
      expect(await store.receipts(channel.channelId, 3)).toEqual([])
    })
  })

  describe('forgets', () => {
    const deadline = unixSeconds(now + 4200n)

    test('a closed channel, and has a tombstone until its deadline', async () => {
      const { store, place } = await open()
      const channel = paidUpTo(channelNamed('one'), 1, { phase: 'closed' })
      await store.commit({ channels: [channel], payments: [payment(channel, 1)] })
      await store.acquire({ channelId: channel.channelId, node: 'a', now, ttl: 1 })
      await store.pack(channel.channelId, [])
      expect(await store.tombstone(reference(channel))).toBeUndefined()
      expect(await store.forget(channel.channelId, now)).toBe(true)
      expect(await store.channel(reference(channel))).toBeUndefined()
      expect(await store.tombstone(reference(channel))).toBe(deadline)
      expect(await contents(place)).toMatchObject({ channels: [], segments: [], payments: [], packs: [], leases: [] })
      expect(await store.forget(channel.channelId, now)).toBe(false)
    })

    test('no channel of which money may still be claimed', async () => {
      const { store } = await open()
      for (const phase of ['open', 'closing'] as const) {
        const channel = paidUpTo(channelNamed(phase), 1, { phase })
        await store.commit({ channels: [channel], payments: [] })
        expect(await store.forget(channel.channelId, unixSeconds(deadline + 1_000_000n))).toBe(false)
        expect(await store.prune(unixSeconds(deadline + 1_000_000n), 100)).toBe(0)
      }
    })

    test('by age after the deadline, in parts, and never sooner', async () => {
      const { store, place } = await open()
      const closed = Array.from({ length: 5 }, (_, at) => paidUpTo(channelNamed(`${at}`), 1, { phase: 'closed' }))
      const unpaid = channelNamed('unpaid')
      await store.commit({ channels: [...closed, unpaid], payments: closed.map((channel) => payment(channel, 1)) })
      expect(await store.prune(deadline, 100)).toBe(0)
      const after = unixSeconds(deadline + 1n)
      expect(await store.prune(after, 4)).toBe(4)
      expect(await store.prune(after, 4)).toBe(2)
      expect(await store.prune(after, 4)).toBe(0)
      expect(await contents(place)).toMatchObject({ channels: [], payments: [], tombstones: [] })
    })

    test('answers by age, in parts, and nothing else of their payments', async () => {
      const { store } = await open()
      const channel = paidUpTo(channelNamed('one'), 4)
      const answer = { status: 200, headers: [['x', 'y']] as const, body: bytesOf('b') }
      const made = [1n, 2n, 3n].map((at) => ({ answer, answeredAt: unixSeconds(now + at) }))
      const payments = [payment(channel, 1, made[0]), payment(channel, 2, made[1]), payment(channel, 3, made[2])]
      await store.commit({ channels: [channel], payments: [...payments, payment(channel, 4)] })
      const kept = async (): Promise<readonly boolean[]> =>
        Promise.all([1, 2, 3].map(async (at) => (await store.payment(channel.channelId, at))!.answer !== undefined))
      expect(await store.forgetAnswers(unixSeconds(now + 1n), 100)).toBe(0)
      expect(await store.forgetAnswers(unixSeconds(now + 3n), 1)).toBe(1)
      expect(await store.forgetAnswers(unixSeconds(now + 3n), 100)).toBe(1)
      expect(await store.forgetAnswers(unixSeconds(now + 3n), 100)).toBe(0)
      expect(await kept()).toEqual([false, false, true])
      const { answeredAt: _, ...first } = payments[0]!
      expect(await store.payment(channel.channelId, 1)).toEqual({ ...first, answer: undefined })
    })

    test('tombstones when they are over, of which the later counts', async () => {
      const { store } = await open()
      const id = bytesOf('somebody’s channel')
      await store.bury(id, deadline)
      await store.bury(id, unixSeconds(deadline - 5n))
      expect(await store.tombstone(id.subarray(0, 16))).toBe(deadline)
      await store.prune(deadline, 1)
      expect(await store.tombstone(id.subarray(0, 16))).toBe(deadline)
      await store.prune(unixSeconds(deadline + 1n), 1)
      expect(await store.tombstone(id.subarray(0, 16))).toBeUndefined()
    })
  })

  describe('that meets a', () => {
    test('channel changed on the disk says that it is damaged, and serves the others', async () => {
      const { store, place } = await open()
      const [one, two] = [channelNamed('one'), channelNamed('two')]
      await store.commit({ channels: [one, two], payments: [payment(one, 1)] })
      await place.sql('UPDATE openings SET terms = :terms WHERE channel_id = :id', {
        terms: two.terms,
        id: one.channelId,
      })
      await expect(store.channel(reference(one))).rejects.toMatchObject({ fault: 'damaged', passes: false })
      expect(await store.channel(reference(two))).toEqual(two)
      await place.sql(`UPDATE payments SET answer_status = 1, answer_headers = '{', answer_body = channel_id`)
      await expect(store.payment(one.channelId, 1)).rejects.toMatchObject({ fault: 'damaged' })
    })

    test('row of packed payments that was cut says so', async () => {
      const { store, place } = await open()
      const channel = paidUpTo(channelNamed('one'), 1, { phase: 'closed' })
      await store.commit({ channels: [channel], payments: [payment(channel, 1)] })
      await store.pack(channel.channelId, [])
      await place.sql('UPDATE packs SET payments = :cut', { cut: bytesOf('cut', 20) })
      await expect(store.payment(channel.channelId, 1)).rejects.toMatchObject({ fault: 'damaged' })
      await expect(store.receipts(channel.channelId, 1)).rejects.toMatchObject({ fault: 'damaged' })
    })
  })
})

describe('the deadline of encoded terms', () => {
  test('is what the terms say, wherever the bytes are', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(100), (label, offset) => {
        const { terms } = channelNamed(label)
        const parsed = Terms.parse(terms)
        const moved = new Uint8Array(offset + terms.length)
        moved.set(terms, offset)
        expect(parsed.ok && parsed.value.expiresAt + BigInt(parsed.value.graceSeconds)).toBe(
          deadlineOf(moved.subarray(offset)),
        )
      }),
      { numRuns: 20 },
    )
  })
})

const tables = ['channels', 'segments', 'payments', 'packs', 'leases', 'tombstones']

/** Every row of every table, or those of all channels but one. */
async function contents(place: Place, but?: Uint8Array): Promise<Readonly<Record<string, unknown>>> {
  const entries = await Promise.all(
    tables.map(async (table) => {
      const all = but === undefined || table === 'tombstones'
      const rows = all
        ? await place.sql(`SELECT * FROM ${table} ORDER BY 1, 2, 3`)
        : await place.sql(`SELECT * FROM ${table} WHERE channel_id <> :but ORDER BY 1, 2, 3`, { but })
      return [table, rows] as const
    }),
  )
  return Object.fromEntries(entries)
}

async function allReceipts(
  store: VendorDatabase,
  { channelId }: StoredChannel,
): Promise<Awaited<ReturnType<VendorDatabase['receipts']>>> {
  const found: Awaited<ReturnType<VendorDatabase['receipts']>>[number][] = []
  for (;;) {
    const page = await store.receipts(channelId, (found.at(-1)?.index ?? 0) + 1)
    if (page.length === 0) return found
    found.push(...page)
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
