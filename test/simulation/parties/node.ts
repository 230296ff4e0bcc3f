import { lockSchemes } from '../../../src/crypto/locks.ts'
import type * as Offer from '../../../src/http/Offer.ts'
import { silentLogger } from '../../../src/ops/log/logger.ts'
import { createArchiveJob } from '../../../src/ops/service/archiveJob.ts'
import { claimAtBank } from '../../../src/vendor/claimAtBank.ts'
import { createCloseJob } from '../../../src/vendor/closeJob.ts'
import type { ClosingOptions } from '../../../src/vendor/closing.ts'
import { vendorIdentity } from '../../../src/vendor/identity.ts'
import { management } from '../../../src/vendor/management.ts'
import { paidRoutes } from '../../../src/vendor/paidRoutes.ts'
import { matchPath, type PaidContext, type PaidRoute } from '../../../src/vendor/routes.ts'
import type { VendorDatabase } from '../../../src/vendor/store/contract.ts'
import { tasks, vendorStore } from '../../../src/vendor/store/tasks.ts'
import { StreamSession } from '../../../src/vendor/stream.ts'
import { Till } from '../../../src/vendor/till.ts'
import { amount, type UnixSeconds, unixSeconds } from '../../../src/wire/amount.ts'
import { kinds } from '../../../src/wire/kinds.ts'
import { accessDisk, type Disk, type DiskAccess } from '../engine/disk.ts'
import type { Outcome, Process } from '../engine/scheduler.ts'
import type { ServerSocket, Session } from '../engine/sockets.ts'
import type { VendorPlan } from '../engine/world.ts'
import { graceSeconds, type Place } from './bank.ts'
import { asset, identityOf, network as networkName, urlOf } from './cast.ts'
import { isExpected, serveSafely } from './faults.ts'
import { type Good, goods, priceOf, streamLength, streamPath } from './goods.ts'

/** Jobs that a vendor does by itself. */
export type VendorJob = 'claimDue' | 'archive'

/** One of the processes that serve a vendor's channels over its store. */
export interface VendorNode {
  readonly name: string
  readonly process: Process | undefined
  readonly till: Till
  readonly closing: ClosingOptions
  start(): void
  /** Ends the program between two effects. `kept` of the commits on their way have come to the disk. */
  crash(kept: number): void
  job(job: VendorJob): void
  serve(request: Request): Promise<Response>
  accept(path: string, socket: ServerSocket): Session | undefined
}

/** Told of what the programs of a vendor do. */
export interface NodeEvents {
  /** A task wrote, and gave this. */
  readonly onWrite: (node: string, task: string, args: readonly unknown[], result: unknown) => void
  readonly onWriteFailed: (node: string) => void
  /** A stream is asked for its units; what it gives is told of each one as it leaves. */
  readonly onStream: (node: string, url: string, context: PaidContext) => () => void
  /** A handler begins; what it gives is told how it ends. */
  readonly onHandler: (node: string, good: Good, url: string, context: PaidContext) => (outcome: Outcome) => void
}

export interface NodeOptions {
  readonly place: Place
  readonly name: string
  /** The vendor that it is a node of. */
  readonly vendor: string
  readonly plan: VendorPlan
  readonly disk: Disk
  readonly events: NodeEvents
}

interface Running {
  readonly process: Process
  readonly access: DiskAccess
  readonly till: Till
  readonly closing: ClosingOptions
  readonly jobs: Readonly<Record<VendorJob, () => Promise<void>>>
  readonly serve: (request: Request) => Promise<Response | undefined>
}

