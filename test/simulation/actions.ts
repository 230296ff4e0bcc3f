import { toHex } from '../../src/crypto/bytes.ts'
import { collect } from '../../src/vendor/collect.ts'
import { type Accusation, accuse } from './adversaries/accuser.ts'
import type { Cheat } from './adversaries/client.ts'
import { type Eavesdropping, eavesdrop, eve } from './adversaries/eavesdropper.ts'
import { type Collusion, collude } from './adversaries/pair.ts'
import { type Lie, type Overclaim, overclaim } from './adversaries/vendor.ts'
import type { Image } from './engine/disk.ts'
import { pairOf } from './engine/network.ts'
import type { Effect, Outcome } from './engine/scheduler.ts'
import { endRuns, rereadVendor } from './guarantees/vendor.ts'
import { urlOf } from './parties/cast.ts'
import type { ClientParty, StreamPlan } from './parties/client.ts'
import { type Errand, runErrand } from './parties/errands.ts'
import { isExpected } from './parties/faults.ts'
import type { Good } from './parties/goods.ts'
import type { VendorJob, VendorNode } from './parties/node.ts'
import { deposit, nextOf, runAll, type World } from './world.ts'

/**
 * One step of a history, as plain data: it names parties, effects and messages, never an object. What a step names and is
 * not there any more does nothing, so that every part of a history is a history.
 */
export type Action = {
  /** How many effects may happen after it. */
  readonly run: number
  /** What goes wrong with one of them. */
  readonly trouble?: Trouble
} & (
  | { readonly do: 'open'; readonly client: string; readonly vendor: string; readonly funds: number }
  | { readonly do: 'buy'; readonly client: string; readonly channel: number; readonly good: Good }
  | { readonly do: 'stream'; readonly client: string; readonly channel: number; readonly plan: StreamPlan }
  | { readonly do: 'refresh' | 'resend' | 'close'; readonly client: string; readonly channel: number }
  | { readonly do: 'collect'; readonly vendor: string; readonly channel: number }
  | { readonly do: 'deposit'; readonly client: string; readonly amount: number }
  | { readonly do: 'wait' }
  | { readonly do: 'job'; readonly job: Job }
  | { readonly do: 'sync'; readonly client: string }
  | { readonly do: 'errand'; readonly vendor: string; readonly errand: Errand; readonly channel: number }
  | { readonly do: 'finish'; readonly effect: string; readonly outcome: Outcome }
  | { readonly do: 'hold' | 'unhold'; readonly effect: string }
  | { readonly do: 'crash'; readonly party: string; readonly kept: number }
  | { readonly do: 'start'; readonly party: string }
  | { readonly do: 'backup' | 'restore'; readonly party: string }
  | { readonly do: 'turn'; readonly vendor: string; readonly node: number }
  | { readonly do: 'vendorJob'; readonly node: string; readonly job: VendorJob }
  | { readonly do: 'eavesdrop'; readonly how: Eavesdropping; readonly message: number; readonly at: number }
  | { readonly do: 'arm'; readonly party: string; readonly how: Cheat | Lie }
  | { readonly do: 'overclaim'; readonly vendor: string; readonly channel: number; readonly how: Overclaim }
  | {
      readonly do: 'collude'
      readonly client: string
      readonly vendor: string
      readonly how: Collusion
      readonly channel: number
    }
  | { readonly do: 'accuse'; readonly kind: Accusation; readonly channel: number }
  | { readonly do: 'part' | 'heal'; readonly between: readonly [string, string] }
  | { readonly do: 'pass'; readonly seconds: number }
  | { readonly do: 'skew'; readonly party: string; readonly seconds: number }
)

/** What goes wrong with effect number `at` of a run: it ends otherwise, has to wait, or its party crashes at it. */
export interface Trouble {
  readonly at: number
  readonly what: Outcome | 'hold' | 'crash'
  /** Of the commits on their way at a crash: those that came to the disk. */
  readonly kept: number
}

/** Carries a step out, and lets as much happen after it as it says. */
export async function apply(world: World, action: Action): Promise<void> {
  world.ground.trace(JSON.stringify(action))
  await perform(world, action)
  const { run, trouble } = action
  if (trouble === undefined) return runAll(world, run)
  await runAll(world, Math.min(run, trouble.at))
  if (run <= trouble.at) return undefined
  await goWrong(world, trouble)
  return runAll(world, run - trouble.at)
}

