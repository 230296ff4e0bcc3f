import { type Action, type Job, nodesOf, programsOf, type Trouble } from './actions.ts'
import { accusations } from './adversaries/accuser.ts'
import { cheats } from './adversaries/client.ts'
import { eavesdroppings } from './adversaries/eavesdropper.ts'
import { collusions } from './adversaries/pair.ts'
import { lies, overclaims } from './adversaries/vendor.ts'
import { createRandom, type Random } from './engine/random.ts'
import type { Effect, Outcome } from './engine/scheduler.ts'
import type { ClientPlan, VendorPlan, WorldPlan } from './engine/world.ts'
import type { Errand } from './parties/errands.ts'
import { type Good, goods } from './parties/goods.ts'
import type { World } from './world.ts'

/** What a seed makes of the world. */
export function planWorld(seed: number): WorldPlan {
  const random = createRandom(seed)
  // A pair of both kinds shares what it has.
  const isPair = random.chance(0.08)
  const clients = Array.from(
    { length: 1 + random.below(2) },
    (_, at): ClientPlan => ({
      isByzantine: random.chance(0.3) || (isPair && at === 0),
      lockScheme: random.chance(0.75) ? 'schnorr' : 'ecdsa-xor',
    }),
  )
  const vendors = Array.from(
    { length: 1 + random.below(2) },
    (_, at): VendorPlan => ({
      isByzantine: random.chance(0.22) || (isPair && at === 0),
      unitPrice: 1 + random.below(20),
      segmentLength: 4 + random.below(60),
      nodes: random.chance(0.25) ? 2 : 1,
    }),
  )
  return { seed, clients, vendors, slowReads: random.chance(0.3), skews: {} }
}

export interface Generator {
  /** What a seed does next, in the world as it is now. */
  next(world: World): Action
}

/** A temper for each seed: one may be calm, another lose half of all messages. */
export function createGenerator(seed: number): Generator {
  const random = createRandom(seed ^ 0x5f3759df)
  const temper = {
    calm: random.chance(0.15),
    haste: random.pick([0.2, 0.5, 0.8]),
    network: random.pick([0, 0.1, 0.3]),
    disk: random.pick([0, 0, 0.15]),
    crash: random.pick([0, 0.01, 0.03]),
    trouble: random.pick([0.05, 0.2, 0.4]),
    time: random.pick([0.005, 0.02]),
    malice: random.pick([0, 0.1, 0.4]),
  }
  return {
    next: (world) => {
      const action = choose(world, random, temper)
      const isTroubled = !temper.calm && action.run > 0 && random.chance(temper.trouble)
      return isTroubled ? { ...action, trouble: chooseTrouble(random, temper) } : action
    },
  }
}

interface Temper {
  readonly calm: boolean
  /** How often everything that can happen does, after a step. */
  readonly haste: number
  readonly network: number
  readonly disk: number
  readonly crash: number
  /** How often something goes wrong while a step runs on. */
  readonly trouble: number
  readonly time: number
  /** How often somebody does what nobody should. */
  readonly malice: number
}