export function createNode({ place, name, vendor, plan, disk, events }: NodeOptions): VendorNode {
  const { ground, scheduler, network, sockets } = place
  const { key, frameKey } = identityOf(vendor)
  const url = urlOf(vendor)
  const bank = identityOf('bank').key.publicKey
  const now = (): ReturnType<typeof ground.clockOf> => ground.clockOf(name)
  let running: Running | undefined
  let runs = 0

  const handle =
    (good: Good, process: Process) =>
    (request: Request, context: PaidContext): Promise<Response> => {
      const ended = events.onHandler(name, good, request.url, context)
      return new Promise((resolve, reject) => {
        const happen = (outcome: Outcome): void => {
          const isFailed = outcome === 'failed' || good === 'lemon'
          ended(isFailed ? 'failed' : 'ok')
          if (!isFailed) resolve(new Response(`${good} ${context.index}`))
          else if (good === 'lemon') resolve(new Response('none left', { status: 500 }))
          else reject(new HandlerError('a handler fails'))
        }
        scheduler.ask({ kind: 'handler', process, about: good, happen })
      })
    }

  /** As the service of a vendor has them: each is over before it begins again. */
  const jobsOf = (store: VendorDatabase, closing: ClosingOptions): Running['jobs'] => ({
    claimDue: inTurn(
      createCloseJob(
        {
          due: (until, limit) => store.due(until, limit),
          claim: (reference) => claimAtBank([{ key: bank, url: urlOf('bank') }], closing, reference),
          now,
          onClaimed: () => ground.count('job: claimed'),
          onFailed: (error) => isExpected(error, `${name} claims`, ground),
        },
        claimMarginSeconds,
      ),
    ),
    archive: inTurn(
      createArchiveJob({ store, now, logger: silentLogger }, { retentionDays: 0, answerSeconds: 86_400 }),
    ),
  })

  const start = (): void => {
    const process: Process = { party: name, run: ++runs, alive: true }
    const access = accessDisk({
      disk,
      tasks,
      process,
      scheduler,
      slowReads: ground.plan.slowReads,
      inOrder: true,
      onCommit: (task, args, result) => events.onWrite(name, task, args, result),
      onFailed: () => events.onWriteFailed(name),
      onFault: (error) => isExpected(error, `${name}'s store`, ground),
    })
    const store = vendorStore(access)
    const offer = offerOf(vendor, plan, restoredAt(disk))
    const till = new Till({
      store,
      frameKey: frameKey.secret,
      now,
      identity: offer.vendorIdentity,
      ...(plan.nodes > 1 && { lease: { store, node: name, ttl: leaseSeconds } }),
      acceptance: {
        banks: [bank],
        vendor: key.publicKey,
        vendorFrameKey: frameKey.publicKey,
        network: networkName,
        asset,
        lockSchemes: offer.lockSchemes,
        lifeMin: BigInt(offer.lifeMin),
        graceMin: offer.graceMin,
      },
    })
    const closing = { till, store, vendor: key }
    const routes: PaidRoute[] = (Object.keys(goods) as Good[]).map((good) => ({
      method: 'GET',
      path: `/${good}/:number`,
      price: priceOf(good, plan),
      idempotent: goods[good].idempotent,
      handler: handle(good, process),
    }))
    const onError = (error: unknown): void => {
      if (!(error instanceof HandlerError)) isExpected(error, `${name}'s paywall`, ground)
    }
    const handlers = [paidRoutes({ till, offer, publicUrl: url, routes, onError }), management(closing)]
    const serve = async (request: Request): Promise<Response | undefined> => {
      for (const handler of handlers) {
        const response = await handler(request)
        if (response !== undefined) return response
      }
      return undefined
    }
    running = { process, access, till, closing, jobs: jobsOf(store, closing), serve }
  }

  return {
    name,
    get process() {
      return running?.process
    },
    get till() {
      return running!.till
    },
    get closing() {
      return running!.closing
    },
    start,
    crash(kept) {
      if (running === undefined) return
      for (const write of running.access.underway.slice(0, kept)) write()
      scheduler.kill(running.process)
      network.disconnect(running.process)
      sockets.disconnect(running.process)
      running = undefined
    },
    job(job) {
      running?.jobs[job]().catch((error: unknown) => isExpected(error, `${name} ${job}`, ground))
    },
    serve(request) {
      const { serve } = running!
      return serveSafely(() => serve(request), name, ground)
    },
    accept(path, socket) {
      const params = matchPath(streamPath, path)
      if (params === undefined || running === undefined) return undefined
      const { till } = running
      const target = url + path
      let delivered = (): void => undefined
      const source = (context: PaidContext): Iterable<Uint8Array> => {
        delivered = events.onStream(name, target, context)
        return Array.from({ length: streamLength(target) }, (_, unit) => Uint8Array.of(unit))
      }
      const route = { path: streamPath, price: BigInt(plan.unitPrice), source }
      const send: ServerSocket['send'] = (message, left) => {
        if (message[0] === kinds.delivery) delivered()
        socket.send(message, left)
      }
      const watched = Object.create(socket, { send: { value: send } }) as ServerSocket
      const onError = (error: unknown): void => void isExpected(error, `${name}'s streams`, ground)
      const session = new StreamSession({ till, route, params, target, socket: watched, onError })
      return {
        receive: (message) => void session.receive(message),
        leave: () => void session.leave().catch(onError),
      }
    },
  }
}

function inTurn(job: () => Promise<void>): () => Promise<void> {
  let isRunning = false
  return async () => {
    if (isRunning) return
    isRunning = true
    try {
      await job()
    } finally {
      isRunning = false
    }
  }
}

/** Short, so that a node that is late loses what it held. */
const leaseSeconds = 4
/** How long before its deadline a channel is claimed. */
const claimMarginSeconds = 1800

function restoredAt(disk: Disk): UnixSeconds | undefined {
  const [row] = disk.look('SELECT max(restored_at) AS latest FROM restorations')
  const latest = row?.latest
  return typeof latest === 'bigint' ? unixSeconds(latest) : undefined
}

/** A vendor's offer bears another identity since its store was restored. */
function offerOf(vendor: string, plan: VendorPlan, restored: UnixSeconds | undefined): Offer.Offer {
  const { key, frameKey } = identityOf(vendor)
  return {
    version: 1,
    network: networkName,
    asset,
    banks: [{ key: identityOf('bank').key.publicKey, url: urlOf('bank') }],
    vendor: key.publicKey,
    vendorFrameKey: frameKey.publicKey,
    vendorIdentity: vendorIdentity(vendor, key, restored),
    unitPrice: amount(BigInt(plan.unitPrice)),
    segmentLength: plan.segmentLength,
    lockSchemes: Object.keys(lockSchemes) as (keyof typeof lockSchemes)[],
    lifeMin: 1800,
    graceMin: graceSeconds,
    routes: [],
  }
}

/** What a vendor's own handler throws: the paywall tells its client no more than that it failed. */
class HandlerError extends Error {
  override readonly name: string = 'HandlerError'
}