async function perform(world: World, action: Action): Promise<void> {
  const { scheduler, ground, network } = world
  switch (action.do) {
    case 'open': {
      const vendor = world.vendors.find(({ name }) => name === action.vendor)
      if (vendor === undefined) return
      return onClient(world, action.client, (client) => client.open(vendor, BigInt(action.funds)))
    }
    case 'buy':
    case 'stream':
    case 'refresh':
    case 'resend':
    case 'close':
      return onClient(world, action.client, (client) => {
        const channel = client.channels[action.channel]
        if (channel === undefined) return
        const vendor = world.vendors.find(({ name }) => urlOf(name) === channel.vendorUrl)!
        if (action.do === 'buy') client.buy(channel, vendor, action.good)
        else if (action.do === 'stream') client.stream(channel, vendor, action.plan)
        else client[action.do](channel)
      })
    case 'sync':
      return onClient(world, action.client, (client) => client.sync())
    case 'collect':
      return collectFrom(world, action)
    case 'deposit': {
      const work = (): void => void atBank(world, () => deposit(world, action.client, BigInt(action.amount)))
      return scheduler.run(world.bank.process, work)
    }
    case 'job':
      return doJob(world, action.job)
    case 'errand':
      return errand(world, action)
    case 'wait':
      return undefined
    case 'finish': {
      const effect = scheduler.find(action.effect)
      if (effect === undefined || !scheduler.isReady(effect, ground.now())) return undefined
      countFault(world, effect, action.outcome)
      return scheduler.finish(effect, action.outcome)
    }
    case 'hold':
    case 'unhold': {
      const effect = scheduler.find(action.effect)
      if (effect === undefined) return undefined
      if (action.do === 'hold') hold(world, effect)
      else effect.isHeld = false
      return undefined
    }
    case 'crash':
      return crash(world, action)
    case 'start':
      return start(world, action.party)
    case 'backup':
      return backup(world, action.party)
    case 'restore':
      return restore(world, action.party)
    case 'turn':
      world.vendors.find(({ name }) => name === action.vendor)?.turnTo(action.node)
      return undefined
    case 'vendorJob': {
      const node = nodesOf(world).find(({ name }) => name === action.node)
      return node?.process && scheduler.run(node.process, () => node.job(action.job))
    }
    case 'eavesdrop':
      return scheduler.run(eve, () => eavesdrop(world, action.how, action.message, action.at))
    case 'arm':
      world.armed.set(action.party, action.how)
      return undefined
    case 'overclaim': {
      const vendor = world.vendors.find(({ name }) => name === action.vendor)
      if (vendor?.process === undefined) return undefined
      return scheduler.run(vendor.process, () => overclaim(world, vendor, action.channel, action.how))
    }
    case 'collude': {
      const client = world.clients.find(({ name }) => name === action.client)
      const vendor = world.vendors.find(({ name }) => name === action.vendor)
      if (client?.process === undefined || vendor === undefined) return undefined
      return scheduler.run(client.process, () => collude(world, { client, vendor }, action.how, action.channel))
    }
    case 'accuse':
      return scheduler.run(undefined, () => accuse(world, action.kind, action.channel))
    case 'part':
      ground.count('fault: partition')
      network.partitions.add(pairOf(...action.between))
      return undefined
    case 'heal':
      network.partitions.delete(pairOf(...action.between))
      return undefined
    case 'pass':
      return pass(world, action.seconds, 2)
    case 'skew':
      ground.count('fault: clock')
      ground.skew(action.party, action.seconds)
      return undefined
  }
}

/** The effect whose turn it is meets trouble. */
function goWrong(world: World, { what, kept }: Trouble): Promise<void> | void {
  const effect = nextOf(world)
  if (effect === undefined) return undefined
  if (what === 'hold') return hold(world, effect)
  if (what === 'crash') return crash(world, { party: (effect.process ?? effect.into?.('ok'))?.party ?? '', kept })
  if (what !== 'ok' && !canFail.has(effect.kind)) return undefined
  countFault(world, effect, what)
  return world.scheduler.finish(effect, what)
}

function hold({ ground }: World, effect: Effect): void {
  effect.isHeld = true
  ground.count('fault: delay')
}

async function onClient(world: World, name: string, work: (client: ClientParty) => void): Promise<void> {
  const client = world.clients.find((one) => one.name === name)
  if (client?.process !== undefined) await world.scheduler.run(client.process, () => work(client))
}

/** What a bank does by itself, and what its operator does. */
export type Job = 'beat' | 'expire' | 'review' | 'record' | 'confirmClock'

export function doJob(world: World, job: Job): Promise<void> {
  return world.scheduler.run(world.bank.process, () => void atBank(world, (bank) => bank[job]()))
}

/** Time goes by, and a bank that is up counts it: it beats at least once a minute. So many effects may happen after each. */
export async function pass(world: World, seconds: number, effectsMax?: number): Promise<void> {
  for (let left = seconds; left > 0; left -= 59) {
    world.ground.advance(Math.min(left, 59) * 1000)
    if (world.bank.process === undefined) continue
    await doJob(world, 'beat')
    await runAll(world, effectsMax)
  }
}

/** A vendor's errand about one of the channels that its disk has, in the order of their ids. */
async function errand(
  world: World,
  action: { readonly vendor: string; readonly errand: Errand; readonly channel: number },
): Promise<void> {
  const vendor = world.vendors.find(({ name }) => name === action.vendor)
  if (vendor?.process === undefined) return
  const row = vendor.disk.look('SELECT channel_id FROM channels ORDER BY channel_id')[action.channel]
  if (row === undefined) return
  const id = row.channel_id as Uint8Array
  await world.scheduler.run(vendor.process, () => runErrand(world, vendor, action.errand, id))
}

