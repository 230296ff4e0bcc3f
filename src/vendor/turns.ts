/** Resolves after whatever else this turn of the event loop has received. */
export function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
