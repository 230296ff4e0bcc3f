import type { Change } from '../../src/bank/store/contract.ts'
import { fromHex, utf8 } from '../../src/crypto/bytes.ts'
import { managementPaths } from '../../src/http/management.ts'
import { offerPath } from '../../src/http/Offer.ts'
import type { Batch } from '../../src/vendor/store/contract.ts'
import { type Cheat, cheat, misread, misrelease } from './adversaries/client.ts'
import { createGuilt, type Guilt } from './adversaries/guilt.ts'
import { type Lie, lie } from './adversaries/vendor.ts'
import type { Image } from './engine/disk.ts'
import { enterWorld } from './engine/globals.ts'
import { rememberKeys } from './engine/keys.ts'
import { type Answer, createNetwork, type Message, type Network } from './engine/network.ts'
import { createScheduler, type Effect, type Scheduler } from './engine/scheduler.ts'
import { createSockets, type Sockets } from './engine/sockets.ts'
import { createGround, type Journalled, type WorldPlan } from './engine/world.ts'
import { checkJournal } from './guarantees/client.ts'
import {
  checkEvidence,
  checkMoney,
  checkOpening,
  checkProof,
  checkSettlement,
  checkWithdrawal,
} from './guarantees/money.ts'
import { watchNonces } from './guarantees/nonces.ts'
import { checkRefusal, checkTaking } from './guarantees/refusals.ts'
import { type SecretWatch, watchSecrets } from './guarantees/secrets.ts'
import { checkStream } from './guarantees/streams.ts'
import { createTakenCheck } from './guarantees/taken.ts'
import type { Truth } from './guarantees/truth.ts'
import { checkHandler, checkWrite, endRuns } from './guarantees/vendor.ts'
import { checkAnswer, checkRequest, checkStreamFrame } from './guarantees/wire.ts'
import { type BankParty, createBankParty } from './parties/bank.ts'
import { asset, identityOf } from './parties/cast.ts'
import { type ClientParty, createClientParty } from './parties/client.ts'
import { createVendorParty, type VendorParty } from './parties/vendor.ts'

/** Everything of one simulation. */
export interface World {
  readonly ground: Journalled
  readonly scheduler: Scheduler
  readonly network: Network
  readonly sockets: Sockets
  readonly truth: Truth
  readonly bank: BankParty
  readonly vendors: readonly VendorParty[]
  readonly clients: readonly ClientParty[]
  /** What came in for each client: what the bank was asked to book, and what it said that it has booked. */
  readonly deposits: Map<string, { acknowledged: bigint; attempted: bigint }>
  /** What the adversaries really did. */
  readonly guilt: Guilt
  /** Evidence on its way that the bank has to take. */
  readonly expected: { readonly message: Message; readonly kind: string }[]
  /** Journals and vendors' stores as they were, by party. */
  readonly backups: Map<string, Image>
  /** What a byzantine party does to the next message that it sends, by party. */
  readonly armed: Map<string, Cheat | Lie>
  /** Gives the runtime its own back, and the disks to the next world. */
  leave(): void
}

rememberKeys()

/** What every client has at the bank at first, in base units. */
export const depositOfEach = 1_000_000n

