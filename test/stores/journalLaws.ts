import { describe, expect, test } from 'vitest'
import type { Journal, ProposedChannel, WalletJournal } from '../../src/client/journal/contract.ts'
import { bytesOf } from '../protocol/world.ts'
import { paymentOf, proposed, state } from './journalChannels.ts'

/** An empty journal, open. */
export interface OpenPlace {
  readonly journal: WalletJournal
  /** The same one, read anew. */
  reopen(): Promise<WalletJournal>
  /** All that is stored. */
  contents(): Promise<unknown>
}

/** What holds of every journal, whatever stores it. */
export function journalLaws(open: () => Promise<OpenPlace>): void {
  describe('keeps', () => {
    test('a proposed channel with its secrets, before and after its first state', async () => {
      const { journal, reopen } = await open()
      const channel = proposed('one')
      await journal.propose(channel)
      expect(await journal.channels()).toEqual([{ ...channel, state: undefined }])
      await journal.commit(channel.channelId, state(0))
      await payUpTo(journal, channel, 7)
      const full = state(7, { checkpoint: bytesOf('c'), frozen: 'why', closing: bytesOf('k'), release: bytesOf('r') })
      await journal.commit(channel.channelId, full)
      expect(await (await reopen()).channels()).toEqual([{ ...channel, state: full }])
    })

    test('payments as they were made, in order', async () => {
      const { journal } = await open()
      const channel = proposed('one')
      await journal.propose(channel)
      await payUpTo(journal, channel, 2)
      expect(await journal.payments(channel.channelId)).toEqual([paymentOf(1), paymentOf(2)])
      expect(await journal.payments(bytesOf('none'))).toEqual([])
    })

    test('what a payment was charged, once its vendor says so', async () => {
      const { journal, reopen } = await open()
      const channel = proposed('one')
      await journal.propose(channel)
      await payUpTo(journal, channel, 2)
      await journal.commit(channel.channelId, state(2), [], [{ index: 1, charged: 9n }])
      await journal.commit(channel.channelId, state(3), [paymentOf(3)], [{ index: 2, charged: 0n }])
      const charges = (await (await reopen()).payments(channel.channelId)).map(({ charged }) => charged)
      expect(charges).toEqual([9n, 0n, undefined])
    })

    test('payments of one commit together, and what several were charged', async () => {
      const { journal, reopen } = await open()
      const channel = proposed('one')
      await journal.propose(channel)
      await journal.commit(channel.channelId, state(3), [1, 2, 3].map(paymentOf))
      const answered = [2, 3].map((index) => ({ index, charged: BigInt(index) }))
      await journal.commit(channel.channelId, state(5), [4, 5].map(paymentOf), answered)
      const payments = await (await reopen()).payments(channel.channelId)
      expect(payments.map(({ index, charged }) => [index, charged])).toEqual([
        [1, undefined],
        [2, 2n],
        [3, 3n],
        [4, undefined],
        [5, undefined],
      ])
    })

    test('the last note of a name', async () => {
      const { journal, reopen } = await open()
      await journal.note('bank', 'one')
      await journal.note('offer', 'two')
      await journal.note('bank', 'three')
      const again = await reopen()
      expect(await Promise.all(['bank', 'offer', 'other'].map((name) => again.recall(name)))).toEqual([
        'three',
        'two',
        undefined,
      ])
    })
  })

  test('ends a channel once: it is listed with what became of it, and signs nothing more', async () => {
    const { journal, reopen } = await open()
    const [one, two] = [proposed('one'), proposed('two')]
    for (const channel of [one, two]) await journal.propose(channel)
    await journal.commit(one.channelId, state(1), [paymentOf(1)])
    const outcome = { status: 'closed', settled: 30n, refund: 70n, returned: 5n } as const
    await journal.end(one.channelId, outcome)
    await journal.end(one.channelId, { status: 'expired', settled: 0n, refund: 100n, returned: 0n })
    await expect(journal.commit(one.channelId, state(2), [paymentOf(2)])).rejects.toThrow('ended')
    const { channelKey: _key, channelSeed: _seed, ...known } = one
    for (const read of [journal, await reopen()]) {
      expect(await read.ended()).toEqual([{ ...known, state: state(1), outcome }])
      expect((await read.channels()).map(({ channelId }) => channelId)).toEqual([two.channelId])
      expect(await read.retired()).toEqual([])
    }
  })

  describe('refuses', () => {
    test.each([
      ['fewer payments', { index: 4 }],
      ['less paid', { paid: 2n ** 62n - 1n }],
      ['less agreed', { agreed: 49n, acknowledged: 0n }],
    ])('a state with %s than it has, and writes nothing', async (_, change) => {
      const { journal, contents } = await open()
      const channel = proposed('one')
      await journal.propose(channel)
      await payUpTo(journal, channel, 5)
      await journal.commit(channel.channelId, state(5, { paid: 2n ** 62n }))
      const before = await contents()
      const older = state(5, { paid: 2n ** 62n, ...change })
      await expect(journal.commit(channel.channelId, older, [paymentOf(6)])).rejects.toThrow('newer state')
      expect(await contents()).toEqual(before)
    })

    test('a second payment of one index, and the state that came with it', async () => {
      const { journal, contents } = await open()
      const channel = proposed('one')
      await journal.propose(channel)
      await journal.commit(channel.channelId, state(1), [paymentOf(1)])
      const before = await contents()
      await expect(journal.commit(channel.channelId, state(2), [paymentOf(1)])).rejects.toThrow(/constraint/i)
      expect(await contents()).toEqual(before)
    })

    test('a state that counts a payment which it does not have', async () => {
      const { journal, contents } = await open()
      const channel = proposed('one')
      await journal.propose(channel)
      await payUpTo(journal, channel, 2)
      const before = await contents()
      await expect(journal.commit(channel.channelId, state(3))).rejects.toThrow('could not be stored')
      await expect(journal.commit(channel.channelId, state(4), [paymentOf(4)])).rejects.toThrow('could not be stored')
      const later = [3, 5].map(paymentOf)
      await expect(journal.commit(channel.channelId, state(5), later)).rejects.toThrow('could not be stored')
      expect(await contents()).toEqual(before)
      await journal.commit(channel.channelId, state(3), [paymentOf(3)])
    })

    test('a channel that it does not know, and one that it knows already', async () => {
      const { journal, contents } = await open()
      await journal.propose(proposed('one'))
      const before = await contents()
      await expect(journal.commit(bytesOf('none'), state(1))).rejects.toThrow('unknown')
      await expect(journal.propose(proposed('one'))).rejects.toThrow(/constraint/i)
      expect(await contents()).toEqual(before)
    })

    test('to thaw what was frozen', async () => {
      const { journal } = await open()
      const channel = proposed('one')
      await journal.propose(channel)
      await journal.commit(channel.channelId, state(0, { frozen: 'overcharged' }))
      await journal.commit(channel.channelId, state(0))
      expect((await journal.channels())[0]?.state?.frozen).toBe('overcharged')
    })
  })
}

async function payUpTo(journal: Journal, { channelId }: ProposedChannel, last: number): Promise<void> {
  for (let index = 1; index <= last; index++) await journal.commit(channelId, state(index), [paymentOf(index)])
}
