import { headerNames } from '../../../src/http/headers.ts'
import { managementPaths } from '../../../src/http/management.ts'
import { parseBase64url, toBase64url } from '../../../src/wire/base64url.ts'
import type { Message } from '../engine/network.ts'
import type { Effect } from '../engine/scheduler.ts'
import type { World } from '../world.ts'

/**
 * What somebody on the path makes of a payment that has not arrived yet: for another request, or beside another checkpoint.
 * `overtake`: of the one that has overtaken it, the same once more. `alone`: the payment without its request.
 */
export type Interception = 'redirect' | 'checkpoint' | 'overtake' | 'alone'

export const interceptions: readonly Interception[] = ['redirect', 'checkpoint', 'overtake', 'alone']

/** Sends it in the place of the request. Does nothing where it does not fit. */
export function intercept({ network, ground }: World, request: Effect, how: Interception): void {
  const [, id] = / m(\d+) /.exec(request.label) ?? []
  const seen = network.wire[Number(id) - 1]
  const last = network.wire.findLast(({ from }) => from === seen?.from)
  const made = how === 'overtake' ? last : seen && change(seen, how)
  if (made === undefined) return
  ground.count(`interception: ${how}`)
  network.inject({ ...made, from: 'eve' })
}

function change(seen: Message, how: Interception): Message | undefined {
  if (how === 'redirect') return { ...seen, path: `/item/eve-${seen.id}` }
  if (how === 'alone') return { ...seen, method: 'POST', path: managementPaths.resend }
  const name = headerNames.checkpoint.toLowerCase()
  const carried = seen.headers.find(([key]) => key === name)
  const bytes = carried && parseBase64url(carried[1], 1024)
  if (bytes?.ok !== true) return undefined
  const other = bytes.value.slice()
  // In its nextAnchor: kind, reference, segment, index, amount and transcript come before it.
  other[1 + 16 + 4 + 4 + 8 + 32]! ^= 1
  return { ...seen, headers: seen.headers.map((one) => (one[0] === name ? [name, toBase64url(other)] : one)) }
}
