import type { PayingChannel } from '../../src/client/channel.ts'
import { toHex } from '../../src/crypto/bytes.ts'
import { collectFrom, doJob, pass, restore } from './actions.ts'
import { cheats } from './adversaries/client.ts'
import { eve } from './adversaries/eavesdropper.ts'
import { intercept, interceptions } from './adversaries/interceptor.ts'
import { lies } from './adversaries/vendor.ts'
import type { Effect } from './engine/scheduler.ts'
import { endRuns } from './guarantees/vendor.ts'
import { urlOf } from './parties/cast.ts'
import type { ClientParty } from './parties/client.ts'
import { runErrand } from './parties/errands.ts'
import type { VendorParty } from './parties/vendor.ts'
import { nextOf, runAll, type World } from './world.ts'

/*
 * What is tried in every world before it ends. A seed comes to some of it by itself, and then seldom: each of these is one
 * short story that the guarantees look at like at everything else.
 */

/** G5, G9: a payment on its way is held up, and something made of it, or the one after it, comes first. */
export async function interceptAll(world: World): Promise<void> {
  const { clients, vendors, scheduler, ground } = world
  for (const [at, client] of clients.entries()) {
    const vendor = vendors.find(({ plan }) => !plan.isByzantine)
    if (client.plan.isByzantine || vendor === undefined) continue
    const how = interceptions[(ground.plan.seed + at) % interceptions.length]!
    const channel = await openedAt(world, client, vendor, how === 'alone')
    if (channel === undefined) continue
    await scheduler.run(client.process, () => client.buy(channel, vendor, how === 'redirect' ? 'item' : 'crate'))
    const request = await runUntil(world, ({ kind, label }) => kind === 'request' && label.includes(` ${client.name}>`))
    if (request === undefined) continue
    request.isHeld = true
    if (how === 'overtake') await buy(world, client, vendor, channel)
    if (how === 'overtake' && ground.plan.seed % 2 === 0) restart(world, vendor)
    await scheduler.run(undefined, () => intercept(world, request, how))
    await runAll(world)
    // Its vendor states its last before the request comes.
    if (how === 'alone') await scheduler.run(client.process, () => client.close(channel))
    await runAll(world)
    request.isHeld = false
    await runAll(world)
    // A client that has released signs nothing more.
    await buy(world, client, vendor, channel)
  }
}

/** G4: a wallet looks at its bank for openings while that has not answered one yet. */
export async function openWhileLooking(world: World): Promise<void> {
  const { clients, vendors, scheduler } = world
  const client = clients.find(({ plan }) => !plan.isByzantine)
  const [vendor] = vendors
  if (client === undefined || vendor === undefined) return
  const before = client.channels.length
  await scheduler.run(client.process, () => client.open(vendor, BigInt(vendor.plan.unitPrice) * 40n))
  const answer = await runUntil(world, ({ kind, label }) => kind === 'answer' && label.includes(` bank>${client.name}`))
  if (answer === undefined) return
  answer.isHeld = true
  await scheduler.run(client.process, () => client.sync())
  await runAll(world)
  answer.isHeld = false
  await runAll(world)
  // Older openings that were not answered are taken up as well.
  const opened = client.channels.slice(before).filter(({ vendorUrl }) => vendorUrl === urlOf(vendor.name))
  for (const channel of opened) await buy(world, client, vendor, channel)
}

/** G5, G8, G11: requests at once are each paid for and served once, in segments that one of them uses up. */
export async function buyAtOnce(world: World): Promise<void> {
  const { clients, vendors, scheduler, ground, truth } = world
  const client = clients.find(({ plan }) => !plan.isByzantine)
  const vendor = vendors.find(({ plan }) => !plan.isByzantine)
  if (client === undefined || vendor === undefined) return
  const channel = await openedAt(world, client, vendor, true)
  if (channel === undefined) return
  const wares = ['crate', 'item', 'crate', 'crate', 'item', 'item'] as const
  for (const good of wares) await scheduler.run(client.process, () => client.buy(channel, vendor, good))
  await runAll(world)
  // The first of two segments is not used any more before its vendor has stored anything of it.
  for (let turn = 0; turn < 2; turn++) {
    await scheduler.run(client.process, () => client.checkpoint(channel))
    await scheduler.run(client.process, () => client.buy(channel, vendor, 'item'))
  }
  await runAll(world)
  const { runs } = truth.channels.get(toHex(channel.state.channelId))!
  await repeatServed(world, client, vendor, channel)
  const asked = wares.length + 5
  if (runs.size !== asked) ground.violate('G11', `${vendor.name} serves ${runs.size} of ${asked} requests`)
}