/** `listen` hears of all that happens, line by line. */
export async function createWorld(plan: WorldPlan, listen?: (line: string) => void): Promise<World> {
  const ground = createGround(plan, listen)
  const scheduler = createScheduler(ground.trace)
  const clients = new Map<string, ClientParty>()
  const vendors = new Map<string, VendorParty>()
  const secrets = watchSecrets(ground, (channelId) => isClosed(bank!, channelId))
  let bank: BankParty | undefined
  let world: World | undefined
  const truth: Truth = {
    ground,
    bank: () => bank!,
    clients,
    vendors,
    channels: new Map(),
    purchases: new Map(),
    nonces: watchNonces(ground),
  }
  const checkTaken = createTakenCheck(truth)
  const network = createNetwork({
    scheduler,
    onRequest: (message) => sendRequest(world!, secrets, message),
    onAnswer: (message, answer) => sendAnswer(world!, secrets, message, answer),
  })
  const sockets = createSockets({
    scheduler,
    partitions: network.partitions,
    onFrame: ({ from, to }, message) => checkFrame(world!, secrets, { from, to, message }),
  })
  const leave = enterWorld({ scheduler, now: ground.now, fetch: network.fetch, WebSocket: sockets.WebSocket })
  const place = { ground, scheduler, network, sockets }
  const createdBank = createBankParty(place, (task, args) => {
    if (task !== 'commit') return
    const changes = args[0] as readonly Change[]
    // The clock moves no money.
    if (changes.some(({ kind }) => kind !== 'clock')) checkMoney(truth)
    for (const change of changes) {
      if (change.kind === 'close') checkSettlement(truth, change.channelId, change.closing.settled)
      if (change.kind === 'proof') checkProof(truth, change)
      if (change.kind === 'withdrawal') checkWithdrawal(truth, change.withdrawal.account)
      if (change.kind === 'open') checkOpening(truth, change.channel)
    }
  })
  bank = createdBank
  for (const [at, vendorPlan] of plan.vendors.entries()) {
    const name = `v${at}`
    const party: VendorParty = createVendorParty(place, name, vendorPlan, {
      onWrite: (node, task, args, result) => {
        if (task === 'commit') checkTaken(party, args[0] as Batch)
        checkWrite(truth, party, { node, task, args, result })
      },
      // Every verdict built on it fails with it: what ran meanwhile is in doubt.
      onWriteFailed: (node) => endRuns(truth, party, { node }),
      onStream: (node, url, context) => checkStream(truth, party, { node, url, context }),
      onHandler: (node, good, url, context) => checkHandler(truth, party, { node, good, url, context }),
    })
    vendors.set(name, party)
  }
  for (const [at, clientPlan] of plan.clients.entries()) {
    const name = `c${at}`
    const party = createClientParty(place, name, clientPlan, {
      onJournal: (one, change) => {
        checkJournal(truth, one, change)
        secrets.learn(one, change)
      },
      onPurchase: (digest, purchase) => void truth.purchases.set(digest, purchase),
      onRefused: () => undefined,
      onServed: () => undefined,
    })
    clients.set(name, party)
  }
  world = {
    guilt: createGuilt(),
    expected: [],
    armed: new Map(),
    backups: new Map(),
    ground,
    scheduler,
    network,
    sockets,
    truth,
    bank,
    vendors: [...vendors.values()],
    clients: [...clients.values()],
    deposits: new Map([...clients.keys()].map((name) => [name, { acknowledged: 0n, attempted: 0n }])),
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

/** A frame of a stream as its sender sends it. */
function checkFrame(
  { truth, clients, vendors }: World,
  secrets: SecretWatch,
  sent: { readonly from: string; readonly to: string; readonly message: Uint8Array },
): void {
  const sender = [...clients, ...vendors].find(({ name }) => name === sent.from)
  if (sender?.plan.isByzantine === true) return
  checkStreamFrame(truth, sent)
  secrets.scan(sent.message, sent.to)
}

/** A request as its sender sends it: an honest one is held to its word, another one may cheat. */
function sendRequest(world: World, secrets: SecretWatch, message: Message): Message {
  const { truth, armed, clients } = world
  const client = clients.find(({ name }) => name === message.from)
  if (client?.plan.isByzantine !== true) {
    checkRequest(truth, message)
    if (world.vendors.every(({ name, plan }) => name !== message.from || !plan.isByzantine)) secrets.look(message)
    return message
  }
  const how = armed.get(client.name)
  if (how === 'release' && message.path === managementPaths.release) return misrelease(world, message)
  if (how === undefined || !message.headers.some(([name]) => name === 'lockstep-payment')) return message
  armed.delete(client.name)
  return cheat(world, client, message, how as Cheat)
}

function sendAnswer(world: World, secrets: SecretWatch, message: Message, answer: Answer): Answer {
  const { truth, armed, vendors, clients, expected } = world
  const vendor = vendors.find(({ name }) => name === message.to)
  if (vendor?.plan.isByzantine !== true) {
    checkAnswer(truth, message, answer)
    checkRefusal(truth, message, answer)
    checkTaking(truth, message, answer)
    secrets.look(message, answer)
    const right = expected.find((one) => one.message === message)
    if (right !== undefined) checkEvidence(truth, right.kind, answer)
    const client = clients.find(({ name }) => name === message.from)
    if (client === undefined || message.path !== offerPath || armed.get(client.name) !== 'offer') return answer
    armed.delete(client.name)
    return misread(world, client, answer)
  }
  const how = armed.get(vendor.name)
  if (how === undefined) return answer
  const told = lie(world, message, answer, how as Lie)
  if (told !== answer) armed.delete(vendor.name)
  return told
}

function isClosed({ disk }: BankParty, channelId: string): boolean {
  const id = fromHex(channelId)
  const [row] = disk.look('SELECT status FROM channels WHERE channel_id = :id', { id })
  return row !== undefined && row.status !== 'open'
}

/** Everybody has an account, and clients have money. Nothing goes wrong yet. */
async function settleIn(world: World): Promise<void> {
  const { scheduler, bank, clients, vendors } = world
  const keyOf = (name: string): Uint8Array => identityOf(name).key.publicKey
  const register = async (): Promise<void> => {
    for (const { name } of [...clients, ...vendors]) await bank.bank.register(keyOf(name))
    for (const { name } of clients) await deposit(world, name, depositOfEach)
  }
  await scheduler.run(bank.process, () => void register())
  await runAll(world)
  for (const client of clients) {
    client.start()
    await scheduler.run(client.process, () => client.wake())
  }
  await runAll(world)
}

/** Money comes in for a client. One deposit in three is booked twice, as after an answer that was lost: it counts once. */
export async function deposit({ bank, deposits }: World, client: string, amount: bigint): Promise<void> {
  const sums = deposits.get(client)!
  sums.attempted += amount
  const book = (): ReturnType<BankParty['bank']['deposit']> =>
    bank.bank.deposit(identityOf(client).key.publicKey, asset, amount, utf8(`${client} ${id}`))
  const id = sums.attempted
  const done = await book()
  if (done.ok) sums.acknowledged += amount
  if (amount % 3n === 0n) await book()
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
