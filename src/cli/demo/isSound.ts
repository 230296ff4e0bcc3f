import { toHex } from '../../crypto/bytes.ts'
import { sha256 } from '../../crypto/hash.ts'
import type { DemoOptions, DemoResult } from './types.ts'

/** Whether everything that the demo shows is so: a demo that only looked right would be worse than none. */
export function isSound(result: DemoResult, { content }: Pick<DemoOptions, 'content'>): boolean {
  const { payments, receiptsOpened, receiptsVerified, retry, chain, contentSha256 } = result
  const once = retry === null || (retry.sent === 2 && retry.handlerRuns === 1 && retry.charges === 1)
  const opened = receiptsOpened === payments + 1 && receiptsVerified === payments + 1
  return once && opened && chain.proofVerified && contentSha256 === toHex(sha256(content))
}
