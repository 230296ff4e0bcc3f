import type { PayingChannel } from '../../../src/client/channel.ts'
import { RefusedError } from '../../../src/client/errors.ts'
import { startGeneration } from '../../../src/client/journal/open.ts'
import { tasks } from '../../../src/client/journal/tasks.ts'
import { createWallet, type Wallet } from '../../../src/client/wallet.ts'
import { toHex } from '../../../src/crypto/bytes.ts'
import { requestDigest } from '../../../src/http/requestDigest.ts'
import { accessDisk, type DiskAccess } from '../engine/disk.ts'
import type { Process } from '../engine/scheduler.ts'
import type { ClientPlan } from '../engine/world.ts'
import type { Place } from './bank.ts'
import { identityOf, urlOf } from './cast.ts'
import { isExpected } from './faults.ts'
import { type Good, priceOf } from './goods.ts'
import { createJournalDisk, type JournalChange, type JournalDisk } from './journal.ts'
import type { VendorParty } from './vendor.ts'

export interface ClientParty {
  readonly name: string
  readonly plan: ClientPlan
  readonly disk: JournalDisk
  readonly process: Process | undefined
  /** The channels that its program knows, in the order in which it came to know them. */
  readonly channels: readonly PayingChannel[]
  /** Whether it would still pay with this channel. */
  isOpen(channel: PayingChannel): boolean
  start(): void
  /** What a program that was started does first: it reads its journal. */
  wake(): void
  crash(kept: number): void
  /** Each begins something and lets it run as far as it comes. Nothing happens while the program is down. */
  open(vendor: VendorParty, funds: bigint): void
  buy(channel: PayingChannel, vendor: VendorParty, good: Good): void
  /** `units` there are at most; `leave` says after how many it goes. */
  stream(channel: PayingChannel, vendor: VendorParty, plan: StreamPlan): void
  refresh(channel: PayingChannel): void
  resend(channel: PayingChannel): void
  /** The next payment brings a checkpoint, and is the first one of its segment. */
  checkpoint(channel: PayingChannel): void
  close(channel: PayingChannel): void
  /** Asks the bank what became of all its channels, and does what is due there. */
  sync(): void
}

export interface StreamPlan {
  readonly units: number
  readonly ahead: number
  /** Units after which the client leaves. */
  readonly leave: number
  /** Every so many units are paid with a payment of their own, 0: none but the first. */
  readonly payments: number
}

/** What a client asked for, by the digest that its payment names. */
export interface Purchase {
  readonly client: string
  readonly vendor: string
  readonly good: Good | 'stream'
  readonly url: string
  readonly price: bigint
}

export interface ClientEvents {
  readonly onJournal: (party: ClientParty, change: JournalChange) => void
  readonly onPurchase: (digest: string, purchase: Purchase) => void
  /** A refusal that the client was told, or found out by itself. */
  readonly onRefused: (party: ClientParty, error: RefusedError) => void
  /** A response to a purchase. */
  readonly onServed: (party: ClientParty, purchase: Purchase, status: number) => void
}

