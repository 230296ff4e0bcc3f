import { type Asset, formatDecimal } from '../../wire/amount.ts'
import { PriceError } from './errors.ts'
import { baseUnits } from './prices.ts'

/** Counts what one request costs, up to what was set aside for it. It is charged once the answer is there. */
export interface Meter {
  /** `meter.charge('0.0003')`. Throws {@link PriceError} for what is no price, and beyond the ceiling: then nothing is charged. */
  charge(price: string): void
  /** `meter.add(tokens, '0.00002')`: so many, for this much each. */
  add(count: number | bigint, price: string): void
  /** So far, as a decimal string in the asset. */
  readonly charged: string
}

/** A meter, and its sum in base units. Where it was asked for more than the ceiling, there is no sum. */
export function createMeter(asset: Asset, max: bigint): { readonly meter: Meter; readonly total: () => bigint } {
  let sum = 0n
  let isClosed = false
  let failure: PriceError | undefined
  const fail = (says: string): never => {
    failure = new PriceError(says)
    throw failure
  }
  const add = (units: bigint): void => {
    if (isClosed) fail('the meter is closed: the answer is on its way, and was charged')
    const wanted = formatDecimal(sum + units, asset)
    if (sum + units > max) {
      fail(
        `the handler metered ${wanted} ${asset.code}; at most ${formatDecimal(max, asset)} may be charged: nothing was`,
      )
    }
    sum += units
  }
  const meter: Meter = {
    charge: (price) => add(baseUnits(asset, price)),
    add(count, price) {
      if (typeof count === 'number' && !Number.isSafeInteger(count)) fail(`${count} is no whole number to meter`)
      if (count < 0) fail(`${count} cannot be metered: a meter does not run backwards`)
      add(BigInt(count) * baseUnits(asset, price))
    },
    get charged() {
      return formatDecimal(sum, asset)
    },
  }
  return {
    meter,
    total() {
      isClosed = true
      if (failure !== undefined) throw failure
      return sum
    },
  }
}
