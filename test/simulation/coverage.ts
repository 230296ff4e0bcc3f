import { accusations } from './adversaries/accuser.ts'
import { cheats } from './adversaries/client.ts'
import { eavesdroppings } from './adversaries/eavesdropper.ts'
import { collusions } from './adversaries/pair.ts'
import { lies, overclaims } from './adversaries/vendor.ts'

/** What must happen somewhere in a run that is long enough: a simulation that does not try it shows nothing about it. */
export const kinds: readonly string[] = [
  ...['bank', 'vendor', 'client'].map((party) => `crash: ${party}`),
  ...['drop', 'lost answer', 'repeat', 'reorder', 'delay', 'partition', 'clock'].map((fault) => `fault: ${fault}`),
  ...['failed commit', 'failed read', 'lost write', 'failed handler'].map((fault) => `fault: ${fault}`),
  ...['broken stream', 'old journal', 'old store', 'lost lease'].map((fault) => `fault: ${fault}`),
  ...['closed', 'closed for nothing', 'expired', 'release from the bank'].map((close) => `close: ${close}`),
  ...['claimed', 'forgotten'].map((job) => `job: ${job}`),
  ...['badOpening', 'equivocation', 'overcharge', 'record', 'opened from the first'].map((proof) => `proof: ${proof}`),
  ...['schnorr', 'ecdsa-xor'].map((scheme) => `proof: opened from the last, ${scheme}`),
  ...['closed', 'expired'].map((how) => `settled: ${how}`),
  ...accusations.map((kind) => `framing: ${kind}`),
  ...eavesdroppings.map((how) => `eavesdropper: ${how}`),
  'eavesdropper: open',
  ...collusions.map((how) => `collusion: ${how}`),
  ...cheats.map((how) => `cheat: ${how}`),
  ...lies.filter((how) => how !== 'silence').map((how) => `lie: ${how}`),
  ...overclaims.map((how) => `overclaim: ${how}`),
]

/** Steps of all seeds together from which on every kind must have occurred. */
export const stepsEnough = 80_000

export function missingIn(counts: ReadonlyMap<string, number>): readonly string[] {
  return kinds.filter((kind) => (counts.get(kind) ?? 0) === 0)
}

/** The sum of all counts whose name begins so. */
export function sumOf(counts: ReadonlyMap<string, number>, prefix: string): number {
  let sum = 0
  for (const [name, count] of counts) if (name.startsWith(prefix)) sum += count
  return sum
}