export function createClientParty(
  { ground, scheduler, network, sockets }: Place,
  name: string,
  plan: ClientPlan,
  events: ClientEvents,
): ClientParty {
  const { key: account, identity } = identityOf(name)
  const disk = createJournalDisk()
  let running: { readonly process: Process; readonly access: DiskAccess; wallet: Wallet | undefined } | undefined
  let channels: PayingChannel[] = []
  let runs = 0
  let purchases = 0
  const finished = new Set<string>()

  /** Begins a piece of work that may fail as its surroundings do. */
  const begin = (what: string, work: (wallet: Wallet) => Promise<void>, channel?: PayingChannel): void => {
    if (running?.wallet === undefined) return
    attempt(what, work(running.wallet), channel)
  }
  const attempt = (what: string, work: Promise<void>, channel?: PayingChannel): void => {
    work.catch((error: unknown) => {
      if (!isExpected(error, `${name} ${what}`, ground)) return
      if (error instanceof RefusedError) events.onRefused(party, error)
      // A channel whose journal failed is opened from it again.
      const isBroken = error instanceof Error && error.name === 'JournalError'
      if (isBroken && channel !== undefined && channels.includes(channel)) attempt('reopen', reopen(channel))
    })
  }
  const reopen = async (broken: PayingChannel): Promise<void> => {
    channels = channels.filter((one) => one !== broken)
    const stored = await running!.wallet!.channels()
    channels.push(...stored.filter((one) => nameOf(one) === nameOf(broken)))
  }

  const wake = async (): Promise<void> => {
    const own = running!
    const journal = await startGeneration(own.access, disk.mark)
    const wallet = createWallet({
      journal,
      account,
      bank: { key: identityOf('bank').key.publicKey, url: urlOf('bank') },
      clientIdentity: identity,
      now: () => ground.clockOf(name),
      random: ground.randomOf(name),
      fetch: (input, init) => network.fetch(input, init),
      silenceMs,
    })
    own.wallet = wallet
    channels = [...(await wallet.channels())]
    // What the bank opened without its answer coming.
    channels.push(...(await wallet.resume()))
  }

  const party: ClientParty = {
    name,
    plan,
    disk,
    get process() {
      return running?.process
    },
    get channels() {
      return channels
    },
    isOpen(channel) {
      const { frozen, terms } = channel.state
      return frozen === undefined && terms.expiresAt > ground.clockOf(name) && !finished.has(nameOf(channel))
    },
    start() {
      const process: Process = { party: name, run: ++runs, alive: true }
      const access = accessDisk({
        disk: disk.disk,
        tasks,
        process,
        scheduler,
        slowReads: ground.plan.slowReads,
        inOrder: true,
        onCommit: (task, args) => {
          const change = disk.note(task, args)
          if (change !== undefined) events.onJournal(party, change)
        },
        onFault: (error) => isExpected(error, `${name}'s journal`, ground),
      })
      running = { process, access, wallet: undefined }
      channels = []
    },
    wake() {
      const own = running
      wake().catch((error: unknown) => {
        // A program that cannot read its journal ends.
        if (isExpected(error, `${name} wakes`, ground) && running === own && own?.wallet === undefined) party.crash(1)
      })
    },
    crash(kept) {
      for (const write of running?.access.underway.slice(0, kept) ?? []) write()
      if (running !== undefined) scheduler.kill(running.process)
      if (running !== undefined) sockets.disconnect(running.process)
      running = undefined
      channels = []
      if (kept === 0) disk.losePower()
    },
    open: (vendor, funds) =>
      begin('open', async (wallet) => {
        const channel = await wallet.open(urlOf(vendor.name), { funds, lockScheme: plan.lockScheme })
        channels.push(channel)
      }),
    buy: (channel, vendor, good) => {
      const url = `${urlOf(vendor.name)}/${good}/${name}-${++purchases}`
      const price = priceOf(good, vendor.plan)
      const purchase = { client: name, vendor: vendor.name, good, url, price }
      events.onPurchase(toHex(requestDigest({ method: 'GET', target: url })), purchase)
      begin(
        'buy',
        async () => {
          const response = await channel.fetch(url, price)
          events.onServed(party, purchase, response.status)
          // Who is told that a channel has ended pays with another one.
          if (response.status !== 200 && ended.has(reasonIn(await response.text()))) finished.add(nameOf(channel))
        },
        channel,
      )
    },
    stream: (channel, vendor, { units, ahead, leave, payments }) => {
      const url = `${urlOf(vendor.name)}/stream/${name}-${++purchases}-${units}`
      const price = BigInt(vendor.plan.unitPrice)
      const purchase = { client: name, vendor: vendor.name, good: 'stream' as const, url, price }
      events.onPurchase(toHex(requestDigest({ method: 'GET', target: url })), purchase)
      const isPayment = (unit: number): boolean => payments > 0 && unit % payments === 0
      begin(
        'stream',
        async () => {
          let left = leave
          for await (const _unit of channel.stream(url, { price, ahead, isPayment })) {
            ground.count('deliveries')
            left -= 1
            if (left === 0) break
          }
        },
        channel,
      )
    },
    refresh: (channel) => begin('refresh', async () => void (await channel.refresh()), channel),
    resend: (channel) => begin('resend', async () => void (await channel.resend()), channel),
    checkpoint: (channel) => begin('checkpoint', async () => void (await channel.checkpoint()), channel),
    close: (channel) => begin('close', async () => void (await channel.close()), channel),
    sync: () =>
      begin('sync', async (wallet) => {
        const { opened, ended, failed } = await wallet.sync()
        channels.push(...opened)
        for (const { outcome } of ended) ground.count(`settled: ${outcome.status}`)
        for (const { cause } of failed) isExpected(cause, `${name} settles`, ground)
      }),
  }
  return party
}

/** Longer than a step waits for timers: else every purchase would end in a checkpoint. */
const silenceMs = 20_000

const ended: ReadonlySet<unknown> = new Set(['ChannelClosed', 'ChannelSuspended', 'ChannelExpired', 'LifeTooShort'])

/** Why a vendor refuses, where it says so. */
function reasonIn(body: string): unknown {
  return body.startsWith('{') ? (JSON.parse(body) as { reason?: unknown }).reason : undefined
}

function nameOf(channel: PayingChannel): string {
  return toHex(channel.state.channelId)
}
