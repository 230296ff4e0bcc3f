/** A weather station, made up: four readings a second, each a little other than the one before. */

import { setTimeout as sleep } from 'node:timers/promises'

export interface Reading {
  readonly at: string
  readonly celsius: number
  readonly hectopascal: number
  /** Metres a second. */
  readonly wind: number
}

export async function* readings(signal: AbortSignal): AsyncGenerator<Reading> {
  const drift = (value: number, by: number): number => value + (Math.random() - 0.5) * by
  let [celsius, hectopascal, wind] = [14.2, 1013.4, 3.1]
  while (!signal.aborted) {
    celsius = drift(celsius, 0.1)
    hectopascal = drift(hectopascal, 0.2)
    wind = Math.max(0, drift(wind, 0.8))
    yield { at: new Date().toISOString(), celsius, hectopascal, wind }
    // Whoever left waits for no reading.
    await sleep(250, undefined, { signal }).catch(() => undefined)
  }
}
