import type { PayingChannel } from '../../src/client/channel.ts'
import { fromHex, toHex } from '../../src/crypto/bytes.ts'
import { managementPaths } from '../../src/http/management.ts'
import { collectFrom, doJob, pass, programsOf, start } from './actions.ts'
import { accusations, accuse } from './adversaries/accuser.ts'
import { eavesdrop, eavesdroppings, eve } from './adversaries/eavesdropper.ts'
import { openFromWire } from './adversaries/opener.ts'
import { overclaim, overclaims } from './adversaries/vendor.ts'
import { checkEnd } from './guarantees/ending.ts'
import { isHonest } from './guarantees/truth.ts'
import { identityOf, urlOf } from './parties/cast.ts'
import { runErrand } from './parties/errands.ts'
import { isExpected } from './parties/faults.ts'
import type { VendorParty } from './parties/vendor.ts'
import { secondsLeased, takeOver } from './takeover.ts'
import { beLate, buyAtOnce, cheatAll, claimAgain, goBack, interceptAll, lieAll, openWhileLooking } from './trials.ts'
import { nextOf, runAll, type World } from './world.ts'

/**
 * How every world ends: nothing goes wrong any more, everybody comes back, closes and collects; then all deadlines pass, and
 * what is promised for then is looked at. No part of a history: it follows from the world.
 */
export async function endWorld(world: World): Promise<void> {
  await calmDown(world)
  await tryEverything(world)
  await openWhileLooking(world)
  await interceptAll(world)
  await takeOver(world)
  await (world.ground.plan.seed % 2 === 0 ? buyAtOnce(world) : claimAgain(world))
  await lieAll(world)
  await cheatAll(world)
  const deadlines = openDeadlines(world)
  await closeAll(world)
  await collectAll(world)
  await overclaimAll(world)
  await accuseAll(world)
  await beLate(world)
  await goBack(world)
  await passDeadlines(world)
  for (const job of ['expire', 'review', 'record'] as const) {
    await doJob(world, job)
    await runAll(world)
  }
  await expireAll(world)
  for (const client of world.clients) {
    await world.scheduler.run(client.process, () => client.sync())
    await runAll(world)
  }
  await checkEnd(world, deadlines)
}

/** Clients ask for their money back once more, whatever became of it. */
async function expireAll(world: World): Promise<void> {
  const { clients, scheduler, ground, network, sockets } = world
  const place = { ground, scheduler, network, sockets }
  for (const client of clients) {
    for (const id of client.disk.files.keys()) {
      await scheduler.run(client.process, () => runErrand(place, client, 'expire', fromHex(id)))
    }
    await runAll(world)
  }
}

/** Every party is up, every message on its way arrives. */
async function calmDown(world: World): Promise<void> {
  const { network, scheduler } = world
  network.partitions.clear()
  for (const effect of scheduler.pending) effect.isHeld = false
  await runAll(world)
  for (const { name } of programsOf(world)) {
    await start(world, name)
    await runAll(world)
  }
  await pass(world, secondsLeased(world))
  await doJob(world, 'confirmClock')
  await runAll(world)
}

/** G4, G6, G9: whoever listened tries all that can be tried, on what was seen last. */
async function tryEverything(world: World): Promise<void> {
  const { scheduler, ground } = world
  for (const [at, how] of eavesdroppings.entries()) {
    for (let message = 0; message < triesOfEach; message++) {
      await scheduler.run(eve, () => eavesdrop(world, how, message * 3 + at, ground.plan.seed + message))
    }
  }
  await runAll(world)
  openFromWire(world)
}

const triesOfEach = 3

/** Vendors without scruples claim what they can. */
async function overclaimAll(world: World): Promise<void> {
  const { vendors, scheduler, ground } = world
  for (const vendor of vendors.filter(({ plan }) => plan.isByzantine)) {
    const count = vendor.disk.look('SELECT 1 AS one FROM channels').length
    for (let channel = 0; channel < count; channel++) {
      const how = overclaims[(ground.plan.seed * 3 + channel) % overclaims.length]!
      await scheduler.run(vendor.process, () => overclaim(world, vendor, channel, how))
      await runAll(world)
      if ((ground.plan.seed + channel) % 2 === 0) await takeAway(world, vendor)
      for (let accused = 0; accused < Math.min(world.truth.channels.size, accusedMax); accused++) {
        await scheduler.run(undefined, () => accuse(world, 'overcharge', accused))
      }
      await runAll(world)
    }
  }
}

/** All that a vendor has, before anybody finds out what it owes. What comes in later pays that. */
async function takeAway(world: World, vendor: VendorParty): Promise<void> {
  const { bank, scheduler, ground, network, sockets } = world
  const account = identityOf(vendor.name).key.publicKey
  const [row] = bank.disk.look(`SELECT balance FROM balances WHERE place = 'account' AND owner = :account`, { account })
  const balance = (row?.balance as bigint | undefined) ?? 0n
  if (balance === 0n) return
  const place = { ground, scheduler, network, sockets }
  // Twice at once, and then once more than there is.
  for (const wanted of [[balance, balance], [1n]]) {
    for (const sum of wanted) {
      await scheduler.run(vendor.process, () => runErrand(place, vendor, 'withdraw', new Uint8Array(32), sum))
    }
    await runAll(world)
  }
}

/** G8: everybody is accused of everything. */
async function accuseAll(world: World): Promise<void> {
  const { scheduler, truth } = world
  for (let channel = 0; channel < Math.min(truth.channels.size, accusedMax); channel++) {
    for (const kind of accusations) await scheduler.run(undefined, () => accuse(world, kind, channel))
    await runAll(world)
  }
}

