import type { IncomingMessage } from 'node:http'
import { answer } from '../../../src/bank/routes.ts'
import { type Bank, createBank } from '../../../src/bank/service.ts'
import { bankStore, schema, tasks } from '../../../src/bank/store/tasks.ts'
import { openLog } from '../../../src/chain/embedded.ts'
import { Bank as Decide } from '../../../src/protocol/index.ts'
import { accessDisk, type Disk, type DiskAccess, leaveDisk, takeDisk } from '../engine/disk.ts'
import type { Network } from '../engine/network.ts'
import type { Process, Scheduler } from '../engine/scheduler.ts'
import type { Sockets } from '../engine/sockets.ts'
import type { Ground } from '../engine/world.ts'
import { asset, identityOf, network as networkName } from './cast.ts'
import { isExpected, serveSafely } from './faults.ts'

/** A party: its disk, which stays, and its program, which comes and goes. */
export interface Party {
  readonly name: string
  readonly disk: Disk
  /** None while it is down. */
  readonly process: Process | undefined
  start(): void
  /** Ends the program between two effects. `kept` of the commits on their way have come to the disk. */
  crash(kept: number): void
  leave(): void
}

export interface BankParty extends Party {
  readonly bank: Bank
}

export interface Place {
  readonly ground: Ground
  readonly scheduler: Scheduler
  readonly network: Network
  readonly sockets: Sockets
}

/** What keeps strangers off is not what a simulation is about: it would only keep the adversaries off. */
const limits: Decide.Limits = {
  ...Decide.defaultLimits,
  rates: {
    open: { burst: 1_000_000, everySeconds: 1 },
    command: { burst: 1_000_000, everySeconds: 1 },
    rejected: { burst: 1_000_000, everySeconds: 1 },
  },
}

/** Seconds of grace that the parties agree on. */
export const graceSeconds = 600

export function createBankParty(
  { ground, scheduler, network }: Place,
  onCommit: (name: string, args: readonly unknown[]) => void,
): BankParty {
  const name = 'bank'
  const { key } = identityOf(name)
  const disk = takeDisk(schema)
  let running: { readonly process: Process; readonly bank: Bank; readonly access: DiskAccess } | undefined
  let runs = 0

  const start = (): void => {
    const process: Process = { party: name, run: ++runs, alive: true }
    const { slowReads } = ground.plan
    const access = accessDisk({
      disk,
      tasks,
      process,
      scheduler,
      slowReads,
      inOrder: false,
      onCommit,
      onFault: (error) => isExpected(error, `${name}’s store`, ground),
    })
    const store = bankStore(access)
    const now = (): ReturnType<Ground['clockOf']> => ground.clockOf(name)
    const rules = { ...Decide.defaultRules, assets: [asset], network: networkName }
    const chain = openLog({ store: store.log, key, now }, { network: networkName })
    const monotonic = (): bigint => BigInt(Math.floor(ground.now() / 1000))
    const bank = createBank({ store, key, rules, chain, now, monotonic, random: ground.randomOf(name), limits })
    running = { process, access, bank }
  }
  const party: BankParty = {
    name,
    disk,
    get process() {
      return running?.process
    },
    get bank() {
      return running!.bank
    },
    start,
    crash(kept) {
      for (const write of running?.access.underway.slice(0, kept) ?? []) write()
      if (running !== undefined) scheduler.kill(running.process)
      if (running !== undefined) network.disconnect(running.process)
      running = undefined
    },
    leave: () => leaveDisk(schema, disk),
  }
  network.addHost(name, {
    process: () => running?.process,
    serve: (request) => {
      const { bank } = running!
      return serveSafely(() => serve(bank, request), name, ground)
    },
  })
  start()
  return party
}

/** The routes that a bank's own server has, without its sockets. */
async function serve(bank: Bank, request: Request): Promise<Response> {
  const body = new Uint8Array(await request.arrayBuffer())
  const sender = request.headers.get('x-sender') ?? undefined
  const { status, type, body: answered } = await answer(bank, incomingOf(request, body), sender)
  const bytes = typeof answered === 'string' ? answered : new Uint8Array(answered)
  return new Response(bytes, { status, headers: { 'Content-Type': type } })
}

/** What the routes read of a request that came over a socket: its head, and its body as soon as they listen. */
function incomingOf({ method, url, headers }: Request, body: Uint8Array): IncomingMessage {
  const { pathname, search } = new URL(url)
  const heard: { data?: (chunk: Uint8Array) => void } = {}
  return {
    method,
    url: pathname + search,
    headers: { 'content-length': String(body.length), authorization: headers.get('authorization') ?? undefined },
    on: (_data: 'data', take: (chunk: Uint8Array) => void) => {
      heard.data = take
    },
    once(event: 'end' | 'error', ended: () => void) {
      if (event !== 'end') return
      heard.data?.(body)
      ended()
    },
  } as unknown as IncomingMessage
}