/** A payment comes again while what it buys is made. */
async function repeatServed(
  world: World,
  client: ClientParty,
  vendor: VendorParty,
  channel: PayingChannel,
): Promise<void> {
  const { scheduler, network } = world
  // Both fail: then there is credit that a second run could take.
  for (const good of ['lemon', 'lemon'] as const)
    await scheduler.run(client.process, () => client.buy(channel, vendor, good))
  await runAll(world)
  await scheduler.run(client.process, () => client.buy(channel, vendor, 'view'))
  const handler = await runUntil(world, ({ kind }) => kind === 'handler')
  if (handler !== undefined) handler.isHeld = true
  const sent = network.wire.findLast(({ from }) => from === client.name)!
  network.inject({ ...sent, from: eve.party })
  await runAll(world)
  if (handler !== undefined) handler.isHeld = false
  await runAll(world)
}

/** G11: a vendor that does not hear that it was paid claims again, whatever came to it in between. */
export async function claimAgain(world: World): Promise<void> {
  const { clients, vendors, scheduler, truth, ground, bank } = world
  const client = clients.find(({ plan }) => !plan.isByzantine)
  const vendor = vendors.find(({ plan }) => !plan.isByzantine)
  if (client === undefined || vendor === undefined) return
  const channel = await openedAt(world, client, vendor, true)
  if (channel === undefined) return
  await buy(world, client, vendor, channel)
  const { channelId } = channel.state
  // Something runs that will be charged: nothing is claimed yet.
  await scheduler.run(client.process, () => client.buy(channel, vendor, 'item'))
  const handler = await runUntil(world, ({ kind }) => kind === 'handler')
  if (handler !== undefined) handler.isHeld = true
  await collect(world, vendor, channelId)
  if (handler !== undefined) handler.isHeld = false
  await runAll(world)
  await collectFrom(world, { vendor: vendor.name, channel: placeOf(vendor, channelId) })
  // A payment that comes while the claim is made.
  const read = ground.plan.slowReads ? await runUntil(world, ({ kind }) => kind === 'read') : undefined
  if (read !== undefined) {
    read.isHeld = true
    await buy(world, client, vendor, channel)
    read.isHeld = false
  }
  const answer = await runUntil(world, ({ kind, label }) => kind === 'answer' && label.includes(' bank>v'))
  if (answer !== undefined) await scheduler.finish(answer, 'failed')
  await runAll(world)
  await scheduler.run(client.process, () => client.close(channel))
  await runAll(world)
  await collect(world, vendor, channelId)
  const { books } = truth.channels.get(toHex(channelId))!
  if (books.phase !== 'closed') ground.violate('G11', `${vendor.name} never hears that it was paid`)
  const [row] = bank.disk.look('SELECT settled FROM channels WHERE channel_id = :channelId', { channelId })
  if (row?.settled !== books.spent) {
    ground.violate('G11', `${vendor.name} charged ${books.spent} and got ${String(row?.settled)}`)
  }
}

/** G3: every lie of a vendor without scruples, some of them in each world. */
export async function lieAll(world: World): Promise<void> {
  const { clients, vendors, scheduler, ground, armed } = world
  const client = clients.find(({ plan }) => !plan.isByzantine)
  for (const vendor of vendors) {
    if (!vendor.plan.isByzantine || client === undefined) continue
    for (let turn = 0; turn < liesOfEach; turn++) {
      const how = lies[(ground.plan.seed * liesOfEach + turn) % lies.length]!
      const channel = await openedAt(world, client, vendor, true)
      if (channel === undefined) return
      // The second pays in units, which come to more than it costs.
      for (const good of ['crate', 'crate'] as const) {
        await scheduler.run(client.process, () => client.buy(channel, vendor, good))
        await runAll(world)
      }
      armed.set(vendor.name, how)
      await scheduler.run(client.process, () =>
        how.endsWith('closing') ? client.close(channel) : client.refresh(channel),
      )
      await runAll(world)
      await buy(world, client, vendor, channel)
      armed.delete(vendor.name)
    }
  }
}

const liesOfEach = 2