function choose(world: World, random: Random, temper: Temper): Action {
  const { calm } = temper
  const run = random.chance(temper.haste) ? 1000 : random.below(10)
  const fault = (share: number): number => (calm ? 0 : share)
  const down = programsOf(world).filter(({ process }) => process === undefined)
  if (down.length > 0 && random.chance(0.3)) return { do: 'start', party: random.pick(down).name, run }
  const kind = random.weighted({
    client: 1,
    vendor: 0.02,
    bank: 0.01,
    turn: world.vendors.some(({ nodes }) => nodes.length > 1) ? 0.03 : 0,
    effect: fault(world.scheduler.pending.length > 0 ? temper.network + temper.disk + 0.2 : 0),
    crash: fault(temper.crash),
    part: fault(temper.network * 0.1),
    time: temper.time,
    copy: fault(0.006),
    adversary: temper.malice,
  })
  switch (kind) {
    case 'client':
      return { ...chooseOfClient(world, random), run }
    case 'vendor':
      return { ...chooseOfVendor(world, random), run }
    case 'bank':
      if (random.chance(0.6)) return { do: 'job', job: random.pick(jobs), run }
      return { do: 'deposit', client: random.pick(world.clients).name, amount: 1 + random.below(100_000), run }
    case 'turn': {
      const shared = world.vendors.filter(({ nodes }) => nodes.length > 1)
      return { do: 'turn', vendor: random.pick(shared).name, node: random.below(2), run }
    }
    case 'effect':
      return { ...chooseOfEffects(world, random, temper), run: Math.min(run, 20) }
    case 'crash': {
      const up = programsOf(world).filter(({ process }) => process !== undefined)
      if (up.length === 0) return { do: 'wait', run }
      return { do: 'crash', party: random.pick(up).name, kept: random.below(3), run: 0 }
    }
    case 'part':
      return { ...choosePartition(world, random), run }
    case 'copy': {
      const party = random.pick<{ readonly name: string }>(random.chance(0.6) ? world.clients : world.vendors).name
      return { do: world.backups.has(party) && random.chance(0.5) ? 'restore' : 'backup', party, run }
    }
    case 'adversary':
      return { ...chooseMalice(world, random), run }
    case 'time':
      return random.chance(0.7)
        ? { do: 'pass', seconds: random.pick([1, 5, 60, 60, 600]), run }
        : { do: 'skew', party: random.pick(everybody(world)), seconds: random.below(121) - 60, run }
  }
}

const jobs: readonly Job[] = ['beat', 'expire', 'review', 'record', 'record', 'confirmClock']

type Untimed = Action extends infer One ? (One extends Action ? Omit<One, 'run'> : never) : never

function chooseOfClient(world: World, random: Random): Untimed {
  const client = random.pick(world.clients)
  const { name, channels } = client
  if (client.process === undefined) return { do: 'wait' }
  const open = [...channels.keys()].filter((at) => client.isOpen(channels[at]!))
  const rare = channels.length > 0 ? 1 : 0
  const wanted = random.weighted({
    open: open.length === 0 ? 1 : open.length < 3 ? 0.02 : 0,
    buy: open.length === 0 ? 0 : 1,
    stream: open.length === 0 ? 0 : 0.12,
    refresh: rare * 0.02,
    resend: rare * 0.03,
    sync: rare * 0.01,
    close: rare * 0.02,
  })
  if (wanted === 'open') {
    const vendor = random.pick(world.vendors)
    return { do: 'open', client: name, vendor: vendor.name, funds: vendor.plan.unitPrice * (40 + random.below(600)) }
  }
  if (wanted === 'buy') return { do: 'buy', client: name, channel: random.pick(open), good: random.pick(wares) }
  if (wanted === 'stream') {
    const plan = {
      units: 1 + random.below(12),
      ahead: 1 + random.below(6),
      leave: 1 + random.below(15),
      payments: random.below(5),
    }
    return { do: 'stream', client: name, channel: random.pick(open), plan }
  }
  if (wanted === 'sync') return { do: 'sync', client: name }
  return { do: wanted, client: name, channel: random.below(channels.length) }
}

const wares: readonly Good[] = [...(Object.keys(goods) as Good[]), 'item', 'item', 'item', 'crate']

function chooseOfVendor(world: World, random: Random): Untimed {
  const what = random.weighted({ collect: 0.6, errand: 0.3, job: 0.1 })
  if (what === 'errand') return chooseErrand(world, random)
  if (what === 'collect') return { do: 'collect', vendor: random.pick(world.vendors).name, channel: random.below(4) }
  return { do: 'vendorJob', node: random.pick(nodesOf(world)).name, job: random.pick(['claimDue', 'archive']) }
}

