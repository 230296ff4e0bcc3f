/** The runtime's own, kept before a simulation puts its own in their place. */
export const native: Pick<typeof globalThis, (typeof names)[number]> = {
  setImmediate: globalThis.setImmediate,
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  fetch: globalThis.fetch,
  WebSocket: globalThis.WebSocket,
}

const names = [
  'setImmediate',
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'fetch',
  'WebSocket',
] as const

/**
 * Resolves when everything that was started has come to an end or waits for an effect. All that runs in a simulated process
 * is promises, whose queue Node empties before it comes to the next tick, and ticks of the runtime's own streams.
 */
export function quiet(): Promise<void> {
  return new Promise((resolve) => process.nextTick(process.nextTick, resolve))
}

/** A turn of the real event loop: then it is known which rejections nobody has heard of. */
export function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => native.setImmediate(resolve))
}