/** Every cheat of a client without scruples, some of them in each world, on channels that its vendor took as honest. */
export async function cheatAll(world: World): Promise<void> {
  const { clients, vendors, scheduler, ground, armed } = world
  for (const client of clients) {
    const vendor = vendors.find(({ plan }) => !plan.isByzantine)
    if (!client.plan.isByzantine || vendor === undefined) continue
    await misread(world, client, vendor)
    for (let turn = 0; turn < cheatsOfEach; turn++) {
      const how = cheats[(ground.plan.seed * cheatsOfEach + turn) % cheats.length]!
      const channel = await openedAt(world, client, vendor, true)
      if (channel === undefined || how === 'offer' || how === 'release') continue
      // The first pays for the second: then there is something to cheat about.
      for (const good of ['item', 'crate', 'item'] as const) {
        armed.set(client.name, how)
        await scheduler.run(client.process, () => client.buy(channel, vendor, good))
        await runAll(world)
      }
      armed.delete(client.name)
    }
    await underpay(world, client, vendor)
    await releaseWrongly(world, client, vendor)
  }
}

/** G2: of two requests at once the second counts on what was paid for the first. */
async function underpay(world: World, client: ClientParty, vendor: VendorParty): Promise<void> {
  const { scheduler, armed } = world
  const channel = await openedAt(world, client, vendor, true)
  if (channel === undefined) return
  await buy(world, client, vendor, channel)
  await scheduler.run(client.process, () => client.buy(channel, vendor, 'item'))
  const handler = await runUntil(world, ({ kind }) => kind === 'handler')
  if (handler === undefined) return
  handler.isHeld = true
  armed.set(client.name, 'underpay')
  await buy(world, client, vendor, channel)
  armed.delete(client.name)
  handler.isHeld = false
  await runAll(world)
}

/** G7: a release that opens nothing. */
async function releaseWrongly(world: World, client: ClientParty, vendor: VendorParty): Promise<void> {
  const channel = await openedAt(world, client, vendor, true)
  if (channel === undefined) return
  await buy(world, client, vendor, channel)
  world.armed.set(client.name, 'release')
  await world.scheduler.run(client.process, () => client.close(channel))
  await runAll(world)
  world.armed.delete(client.name)
}

const cheatsOfEach = 3

/** A channel on terms that its vendor did not offer. */
async function misread(world: World, client: ClientParty, vendor: VendorParty): Promise<void> {
  world.armed.set(client.name, 'offer')
  const channel = await openedAt(world, client, vendor, true)
  if (channel !== undefined) await buy(world, client, vendor, channel)
  world.armed.delete(client.name)
}

/**
 * G2, G11: what happens around a deadline. A channel with something to claim is left until it has expired; then its client's
 * clock is late, its vendor is, the bank was away, or its clock jumps.
 */
export async function beLate(world: World): Promise<void> {
  const { clients, vendors, ground, bank, scheduler, network, sockets } = world
  const client = clients.find(({ plan }) => !plan.isByzantine)
  const vendor = vendors.find(({ plan }) => !plan.isByzantine)
  if (client === undefined || vendor === undefined) return
  const channel = await openedAt(world, client, vendor, true)
  if (channel === undefined) return
  await buy(world, client, vendor, channel)
  const { terms, channelId } = channel.state
  const { graceSeconds, expiresAt } = terms
  const statusOf = (): unknown =>
    bank.disk.look('SELECT status FROM channels WHERE channel_id = :channelId', { channelId })[0]?.status
  const spent = (): bigint => world.truth.channels.get(toHex(channelId))!.books.spent
  if (spent() === 0n) return
  const place = { ground, scheduler, network, sockets }
  const mustBePaid = async (when: string): Promise<void> => {
    await doJob(world, 'expire')
    await scheduler.run(client.process, () => runErrand(place, client, 'expire', channelId))
    await runAll(world)
    if (statusOf() !== 'open') ground.violate('G2', `a channel expired ${when}`)
    await collect(world, vendor, channelId)
    if (statusOf() !== 'closed') ground.violate('G11', `${vendor.name} was not paid ${when}`)
  }
  switch (ground.plan.seed % 4) {
    case 0: {
      await passUntil(world, expiresAt + 1n)
      // The clocks of the vendor's nodes are right.
      for (const { name } of vendor.nodes) ground.skew(name, Number(ground.clockOf('bank') - ground.clockOf(name)))
      // Its client believes that it has time.
      const late = Number(ground.clockOf(client.name) - expiresAt) + 60
      ground.skew(client.name, -late)
      const before = spent()
      await buy(world, client, vendor, channel)
      if (spent() !== before) ground.violate('G2', `${vendor.name} serves for a channel that has expired`)
      ground.skew(client.name, late)
      return mustBePaid('within its grace')
    }
    case 1: {
      await passUntil(world, expiresAt + 1n)
      await pass(world, graceSeconds + 120)
      await collect(world, vendor, channelId)
      if (statusOf() === 'closed') ground.violate('G11', `${vendor.name} was paid after the deadline`)
      return undefined
    }
    case 2: {
      await passUntil(world, expiresAt + 1n)
      bank.crash(1)
      ground.advance((graceSeconds + 60) * 1000)
      bank.start()
      // Its operator has looked.
      await doJob(world, 'confirmClock')
      await pass(world, 15)
      return mustBePaid('while its bank was away')
    }
    default: {
      ground.skew('bank', 86_400)
      await pass(world, graceSeconds + 120)
      await mustBePaid('because the clock of its bank jumps')
      ground.skew('bank', -86_400)
      await pass(world, 1)
      await doJob(world, 'confirmClock')
      return runAll(world)
    }
  }
}

