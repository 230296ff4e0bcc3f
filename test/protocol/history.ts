import fc from 'fast-check'
import { Client, type Refusal } from '../../src/protocol/index.ts'
import { bytesOf, deliverBytes, deliverCheckpoint, deliverTick, now, type World } from './world.ts'

/** What an honest client is asked to do. */
export type Wish =
  | { readonly kind: 'pay'; readonly price: bigint }
  | { readonly kind: 'tick'; readonly index: number; readonly units: number }
  | { readonly kind: 'checkpoint' }

/** What it sends, and what is paid once the vendor has it. */
export interface Sent {
  readonly wish: Wish['kind']
  readonly index: number
  readonly bytes: Uint8Array
  /** Sent before it. */
  readonly checkpoint: Uint8Array | undefined
  readonly core?: Uint8Array
  readonly paid: bigint
}

export function wishes(options: { readonly priceMax: bigint; readonly maxLength: number }): fc.Arbitrary<Wish[]> {
  const { priceMax, maxLength } = options
  return fc.array(
    fc.oneof(
      { weight: 5, arbitrary: fc.record({ kind: fc.constant('pay' as const), price: fc.bigInt(0n, priceMax) }) },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('tick' as const),
          index: fc.integer({ min: 1, max: maxLength }),
          units: fc.integer({ min: 1, max: 6 }),
        }),
      },
      { weight: 1, arbitrary: fc.constant({ kind: 'checkpoint' as const }) },
    ),
    { minLength: 1, maxLength },
  )
}

/** What the client of this world makes of a wish, if it does not refuse it. */
export function grantWish(world: World, wish: Wish): Refusal | { readonly ok: true; readonly sent: Sent } {
  const { client } = world
  switch (wish.kind) {
    case 'pay': {
      const digest = bytesOf(`goods ${client.index + 1}`)
      const made = Client.pay(client, { price: wish.price, digest, now })
      if (!made.ok) return made
      const { index, frame: bytes, checkpoint, core } = made.payment
      return { ok: true, sent: { wish: 'pay', index, bytes, checkpoint, core, paid: client.paid } }
    }
    case 'tick': {
      const made = Client.tick(client, { index: wish.index, units: wish.units, now })
      if (!made.ok) return made
      const { frame: bytes, checkpoint } = made
      return { ok: true, sent: { wish: 'tick', index: wish.index, bytes, checkpoint, paid: client.paid } }
    }
    case 'checkpoint': {
      const made = Client.checkpoint(client)
      if (!made.ok) return made
      const { index, paid } = client
      return { ok: true, sent: { wish: 'checkpoint', index, bytes: made.checkpoint, checkpoint: undefined, paid } }
    }
  }
}

export function sendAll(world: World, list: readonly Wish[]): Sent[] {
  return list.flatMap((wish) => {
    const made = grantWish(world, wish)
    return made.ok ? [made.sent] : []
  })
}

/** Hands the vendor what goes before a message: a payment takes its checkpoint along, a tick cannot. */
export function bring(world: World, { wish, checkpoint }: Sent): Refusal | { readonly ok: true } {
  return wish === 'tick' && checkpoint !== undefined ? deliverCheckpoint(world, checkpoint) : { ok: true }
}

/** Hands the vendor the message itself. */
export function receive(world: World, { wish, bytes, checkpoint }: Sent): Refusal | { readonly ok: true } {
  switch (wish) {
    case 'pay':
      return deliverBytes(world, bytes, checkpoint)
    case 'tick':
      return deliverTick(world, bytes)
    case 'checkpoint':
      return deliverCheckpoint(world, bytes)
  }
}
