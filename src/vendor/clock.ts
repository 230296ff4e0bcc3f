import { type UnixSeconds, unixSeconds } from '../wire/amount.ts'

/** The system's clock. */
export function systemTime(): UnixSeconds {
  return unixSeconds(BigInt(Math.floor(Date.now() / 1000)))
}