/** G8: an old journal is put in the place of the newest one. What was signed since is not signed again. */
export async function goBack(world: World): Promise<void> {
  const { clients, vendors, ground, backups } = world
  const client = clients.find(({ plan }) => !plan.isByzantine)
  const vendor = vendors.find(({ plan }) => !plan.isByzantine)
  if (client === undefined || vendor === undefined || ground.plan.seed % 3 !== 0) return
  const channel = await openedAt(world, client, vendor, true)
  if (channel === undefined) return
  await buy(world, client, vendor, channel)
  backups.set(client.name, client.disk.disk.dump())
  await buy(world, client, vendor, channel)
  await restore(world, client.name)
  await runAll(world)
  for (const old of client.channels) await buy(world, client, vendor, old)
}

/** All nodes of a vendor stop and start. What was on its way to the disk has come there. */
function restart({ truth }: World, vendor: VendorParty): void {
  vendor.crash(1000)
  endRuns(truth, vendor)
  vendor.start()
}

async function buy(world: World, client: ClientParty, vendor: VendorParty, channel: PayingChannel): Promise<void> {
  await world.scheduler.run(client.process, () => client.buy(channel, vendor, 'item'))
  await runAll(world)
}

async function collect(world: World, vendor: VendorParty, channelId: Uint8Array): Promise<void> {
  await collectFrom(world, { vendor: vendor.name, channel: placeOf(vendor, channelId) })
  await runAll(world)
}

/** Which of a vendor's channels it is, in the order of their ids. */
function placeOf({ disk }: VendorParty, channelId: Uint8Array): number {
  const ids = disk.look('SELECT channel_id FROM channels ORDER BY channel_id')
  return ids.findIndex(({ channel_id: id }) => Buffer.compare(id as Uint8Array, channelId) === 0)
}

/** A channel that pays this vendor: one that is open, or a new one. */
export async function openedAt(
  world: World,
  client: ClientParty,
  vendor: VendorParty,
  isNew = false,
): Promise<PayingChannel | undefined> {
  const known = client.channels.find((one) => one.vendorUrl === urlOf(vendor.name) && client.isOpen(one))
  if (known !== undefined && !isNew) return known
  const before = client.channels.length
  const funds = BigInt(vendor.plan.unitPrice) * 400n
  await world.scheduler.run(client.process, () => client.open(vendor, funds))
  await runAll(world)
  const opened = client.channels[before]
  const { bank, ground } = world
  const [clock] = bank.disk.look('SELECT wall FROM clock')
  const skew = (clock!.wall as bigint) - ground.clockOf(client.name)
  const isClockRight = skew > -30n && skew < 30n
  if (opened === undefined && isClockRight && !client.plan.isByzantine && !vendor.plan.isByzantine) {
    ground.violate('G11', `${client.name} cannot open a channel to ${vendor.name}`)
  }
  return opened
}

/** Lets things happen until this is next. */
export async function runUntil(world: World, isIt: (effect: Effect) => boolean): Promise<Effect | undefined> {
  for (let next = nextOf(world); next !== undefined; next = nextOf(world)) {
    if (isIt(next)) return next
    await world.scheduler.finish(next, 'ok')
  }
  return undefined
}

/** Until the bank's clock says this. It counts on the way. */
async function passUntil(world: World, time: bigint): Promise<void> {
  const { ground } = world
  for (let left = time - ground.clockOf('bank'); left > 0n; left = time - ground.clockOf('bank')) {
    ground.advance(Number(left < 590n ? left : 590n) * 1000)
    await doJob(world, 'beat')
    await runAll(world)
  }
}
