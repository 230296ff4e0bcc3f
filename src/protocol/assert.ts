/** Stops on a bug, in production too. Never for input: that gets a refusal. */
export function assert(condition: boolean, law: string): asserts condition {
  if (!condition) throw new AssertionError(law)
}

export class AssertionError extends Error {
  override readonly name: string = 'AssertionError'
}
