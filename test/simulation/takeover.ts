import type { PayingChannel } from '../../src/client/channel.ts'
import { toHex } from '../../src/crypto/bytes.ts'
import { pass } from './actions.ts'
import { eve } from './adversaries/eavesdropper.ts'
import type { ClientParty } from './parties/client.ts'
import type { VendorParty } from './parties/vendor.ts'
import { openedAt, runUntil } from './trials.ts'
import { runAll, type World } from './world.ts'

/** What the other node sells first. */
const wares = ['item', 'sample', 'stream', 'crate'] as const

/**
 * G2, G5, G11: of a vendor's two nodes the one that serves a channel has a clock that is late. It believes in its lease while the
 * other one takes over, writes until the very moment in which that happens, and goes on with what it has in memory. Then
 * the other one stops, and the first has the channel back at once.
 */
export async function takeOver(world: World): Promise<void> {
  const { clients, vendors, scheduler, ground, truth } = world
  const client = clients.find(({ plan }) => !plan.isByzantine)
  const vendor = vendors.find(({ plan }) => !plan.isByzantine && plan.nodes > 1)
  if (client === undefined || vendor === undefined) return
  const [late, other] = vendor.nodes as [VendorParty['nodes'][number], VendorParty['nodes'][number]]
  const channel = await openedAt(world, client, vendor, true)
  if (channel === undefined) return
  vendor.turnTo(0)
  const { seed } = ground.plan
  const { runs } = truth.channels.get(toHex(channel.state.channelId))!
  const mustServe = async (when: string): Promise<void> => {
    const before = runs.size
    await buy(world, { client, vendor, channel }, 'item')
    if (runs.size === before) ground.violate('G11', `${vendor.name} does not serve ${when}`)
  }
  // The other one meets a channel that is known, or one that the late node takes in meanwhile.
  if (seed % 2 === 0) await mustServe('on its first node')
  // Meanwhile its client may ask it how the channel stands, after a silence.
  for (let left = secondsLeased(world); left > 0; left = secondsLeased(world)) await pass(world, left)
  const behind = Number(ground.clockOf(late.name) - ground.clockOf(other.name)) + lateSeconds
  ground.skew(late.name, -behind)
  vendor.turnTo(1)
  const seen = { messages: world.network.wire.length, frames: world.sockets.seen.length }
  const ware = wares[Math.floor(seed / 2) % wares.length]!
  await begin(world, { client, vendor, channel }, ware)
  const taking = await runUntil(world, ({ kind, label }) => kind === 'commit' && label.endsWith(' acquire'))
  vendor.turnTo(0)
  if (taking !== undefined) {
    taking.isHeld = true
    await mustServe('on the node that has the channel')
    taking.isHeld = false
  }
  vendor.turnTo(1)
  await runAll(world)
  // So many that a segment begins that the late node does not know.
  if (ware === 'crate') for (let turn = 0; turn < 2; turn++) await buy(world, { client, vendor, channel }, ware)
  vendor.turnTo(0)
  if (ware !== 'crate') await repeat(world, vendor, seen)
  await buy(world, { client, vendor, channel }, ware === 'crate' ? 'item' : 'stream')
  vendor.turnTo(1)
  await mustServe('on the node that took over')
  ground.skew(late.name, behind)
  await scheduler.run(other.process, () => void other.till.stop())
  await runAll(world)
  vendor.turnTo(0)
  await mustServe('after the node that had the channel has stopped')
}

/** Until no node has a channel any more that is asked of another one. */
export function secondsLeased({ vendors, ground }: World): number {
  const left = vendors.flatMap(({ nodes, disk }) =>
    disk
      .look('SELECT held_until FROM leases')
      .flatMap((row) => nodes.map(({ name }) => Number((row.held_until as bigint) - ground.clockOf(name)))),
  )
  return Math.max(0, ...left)
}

/** Seconds that the clock of a node is late. */
const lateSeconds = 60

interface Deal {
  readonly client: ClientParty
  readonly vendor: VendorParty
  readonly channel: PayingChannel
}

function begin({ scheduler }: World, { client, vendor, channel }: Deal, ware: (typeof wares)[number]): Promise<void> {
  const plan = { units: 3, ahead: 2, leave: 2, payments: 2 }
  return scheduler.run(client.process, () =>
    ware === 'stream' ? client.stream(channel, vendor, plan) : client.buy(channel, vendor, ware),
  )
}

async function buy(world: World, deal: Deal, ware: (typeof wares)[number]): Promise<void> {
  await begin(world, deal, ware)
  await runAll(world)
}

/** Whoever listens sends once more what came to a vendor, to the node that takes what comes now. */
async function repeat(
  world: World,
  { name }: VendorParty,
  since: { readonly messages: number; readonly frames: number },
): Promise<void> {
  const { scheduler, network, sockets } = world
  const frames = sockets.seen.slice(since.frames).filter(({ to }) => to === name)
  for (const message of network.wire.slice(since.messages).filter(({ to }) => to === name)) {
    network.inject({ ...message, from: eve.party })
  }
  for (const connection of new Set(frames.map((frame) => frame.connection))) {
    const own = frames.filter((frame) => frame.connection === connection)
    await scheduler.run(eve, () => {
      const socket = new sockets.WebSocket(`ws://${name}${own[0]!.path}`)
      socket.onopen = () => {
        for (const { message } of own) socket.send(new Uint8Array(message))
      }
    })
  }
  await runAll(world)
}