const accusedMax = 6

/** Channels that a vendor can still claim, by id: what it reaches the bank for now, it is paid. */
function openDeadlines({ bank }: World): ReadonlySet<string> {
  const [clock] = bank.disk.look('SELECT wall FROM clock')
  const rows = bank.disk.look(
    `SELECT lower(hex(channel_id)) AS id FROM channels WHERE status = 'open' AND expires_at > :wall`,
    { wall: clock!.wall as bigint },
  )
  return new Set(rows.map(({ id }) => id as string))
}

/**
 * Clients resend what vendors miss, and release. Of one channel in four the release does not come to its vendor: its client
 * leaves it at the bank, where the vendor finds it. One in four is left to the vendors.
 */
async function closeAll(world: World): Promise<void> {
  const { clients, vendors, scheduler, ground } = world
  for (const client of clients) {
    if (client.plan.isByzantine) continue
    for (const [at, channel] of client.channels.entries()) {
      if ((ground.plan.seed + at) % 4 === 3) continue
      const vendor = vendors.find(({ name }) => urlOf(name) === channel.vendorUrl)!
      if (vendor.plan.isByzantine && at % 2 === 0) world.armed.set(vendor.name, 'low closing')
      const mayClose = isClosable(world, channel)
      await scheduler.run(client.process, () => client.close(channel))
      if ((ground.plan.seed + at) % 4 === 2) await runWithoutRelease(world)
      await runAll(world)
      const file = client.disk.fileOf(channel.state.channelId)
      // A vendor that has begun to claim takes no more payments, and cannot close over those that it does not have.
      const hasAll = world.truth.channels.get(toHex(channel.state.channelId))?.books.contiguous === file?.payments.size
      if (mayClose && hasAll && file?.state?.release === undefined) {
        ground.violate('G7', `${client.name} cannot close a channel with ${vendor.name}: no receipt opens`)
      }
    }
    await scheduler.run(client.process, () => client.sync())
    await runAll(world)
  }
}

/** Whether nothing has ended a channel of two honest parties that has payments: then they can. */
function isClosable({ truth, ground }: World, { state }: PayingChannel): boolean {
  const channel = truth.channels.get(toHex(state.channelId))
  if (channel === undefined || !isHonest(channel) || channel.isRestored || channel.isRolledBack) return false
  const { books, vendor } = channel
  const isOver = books.phase !== 'open' || (books.closing ?? books.claim) !== undefined || state.frozen !== undefined
  return !isOver && state.index > 0 && state.terms.expiresAt > ground.clockOf(vendor.name)
}

/** Until nothing is left to happen but that a release is sent: that is lost. */
async function runWithoutRelease(world: World): Promise<void> {
  for (let next = nextOf(world); next !== undefined; next = nextOf(world)) {
    const isRelease = next.kind === 'request' && next.label.endsWith(managementPaths.release)
    await world.scheduler.finish(next, isRelease ? 'failed' : 'ok')
  }
}

async function collectAll(world: World): Promise<void> {
  const { vendors, scheduler, ground } = world
  for (const vendor of vendors) {
    if (vendor.plan.isByzantine) continue
    const channels = vendor.disk.look('SELECT channel_id FROM channels ORDER BY channel_id')
    for (const { channel_id: id } of channels) {
      await scheduler.run(vendor.process, () => runErrand(world, vendor, 'fetchRelease', id as Uint8Array))
      await runAll(world)
    }
    for (let channel = 0; channel < channels.length; channel++) {
      await collectFrom(world, { vendor: vendor.name, channel })
      await runAll(world)
    }
    // As if the first answer had been lost.
    await collectFrom(world, { vendor: vendor.name, channel: 0 })
    await runAll(world)
    const unsettled = async (): Promise<void> => {
      for (const reference of await vendor.closing.store.unsettled()) {
        const found = await vendor.till.find(reference, undefined)
        const isLate = found.ok && found.held.channel.terms.expiresAt <= ground.clockOf('bank')
        const isOld = world.truth.channels.get(toHex(found.ok ? found.held.channel.channelId : reference))?.isRolledBack
        if (found.ok && !isLate && isOld !== true)
          ground.violate('G11', `${vendor.name} was not paid at ${urlOf('bank')}`)
      }
    }
    await scheduler.run(vendor.process, () => {
      unsettled().catch((error: unknown) => isExpected(error, `${vendor.name} looks`, ground))
    })
    await runAll(world)
  }
}

/** Until nothing can be claimed any more. While nothing expires the bank need not count every minute. */
async function passDeadlines(world: World): Promise<void> {
  const { bank, ground } = world
  const [last] = bank.disk.look(
    `SELECT max(expires_at) AS expires, max(deadline - expires_at) AS grace FROM channels WHERE status = 'open'`,
  )
  if (last === undefined || last.expires === null) return
  const until = (time: unknown): number => Number(time as bigint) - Number(ground.clockOf('bank'))
  while (until(last.expires) > 0) {
    ground.advance(Math.min(until(last.expires) + 1, 590) * 1000)
    await doJob(world, 'beat')
    await runAll(world)
  }
  const [clock] = bank.disk.look('SELECT wall FROM clock')
  await pass(
    world,
    Number(last.grace as bigint) + 120 + Math.max(0, Number(ground.clockOf('bank')) - Number(clock!.wall as bigint)),
  )
  await runAll(world)
}
