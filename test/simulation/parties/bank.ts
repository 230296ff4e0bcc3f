import { type Bank, createBank } from '../../../src/bank/service.ts'
import { bankStore, schema, tasks } from '../../../src/bank/store/tasks.ts'
import { openLog } from '../../../src/chain/embedded.ts'
import { bankPaths, commandType, encodeSettlement } from '../../../src/http/bank.ts'
import { Bank as Decide, type Refusal } from '../../../src/protocol/index.ts'
import { problemResponse } from '../../../src/vendor/responses.ts'
import { accessDisk, type Disk, type DiskAccess, leaveDisk, takeDisk } from '../engine/disk.ts'
import type { Network } from '../engine/network.ts'
import type { Process, Scheduler } from '../engine/scheduler.ts'
import type { Ground } from '../engine/world.ts'
import { asset, identityOf, network as networkName } from './cast.ts'
import { serveSafely } from './faults.ts'

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
      onFault: () => undefined,
    })
    const store = bankStore(access)
    const now = (): ReturnType<Ground['clockOf']> => ground.clockOf(name)
    const rules = { ...Decide.defaultRules, assets: [asset], network: networkName }
    const chain = openLog({ store: store.log, key, now }, { network: networkName })
    running = { process, access, bank: createBank({ store, key, rules, chain, now, random: ground.randomOf(name) }) }
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

async function serve(bank: Bank, request: Request): Promise<Response | undefined> {
  const { pathname } = new URL(request.url)
  const body = new Uint8Array(await request.arrayBuffer())
  switch (pathname) {
    case bankPaths.open: {
      const result = await bank.open(body)
      if (!result.ok) return refused(result)
      return new Response(new Uint8Array(result.opened), { headers: { 'Content-Type': commandType } })
    }
    case bankPaths.close: {
      const result = await bank.close(body)
      if (!result.ok) return refused(result)
      return new Response(encodeSettlement(result), { headers: { 'Content-Type': 'application/json' } })
    }
    default:
      return undefined
  }
}

function refused(refusal: Refusal): Response {
  return problemResponse(refusal)
}