async function atBank(world: World, work: (bank: World['bank']['bank']) => Promise<unknown>): Promise<void> {
  if (world.bank.process === undefined) return
  try {
    await work(world.bank.bank)
  } catch (error) {
    isExpected(error, 'bank', world.ground)
  }
}

/** A vendor collects one of its channels, in the order of their ids. */
export function collectFrom(
  world: World,
  action: { readonly vendor: string; readonly channel: number },
): Promise<void> {
  const vendor = world.vendors.find(({ name }) => name === action.vendor)
  if (vendor?.process === undefined) return Promise.resolve()
  const rows = vendor.disk.look('SELECT reference FROM channels ORDER BY channel_id')
  const reference = rows[action.channel]?.reference as Uint8Array | undefined
  if (reference === undefined) return Promise.resolve()
  const { till, closing } = vendor
  const work = async (): Promise<void> => {
    try {
      const found = await till.find(reference, undefined)
      if (found.ok) await collect(closing, found.held, urlOf('bank'))
    } catch (error) {
      isExpected(error, `${vendor.name} collects ${toHex(reference)}`, world.ground)
    }
  }
  return world.scheduler.run(vendor.process, () => void work())
}

function crash(world: World, { party: name, kept }: { readonly party: string; readonly kept: number }): void {
  const party = partyOf(world, name)
  if (party?.process === undefined) return
  world.ground.count(`crash: ${kindOf(name)}`)
  const isUnsynced = world.scheduler.pending.some(({ process, kind }) => process === party.process && kind === 'commit')
  if (isUnsynced && kept === 0) world.ground.count('fault: lost write')
  party.crash(kept)
  const vendor = world.vendors.find(({ nodes }) => nodes.some((one) => one.name === name))
  if (vendor !== undefined) endRuns(world.truth, vendor, { node: name })
}

function backup({ vendors, clients, backups }: World, name: string): void {
  const disk = clients.find((one) => one.name === name)?.disk.disk ?? vendors.find((one) => one.name === name)?.disk
  if (disk !== undefined) backups.set(name, disk.dump())
}

/** What a party has on its disk is put back to what it was at its backup. */
export async function restore(world: World, name: string): Promise<void> {
  const image = world.backups.get(name)
  if (image === undefined) return
  const vendor = world.vendors.find((one) => one.name === name)
  if (vendor === undefined) return restoreJournal(world, name, image)
  world.ground.count('fault: old store')
  vendor.crash(0)
  vendor.restore(image)
  rereadVendor(world.truth, vendor)
  vendor.start()
}

/** The generation file of a journal, on another disk, stays as it is. */
async function restoreJournal(world: World, name: string, image: Image): Promise<void> {
  const client = world.clients.find((one) => one.name === name)
  if (client?.process === undefined) return
  world.ground.count('fault: old journal')
  // The computer goes on running: the generation file loses nothing.
  client.crash(1)
  client.disk.restore(image)
  for (const channel of world.truth.channels.values()) if (channel.client === client) channel.isRestored = true
  await start(world, name)
}

export async function start(world: World, name: string): Promise<void> {
  const party = partyOf(world, name)
  if (party === undefined || party.process !== undefined) return
  party.start()
  if ('wake' in party) await world.scheduler.run(party.process, () => party.wake())
}

function partyOf(world: World, name: string): World['bank'] | VendorNode | ClientParty | undefined {
  return programsOf(world).find((one) => one.name === name) as ClientParty | undefined
}

/** All that runs, and may crash. */
export function programsOf(world: World): readonly Pick<VendorNode, 'name' | 'process'>[] {
  return [world.bank, ...nodesOf(world), ...world.clients]
}

export function nodesOf({ vendors }: World): readonly VendorNode[] {
  return vendors.flatMap(({ nodes }) => nodes)
}

function kindOf(name: string): string {
  return name === 'bank' ? 'bank' : name.startsWith('v') ? 'vendor' : 'client'
}

function countFault({ ground, scheduler }: World, effect: Effect, outcome: Outcome): void {
  const { kind } = effect
  if (outcome === 'failed') ground.count(`fault: ${failures[kind] ?? kind}`)
  if (outcome === 'twice' && kind === 'request') ground.count('fault: repeat')
  const isMessage = kind === 'request' || kind === 'answer'
  if (isMessage && scheduler.pending.find((other) => other.kind === kind) !== effect) ground.count('fault: reorder')
}

const canFail: ReadonlySet<string> = new Set(['frame', 'request', 'answer', 'commit', 'read', 'handler'])

const failures: Partial<Record<Effect['kind'], string>> = {
  request: 'drop',
  answer: 'lost answer',
  frame: 'broken stream',
  commit: 'failed commit',
  read: 'failed read',
  handler: 'failed handler',
}