function chooseErrand({ vendors }: World, random: Random): Untimed {
  const errand = random.pick<Errand>(['leaveClosing', 'fetchRelease', 'withdraw', 'forget'])
  return { do: 'errand', vendor: random.pick(vendors).name, errand, channel: random.below(4) }
}

function chooseOfEffects({ scheduler, ground }: World, random: Random, temper: Temper): Untimed {
  const ready = scheduler.pending.filter((effect) => scheduler.isReady(effect, ground.now()))
  if (ready.length === 0) return { do: 'wait' }
  const effect = random.pick(ready)
  const reference = scheduler.referenceTo(effect)
  const isMessage = effect.kind === 'request' || effect.kind === 'answer'
  if (effect.isHeld && random.chance(0.3)) return { do: 'unhold', effect: reference }
  if (isMessage && random.chance(0.15)) return { do: 'hold', effect: reference }
  return { do: 'finish', effect: reference, outcome: outcomeOf(effect, random, temper) }
}

function outcomeOf({ kind }: Effect, random: Random, { network, disk }: Temper): Outcome {
  switch (kind) {
    case 'request':
      return random.chance(network) ? 'failed' : random.chance(network) ? 'twice' : 'ok'
    case 'answer':
      return random.chance(network) ? 'failed' : 'ok'
    case 'commit':
    case 'read':
      return random.chance(disk) ? 'failed' : 'ok'
    case 'handler':
      return random.chance(0.1) ? 'failed' : 'ok'
    case 'frame':
      return random.chance(network / 3) ? 'failed' : 'ok'
    case 'turn':
    case 'timer':
      return 'ok'
  }
}

function chooseTrouble(random: Random, { network, disk, crash }: Temper): Trouble {
  const what = random.weighted({
    failed: 0.1 + network + disk,
    twice: network,
    hold: 0.05 + network / 2,
    crash: 5 * crash,
    ok: 0.01,
  })
  return { at: random.below(random.chance(0.5) ? 6 : 20), what, kept: random.below(3) }
}

function chooseMalice({ clients, vendors }: World, random: Random): Untimed {
  const cheating = clients.filter(({ plan }) => plan.isByzantine)
  const lying = vendors.filter(({ plan }) => plan.isByzantine)
  const kind = random.weighted({
    eavesdrop: 1,
    cheat: cheating.length > 0 ? 1 : 0,
    lie: lying.length > 0 ? 1 : 0,
    overclaim: lying.length > 0 ? 0.15 : 0,
    collude: cheating.length > 0 && lying.length > 0 ? 0.3 : 0,
    accuse: 0.3,
  })
  switch (kind) {
    case 'eavesdrop':
      return { do: 'eavesdrop', how: random.pick(eavesdroppings), message: random.below(60), at: random.below(1000) }
    case 'cheat':
      return { do: 'arm', party: random.pick(cheating).name, how: random.pick(cheats) }
    case 'lie':
      return { do: 'arm', party: random.pick(lying).name, how: random.pick(lies) }
    case 'overclaim': {
      const vendor = random.pick(lying).name
      return { do: 'overclaim', vendor, channel: random.below(4), how: random.pick(overclaims) }
    }
    case 'collude': {
      const [client, vendor] = [random.pick(cheating).name, random.pick(lying).name]
      return { do: 'collude', client, vendor, how: random.pick(collusions), channel: random.below(4) }
    }
    case 'accuse':
      return { do: 'accuse', kind: random.pick(accusations), channel: random.below(8) }
  }
}

function choosePartition(world: World, random: Random): Untimed {
  const { partitions } = world.network
  if (partitions.size > 0 && random.chance(0.6)) {
    return { do: 'heal', between: random.pick([...partitions]).split('|') as [string, string] }
  }
  const names = everybody(world)
  const one = random.pick(names)
  const other = random.pick(names.filter((name) => name !== one))
  return { do: 'part', between: [one, other] }
}

function everybody(world: World): string[] {
  return programsOf(world).map(({ name }) => name)
}
