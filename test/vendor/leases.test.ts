import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { PaymentMessages } from '../../src/http/headers.ts'
import { Client, Vendor } from '../../src/protocol/index.ts'
import {
  type Admission,
  HeldElsewhereError,
  type Repeated,
  Till,
  type TillOptions,
  type Turned,
} from '../../src/vendor/index.ts'
import type { VendorDatabase } from '../../src/vendor/store/contract.ts'
import { vendorStore } from '../../src/vendor/store/tasks.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import { type UnixSeconds, unixSeconds } from '../../src/wire/amount.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Frame from '../../src/wire/Frame.ts'
import { overriding } from '../e2e/town.ts'
import { bankKey, bytesOf, createWorld, frameKey, must, now, read, vendorKey, type World } from '../protocol/world.ts'
import { kindsOf, type Place } from '../stores/places.ts'
import { usePostgres } from '../stores/postgres.ts'
import { schema, tasks } from '../stores/vendorTasks.ts'

const price = 10n
const kinds = kindsOf({ schema, tasks, module: new URL('../stores/vendorTasks.ts', import.meta.url) }, usePostgres())

interface Node {
  readonly name: string
  readonly till: Till
  readonly store: VendorDatabase
  clock: UnixSeconds
}

/** A process of the vendor that shares its store with others. */
async function startNode(place: Place, name: string, change: Partial<TillOptions> = {}): Promise<Node> {
  const store = vendorStore(await place.open())
  const node = { name, store, clock: now } as { -readonly [Key in keyof Node]: Node[Key] }
  node.till = new Till({
    store,
    frameKey: frameKey.secret,
    now: () => node.clock,
    acceptance: {
      banks: [bankKey.publicKey],
      vendor: vendorKey.publicKey,
      vendorFrameKey: frameKey.publicKey,
      network: 'lockstep:test',
      asset: 'USD/6',
      lockSchemes: ['schnorr'],
      lifeMin: 0n,
      graceMin: 0,
    },
    lease: { store, node: name, ttl: 10 },
    ...change,
  })
  return node
}

function messagesOf(world: World, payment: Client.Paid): PaymentMessages {
  const { frame, checkpoint } = payment
  return {
    payment: { bytes: frame, value: read(Frame.parsePayment(frame)) },
    checkpoint: checkpoint && read(Checkpoint.parse(checkpoint)),
    attachment: read(Attachment.parse(Attachment.encode(world.client.attachment))),
  }
}

function pay(world: World): PaymentMessages {
  const { index } = world.client
  return messagesOf(world, must(Client.pay(world.client, { price, digest: bytesOf(`${index}`), now })).payment)
}

/** Serves a payment as a route does: durable before and after its handler. */
async function serve({ till }: Node, messages: PaymentMessages): Promise<Admission | Repeated | Turned> {
  const admission = await till.admit(messages)
  if (!admission.ok) return admission
  const { held, accepted } = admission
  await admission.durable
  const { reservation } = must(Vendor.reserve(held.channel, accepted.index, price))
  Vendor.charge(held.channel, reservation, price)
  Vendor.settle(held.channel, reservation)
  await till.write(held, { accepted, status: 'charged', charged: price })
  return admission
}

function wait(node: Node, seconds: number): void {
  node.clock = unixSeconds(node.clock + BigInt(seconds))
}

const spent = async ({ store }: Node, world: World): Promise<bigint> =>
  (await store.channel(world.client.channelId.subarray(0, 16)))?.spent ?? 0n

