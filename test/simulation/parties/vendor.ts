import type { ClosingOptions } from '../../../src/vendor/closing.ts'
import { schema } from '../../../src/vendor/store/tasks.ts'
import type { Till } from '../../../src/vendor/till.ts'
import { type Image, leaveDisk, takeDisk } from '../engine/disk.ts'
import type { VendorPlan } from '../engine/world.ts'
import type { Party, Place } from './bank.ts'
import { createNode, type NodeEvents, type VendorNode } from './node.ts'

/** A vendor: its store, and one node or two that serve its channels. As a party, it is the node that takes what comes. */
export interface VendorParty extends Party {
  readonly plan: VendorPlan
  readonly nodes: readonly VendorNode[]
  readonly till: Till
  readonly closing: ClosingOptions
  /** What comes from now on goes to this node, as long as it is up. */
  turnTo(node: number): void
  /** Its store is made of an older copy, as `lockstep restore` makes it. Its nodes must be down. */
  restore(image: Image): void
}

export function createVendorParty(place: Place, name: string, plan: VendorPlan, events: NodeEvents): VendorParty {
  const { ground, network, sockets } = place
  const disk = takeDisk(schema)
  const names = [name, `${name}b`].slice(0, plan.nodes)
  const nodes = names.map((node) => createNode({ place, name: node, vendor: name, plan, disk, events }))
  let chosen = 0
  const front = (): VendorNode => {
    const first = nodes[chosen]!
    return first.process === undefined ? (nodes.find(({ process }) => process !== undefined) ?? first) : first
  }
  const process = (): VendorNode['process'] => front().process
  network.addHost(name, { process, serve: (request) => front().serve(request) })
  sockets.addHost(name, { process, accept: (path, socket) => front().accept(path, socket) })
  for (const node of nodes) node.start()
  return {
    name,
    plan,
    disk,
    nodes,
    get process() {
      return process()
    },
    get till() {
      return front().till
    },
    get closing() {
      return front().closing
    },
    turnTo(node) {
      chosen = node % nodes.length
    },
    start() {
      for (const node of nodes) if (node.process === undefined) node.start()
    },
    crash(kept) {
      for (const node of nodes) node.crash(kept)
    },
    restore(image) {
      const now = ground.clockOf(name)
      const before = (image.get('restorations') ?? []).filter(({ restored_at: at }) => at !== now)
      const restorations = [...before, { shard: 0n, restored_at: now }]
      disk.load(new Map([...image, ['restorations', restorations]]))
    },
    leave: () => leaveDisk(schema, disk),
  }
}
