import type { Change } from '../../src/bank/store/contract.ts'
import type { Batch } from '../../src/vendor/store/contract.ts'
import { enterWorld } from './engine/globals.ts'
import { createNetwork, type Network } from './engine/network.ts'
import { createScheduler, type Effect, type Scheduler } from './engine/scheduler.ts'
import { createGround, type Journalled, type WorldPlan } from './engine/world.ts'
import { checkJournal } from './guarantees/client.ts'
import { checkMoney, checkSettlement } from './guarantees/money.ts'
import type { Truth } from './guarantees/truth.ts'
import { checkCommit, checkHandler, endRuns } from './guarantees/vendor.ts'
import { checkAnswer, checkRequest } from './guarantees/wire.ts'
import { type BankParty, createBankParty } from './parties/bank.ts'
import { asset, identityOf } from './parties/cast.ts'
import { type ClientParty, createClientParty } from './parties/client.ts'
import { createVendorParty, type VendorParty } from './parties/vendor.ts'

/** Everything of one simulation. */
export interface World {
  readonly ground: Journalled
  readonly scheduler: Scheduler
  readonly network: Network
  readonly truth: Truth
  readonly bank: BankParty
  readonly vendors: readonly VendorParty[]
  readonly clients: readonly ClientParty[]
  /** Gives the runtime its own back, and the disks to the next world. */
  leave(): void
}

/** What every client has at the bank at first, in base units. */
export const depositOfEach = 1_000_000n

/** `listen` hears of all that happens, line by line. */
export async function createWorld(plan: WorldPlan, listen?: (line: string) => void): Promise<World> {
  const ground = createGround(plan, listen)
  const scheduler = createScheduler(ground.trace)
  const clients = new Map<string, ClientParty>()
  const vendors = new Map<string, VendorParty>()
  let bank: BankParty | undefined
  const truth: Truth = { ground, bank: () => bank!, clients, vendors, channels: new Map(), purchases: new Map() }
  const network = createNetwork({
    scheduler,
    onRequest: (message) => checkRequest(truth, message),
    onAnswer: (message, answer) => {
      checkAnswer(truth, message, answer)
      return answer
    },
  })
  const leave = enterWorld({ scheduler, now: ground.now, fetch: network.fetch, WebSocket: globalThis.WebSocket })
  const place = { ground, scheduler, network }
  const createdBank = createBankParty(place, (task, args) => {
    if (task !== 'commit') return
    checkMoney(truth)
    for (const change of args[0] as readonly Change[]) {
      if (change.kind === 'close') checkSettlement(truth, change.channelId, change.closing.settled)
    }
  })
  bank = createdBank
  for (const [at, vendorPlan] of plan.vendors.entries()) {
    const name = `v${at}`
    const party = createVendorParty(place, name, vendorPlan, {
      onCommit: (one, task, args) => task === 'commit' && checkCommit(truth, one, args[0] as Batch),
      // Every verdict built on it fails with it: what ran meanwhile is in doubt.
      onCommitFailed: (one) => endRuns(truth, one),
      onHandler: (one, good, url, context) => checkHandler(truth, one, { good, url, context }),
    })
    vendors.set(name, party)
  }
  for (const [at, clientPlan] of plan.clients.entries()) {
    const name = `c${at}`
    const party = createClientParty(place, name, clientPlan, {
      onJournal: (one, change) => checkJournal(truth, one, change),
      onPurchase: (digest, purchase) => void truth.purchases.set(digest, purchase),
      onRefused: () => undefined,
      onServed: () => undefined,
    })
    clients.set(name, party)
  }
  const world: World = {
    ground,
    scheduler,
    network,
    truth,
    bank,
    vendors: [...vendors.values()],
    clients: [...clients.values()],
    leave() {
      leave()
      createdBank.leave()
      for (const vendor of vendors.values()) vendor.leave()
      for (const client of clients.values()) client.disk.leave()
    },
  }
  await settleIn(world)
  return world
}

/** Everybody has an account, and clients have money. Nothing goes wrong yet. */
async function settleIn(world: World): Promise<void> {
  const { scheduler, bank, clients, vendors } = world
  const keyOf = (name: string): Uint8Array => identityOf(name).key.publicKey
  const register = async (): Promise<void> => {
    for (const { name } of [...clients, ...vendors]) await bank.bank.register(keyOf(name))
    for (const { name } of clients) await bank.bank.deposit(keyOf(name), asset, depositOfEach)
  }
  await scheduler.run(bank.process, () => void register())
  await runAll(world)
  for (const client of clients) {
    client.start()
    await scheduler.run(client.process, () => client.wake())
  }
  await runAll(world)
}

/** Lets everything happen that can, in the order in which it was asked for, at most `limit` times; timers soon due, too. */
export async function runAll(world: World, limit = 100_000): Promise<void> {
  const { scheduler, ground } = world
  for (let done = 0; done < limit; done++) {
    const now = ground.now()
    const ready = nextOf(world)
    if (ready !== undefined) {
      await scheduler.finish(ready, 'ok')
      continue
    }
    const timers = scheduler.pending.filter(({ due, isHeld }) => due > now && due <= now + patienceMs && !isHeld)
    if (timers.length === 0) return
    ground.advance(Math.min(...timers.map(({ due }) => due)) - now)
  }
}

/** Whose turn it is. */
export function nextOf({ scheduler, ground }: World): Effect | undefined {
  return scheduler.pending.find((effect) => !effect.isHeld && scheduler.isReady(effect, ground.now()))
}

/** How long a run waits for timers. */
const patienceMs = 5000