describe.each(kinds)('a vendor on two nodes with a store on $name', { timeout: 120_000 }, ({ name: kind, make }) => {
  test('serves a channel on one of them, and says of the other who has it', async () => {
    const place = await make()
    const [a, b] = [await startNode(place, 'a'), await startNode(place, 'b')]
    const world = createWorld()
    expect(await serve(a, pay(world))).toMatchObject({ ok: true })
    const elsewhere = await serve(b, pay(world)).catch((error: unknown) => error)
    expect(elsewhere).toBeInstanceOf(HeldElsewhereError)
    expect(elsewhere).toMatchObject({ node: 'a', until: now + 10n })
    expect(await spent(a, world)).toBe(price)
  })

  test('goes on on the other node when the first is silent for long, with what the first one stored', async () => {
    const place = await make()
    const [a, b] = [await startNode(place, 'a'), await startNode(place, 'b')]
    const world = createWorld()
    const first = pay(world)
    await serve(a, first)
    wait(b, 10)
    expect(await serve(b, pay(world))).toMatchObject({ ok: true })
    expect(await serve(b, first)).toMatchObject({ ok: false, reason: 'IndexSeen' })
    expect(await spent(b, world)).toBe(2n * price)
  })

  test('charges nothing on the node that lost its lease, and what it served last is paid again nowhere', async () => {
    const place = await make()
    const [a, b] = [await startNode(place, 'a'), await startNode(place, 'b')]
    const world = createWorld()
    await serve(a, pay(world))
    wait(b, 10)
    await serve(b, pay(world))
    const third = pay(world)
    // Its clock stands still: it believes in its lease, and in what it remembers.
    await expect(serve(a, third)).rejects.toThrow(/given up|store failed/)
    expect(await spent(b, world)).toBe(2n * price)
    await expect(serve(a, third)).rejects.toBeInstanceOf(HeldElsewhereError)
    expect(await serve(b, third)).toMatchObject({ ok: true })
    expect(await spent(b, world)).toBe(3n * price)
  })

  test('refuses nothing on the node that lost its lease: the other one may know better', async () => {
    const place = await make()
    const [a, b] = [await startNode(place, 'a'), await startNode(place, 'b')]
    const world = createWorld()
    await serve(a, pay(world))
    wait(b, 10)
    await serve(b, pay(world))
    // The other node took a checkpoint and has acknowledged it: it rides along no more.
    const { checkpoint } = must(Client.checkpoint(world.client))
    const { held } = must(await b.till.find(world.client.channelId.subarray(0, 16), undefined))
    await must(b.till.checkpoint(held, read(Checkpoint.parse(checkpoint)))).durable
    world.client.checkpoint = undefined
    const third = pay(world)
    await expect(serve(a, third)).rejects.toThrow(/given up|store failed/)
    await expect(serve(a, third)).rejects.toBeInstanceOf(HeldElsewhereError)
    expect(await serve(b, third)).toMatchObject({ ok: true })
    expect(await spent(b, world)).toBe(3n * price)
  })

  test('lets go of its channels when it stops, at once', async () => {
    const place = await make()
    const [a, b] = [await startNode(place, 'a'), await startNode(place, 'b')]
    const world = createWorld()
    await serve(a, pay(world))
    await a.till.stop()
    expect(await serve(b, pay(world))).toMatchObject({ ok: true })
    expect(await spent(b, world)).toBe(2n * price)
  })

  test('keeps a channel that it uses, for longer than a lease lasts', async () => {
    const place = await make()
    const [a, b] = [await startNode(place, 'a'), await startNode(place, 'b')]
    const world = createWorld()
    for (let turn = 0; turn < 6; turn++) {
      expect(await serve(a, pay(world))).toMatchObject({ ok: true })
      await new Promise((resolve) => setImmediate(resolve))
      for (const node of [a, b]) wait(node, 6)
      await expect(serve(b, pay(createWorldLike(world)))).rejects.toBeInstanceOf(HeldElsewhereError)
    }
  })

  test('takes over from itself when it starts again', async () => {
    const place = await make()
    const world = createWorld()
    await serve(await startNode(place, 'a'), pay(world))
    expect(await serve(await startNode(place, 'a'), pay(world))).toMatchObject({ ok: true })
  })

  test('shown one new channel at the same moment, takes it in once', async () => {
    const place = await make()
    const nodes = [await startNode(place, 'a'), await startNode(place, 'b')]
    const world = createWorld()
    const first = pay(world)
    const outcomes = await Promise.allSettled([...nodes, ...nodes].map((node) => serve(node, first)))
    const admitted = outcomes.filter((one) => one.status === 'fulfilled' && one.value.ok)
    expect(admitted).toHaveLength(1)
    expect(await spent(nodes[0]!, world)).toBe(price)
  })

  test('charges each payment at most once, whatever the clocks, the pauses and the order', async () => {
    const events = fc.array(fc.record({ node: fc.nat(2), wait: fc.nat(15), resend: fc.boolean() }), { maxLength: 25 })
    await fc.assert(
      fc.asyncProperty(events, async (history) => {
        const place = await make()
        const nodes = await Promise.all(['a', 'b', 'c'].map((name) => startNode(place, name)))
        const world = createWorld()
        const sent: PaymentMessages[] = []
        const acknowledged = new Set<number>()
        for (const event of history) {
          const node = nodes[event.node]!
          wait(node, event.wait)
          const messages = event.resend && sent.length > 0 ? sent[event.wait % sent.length]! : pay(world)
          if (!sent.includes(messages)) sent.push(messages)
          const outcome = await serve(node, messages).catch(() => undefined)
          if (outcome?.ok === true) {
            expect(acknowledged.has(outcome.accepted.index), 'a payment is charged once').toBe(false)
            acknowledged.add(outcome.accepted.index)
          }
        }
        expect(await spent(nodes[0]!, world)).toBe(BigInt(acknowledged.size) * price)
        for (const { store } of nodes) await store.close()
      }),
      { numRuns: kind === 'SQLite' ? 25 : 5 },
    )
  })
})

describe('a channel that is shown for the first time', () => {
  test('is refused while it has a tombstone here', async () => {
    const node = await startNode(await kinds[0]!.make(), 'a')
    const world = createWorld()
    await node.store.bury(world.client.channelId, unixSeconds(now + 5n))
    expect(await serve(node, pay(world))).toMatchObject({ ok: false, reason: 'ChannelClosed' })
    wait(node, 6)
    expect(await serve(node, pay(createWorldLike(world)))).toMatchObject({ ok: true })
  })

  test('to a restored store is refused if it was opened before, as clocks and the identity in its terms tell', async () => {
    const place = await kinds[0]!.make()
    const shown = async (
      restoredAt: bigint,
      change: Partial<TillOptions> = {},
    ): Promise<Admission | Repeated | Turned> => {
      const store = overriding(vendorStore(await place.open()), { restoredAt: async () => unixSeconds(restoredAt) })
      return serve(await startNode(place, 'a', { store, ...change }), pay(createWorld({ label: `${restoredAt}` })))
    }
    const refused = { ok: false, reason: 'ChannelClosed', detail: expect.stringContaining('restored') }
    expect(await shown(now)).toMatchObject(refused)
    // By other clocks it may have been opened before.
    expect(await shown(now - 600n)).toMatchObject(refused)
    expect(await shown(now - 601n)).toMatchObject({ ok: true })
    const { vendorIdentity: identity } = createWorld().client.terms
    expect(await shown(now - 1n, { identity })).toMatchObject({ ok: true })
    expect(await shown(now - 2n, { identity: bytesOf('another') })).toMatchObject(refused)
  })
})

/** The same channel, as its client has it at first: what it pays is no new payment. */
function createWorldLike({ client }: World): World {
  const world = createWorld()
  expect(world.client.channelId).toEqual(client.channelId)
  return world
}
