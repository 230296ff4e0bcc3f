import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Held, Till } from '../../src/vendor/index.ts'
import { sqliteVendorStore } from '../../src/vendor/store/sqlite.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Frame from '../../src/wire/Frame.ts'
import * as Terms from '../../src/wire/Terms.ts'
import { fork } from '../protocol/adversary.ts'
import { type Sent, sendAll, wishes } from '../protocol/history.ts'
import { createWorld, must, read, type World } from '../protocol/world.ts'
import { openTill } from './tills.ts'

const fresh = createWorld({ funds: 900n, unitPrice: 10n, segmentLength: 4, label: 'restarts' })

/** Hands a till what arrived, and waits until it is durable. */
async function deliver(till: Till, world: World, { wish, bytes, checkpoint }: Sent): Promise<void> {
  const attachment = read(Attachment.parse(Attachment.encode(world.client.attachment)))
  const riding = checkpoint && read(Checkpoint.parse(checkpoint))
  const find = async (): Promise<Held> =>
    must(await till.find(Terms.reference(world.client.channelId), attachment)).held
  if (wish === 'pay') {
    const payment = { bytes, value: read(Frame.parsePayment(bytes)) }
    const admission = await till.admit({ payment, checkpoint: riding, attachment })
    if (!admission.ok) expect(admission.reason).toBe('IndexSeen')
    else await admission.durable
    return
  }
  const held = await find()
  if (riding !== undefined) await must(till.checkpoint(held, riding)).durable
  if (wish === 'checkpoint') return must(till.checkpoint(held, read(Checkpoint.parse(bytes)))).durable
  const ticked = till.tick(held, { bytes, value: read(Frame.parseTick(bytes)) })
  // A tick that comes before every payment is refused, and sent again.
  if (ticked.ok) await ticked.durable
  else expect(ticked.reason).toBe('PaymentMissing')
}

describe('an honest client’s messages, in any order, with duplicates', () => {
  test('never suspend its channel, wherever between them the vendor starts again', async () => {
    await fc.assert(
      fc.asyncProperty(
        wishes({ priceMax: 70n, maxLength: 24 }),
        fc.infiniteStream(fc.nat()),
        fc.infiniteStream(fc.boolean()),
        async (list, order, restarts) => {
          const world = fork(fresh)
          const sent = sendAll(world, list)
          const shuffled = [...sent, ...sent]
            .map((one) => ({ one, at: order.next().value }))
            .toSorted((left, right) => left.at - right.at)
            .map(({ one }) => one)
          const store = sqliteVendorStore(':memory:')
          let till = openTill(store)
          for (const one of [...shuffled, ...sent]) {
            if (restarts.next().value) till = openTill(store)
            await deliver(till, world, one)
          }
          const { client } = world
          if (client.index > 0) {
            const { channel } = must(await openTill(store).find(Terms.reference(client.channelId), undefined)).held
            expect(channel).toMatchObject({ suspended: undefined, strikes: 0, paid: client.paid })
            expect(channel.window).toMatchObject({ contiguous: client.index, transcript: client.transcript })
          }
          await store.close()
        },
      ),
      { numRuns: 40 },
    )
  })
})
