import { lockSchemes } from '../../../src/crypto/locks.ts'
import type * as Offer from '../../../src/http/Offer.ts'
import type { ClosingOptions } from '../../../src/vendor/closing.ts'
import { management } from '../../../src/vendor/management.ts'
import { paidRoutes } from '../../../src/vendor/paidRoutes.ts'
import { matchPath, type PaidContext, type PaidRoute } from '../../../src/vendor/routes.ts'
import { schema, tasks, vendorStore } from '../../../src/vendor/store/tasks.ts'
import { StreamSession } from '../../../src/vendor/stream.ts'
import { Till } from '../../../src/vendor/till.ts'
import { amount } from '../../../src/wire/amount.ts'
import { kinds } from '../../../src/wire/kinds.ts'
import { accessDisk, type DiskAccess, leaveDisk, takeDisk } from '../engine/disk.ts'
import type { Outcome, Process } from '../engine/scheduler.ts'
import type { ServerSocket } from '../engine/sockets.ts'
import type { VendorPlan } from '../engine/world.ts'
import { graceSeconds, type Party, type Place } from './bank.ts'
import { asset, identityOf, network as networkName, urlOf } from './cast.ts'
import { isExpected, serveSafely } from './faults.ts'

export interface VendorParty extends Party {
  readonly plan: VendorPlan
  readonly till: Till
  readonly closing: ClosingOptions
}

/** What a vendor sells, by the first segment of its path; prices in units of its channels. */
export const goods = {
  /** One unit. */
  item: { price: 1n, idempotent: false },
  /** More than a small segment holds, and no whole number of units. */
  crate: { price: 37n, idempotent: false },
  /** May run again for one payment. */
  view: { price: 2n, idempotent: true },
  /** Costs nothing, and is paid for all the same. */
  sample: { price: 0n, idempotent: false },
  /** Its handler fails, and charges nothing. */
  lemon: { price: 3n, idempotent: false },
} as const

export type Good = keyof typeof goods

/** What a good costs, in base units. A crate is no whole number of units. */
export function priceOf(good: Good, { unitPrice }: VendorPlan): bigint {
  return goods[good].price * BigInt(unitPrice) + (good === 'crate' ? 3n : 0n)
}

/** A stream of units that cost one unit of the channel each; how many there are is in its address. */
export const streamPath = '/stream/:number'

export function streamLength(url: string): number {
  return Number(url.slice(url.lastIndexOf('-') + 1))
}

/** Told of what a vendor's program does. */
export interface VendorEvents {
  readonly onCommit: (party: VendorParty, name: string, args: readonly unknown[]) => void
  readonly onCommitFailed: (party: VendorParty) => void
  /** A stream is asked for its units; what it gives is told of each one as it leaves. */
  readonly onStream: (party: VendorParty, url: string, context: PaidContext) => () => void
  /** A handler begins; what it gives is told how it ends. */
  readonly onHandler: (party: VendorParty, good: Good, url: string, context: PaidContext) => (outcome: Outcome) => void
}

export function createVendorParty(
  { ground, scheduler, network, sockets }: Place,
  name: string,
  plan: VendorPlan,
  events: VendorEvents,
): VendorParty {
  const { key: vendor, frameKey, identity } = identityOf(name)
  const disk = takeDisk(schema)
  const url = urlOf(name)
  const offer: Offer.Offer = {
    version: 1,
    network: networkName,
    asset,
    banks: [{ key: identityOf('bank').key.publicKey, url: urlOf('bank') }],
    vendor: vendor.publicKey,
    vendorFrameKey: frameKey.publicKey,
    vendorIdentity: identity,
    unitPrice: amount(BigInt(plan.unitPrice)),
    segmentLength: plan.segmentLength,
    lockSchemes: Object.keys(lockSchemes) as (keyof typeof lockSchemes)[],
    lifeMin: 1800,
    graceMin: graceSeconds,
    routes: [],
  }
  interface Running {
    readonly process: Process
    readonly access: DiskAccess
    readonly till: Till
    readonly closing: ClosingOptions
    readonly serve: (request: Request) => Promise<Response | undefined>
  }
  let running: Running | undefined
  let runs = 0

  const handle =
    (good: Good, process: Process) =>
    (request: Request, context: PaidContext): Promise<Response> => {
      const ended = events.onHandler(party, good, request.url, context)
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

  const start = (): void => {
    const process: Process = { party: name, run: ++runs, alive: true }
    const access = accessDisk({
      disk,
      tasks,
      process,
      scheduler,
      slowReads: ground.plan.slowReads,
      inOrder: true,
      onCommit: (task, args) => events.onCommit(party, task, args),
      onFailed: () => events.onCommitFailed(party),
      onFault: (error) => isExpected(error, `${name}'s store`, ground),
    })
    const store = vendorStore(access)
    const now = (): ReturnType<typeof ground.clockOf> => ground.clockOf(name)
    const acceptance = {
      banks: [identityOf('bank').key.publicKey],
      vendor: vendor.publicKey,
      vendorFrameKey: frameKey.publicKey,
      network: networkName,
      asset,
      lockSchemes: offer.lockSchemes,
      lifeMin: BigInt(offer.lifeMin),
      graceMin: offer.graceMin,
    }
    const till = new Till({ store, frameKey: frameKey.secret, acceptance, now })
    const closing = { till, store, vendor }
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
    running = { process, access, till, closing, serve }
  }

  const party: VendorParty = {
    name,
    plan,
    disk,
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
      for (const write of running?.access.underway.slice(0, kept) ?? []) write()
      if (running !== undefined) scheduler.kill(running.process)
      if (running !== undefined) network.disconnect(running.process)
      if (running !== undefined) sockets.disconnect(running.process)
      running = undefined
    },
    leave: () => leaveDisk(schema, disk),
  }
  network.addHost(name, {
    process: () => running?.process,
    serve: (request) => {
      const { serve } = running!
      return serveSafely(() => serve(request), name, ground)
    },
  })
  sockets.addHost(name, {
    process: () => running?.process,
    accept(path, socket) {
      const params = matchPath(streamPath, path)
      if (params === undefined || running === undefined) return undefined
      const { till } = running
      const target = url + path
      let delivered = (): void => undefined
      const source = (context: PaidContext): Iterable<Uint8Array> => {
        delivered = events.onStream(party, target, context)
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
  })
  start()
  return party
}

/** What a vendor's own handler throws: the paywall tells its client no more than that it failed. */
class HandlerError extends Error {
  override readonly name: string = 'HandlerError'
}
